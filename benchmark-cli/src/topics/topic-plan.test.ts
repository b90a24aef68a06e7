import { describe, expect, it } from "vitest";
import { fanoutOf, matches, patternOf, type TopicPlan, topicName, topicOf } from "./topic-plan.ts";
import { perTopic, TopicReceipts } from "./topic-receipts.ts";

const PLAN: TopicPlan = { topics: 200, subscribers: 500, wildcardRatio: 0.2, publishers: 1 };

describe("matches", () => {
  it.each([
    ["a.b", "a.b", true],
    ["a.b", "a.c", false],
    ["a.b", "a.b.c", false],
    ["a.*", "a.b", true],
    ["a.*", "a", false],
    ["a.*", "a.b.c", false],
    ["*.b", "a.b", true],
    ["a.#", "a", true],
    ["a.#", "a.b.c", true],
    ["a.#", "b.a", false],
    ["#.c", "c", true],
    ["#.c", "a.b.c", true],
    ["#.c", "a.c.b", false],
    ["a.#.d", "a.d", true],
    ["a.#.d", "a.b.c.d", true],
    ["a.#.*.d", "a.d", false],
    ["#", "a", true],
  ])("%s against %s", (pattern, topic, expected) => {
    expect(matches(pattern, topic)).toBe(expected);
  });
});

describe("a plan", () => {
  it("has as many different topics as it says", () => {
    expect(new Set(Array.from({ length: PLAN.topics }, (_, topic) => topicName(topic))).size).toBe(PLAN.topics);
  });

  it("has the share of wildcards that was asked for, each matching something", () => {
    const patterns = Array.from({ length: PLAN.subscribers }, (_, subscriber) => patternOf(PLAN, subscriber));
    const wildcards = patterns.filter((pattern) => /[*#]/.test(pattern));
    expect(wildcards).toHaveLength(100);
    const fanout = fanoutOf(PLAN);
    for (let topic = 0; topic < PLAN.topics; topic++) {
      expect(fanout[topic]).toBe(patterns.filter((pattern) => matches(pattern, topicName(topic))).length);
    }
    for (const pattern of wildcards) {
      const matched = Array.from({ length: PLAN.topics }, (_, topic) => matches(pattern, topicName(topic)));
      expect(matched).toContain(true);
    }
  });
});

describe("TopicReceipts", () => {
  const subscriber = PLAN.subscribers - 1;
  const published = Array.from({ length: 5_000 }, (_, message) => message);
  const wanted = published.filter((message) => matches(patternOf(PLAN, subscriber), topicName(topicOf(message, PLAN))));
  const problemOf = (messages: readonly number[]) => {
    const receipts = new TopicReceipts(PLAN, subscriber);
    expect(receipts.expect(perTopic(PLAN, 0, published.length))).toBe(wanted.length);
    for (const message of messages) receipts.add(message);
    return receipts.problem();
  };

  it("finds nothing wrong where nothing is", () => {
    expect(wanted.length).toBeGreaterThan(2);
    expect(problemOf(wanted)).toBeUndefined();
  });

  it("finds what was lost, came twice, out of order or to the wrong one", () => {
    const [first, second, ...rest] = wanted;
    const foreign = published.find((message) => !wanted.includes(message)) ?? 0;
    expect(problemOf([first, ...rest])).toMatch(`got ${wanted.length - 1} messages of ${wanted.length}, 0 of them`);
    expect(problemOf([first, first, second, ...rest])).toMatch(`got ${wanted.length + 1} messages`);
    expect(problemOf([second, first, ...rest])).toMatch("1 of them not for it");
    expect(problemOf([first, first, ...rest])).toMatch("1 of them not for it");
    expect(problemOf([foreign, ...wanted.slice(1)])).toMatch("1 of them not for it");
  });
});
