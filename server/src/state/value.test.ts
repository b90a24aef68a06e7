import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { INTEGER_BYTES, integerValue, readInt64, TAG_INTEGER, TAG_TEXT, Value, writeInt64 } from "./value.ts";

const EDGES = [
  0n,
  1n,
  -1n,
  2n ** 31n,
  -(2n ** 31n),
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n,
  -(2n ** 53n) + 1n,
  -(2n ** 53n),
];
const int64 = fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.constantFrom(...EDGES));

describe("64-bit integers", () => {
  it("come back as they were written, as a number exactly where that is exact", () => {
    fc.assert(
      fc.property(int64, fc.nat(5), (wide, at) => {
        const exact = Number.isSafeInteger(Number(wide));
        const bytes = new Uint8Array(at + INTEGER_BYTES);
        writeInt64(bytes, at, wide);
        expect(new DataView(bytes.buffer).getBigInt64(at, true)).toBe(wide);
        expect(readInt64(bytes, at)).toBe(exact ? Number(wide) : wide);
        if (!exact) return;
        bytes.fill(0xff);
        writeInt64(bytes, at, Number(wide));
        expect(readInt64(bytes, at)).toBe(Number(wide));
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([2n ** 63n - 1n, -(2n ** 63n)])("%s keeps every digit", (edge) => {
    expect(readInt64(integerValue(edge).bytes, 0)).toBe(edge);
    expect(integerValue(edge).tag).toBe(TAG_INTEGER);
  });

  it("never reads a negative zero", () => {
    const bytes = new Uint8Array(INTEGER_BYTES);
    writeInt64(bytes, 0, -0);
    expect(Object.is(readInt64(bytes, 0), 0)).toBe(true);
  });
});

describe("Value", () => {
  it("view shares the bytes, copy does not", () => {
    const bytes = new Uint8Array([1, 2, 3, 4]);
    const value = new Value(TAG_TEXT, bytes, 1, 3);
    const [view, copy] = [value.view(), value.copy()];
    bytes[1] = 9;
    value.end = 1;
    expect([view.start, view.end, view.bytes[view.start]]).toEqual([1, 3, 9]);
    expect([...copy.bytes]).toEqual([2, 3]);
    expect([view.tag, copy.tag]).toEqual([TAG_TEXT, TAG_TEXT]);
  });
});
