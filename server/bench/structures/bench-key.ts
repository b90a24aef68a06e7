/** Keys and values for the benchmarks, made cheaply and without repeats. */
import { ByteRange } from "../../src/structures/byte-range.ts";

export const KEY_BYTES = 16;
export const VALUE_BYTES = 100;
export const value = new Uint8Array(VALUE_BYTES).fill(0x76);

/** The key of number `i`: 16 bytes that look random, different for each `i`. */
export function writeKey(into: Uint8Array, at: number, i: number): void {
  let a = Math.imul(i ^ 0x9e37_79b9, 0x85eb_ca6b);
  a = Math.imul(a ^ (a >>> 13), 0xc2b2_ae35) ^ i;
  let x = a ^ (a >>> 16);
  for (let word = 0; word < 4; word++) {
    x = Math.imul(x ^ (x >>> 15), 0x2c1b_3c6d);
    x = Math.imul(x ^ (x >>> 12), 0x297a_2d39) + word;
    const y = word === 3 ? i : x ^ (x >>> 15);
    into[at + word * 4] = y;
    into[at + word * 4 + 1] = y >>> 8;
    into[at + word * 4 + 2] = y >>> 16;
    into[at + word * 4 + 3] = y >>> 24;
  }
}

/** A range over one reusable buffer, as keys in a socket buffer are. */
export function reusableKey(): ByteRange {
  return new ByteRange(new Uint8Array(KEY_BYTES), 0, KEY_BYTES);
}

/** Numbers below `count` in an order without locality, each once. */
export function shuffled(count: number): Int32Array {
  const order = new Int32Array(count);
  for (let i = 0; i < count; i++) order[i] = i;
  let state = 12345;
  for (let i = count - 1; i > 0; i--) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const j = Math.floor((state / 2 ** 32) * (i + 1));
    const swap = order[i];
    order[i] = order[j];
    order[j] = swap;
  }
  return order;
}
