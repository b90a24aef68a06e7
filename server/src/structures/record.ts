/**
 * Layout of a record: a key and its value, the leaves of the radix tree. In 32-bit words, little endian:
 *
 *     0  0 | hasDeadline 1 | tag 2 | valueBytes 27      never -1, see slab-allocator.ts
 *     1  version, high 16 | keyBytes 16
 *     2  version, low 32
 *     3  access clock: belongs to the eviction policy, is no part of the state
 *   ( 4  deadline in ms, low 32 )                       only with a deadline
 *   ( 5  deadline in ms, high 32 )
 *   ( 6  handle in the deadline heap )
 *     then the key's bytes, and right after them the value's
 *
 * A reference to a record is its slot's with bit 0 set, which tells it from a tree node. `words` is always the chunk that
 * the reference names, `at` the record's first word in it.
 */
export const RECORD_HEADER_BYTES = 16;
const DEADLINE_BYTES = 12;
export const KEY_BYTES_MAX = 65_535;

const HAS_DEADLINE = 1 << 29;
const TAG_SHIFT = 27;
const VALUE_BYTES_MASK = (1 << 27) - 1;

export function recordBytes(keyBytes: number, valueBytes: number, hasDeadline: boolean): number {
  return RECORD_HEADER_BYTES + (hasDeadline ? DEADLINE_BYTES : 0) + keyBytes + valueBytes;
}

export function writeHeader(
  words: Int32Array,
  at: number,
  tag: number,
  hasDeadline: boolean,
  keyBytes: number,
  valueBytes: number,
  version: number,
): void {
  words[at] = valueBytes | (tag << TAG_SHIFT) | (hasDeadline ? HAS_DEADLINE : 0);
  words[at + 1] = keyBytes | (Math.floor(version / 0x1_0000_0000) << 16);
  words[at + 2] = version;
}

export function valueBytesOf(words: Int32Array, at: number): number {
  return words[at] & VALUE_BYTES_MASK;
}

export function tagOf(words: Int32Array, at: number): number {
  return (words[at] >>> TAG_SHIFT) & 3;
}

export function hasDeadline(words: Int32Array, at: number): boolean {
  return (words[at] & HAS_DEADLINE) !== 0;
}

export function keyBytesOf(words: Int32Array, at: number): number {
  return words[at + 1] & 0xffff;
}

/** Index of the word where the key begins. */
export function keyWordOf(words: Int32Array, at: number): number {
  return at + 4 + ((words[at] >>> 29) & 1) * 3;
}

export function versionOf(words: Int32Array, at: number): number {
  return (words[at + 1] >>> 16) * 0x1_0000_0000 + (words[at + 2] >>> 0);
}

export function clockOf(words: Int32Array, at: number): number {
  return words[at + 3];
}

export function setClock(words: Int32Array, at: number, clock: number): void {
  words[at + 3] = clock;
}

/** 0 where there is none. */
export function deadlineMsOf(words: Int32Array, at: number): number {
  return hasDeadline(words, at) ? words[at + 5] * 0x1_0000_0000 + (words[at + 4] >>> 0) : 0;
}

export function setDeadline(words: Int32Array, at: number, deadlineMs: number, handle: number): void {
  words[at + 4] = deadlineMs;
  words[at + 5] = Math.floor(deadlineMs / 0x1_0000_0000);
  words[at + 6] = handle;
}

export function deadlineHandleOf(words: Int32Array, at: number): number {
  return words[at + 6];
}

/** Whether the record's key is these bytes, in steps of 32 bits. */
export function keyEquals(words: Int32Array, at: number, bytes: Uint8Array, start: number, end: number): boolean {
  const keyBytes = end - start;
  if ((words[at + 1] & 0xffff) !== keyBytes) return false;
  let word = keyWordOf(words, at);
  let i = start;
  for (const last = end - 4; i <= last; i += 4, word++) {
    if ((bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24)) !== words[word]) return false;
  }
  switch (end - i) {
    case 3:
      return ((bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16)) ^ words[word]) << 8 === 0;
    case 2:
      return ((bytes[i] | (bytes[i + 1] << 8)) ^ words[word]) << 16 === 0;
    case 1:
      return (bytes[i] ^ words[word]) << 24 === 0;
    default:
      return true;
  }
}
