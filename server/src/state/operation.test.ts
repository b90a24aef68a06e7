import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ByteRange, copyRange, rangeOf } from "../structures/byte-range.ts";
import { KeyStore } from "./key-store.ts";
import {
  OP_DEADLINE,
  OP_EVICT,
  OP_EXPIRE,
  OP_FLUSH,
  OP_PUT,
  OP_REMOVE,
  OP_SPLICE,
  Operation,
  OperationWriter,
  readUint48,
  writeUint48,
} from "./operation.ts";
import { Value, type ValueTag } from "./value.ts";

interface Written {
  readonly kind: number;
  readonly key: Uint8Array;
  readonly tag: ValueTag;
  readonly value: Uint8Array;
  readonly deadlineMs: number;
  readonly offset: number;
  readonly baseVersion: number;
}

const written: fc.Arbitrary<Written> = fc.record({
  kind: fc.integer({ min: OP_PUT, max: OP_FLUSH }),
  key: fc.uint8Array({ minLength: 1, maxLength: 300 }),
  tag: fc.constantFrom<ValueTag>(0, 1, 2, 3),
  value: fc.uint8Array({ maxLength: 400 }),
  deadlineMs: fc.nat({ max: 2 ** 48 - 1 }),
  offset: fc.nat({ max: 2 ** 32 - 1 }),
  baseVersion: fc.nat({ max: 2 ** 48 - 1 }),
});

const range = (bytes: Uint8Array) => new ByteRange(bytes, 0, bytes.length);

const WRITE: Readonly<Record<number, (writer: OperationWriter, operation: Written) => void>> = {
  [OP_PUT]: (writer, { key, tag, value, deadlineMs }) => writer.put(range(key), tag, range(value), deadlineMs),
  [OP_REMOVE]: (writer, { key }) => writer.remove(range(key)),
  [OP_EXPIRE]: (writer, { key }) => writer.expire(range(key)),
  [OP_EVICT]: (writer, { key }) => writer.evict(range(key)),
  [OP_DEADLINE]: (writer, { key, deadlineMs }) => writer.deadline(range(key), deadlineMs),
  [OP_SPLICE]: (writer, { key, tag, offset, value, baseVersion }) =>
    writer.splice(range(key), tag, offset, range(value), baseVersion),
  [OP_FLUSH]: (writer) => writer.flush(),
};

/** The fields that each kind carries; the others keep what the operation before left in the reused object. */
function carried(kind: number, operation: Written): Partial<Written> {
  const { key, tag, value, deadlineMs, offset, baseVersion } = operation;
  switch (kind) {
    case OP_PUT:
      return { kind, key, tag, value, deadlineMs };
    case OP_DEADLINE:
      return { kind, key, deadlineMs };
    case OP_SPLICE:
      return { kind, key, tag, value, offset, baseVersion };
    case OP_FLUSH:
      return { kind };
    default:
      return { kind, key };
  }
}

function readAll(bytes: Uint8Array, length: number): Partial<Written>[] {
  const operation = new Operation(rangeOf(""), rangeOf(""));
  const all: Partial<Written>[] = [];
  for (let at = 0; at < length; ) {
    at = operation.read(bytes, at, length);
    const { kind, tag, deadlineMs, offset, baseVersion } = operation;
    const [key, value] = [copyRange(operation.key).bytes, copyRange(operation.value).bytes];
    all.push(carried(kind, { kind, key, tag, value, deadlineMs, offset, baseVersion }));
  }
  return all;
}

