import { describe, expect, it } from "vitest";
import { OperationWriter } from "../state/operation.ts";
import { rangeOf } from "../structures/byte-range.ts";
import { EpochHistory } from "./epochs.ts";
import { KIND_MARK, KIND_OPERATIONS, type LogRecord } from "./log-record.ts";
import { OperationLog, offsetAt, promotionOffset, UNHEARD_OFFSETS_MAX } from "./operation-log.ts";

const history = EpochHistory.beginning(100);

function durableLog(backlogBytesMax = 2 ** 20): OperationLog {
  return new OperationLog({ backlogBytesMax, position: { nextOffset: 100, history }, isDurable: true });
}

/** Appends a record of so many operations; returns the last offset. */
function append(log: OperationLog, count = 1, key = "key"): number {
  const writer = new OperationWriter();
  for (let i = 0; i < count; i++) writer.remove(rangeOf(key));
  return log.append(writer) + count - 1;
}

/** As the writer does with `always`. */
function makeDurable(log: OperationLog, offset: number): void {
  log.syncedTo(offset);
  log.durableTo(offset);
}

function records(log: OperationLog, from = 0): LogRecord[] {
  const found: LogRecord[] = [];
  log.read(Math.max(from, log.oldestOffset ?? 0), (record) => found.push(record) > 0);
  return found;
}

const places = (log: OperationLog) =>
  records(log).map(({ kind, firstOffset, durableOffset, epoch }) => [kind, firstOffset, durableOffset, epoch]);

describe("the operation log", () => {
  it("counts operations, also inside a record", () => {
    const log = durableLog();
    expect([append(log), append(log, 3), append(log)]).toEqual([100, 103, 104]);
    expect([log.nextOffset, log.appendedOperations, log.appendedRecords]).toEqual([105, 5, 3]);
  });

  it("names in each record what was on disk then, and not what only counts as durable", () => {
    const log = durableLog();
    append(log);
    log.durableTo(100);
    append(log);
    makeDurable(log, 101);
    append(log, 2);
    append(log);
    expect(records(log).map(({ durableOffset }) => durableOffset)).toEqual([99, 99, 101, 101]);
  });

  it("marks what no record names yet, once", () => {
    const log = durableLog();
    expect(log.appendMark()).toBe(true);
    append(log);
    expect(log.appendMark()).toBe(false);
    log.durableTo(100);
    expect(log.appendMark()).toBe(false);
    log.syncedTo(100);
    expect([log.appendMark(), log.appendMark()]).toEqual([true, false]);
    expect(places(log)).toEqual([
      [KIND_OPERATIONS, 100, 99, 1],
      [KIND_MARK, 101, 100, 1],
    ]);
    expect(log.nextOffset).toBe(101);
  });

  it("has nothing to mark in memory, where all counts as durable", () => {
    const log = OperationLog.inMemory(2 ** 20, 100);
    append(log);
    expect([log.appendMark(), log.durableOffset, log.refusal]).toEqual([false, Number.POSITIVE_INFINITY, undefined]);
    log.beginEpoch(history.next(100, 5000));
    expect([append(log), log.epoch, log.durableOffset]).toEqual([5000, 2, Number.POSITIVE_INFINITY]);
  });

  it("begins an epoch behind a gap, of which nothing is missing", () => {
    const log = durableLog();
    makeDurable(log, append(log));
    log.beginEpoch(history.next(100, 5000));
    expect([log.nextOffset, log.durableOffset, log.epoch]).toEqual([5000, 4999, 2]);
    log.appendMark();
    append(log);
    expect(places(log).slice(1)).toEqual([
      [KIND_MARK, 5000, 4999, 2],
      [KIND_OPERATIONS, 5000, 4999, 2],
    ]);
  });

  it("is durable up to an epoch's beginning also when a group comes late that was written before", () => {
    const log = durableLog();
    const last = append(log);
    makeDurable(log, last);
    log.beginEpoch(history.next(last, 5000));
    log.durableTo(last);
    expect(log.durableOffset).toBe(4999);
  });

  it("does not say of an epoch's beginning that it is durable before what is in front of it is", () => {
    const log = durableLog();
    append(log);
    log.beginEpoch(history.next(100, 5000));
    expect([log.nextOffset, log.durableOffset]).toEqual([5000, 99]);
  });

  it("goes on behind the gap of the epoch it begins with", () => {
    const position = { nextOffset: 150, history: history.next(149, 5000) };
    const log = new OperationLog({ backlogBytesMax: 2 ** 20, position, isDurable: true });
    expect([log.nextOffset, log.durableOffset]).toEqual([5000, 4999]);
  });

  it("tells who wants to know of each append", () => {
    const log = durableLog();
    let told = 0;
    log.onAppended = () => told++;
    append(log);
    log.appendMark();
    expect(told).toBe(1);
    makeDurable(log, 100);
    log.appendMark();
    expect(told).toBe(2);
  });
});

