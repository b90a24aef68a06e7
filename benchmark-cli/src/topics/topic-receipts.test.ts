import { describe, expect, it } from "vitest";
import { publisherOf, type TopicPlan, topicOf } from "./topic-plan.ts";
import { perTopic, TopicReceipts } from "./topic-receipts.ts";

const COUNT = 40;
const TWO_PUBLISHERS: TopicPlan = { topics: 2, subscribers: 10, wildcardRatio: 1, publishers: 2 };
/** Its pattern is `g0.h0.*`, which is both topics. */
const SUBSCRIBER = 2;

function problemOf(plan: TopicPlan, messages: readonly number[]): string | undefined {
  const receipts = new TopicReceipts(plan, SUBSCRIBER);
  expect(receipts.expect(perTopic(plan, 0, COUNT))).toBe(COUNT);
  for (const message of messages) receipts.add(message);
  return receipts.problem();
}

describe("what a subscriber got", () => {
  const all = Array.from({ length: COUNT }, (_, message) => message);
  const [first, second] = [0, 1].map((publisher) =>
    all.filter((message) => publisherOf(topicOf(message, TWO_PUBLISHERS), TWO_PUBLISHERS) === publisher),
  );

  it("may be in any order of two connections, and must be in the order of each", () => {
    expect(problemOf(TWO_PUBLISHERS, all)).toBeUndefined();
    expect(problemOf(TWO_PUBLISHERS, [...second, ...first])).toBeUndefined();
    const [one, two, ...rest] = second;
    expect(problemOf(TWO_PUBLISHERS, [two, one, ...rest, ...first])).toMatch(/1 of them .* out of order/);
  });

  it("of one connection is in the order of all", () => {
    const plan = { ...TWO_PUBLISHERS, publishers: 1 };
    expect(problemOf(plan, all)).toBeUndefined();
    expect(problemOf(plan, [...second, ...first])).toMatch(/out of order/);
    expect(problemOf(plan, all.slice(1))).toMatch(`got ${COUNT - 1} messages of ${COUNT}`);
  });
});
