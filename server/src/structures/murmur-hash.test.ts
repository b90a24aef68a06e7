import { describe, expect, it } from "vitest";
import { MURMUR_HASH_BYTES, murmurHash } from "./murmur-hash.ts";

function hashOf(text: string, before = 0): string {
  const bytes = new Uint8Array([...new Uint8Array(before).fill(0x7a), ...new TextEncoder().encode(text), 0x7a]);
  const out = new Uint8Array(MURMUR_HASH_BYTES + 2).fill(1);
  murmurHash(bytes, before, bytes.length - 1, out, 1);
  expect([out[0], out[MURMUR_HASH_BYTES + 1]], "nothing else is written").toEqual([1, 1]);
  // By words, as the reference implementation prints it.
  const view = new DataView(out.buffer, 1);
  return [0, 4, 8, 12].map((at) => view.getUint32(at, true).toString(16).padStart(8, "0")).join("");
}

describe("murmurHash", () => {
  it.each([
    ["", "00000000000000000000000000000000"],
    ["The quick brown fox jumps over the lazy dog", "2f1583c3ecee2c675d7bf66ce5e91d2c"],
    ["a", "a794933c5556b01b5556b01b5556b01b"],
    ["0123456789abcde", "3c76c46d4d0818c0add433daa78673fa"],
    ["0123456789abcdef", "fb7d440936aed30a48ad1d9b572b3bfd"],
    ["0123456789abcdef0", "1f8a385560920c06b5182f1c718c0b9c"],
  ])("is that of the reference implementation: %j", (text, expected) => {
    expect(hashOf(text)).toBe(expected);
    expect(hashOf(text, 5), "from the middle of a buffer").toBe(expected);
  });

  it("tells every length and every changed bit apart", () => {
    const seen = new Set<string>();
    const out = new Uint8Array(MURMUR_HASH_BYTES);
    const add = (bytes: Uint8Array): void => {
      murmurHash(bytes, 0, bytes.length, out, 0);
      seen.add(out.join());
    };
    let count = 0;
    for (let length = 0; length <= 50; length++) {
      const bytes = new Uint8Array(length);
      add(bytes);
      count += 1 + length * 8;
      for (let bit = 0; bit < length * 8; bit++) {
        bytes[bit >> 3] ^= 1 << (bit & 7);
        add(bytes);
        bytes[bit >> 3] = 0;
      }
    }
    expect(seen.size).toBe(count);
  });
});
