import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dump, emptyState } from "../../test/engine.ts";
import { OperationLog } from "../oplog/operation-log.ts";
import { rangeOf } from "../structures/byte-range.ts";
import { OperationWriter } from "./operation.ts";
import type { StateMachine } from "./state-machine.ts";
import { TAG_TEXT } from "./value.ts";

const machine = () => emptyState();

interface Draw {
  readonly choice: number;
  readonly key: string;
  readonly text: string;
  readonly number: number;
}
const draw: fc.Arbitrary<Draw> = fc.record({
  choice: fc.nat(9),
  key: fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 3 }),
  text: fc.string({ maxLength: 20 }),
  number: fc.nat(30),
});

/** Writes an operation that plan could have written, given what the records before have made of the keys. */
function stage(
  writer: OperationWriter,
  versions: Map<string, number>,
  { choice, key, text, number }: Draw,
  offset: number,
): void {
  const name = rangeOf(key);
  const version = versions.get(key);
  if (version === undefined || choice < 4) {
    writer.put(name, TAG_TEXT, rangeOf(text), number % 2 === 0 ? 0 : 1_000 + number);
    versions.set(key, offset);
  } else if (choice < 6) {
    writer.splice(name, TAG_TEXT, number, rangeOf(text), version);
    versions.set(key, offset);
  } else if (choice === 6) {
    writer.deadline(name, number % 2 === 0 ? 0 : 2_000 + number);
    versions.set(key, offset);
  } else if (choice === 7 && number === 0) {
    writer.flush();
    versions.clear();
  } else {
    if (choice === 7) writer.remove(name);
    else if (choice === 8) writer.expire(name);
    else writer.evict(name);
    versions.delete(key);
  }
}

/**
 * A master's machine and its log, and a machine that follows the log. Each run goes on where the one before ended: a new
 * store reserves memory by the chunk, too much to make two for every run.
 */
const log = OperationLog.inMemory(64 * 1024 * 1024);
const [master, follower] = [machine(), machine()];

const versions = new Map<string, number>();

/** Random records, on no keys at first, appended to the log and applied as a master does it. */
function live(records: readonly (readonly Draw[])[]): void {
  const writer = new OperationWriter();
  for (const key of versions.keys()) writer.remove(rangeOf(key));
  versions.clear();
  if (writer.count > 0) master.apply(writer.bytes, writer.length, log.append(writer));
  for (const record of records) {
    writer.reset();
    for (const each of record) stage(writer, versions, each, log.nextOffset + writer.count);
    master.apply(writer.bytes, writer.length, log.append(writer));
  }
}

describe("StateMachine", () => {
  it("gives the same state for the same log, with the versions that the offsets say", () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(draw, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 40 }),
        (records) => {
          live(records);
          log.read(follower.appliedOffset + 1, ({ operations, firstOffset }) => {
            follower.apply(operations, operations.length, firstOffset);
            return true;
          });
          expect(dump(follower.keys)).toEqual(dump(master.keys));
          expect([follower.expiredCount, follower.evictedCount]).toEqual([master.expiredCount, master.evictedCount]);
          expect(follower.appliedOffset).toBe(log.nextOffset - 1);
          expect(master.keys.size).toBe(versions.size);
          for (const [key, version] of versions) {
            expect(master.keys.versionOf(master.keys.find(rangeOf(key)))).toBe(version);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  const apply = (state: StateMachine, firstOffset: number, write: (writer: OperationWriter) => void) => {
    const writer = new OperationWriter();
    write(writer);
    state.apply(writer.bytes, writer.length, firstOffset);
  };

  it("takes records only in order", () => {
    const state = machine();
    const put = (writer: OperationWriter) => writer.put(rangeOf("a"), TAG_TEXT, rangeOf("1"), 0);
    expect(() => apply(state, 2, put)).toThrow("does not follow 0");
    apply(state, 1, put);
    expect(() => apply(state, 1, put)).toThrow("does not follow 1");
    apply(state, 2, put);
    expect(state.appliedOffset).toBe(2);
  });

  it.each([
    ["remove", (writer: OperationWriter) => writer.remove(rangeOf("missing"))],
    ["expire", (writer: OperationWriter) => writer.expire(rangeOf("missing"))],
    ["evict", (writer: OperationWriter) => writer.evict(rangeOf("missing"))],
    ["deadline", (writer: OperationWriter) => writer.deadline(rangeOf("missing"), 5)],
  ])("throws where a %s names a key that is not there", (_, write) => {
    expect(() => apply(machine(), 1, write)).toThrow(/at offset 1 names a key that does not exist: missing/);
  });

  it("throws where a splice finds another version, or no key", () => {
    const state = machine();
    apply(state, 1, (writer) => writer.put(rangeOf("a"), TAG_TEXT, rangeOf("1"), 0));
    const splice = (key: string, version: number) => (writer: OperationWriter) =>
      writer.splice(rangeOf(key), TAG_TEXT, 0, rangeOf("2"), version);
    expect(() => apply(state, 2, splice("a", 7))).toThrow("expects version 7 of a, found 1");
    expect(() => apply(state, 2, splice("b", 7))).toThrow("expects version 7 of b, found 0");
  });

  it("zero-fills between the end of a value and where a part goes, and keeps the deadline", () => {
    const state = machine();
    apply(state, 1, (writer) => writer.put(rangeOf("a"), TAG_TEXT, rangeOf("xy"), 500));
    apply(state, 2, (writer) => writer.splice(rangeOf("a"), TAG_TEXT, 4, rangeOf("z"), 1));
    expect(dump(state.keys)).toEqual(["61 0 787900007a version 2 deadline 500"]);
  });
});
