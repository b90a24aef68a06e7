import { describe, expect, it } from "vitest";
import { rangeOf } from "../structures/byte-range.ts";
import { TopicSubscriptions } from "./topics-subscriptions.ts";

describe("TopicSubscriptions", () => {
  // With this seed some of the 124,750 sets have the same 32-bit hash.
  it("keeps sets of patterns apart, also where their hashes are the same", () => {
    const subscriptions = new TopicSubscriptions(3);
    const topics = Array.from({ length: 500 }, (_, i) => rangeOf(`t${i}`));
    let lastId = 0;
    const idOf = (a: number, b: number): number => {
      const taken = subscriptions.takePatterns([topics[a], topics[b]]);
      return subscriptions.idOf(subscriptions.intern(taken, () => ++lastId));
    };
    const ids: number[] = [];
    for (let a = 0; a < topics.length; a++) for (let b = a + 1; b < topics.length; b++) ids.push(idOf(a, b));
    expect(new Set(ids).size).toBe(ids.length);
    for (let a = 0, at = 0; a < topics.length; a++) {
      for (let b = a + 1; b < topics.length; b++) if (idOf(b, a) !== ids[at++]) throw new Error(`${a} and ${b}`);
    }
    expect(lastId).toBe(ids.length);
  });

  it("finds a subscription by its id, however large ids become", () => {
    const subscriptions = new TopicSubscriptions(1);
    const ids = [1, 2 ** 31, 2 ** 32 + 1, 2 ** 53 - 1];
    for (const [at, id] of ids.entries()) {
      subscriptions.intern(subscriptions.takePatterns([rangeOf(`t${at}`)]), () => id);
    }
    for (const id of ids) expect(subscriptions.idOf(subscriptions.findById(id))).toBe(id);
    expect([2, 0, 2 ** 32].map((id) => subscriptions.findById(id))).toEqual([0, 0, 0]);
  });
});
