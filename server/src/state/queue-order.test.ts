import { describe, expect, it } from "vitest";
import { PLAIN } from "../../test/queue-fixture.ts";
import { Lane, Queue } from "./queue.ts";
import { QueueOrder } from "./queue-order.ts";
import { ID, PARENT, RECORD_WORDS, STATE_READY, writeLong } from "./queue-record.ts";

/** Messages that are nothing but their ids; message i has id i + 1. */
function orderOf(count: number): { order: QueueOrder; lane: Lane; ref: (id: number) => number; words: Int32Array } {
  const stride = RECORD_WORDS + 1;
  const words = new Int32Array((count + 2) * stride);
  const ref = (id: number): number => id * stride;
  for (let id = 1; id <= count; id++) writeLong(words, ref(id) + ID, id);
  const lane = new Lane(new Queue(1, 0, new Uint8Array(1), PLAIN), STATE_READY, 0, 0);
  return { order: new QueueOrder([words]), lane, ref, words };
}

function random(seed: number): (below: number) => number {
  let x = seed;
  return (below) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % below;
  };
}

describe("the order of a lane", () => {
  it.each([1, 2, 3, 4, 5])("is that of a sorted list, seed %i", (seed) => {
    const draw = random(seed * 7919);
    const { order, lane, ref } = orderOf(400);
    const present = new Set<number>();
    for (let step = 0; step < 4000; step++) {
      const id = 1 + draw(400);
      if (present.delete(id)) {
        order.remove(lane, ref(id));
        lane.count--;
      } else {
        present.add(id);
        order.insert(lane, ref(id));
        lane.count++;
      }
      if (step % 50 === 0) order.checkInvariants(lane);
      const after = draw(401);
      const expected = [...present].filter((other) => other > after).sort((a, b) => a - b)[0];
      expect(order.firstAfter(lane, after)).toBe(expected === undefined ? 0 : ref(expected));
    }
    order.checkInvariants(lane);
  });

  it("is a tree of the same shape, whatever the order of insertion", () => {
    const forwards = orderOf(1000);
    const backwards = orderOf(1000);
    for (let id = 1; id <= 1000; id++) forwards.order.insert(forwards.lane, forwards.ref(id));
    for (let id = 1000; id >= 1; id--) backwards.order.insert(backwards.lane, backwards.ref(id));
    expect(backwards.words).toEqual(forwards.words);
  });

  it("is a shallow tree for ids that grow, as they do", () => {
    const count = 100_000;
    const { order, lane, ref, words } = orderOf(count);
    for (let id = 1; id <= count; id++) order.insert(lane, ref(id));
    let deepest = 0;
    for (let id = 1; id <= count; id += 97) {
      let depth = 0;
      for (let above = ref(id); above !== 0; above = words[above + PARENT]) depth++;
      deepest = Math.max(deepest, depth);
    }
    // A random tree of so many has about 40 levels.
    expect(deepest).toBeLessThan(60);
  });
});
