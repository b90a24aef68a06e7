import { crc32 as zlibCrc32 } from "node:zlib";
import { describe, expect, it } from "vitest";
import { crc32 } from "./crc32.ts";

describe("crc32", () => {
  it("is the one that everybody has: the check value of the standard", () => {
    expect(crc32(Buffer.from("123456789"), 0, 9)).toBe(0xcbf4_3926);
  });

  it("says the same as zlib, at every length around its steps and its limit", () => {
    const bytes = Uint8Array.from({ length: 600 }, (_, i) => (i * 2_654_435_761) >>> 13);
    for (let length = 0; length <= 280; length++) {
      for (const start of [0, 1, 7]) {
        expect(crc32(bytes, start, start + length)).toBe(zlibCrc32(bytes.subarray(start, start + length)));
      }
    }
    expect(crc32(bytes, 0, 600)).toBe(zlibCrc32(bytes));
  });
});