describe("operations", () => {
  it("are read back as they were written", () => {
    fc.assert(
      fc.property(fc.array(written, { maxLength: 20 }), (operations) => {
        const writer = new OperationWriter();
        for (const operation of operations) WRITE[operation.kind](writer, operation);
        expect(writer.count).toBe(operations.length);
        expect(readAll(writer.bytes, writer.length)).toEqual(operations.map((each) => carried(each.kind, each)));
      }),
      { numRuns: 300 },
    );
  });

  it("have the same bytes wherever they are written to, however the record is looked at before", () => {
    const looks: readonly ((writer: OperationWriter) => void)[] = [
      () => {},
      (writer) => writer.settle(),
      (writer) => expect(writer.bytes.length).toBeGreaterThanOrEqual(writer.length),
    ];
    fc.assert(
      fc.property(fc.array(written, { maxLength: 4 }), fc.constantFrom(...looks), (operations, look) => {
        const [writer, eager] = [new OperationWriter(), new OperationWriter()];
        for (const operation of operations) {
          WRITE[operation.kind](writer, operation);
          look(writer);
          WRITE[operation.kind](eager, operation);
          eager.settle();
        }
        const into = new Uint8Array(writer.length + 10).fill(99);
        writer.writeTo(into, 5);
        expect(into.subarray(5, -5)).toEqual(eager.bytes.subarray(0, eager.length));
        expect([...into.subarray(0, 5), ...into.subarray(-5)]).toEqual(Array(10).fill(99));
        expect([writer.length, writer.count]).toEqual([eager.length, eager.count]);
      }),
    );
  });

  it("are put off where the only one is a put, until the bytes it was made of may change", () => {
    const writer = new OperationWriter();
    const [key, value] = [Buffer.from("key"), Buffer.from("value")];
    writer.put(range(key), 1, range(value), 7);
    expect(writer.deferred).toMatchObject({ kind: OP_PUT, tag: 1, deadlineMs: 7 });
    writer.settle();
    expect(writer.deferred).toBeUndefined();
    key.fill(0);
    value.fill(0);
    const [read] = readAll(writer.bytes, writer.length);
    expect([read.key, read.value].map((bytes) => Buffer.from(bytes ?? []).toString())).toEqual(["key", "value"]);
    writer.reset();
    expect([writer.deferred, writer.length, writer.count]).toEqual([undefined, 0, 0]);
    writer.put(range(key), 1, range(value), 7);
    writer.remove(range(key));
    expect([writer.deferred, writer.count]).toEqual([undefined, 2]);
  });

  it("are written at once where what they are made of may lie in a store, whose records are moved", () => {
    const store = new KeyStore({ memoryBytesMax: 0, evictionPolicy: "none" });
    store.put(rangeOf("key"), 1, Buffer.from("value"), 0, 5, 0, 1);
    const found = { key: range(new Uint8Array(0)), value: new Value(0, new Uint8Array(0), 0, 0) };
    store.readKey(store.find(rangeOf("key")), found.key);
    store.readValue(store.find(rangeOf("key")), found.value);
    for (const [key, value] of [
      [rangeOf("key"), found.value],
      [found.key, rangeOf("value")],
    ]) {
      const writer = new OperationWriter();
      writer.put(key, 1, value, 0);
      expect([writer.deferred, writer.count]).toEqual([undefined, 1]);
    }
  });

  it("keep the longest key and a value larger than the writer's first buffer", () => {
    const writer = new OperationWriter();
    const before = writer.bytes;
    writer.put(range(new Uint8Array(65_535).fill(7)), 0, range(new Uint8Array(300_000).fill(8)), 1);
    expect(writer.bytes).not.toBe(before);
    const [read] = readAll(writer.bytes, writer.length);
    expect([read.key?.length, read.value?.length, read.value?.[299_999]]).toEqual([65_535, 300_000, 8]);
  });

  it("leave the buffer they grew out of alone: values staged earlier still point into it", () => {
    const writer = new OperationWriter();
    writer.put(rangeOf("a"), 0, rangeOf("first"), 0);
    const old = writer.bytes;
    const copy = old.slice(0, writer.length);
    writer.put(rangeOf("b"), 0, range(new Uint8Array(100_000)), 0);
    expect(old.subarray(0, copy.length)).toEqual(copy);
  });

  it("refuse an unknown kind and one that runs past its record", () => {
    const operation = new Operation(rangeOf(""), rangeOf(""));
    expect(() => operation.read(new Uint8Array([99]), 0, 1)).toThrow("unknown operation kind 99");
    const writer = new OperationWriter();
    writer.put(rangeOf("key"), 0, rangeOf("value"), 0);
    for (let length = 1; length < writer.length; length++) {
      const cut = writer.bytes.slice(0, length);
      expect(() => operation.read(cut, 0, length)).toThrow(/past its record/);
    }
  });

  it("48-bit numbers keep every bit", () => {
    const bytes = new Uint8Array(8);
    for (const value of [0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 47, 2 ** 48 - 1]) {
      writeUint48(bytes, 1, value);
      expect(readUint48(bytes, 1)).toBe(value);
    }
  });
});
