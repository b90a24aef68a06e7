import { describe, expect, it } from "vitest";
import { OperationWriter } from "../state/operation.ts";
import { rangeOf } from "../structures/byte-range.ts";
import { Backlog } from "./backlog.ts";
import { firstOffsetAt, KIND_OPERATIONS, RECORD_HEADER_BYTES, WrittenBytes } from "./log-record.ts";
import { OperationLog } from "./operation-log.ts";

const BLOCK_BYTES = 4096;

/** Appends a record of `bytes` equal bytes that counts as `count` operations. */
function append(backlog: Backlog, firstOffset: number, bytes: number, count = 1, epoch = 1): void {
  const header = { kind: KIND_OPERATIONS, firstOffset, durableOffset: 0, epoch, count };
  backlog.append(header, new WrittenBytes(new Uint8Array(bytes).fill(firstOffset)));
}

function offsetsFrom(backlog: Backlog, offset: number): number[] | undefined {
  const offsets: number[] = [];
  const there = backlog.read(offset, (record) => {
    offsets.push(record.firstOffset);
    expect(new Set(record.operations)).toEqual(new Set([record.firstOffset & 0xff]));
    return true;
  });
  return there ? offsets : undefined;
}

describe("Backlog", () => {
  it("is empty at first: no offset can be read", () => {
    const backlog = new Backlog(4 * BLOCK_BYTES, BLOCK_BYTES);
    expect(backlog.oldestOffset).toBeUndefined();
    expect(offsetsFrom(backlog, 1)).toBeUndefined();
    expect(backlog.heldBytes).toBe(0);
  });

  it("gives back what was appended, from any offset, also one inside a record", () => {
    const backlog = new Backlog(16 * BLOCK_BYTES, BLOCK_BYTES);
    let offset = 1;
    const firsts: number[] = [];
    for (let i = 0; i < 60; i++) {
      const count = 1 + (i % 3);
      append(backlog, offset, 300 + i, count, 7);
      firsts.push(offset);
      offset += count;
    }
    for (let from = 1; from < offset; from++) {
      const holding = firsts.findLastIndex((first) => first <= from);
      expect(offsetsFrom(backlog, from)).toEqual(firsts.slice(holding));
    }
    backlog.read(1, ({ epoch, count, operations }) => {
      expect([epoch, count, operations.length]).toEqual([7, 1, 300]);
      return false;
    });
  });

  it("has nothing to show to a reader at the head, and says so without an error", () => {
    const backlog = new Backlog(4 * BLOCK_BYTES, BLOCK_BYTES);
    append(backlog, 1, 10);
    expect(offsetsFrom(backlog, 2)).toEqual([]);
  });

  it("drops the oldest past its limit, and tells readers from there that they are too late", () => {
    const backlog = new Backlog(4 * BLOCK_BYTES, BLOCK_BYTES);
    const lastOffset = 200;
    for (let offset = 1; offset <= lastOffset; offset++) {
      append(backlog, offset, 1000 - RECORD_HEADER_BYTES);
      expect(backlog.heldBytes).toBeLessThanOrEqual(4 * BLOCK_BYTES);
      const oldest = backlog.oldestOffset ?? 0;
      expect(offsetsFrom(backlog, oldest)?.at(-1)).toBe(offset);
      if (oldest > 1) expect(offsetsFrom(backlog, oldest - 1)).toBeUndefined();
    }
    // Four blocks of four records each.
    expect(offsetsFrom(backlog, backlog.oldestOffset ?? 0)).toHaveLength(16);
  });

  it("keeps a record larger than a block, even larger than the limit, until the block after it is full", () => {
    const backlog = new Backlog(4 * BLOCK_BYTES, BLOCK_BYTES);
    append(backlog, 1, 100);
    append(backlog, 2, 10 * BLOCK_BYTES);
    expect(offsetsFrom(backlog, 2)).toEqual([2]);
    append(backlog, 3, BLOCK_BYTES - RECORD_HEADER_BYTES);
    expect(offsetsFrom(backlog, 2)).toEqual([2, 3]);
    append(backlog, 4, 100);
    expect(backlog.oldestOffset).toBe(3);
    expect(offsetsFrom(backlog, 3)).toEqual([3, 4]);
    expect(backlog.heldBytes).toBeLessThanOrEqual(4 * BLOCK_BYTES);
  });

  it("takes a record that fills a block to its last byte", () => {
    const backlog = new Backlog(4 * BLOCK_BYTES, BLOCK_BYTES);
    append(backlog, 1, BLOCK_BYTES - RECORD_HEADER_BYTES);
    append(backlog, 2, BLOCK_BYTES - RECORD_HEADER_BYTES);
    expect(backlog.heldBytes).toBe(2 * BLOCK_BYTES);
    expect(offsetsFrom(backlog, 1)).toEqual([1, 2]);
  });

  it("stops when the visitor has seen enough", () => {
    const backlog = new Backlog(4 * BLOCK_BYTES, BLOCK_BYTES);
    for (let offset = 1; offset <= 10; offset++) append(backlog, offset, 10);
    const seen: number[] = [];
    backlog.read(3, ({ firstOffset }) => seen.push(firstOffset) < 2);
    expect(seen).toEqual([3, 4]);
  });
});

