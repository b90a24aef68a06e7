import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ByteRange, compareRanges, copyBytes, copyRange, rangeOf, rangesEqual } from "./byte-range.ts";

/** A range in the middle of a larger buffer, as keys in a socket's buffer are. */
const embedded = (bytes: Uint8Array): ByteRange => {
  const buffer = new Uint8Array(bytes.length + 7).fill(0xaa);
  buffer.set(bytes, 3);
  return new ByteRange(buffer, 3, 3 + bytes.length);
};
const anyBytes = fc.uint8Array({ maxLength: 12, max: 3 });

describe("ByteRange", () => {
  it("keeps the text it was made of", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        expect(rangeOf(text).toString()).toBe(Buffer.from(text, "utf8").toString("utf8"));
      }),
    );
  });

  it("compares as unsigned bytes, a prefix first", () => {
    expect(compareRanges(rangeOf("a"), rangeOf("ab"))).toBeLessThan(0);
    expect(compareRanges(new ByteRange(new Uint8Array([0x80]), 0, 1), rangeOf("a"))).toBeGreaterThan(0);
    fc.assert(
      fc.property(anyBytes, anyBytes, (a, b) => {
        expect(Math.sign(compareRanges(embedded(a), embedded(b)))).toBe(Buffer.compare(a, b));
        expect(rangesEqual(embedded(a), embedded(b))).toBe(Buffer.compare(a, b) === 0);
      }),
    );
  });

  it("copies are independent of the buffer", () => {
    const original = embedded(new Uint8Array([1, 2, 3]));
    const copy = copyRange(original);
    original.bytes.fill(9);
    expect([...copy.bytes]).toEqual([1, 2, 3]);
    expect(copy.length).toBe(3);
  });

  it("copyBytes copies exactly its range, on both sides of the length where it changes method", () => {
    for (const length of [0, 1, 255, 256, 257, 1000]) {
      const from = Uint8Array.from({ length: length + 4 }, (_, index) => index * 7);
      const to = new Uint8Array(length + 8).fill(0xee);
      copyBytes(from, 2, 2 + length, to, 4);
      const expected = new Uint8Array(length + 8).fill(0xee);
      expected.set(from.subarray(2, 2 + length), 4);
      expect(to).toEqual(expected);
    }
  });
});