describe("a copy of a master's log", () => {
  const operations = new Uint8Array(7);
  const copy = (firstOffset: number, epoch: number, count = 1): LogRecord => {
    return { kind: KIND_OPERATIONS, firstOffset, epoch, count, durableOffset: 12, operations };
  };

  it("has the same offsets and epochs, and names what is on this disk", () => {
    const log = durableLog();
    log.appendCopy(copy(100, 1, 5));
    makeDurable(log, 104);
    log.beginEpoch(history.next(104, 7000));
    log.appendCopy(copy(7000, 2, 2));
    expect(places(log)).toEqual([
      [KIND_OPERATIONS, 100, 99, 1],
      [KIND_OPERATIONS, 7000, 6999, 2],
    ]);
    expect(log.nextOffset).toBe(7002);
  });

  it.each([
    ["a hole", copy(101, 1)],
    ["what is there already", copy(99, 1)],
    ["an epoch that nobody knows", copy(100, 2)],
    ["a mark", { ...copy(100, 1, 0), kind: KIND_MARK }],
  ])("refuses %s, and stays as it is", (_name, record) => {
    const log = durableLog();
    expect(() => log.appendCopy(record)).toThrow(/does not follow 99|is no copy/);
    expect([log.nextOffset, log.appendedBytes]).toEqual([100, 0]);
  });

  it("refuses a record of an epoch that is over", () => {
    const log = durableLog();
    log.beginEpoch(history.next(99, 100));
    expect(() => log.appendCopy(copy(100, 1))).toThrow("does not follow");
  });
});

describe("the log refuses writes", () => {
  it("while too much of it waits for the disk", () => {
    const log = durableLog(2 ** 10);
    const large = "k".repeat(60_000);
    while (log.refusal === undefined) append(log, 100, large);
    expect(log.refusal).toContain("does not keep up");
    expect(log.appendedBytes).toBeGreaterThan(64 * 2 ** 20);
    // None of it may be dropped: it is nowhere else yet.
    expect(log.oldestOffset).toBe(100);
    log.writtenBytes = log.appendedBytes;
    makeDurable(log, log.nextOffset - 1);
    expect(log.refusal).toBeUndefined();
    append(log);
    append(log, 1, large);
    expect(log.oldestOffset).toBeGreaterThan(100);
  });

  it("with the disk's own reason, and past what the disk was seen to have room for", () => {
    const log = durableLog();
    log.diskRefusal = "full";
    expect(log.refusal).toBe("full");
    log.diskRefusal = undefined;
    log.appendedBytesMax = 10;
    expect(log.refusal).toBeUndefined();
    append(log);
    expect(log.refusal).toContain("does not keep up");
  });
});

describe("the epoch of a promotion", () => {
  const nowMs = 1_700_000_000_000;

  it("begins behind all that may have been given out, and later for who is promoted later", () => {
    const lastOffset = offsetAt(nowMs) - 1000;
    let before = lastOffset + UNHEARD_OFFSETS_MAX;
    for (let ms = nowMs; ms < nowMs + 100_000; ms += 10_000) {
      const offset = promotionOffset(lastOffset, ms, () => 0.5);
      expect(offset).toBeGreaterThan(before);
      before = offset;
    }
    expect(before).toBeLessThan(lastOffset + 3 * UNHEARD_OFFSETS_MAX);
  });

  it("begins at the clock where that leads behind", () => {
    expect(promotionOffset(1000, nowMs, () => 0)).toBe(offsetAt(nowMs));
  });
});