describe("BacklogCursor", () => {
  it("takes whole records in order, over blocks, no more than is wanted and up to an offset", () => {
    const backlog = new Backlog(64 * BLOCK_BYTES, BLOCK_BYTES);
    for (let offset = 1; offset <= 40; offset++) append(backlog, offset, 500);
    const cursor = backlog.cursorAt(3);
    const taken: number[] = [];
    if (cursor === undefined) throw new Error("offset 3 is there");
    for (let range = backlog.take(cursor, 1200, 30); range !== undefined; range = backlog.take(cursor, 1200, 30)) {
      expect(range.length).toBeLessThanOrEqual(1200);
      for (let at = 0; at < range.length; at += 500 + RECORD_HEADER_BYTES) taken.push(firstOffsetAt(range, at));
    }
    expect(taken).toEqual(Array.from({ length: 27 }, (_, i) => i + 3));
    expect(backlog.take(cursor, 1200, 31)).toHaveLength(500 + RECORD_HEADER_BYTES);
  });

  it("gives a record that is larger than what is wanted, alone", () => {
    const backlog = new Backlog(64 * BLOCK_BYTES, BLOCK_BYTES);
    append(backlog, 1, 3 * BLOCK_BYTES);
    append(backlog, 2, 10);
    const cursor = backlog.cursorAtStart();
    if (cursor === undefined) throw new Error("there is a record");
    expect(backlog.take(cursor, 100)).toHaveLength(3 * BLOCK_BYTES + RECORD_HEADER_BYTES);
    expect(backlog.take(cursor, 100)).toHaveLength(10 + RECORD_HEADER_BYTES);
    expect(backlog.take(cursor, 100)).toBeUndefined();
  });

  it("is lost when its block was dropped, and what is to be kept is not dropped", () => {
    const backlog = new Backlog(4 * BLOCK_BYTES, BLOCK_BYTES);
    backlog.keepFrom = 1;
    append(backlog, 1, 1000);
    const cursor = backlog.cursorAtStart();
    for (let offset = 2; offset <= 100; offset++) append(backlog, offset, 1000);
    expect(cursor?.isLost).toBe(false);
    expect(backlog.heldBytes).toBeGreaterThan(4 * BLOCK_BYTES);
    backlog.keepFrom = 90;
    for (let offset = 101; offset <= 110; offset++) append(backlog, offset, 1000);
    expect(cursor?.isLost).toBe(true);
    expect(cursor && backlog.take(cursor, 1000)).toBeUndefined();
    expect(backlog.cursorAt(90)).toBeDefined();
    expect(backlog.heldBytes).toBeLessThanOrEqual(8 * BLOCK_BYTES);
  });
});

describe("OperationLog", () => {
  it("counts operations, also inside a record, from 1, and never reuses an offset", () => {
    const log = OperationLog.inMemory(1024 * 1024);
    const writer = new OperationWriter();
    const firsts: number[] = [];
    for (const count of [1, 3, 2, 1]) {
      writer.reset();
      for (let i = 0; i < count; i++) writer.remove(rangeOf(`key${i}`));
      firsts.push(log.append(writer));
    }
    expect(firsts).toEqual([1, 2, 5, 7]);
    expect(log.nextOffset).toBe(8);
    expect(log.oldestOffset).toBe(1);
    expect(log.backlogBytes).toBeGreaterThan(0);
  });

  it("does not start over after a flush", () => {
    const log = OperationLog.inMemory(1024 * 1024);
    const writer = new OperationWriter();
    writer.flush();
    expect(log.append(writer)).toBe(1);
    writer.reset();
    writer.remove(rangeOf("a"));
    expect(log.append(writer)).toBe(2);
  });

  it("keeps a copy: the writer is reused for the next record", () => {
    const log = OperationLog.inMemory(1024 * 1024);
    const writer = new OperationWriter();
    writer.remove(rangeOf("first"));
    const expected = writer.bytes.slice(0, writer.length);
    log.append(writer);
    writer.reset();
    writer.remove(rangeOf("other"));
    log.read(1, ({ operations }) => {
      expect(operations.slice()).toEqual(expected);
      return false;
    });
  });
});
