/**
 * Keyed hashing and a hash table of records, so that clients cannot choose names that all fall into one chain.
 *
 * Bytes are hashed by HalfSipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF"; the 32-bit variant).
 *
 * `HashChains` is linear hashing (Litwin, 1980): the table grows by one bucket at a time, splitting the oldest unsplit one,
 * so no insertion ever pays for rehashing everything. Chains run through two fields of the owner's records:
 *
 *     buckets   [ head | head | ... ]          low <= bucketCount <= 2 low; a hash belongs to its lowest bits
 *     record    [ next | hash | what the owner keeps ... ]
 *
 * find, insert and remove cost O(1) expected, whatever the names, as long as the seed is not known.
 */
import { IntRecords } from "./topic-records.ts";

export interface HashKey {
  readonly low: number;
  readonly high: number;
}

/** @param seed any safe integer; 53 random bits where clients must not foresee the hash. */
export function hashKeyOf(seed: number): HashKey {
  return { low: mix(seed | 0), high: mix(Math.floor(seed / 2 ** 32) ^ 0x5bd1_e995) };
}

/** The finalizer of MurmurHash3: every bit of the result depends on every bit of `x`. */
function mix(x: number): number {
  let h = Math.imul(x ^ (x >>> 16), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return h ^ (h >>> 16);
}

/** Of two 32-bit integers, as a signed 32-bit integer. */
export function hashPair(key: HashKey, a: number, b: number): number {
  return mix(mix(a ^ key.low) + (b ^ key.high));
}

/** The up to 4 bytes at `at`, the first lowest; past `end` they are zeros. */
export function wordAt(bytes: Uint8Array, at: number, end: number): number {
  if (at + 4 <= end) return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
  let word = 0;
  for (let i = at; i < end; i++) word |= bytes[i] << ((i - at) << 3);
  return word;
}

/** Of `bytes[start, end)`, as a signed 32-bit integer. */
export function hashBytes(key: HashKey, bytes: Uint8Array, start: number, end: number): number {
  let v0 = key.low;
  let v1 = key.high;
  let v2 = key.low ^ 0x6c79_6765;
  let v3 = key.high ^ 0x7465_6462;
  // The words of the bytes, one that holds the length and what is left, and three more rounds for the end.
  const wordsEnd = start + ((end - start) & ~3);
  for (let at = start, rest = 4; rest > 0; at += 4) {
    let word = 0;
    if (at < wordsEnd) word = wordAt(bytes, at, end);
    else {
      if (rest === 4) word = wordAt(bytes, wordsEnd, end) | ((end - start) << 24);
      else if (rest === 3) v2 ^= 0xff;
      rest--;
    }
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }
  return v1 ^ v3;
}

const BUCKETS_MIN = 16;

/** Of the owner's records; both are written here alone while a record is in the table. */
export const NEXT_FIELD = 0;
export const HASH_FIELD = 1;

export class HashChains {
  count = 0;
  readonly #records: IntRecords;
  /** By bucket: the first record of its chain, or 0. */
  readonly #heads = new IntRecords(1);
  /** A power of two. */
  #low = BUCKETS_MIN;
  #bucketCount = BUCKETS_MIN;

  constructor(records: IntRecords) {
    this.#records = records;
  }

  get heldBytes(): number {
    return this.#heads.heldBytes;
  }

  /** The first record whose hash may be `hash`, or 0; the others follow by `NEXT_FIELD`. */
  first(hash: number): number {
    return this.#heads.get(this.#bucketOf(hash), 0);
  }

  insert(id: number, hash: number): void {
    if (++this.count > this.#bucketCount) this.#split();
    this.#records.set(id, HASH_FIELD, hash);
    this.#push(this.#bucketOf(hash), id);
  }

  remove(id: number): void {
    const bucket = this.#bucketOf(this.#records.get(id, HASH_FIELD));
    const next = this.#records.get(id, NEXT_FIELD);
    let before = this.#heads.get(bucket, 0);
    if (before === id) this.#heads.set(bucket, 0, next);
    else {
      for (let after = this.#next(before); after !== id; after = this.#next(before)) before = after;
      this.#records.set(before, NEXT_FIELD, next);
    }
    this.count--;
    // Far below where it splits, so that a count that swings about a size does not split and join each time. About four
    // buckets go at a removal, so that they keep up with it.
    while (this.count * 4 < this.#bucketCount && this.#bucketCount > BUCKETS_MIN) this.#join();
  }

  #next(id: number): number {
    return this.#records.get(id, NEXT_FIELD);
  }

  #push(bucket: number, id: number): void {
    this.#records.set(id, NEXT_FIELD, this.#heads.get(bucket, 0));
    this.#heads.set(bucket, 0, id);
  }

  #bucketOf(hash: number): number {
    const bucket = hash & (this.#low * 2 - 1);
    return bucket < this.#bucketCount ? bucket : bucket & (this.#low - 1);
  }

  /** Adds a bucket, with those of the chain it comes from whose next higher bit is set. */
  #split(): void {
    const from = this.#bucketCount - this.#low;
    this.#heads.reach(this.#bucketCount);
    let id = this.#heads.get(from, 0);
    this.#heads.set(from, 0, 0);
    this.#bucketCount++;
    while (id !== 0) {
      const next = this.#next(id);
      this.#push(this.#bucketOf(this.#records.get(id, HASH_FIELD)), id);
      id = next;
    }
    if (this.#bucketCount === this.#low * 2) this.#low *= 2;
  }

  /** Takes the last bucket away again; its chain goes to the one it came from. */
  #join(): void {
    if (this.#bucketCount === this.#low) this.#low /= 2;
    const last = --this.#bucketCount;
    let id = this.#heads.get(last, 0);
    this.#heads.set(last, 0, 0);
    while (id !== 0) {
      const next = this.#next(id);
      this.#push(last - this.#low, id);
      id = next;
    }
    this.#heads.cut(last);
  }
}
