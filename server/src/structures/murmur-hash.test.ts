import { describe, expect, it } from "vitest";
import { MURMUR_HASH_BYTES, MurmurHash } from "./murmur-hash.ts";

const hash = new MurmurHash();

/** Of the bytes of a text, in a larger buffer; added in parts that end where one says. */
function hashOf(text: string, before = 0, ends: readonly number[] = []): string {
  const padded = new Uint8Array([...new Uint8Array(before).fill(0x7a), ...new TextEncoder().encode(text), 0x7a]);
  const bytes = new Uint8Array(Uint8Array.from([0, ...padded]).buffer, 1);
  const out = new Uint8Array(MURMUR_HASH_BYTES + 2).fill(1);
  hash.begin();
  let start = before;
  for (const end of [...ends.map((each) => before + each), bytes.length - 1]) {
    hash.bytes(bytes, start, end);
    start = end;
  }
  hash.end(out, 1);
  expect([out[0], out[MURMUR_HASH_BYTES + 1]], "nothing else is written").toEqual([1, 1]);
  // By words, as the reference implementation prints it.
  const view = new DataView(out.buffer, 1);
  return [0, 4, 8, 12].map((at) => view.getUint32(at, true).toString(16).padStart(8, "0")).join("");
}

describe("murmurHash", () => {
  it.each([
    ["", "00000000000000000000000000000000"],
    ["0123456789abcdef", "fb7d440936aed30a48ad1d9b572b3bfd"],
    ["0123456789abcdefghijklmnopqrstuv", "e5de5fcea60accdcd9354a2a714b9144"],
    ["a".padEnd(16, "\0"), "9f5399a36bf5bd312224cabcd38e379f"],
    ["The quick brown fox jumps over the lazy dog".padEnd(48, "\0"), "61edbc19fa82b3cf7bc7248feb40e353"],
  ])("of whole blocks is that of the reference implementation: %j", (text, expected) => {
    expect(hashOf(text)).toBe(expected);
    expect(hashOf(text, 5), "from the middle of a buffer").toBe(expected);
    expect(hashOf(text, 0, text.length > 16 ? [16] : []), "in parts").toBe(expected);
    expect(hashOf(text.replace(/\0+$/, "")), "filled up").toBe(expected);
  });

  it("takes a block as four words, or as their bytes", () => {
    const words = [1, -2, 0x7fff_ffff, -0x8000_0000];
    const out = new Uint8Array(2 * MURMUR_HASH_BYTES);
    hash.begin();
    hash.block(words[0], words[1], words[2], words[3]);
    hash.end(out, 0);
    hash.begin();
    hash.bytes(new Uint8Array(Int32Array.from(words).buffer), 0, 16);
    hash.end(out, 16);
    expect(out.subarray(16)).toEqual(out.subarray(0, 16));
  });

  it("tells every length and every changed bit apart", () => {
    const seen = new Set<string>();
    const out = new Uint8Array(MURMUR_HASH_BYTES);
    const add = (bytes: Uint8Array): void => {
      hash.begin();
      hash.block(bytes.length, 0, 0, 0);
      hash.bytes(bytes, 0, bytes.length);
      hash.end(out, 0);
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
