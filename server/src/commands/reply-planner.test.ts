import { beforeEach, describe, expect, it } from "vitest";
import { Engine, type EngineOptions } from "../../test/engine.ts";
import { OperationWriter } from "../state/operation.ts";
import { RememberedReply } from "../state/remembered-reply.ts";
import { REPLY_JSON } from "../state/reply-operation.ts";
import { rangeOf } from "../structures/byte-range.ts";
import { CommandError } from "./errors.ts";

const MB = 2 ** 20;
const WINDOW_MS = 1000;
const HASH = rangeOf("0123456789abcdef");

/** An engine whose writes are remembered under an id. */
class Remembering extends Engine {
  constructor(bytesMax: number, options: EngineOptions = {}) {
    super({ limits: { reply: { windowMs: WINDOW_MS, bytesMax } }, backlogBytesMax: 16 * MB, ...options });
  }

  /** Remembers a reply in a record of its own. */
  remember(id: string, replyBytes: number): CommandError | undefined {
    const { executor } = this;
    executor.at(this.nowMs);
    executor.begin();
    const refusal = executor.replies.remember(rangeOf(id), HASH, REPLY_JSON, rangeOf("x".repeat(replyBytes)));
    if (refusal === undefined) executor.commit();
    else executor.discard();
    return refusal;
  }

  /** What the worker in the server does each tick; returns how many replies went. */
  forgetDue(countMax: number): number {
    const { executor } = this;
    executor.at(this.nowMs);
    executor.begin();
    const count = executor.replies.forgetDue(countMax);
    executor.commit();
    return count;
  }

  knows(id: string): boolean {
    return this.state.replies.find(rangeOf(id), this.nowMs, new RememberedReply());
  }
}

describe("the window of replies", () => {
  let engine: Remembering;
  beforeEach(() => {
    engine = new Remembering(64 * 1024);
  });

  it("drops the oldest to stay within its bytes, and never more than it must", () => {
    for (let i = 0; i < 200; i++) expect(engine.remember(`${i}`, 1000)).toBeUndefined();
    const { replies } = engine.state;
    const entryBytes = replies.bytesNeeded(3, 1000);
    expect(replies.count).toBe(Math.floor((64 * 1024) / entryBytes));
    expect(replies.usedBytes).toBeLessThanOrEqual(64 * 1024);
    expect([engine.knows(`${199 - replies.count}`), engine.knows(`${200 - replies.count}`)]).toEqual([false, true]);
    replies.checkInvariants();
  });

  it("takes a reply of a sixteenth, and none of a byte more", () => {
    expect(engine.remember("a", 4096)).toBeUndefined();
    expect(engine.remember("b", 4097)).toMatchObject({ code: "PAYLOAD_TOO_LARGE", details: { limit_bytes: 4096 } });
    expect([engine.knows("a"), engine.knows("b")]).toEqual([true, false]);
  });

  it("makes room for a large reply bit by bit, where too many small ones would have to go at once", () => {
    const bytesMax = 4 * MB;
    const large = new Remembering(bytesMax);
    const { replies } = large.state;
    for (let i = 0; replies.usedBytes + replies.bytesNeeded(6, 2) <= bytesMax; i++) large.remember(`${i}`, 2);
    const { count, usedBytes } = replies;
    expect(large.remember("large", bytesMax / 16)).toMatchObject({ code: "MEMORY_LIMIT_EXCEEDED" });
    expect([replies.count, replies.usedBytes]).toEqual([count, usedBytes]);
    while (large.forgetDue(100) === 100);
    expect(large.remember("large", bytesMax / 16)).toBeUndefined();
    expect(replies.usedBytes).toBeLessThanOrEqual(bytesMax);
  });

  it("forgets what is overdue in slices, and nothing before", () => {
    for (let i = 0; i < 10; i++) engine.remember(`${i}`, 10);
    engine.nowMs += WINDOW_MS - 1;
    engine.remember("late", 10);
    expect(engine.forgetDue(4)).toBe(0);
    engine.nowMs++;
    const { nextOffset } = engine.log;
    expect([engine.forgetDue(4), engine.forgetDue(4), engine.forgetDue(4), engine.forgetDue(4)]).toEqual([4, 4, 2, 0]);
    expect(engine.log.nextOffset).toBe(nextOffset + 3);
    expect(engine.state.replies.count).toBe(1);
  });

  it("that was configured smaller shrinks in slices, and does not grow meanwhile", () => {
    for (let i = 0; i < 50; i++) engine.remember(`${i}`, 1000);
    const smaller = new Remembering(16 * 1024);
    engine.log.read(1, ({ firstOffset, operations }) => {
      smaller.state.apply(operations, operations.length, firstOffset);
      const writer = new OperationWriter();
      writer.bytes.set(operations, writer.begin(operations.length));
      smaller.log.append(writer);
      return true;
    });
    const { replies } = smaller.state;
    const { usedBytes, count } = replies;
    expect(smaller.remember("new", 1000)).toBeUndefined();
    expect([replies.usedBytes, replies.count]).toEqual([usedBytes, count]);
    while (smaller.forgetDue(5) > 0);
    expect(replies.usedBytes).toBeLessThanOrEqual(16 * 1024);
    expect(replies.usedBytes).toBeGreaterThan(14 * 1024);
    expect(smaller.knows("new")).toBe(true);
  });
});

describe("the memory of replies", () => {
  it("counts in the limit: keys are evicted for it, in its record", () => {
    const engine = new Remembering(64 * MB, { memoryBytesMax: 4 * MB, evictionPolicy: "lru" });
    for (let i = 0; engine.state.evictedCount === 0; i++)
      engine.run("kv.set", { key: `k${i}`, value: "x".repeat(500) });
    const { evictedCount } = engine.state;
    for (let i = 0; i < 3000; i++) expect(engine.remember(`${i}`, 500)).toBeUndefined();
    expect(engine.state.evictedCount).toBeGreaterThan(evictedCount + 1000);
    engine.store.memory.measure();
    expect(engine.store.usedBytes + engine.state.replies.heldBytes).toBeLessThanOrEqual(4 * MB);
  });

  it("may be used a little beyond where keys end, so that a full server can be emptied by writes that run once", () => {
    const engine = new Remembering(64 * MB, { memoryBytesMax: 16 * MB });
    let last = 0;
    while (!(engine.run("kv.set", { key: `k${last}`, value: "x".repeat(500) }) instanceof CommandError)) last++;
    let remembered = 0;
    let refusal: CommandError | undefined;
    for (; refusal === undefined; remembered++) refusal = engine.remember(`${remembered}`, 100);
    expect(remembered).toBeGreaterThan(500);
    expect(refusal).toMatchObject({ code: "MEMORY_LIMIT_EXCEEDED" });
    expect(engine.store.heldBytes + engine.state.replies.heldBytes).toBeLessThanOrEqual(16 * MB);
    // Nothing grows any more, and what goes makes room.
    for (let i = 0; i < last; i++) engine.run("kv.del", { key: `k${i}` });
    expect(engine.remember("after", 100)).toBeUndefined();
  });

  it("is dropped for the next one where the window is full, though there is no memory left", () => {
    const engine = new Remembering(256 * 1024, { memoryBytesMax: 16 * MB });
    for (let i = 0; i < 1000; i++) engine.remember(`${i}`, 1000);
    for (let i = 0; !(engine.run("kv.set", { key: `k${i}`, value: "x".repeat(500) }) instanceof CommandError); i++);
    for (let i = 0; i < 1000; i++) expect(engine.remember(`more ${i}`, 1000)).toBeUndefined();
  });
});
