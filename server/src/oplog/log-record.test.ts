import fc from "fast-check";
import { expect, it } from "vitest";
import { crc32 } from "../structures/crc32.ts";
import {
  countAt,
  epochAt,
  firstOffsetAt,
  isOtherVersion,
  KIND_MARK,
  KIND_OPERATIONS,
  RECORD_HEADER_BYTES,
  readRecord,
  recordBytesAt,
  recordProblem,
  WrittenBytes,
  writeRecord,
} from "./log-record.ts";

const offset = fc.integer({ min: 0, max: 2 ** 48 - 1 });
const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const anyRecord = fc.record({
  header: fc.record({
    kind: fc.constantFrom(KIND_OPERATIONS, KIND_MARK),
    firstOffset: offset,
    durableOffset: offset,
    epoch: word,
    count: word,
  }),
  operations: fc.uint8Array({ maxLength: 300 }),
  at: fc.integer({ min: 0, max: 50 }),
});

interface Written {
  readonly header: Parameters<typeof writeRecord>[2];
  readonly operations: Uint8Array;
  readonly at: number;
}

/** The record between other bytes, and where it ends. */
function written({ header, operations, at }: Written): { readonly bytes: Uint8Array; readonly end: number } {
  const bytes = new Uint8Array(at + RECORD_HEADER_BYTES + operations.length + 10).fill(0xee);
  const end = writeRecord(bytes, at, header, new WrittenBytes(operations));
  expect(end).toBe(bytes.length - 10);
  return { bytes, end };
}

it("reads back what was written, wherever it lies", () => {
  fc.assert(
    fc.property(anyRecord, ({ header, operations, at }) => {
      const { bytes, end } = written({ header, operations, at });
      expect(recordProblem(bytes, at, end)).toBeUndefined();
      expect(readRecord(bytes, at)).toEqual({ ...header, operations });
      const parts = [recordBytesAt(bytes, at), firstOffsetAt(bytes, at), epochAt(bytes, at), countAt(bytes, at)];
      expect(parts).toEqual([end - at, header.firstOffset, header.epoch, header.count]);
    }),
  );
});

it("has a problem wherever it ends early, and with any bit flipped", () => {
  fc.assert(
    fc.property(anyRecord, fc.nat(), (record, draw) => {
      const { bytes, end } = written(record);
      const { at } = record;
      expect(recordProblem(bytes, at, at + (draw % (end - at)))).toMatch(/^it is cut off/);
      bytes[at + (draw % (end - at))] ^= 1 << (draw % 8);
      expect(recordProblem(bytes, at, bytes.length)).toMatch(/^it(s (length|checksum)|)/);
    }),
  );
});

it("tells a record of another version from a damaged one", () => {
  const header = { kind: KIND_OPERATIONS, firstOffset: 5, durableOffset: 4, epoch: 1, count: 1 };
  const { bytes, end } = written({ header, operations: new Uint8Array(3), at: 0 });
  expect(isOtherVersion(bytes, 0, end)).toBe(false);
  // As another version would write it: with a checksum that is right.
  const other = versionThree(bytes, end);
  expect(isOtherVersion(other, 0, end)).toBe(true);
  expect(recordProblem(other, 0, end)).toBe("its format has version 3, and this server knows 1 and 2");
  bytes[8] = 3;
  expect(isOtherVersion(bytes, 0, end)).toBe(false);
  expect(recordProblem(bytes, 0, end)).toBe("its checksum is wrong");
});

function versionThree(bytes: Uint8Array, end: number): Uint8Array {
  const other = bytes.slice();
  other[8] = 3;
  new DataView(other.buffer).setUint32(4, crc32(other, 8, end), true);
  return other;
}
