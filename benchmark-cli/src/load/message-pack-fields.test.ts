import { Packr } from "msgpackr";
import { describe, expect, it } from "vitest";
import { arrayLength, fieldAt, fieldName, firstElement, numberAt, skip, textStart } from "./message-pack-fields.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true });

/** A value of every type and length form that comes before the field looked for. */
const BEFORE = [
  null,
  true,
  false,
  0,
  127,
  128,
  65_535,
  65_536,
  2 ** 40,
  -1,
  -128,
  -32_768,
  -(2 ** 31),
  1.5,
  "",
  "short",
  "a".repeat(40),
  "b".repeat(300),
  "c".repeat(70_000),
  Buffer.alloc(10),
  Buffer.alloc(300),
  [],
  [1, [2, "three"]],
  Array.from({ length: 20 }, (_, i) => i),
  {},
  { wanted: "inside", deep: { wanted: 1 } },
  Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i}`, i])),
];

describe("fieldAt", () => {
  it("passes over values of every type", () => {
    for (const value of BEFORE) {
      const bytes = packr.pack({ before: value, wanted: 4_711 });
      expect(numberAt(bytes, fieldAt(bytes, 0, fieldName("wanted")))).toBe(4_711);
      expect(skip(bytes, 0)).toBe(bytes.length);
    }
  });

  it("answers -1 where there is no such field, though a nested map has it", () => {
    const bytes = packr.pack({ nested: { wanted: 1 }, want: 2 });
    expect(fieldAt(bytes, 0, fieldName("wanted"))).toBe(-1);
  });

  it("finds fields of a map with more than 15", () => {
    const bytes = packr.pack(Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`k${i}`, i])));
    expect(numberAt(bytes, fieldAt(bytes, 0, fieldName("k29")))).toBe(29);
  });
});

describe("numbers, texts and arrays", () => {
  it("reads numbers up to 2^53", () => {
    for (const value of [0, 127, 200, 40_000, 3_000_000_000, 2 ** 48 - 1, Number.MAX_SAFE_INTEGER]) {
      expect(numberAt(packr.pack(value), 0)).toBe(value);
    }
  });

  it("finds the bytes of texts", () => {
    for (const length of [1, 31, 32, 255, 256, 65_535, 65_536]) {
      const bytes = packr.pack("x".repeat(length));
      expect(bytes.length - textStart(bytes, 0)).toBe(length);
    }
  });

  it("walks the elements of arrays", () => {
    for (const length of [0, 15, 16, 70_000]) {
      const bytes = packr.pack(Array.from({ length }, () => 7));
      expect(arrayLength(bytes, 0)).toBe(length);
      expect(bytes.length - firstElement(bytes, 0)).toBe(length);
    }
  });
});
