/**
 * MurmurHash3, the 128-bit variant for 32-bit arithmetic (Austin Appleby, in the public domain), of blocks: tells what differs by
 * accident apart. For a hundred bytes it needs no call out of JavaScript, which is most of what a cryptographic hash takes there. It is no
 * protection against somebody who looks for two that do not differ. The library that is kept (xxhash-wasm) copies what it hashes to a
 * memory of its own and answers with a BigInt of half this size.
 *
 *     a block      | k1 | k2 | k3 | k4 |        each mixed into the lane of its number, and each lane with its neighbour
 *                    v    v    v    v
 *     lanes          h1   h2   h3   h4  --end--> all mixed with each other: 16 bytes
 *
 * Bytes fill whole blocks, the last one with zeros: whoever adds some says in a block before it how many they are.
 */

export const MURMUR_HASH_BYTES = 16;

const encoder = new TextEncoder();

const BLOCK_BYTES = 16;
const C1 = 0x239b961b;
const C2 = 0xab0e9789;
const C3 = 0x38b34ae5;
const C4 = 0xa1e38b93;

export class MurmurHash {
  // Small integers of V8, which a list would not make faster.
  #h1 = 0;
  #h2 = 0;
  #h3 = 0;
  #h4 = 0;
  #blockCount = 0;

  begin(): void {
    this.#h1 = 0;
    this.#h2 = 0;
    this.#h3 = 0;
    this.#h4 = 0;
    this.#blockCount = 0;
  }

  /** Adds a block of four words. */
  block(k1: number, k2: number, k3: number, k4: number): void {
    this.#h1 = (Math.imul(rotated(this.#h1 ^ mixed1(k1), 19) + this.#h2, 5) + 0x561ccd1b) | 0;
    this.#h2 = (Math.imul(rotated(this.#h2 ^ mixed2(k2), 17) + this.#h3, 5) + 0x0bcaa747) | 0;
    this.#h3 = (Math.imul(rotated(this.#h3 ^ mixed3(k3), 15) + this.#h4, 5) + 0x96cd1c35) | 0;
    this.#h4 = (Math.imul(rotated(this.#h4 ^ mixed4(k4), 13) + this.#h1, 5) + 0x32ac3b17) | 0;
    this.#blockCount++;
  }

  /** Adds `bytes[start, end)`, filled up with zeros. */
  bytes(bytes: Uint8Array, start: number, end: number): void {
    let h1 = this.#h1;
    let h2 = this.#h2;
    let h3 = this.#h3;
    let h4 = this.#h4;
    let i = start;
    for (const last = end - BLOCK_BYTES; i <= last; i += BLOCK_BYTES) {
      h1 = (Math.imul(rotated(h1 ^ mixed1(wordAt(bytes, i)), 19) + h2, 5) + 0x561ccd1b) | 0;
      h2 = (Math.imul(rotated(h2 ^ mixed2(wordAt(bytes, i + 4)), 17) + h3, 5) + 0x0bcaa747) | 0;
      h3 = (Math.imul(rotated(h3 ^ mixed3(wordAt(bytes, i + 8)), 15) + h4, 5) + 0x96cd1c35) | 0;
      h4 = (Math.imul(rotated(h4 ^ mixed4(wordAt(bytes, i + 12)), 13) + h1, 5) + 0x32ac3b17) | 0;
    }
    this.#h1 = h1;
    this.#h2 = h2;
    this.#h3 = h3;
    this.#h4 = h4;
    this.#blockCount += (end - start) >>> 4;
    if (i === end) return;
    this.block(
      lastWord(bytes, i, end),
      lastWord(bytes, i + 4, end),
      lastWord(bytes, i + 8, end),
      lastWord(bytes, i + 12, end),
    );
  }

  /** Writes the hash of what was added to `out` at `at`. */
  end(out: Uint8Array, at: number): void {
    const length = this.#blockCount * BLOCK_BYTES;
    let h1 = this.#h1 ^ length;
    let h2 = this.#h2 ^ length;
    let h3 = this.#h3 ^ length;
    let h4 = this.#h4 ^ length;
    h1 = (h1 + h2 + h3 + h4) | 0;
    h2 = avalanched(h2 + h1);
    h3 = avalanched(h3 + h1);
    h4 = avalanched(h4 + h1);
    h1 = (avalanched(h1) + h2 + h3 + h4) | 0;
    writeWord(out, at, h1);
    writeWord(out, at + 4, h2 + h1);
    writeWord(out, at + 8, h3 + h1);
    writeWord(out, at + 12, h4 + h1);
  }
}

/** A number for a name, by which names that are few are told apart. */
export function nameNumber(name: string): number {
  const bytes = encoder.encode(name);
  const hash = new MurmurHash();
  hash.begin();
  hash.bytes(bytes, 0, bytes.length);
  const out = new DataView(new ArrayBuffer(MURMUR_HASH_BYTES));
  hash.end(new Uint8Array(out.buffer), 0);
  return out.getInt32(0, true);
}

function mixed1(word: number): number {
  return Math.imul(rotated(Math.imul(word, C1), 15), C2);
}

function mixed2(word: number): number {
  return Math.imul(rotated(Math.imul(word, C2), 16), C3);
}

function mixed3(word: number): number {
  return Math.imul(rotated(Math.imul(word, C3), 17), C4);
}

function mixed4(word: number): number {
  return Math.imul(rotated(Math.imul(word, C4), 18), C1);
}

function rotated(word: number, count: number): number {
  return (word << count) | (word >>> (32 - count));
}

function avalanched(word: number): number {
  let mixed = word | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
}

/** As `wordAt`, with 0 for what is past the end. */
function lastWord(bytes: Uint8Array, at: number, end: number): number {
  if (at + 4 <= end) return wordAt(bytes, at);
  let word = 0;
  for (let i = 0; at + i < end; i++) word |= bytes[at + i] << (i * 8);
  return word;
}

function writeWord(out: Uint8Array, at: number, word: number): void {
  out[at] = word;
  out[at + 1] = word >>> 8;
  out[at + 2] = word >>> 16;
  out[at + 3] = word >>> 24;
}
