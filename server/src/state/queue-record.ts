/**
 * How a message lies in its slab slot, in 32-bit words. Numbers of 48 bits take two words, low and high.
 *
 *      0      state, priority << 4, tag << 8, death reason << 12, mark << 16; never -1, which marks a free slot
 *      1      number of its lane (queue.ts)
 *      2  3   message id
 *      4  5   turn: delivery id of a pending message, position of a dead letter, else 0
 *      6  7   next in the hash chain, hash
 *      8 10   left, right and parent in the lane's tree (queue-order.ts)
 *     11      handle of its deadline, -1 without
 *     12      retry count, max retries << 16
 *     13 14   bytes of the payload, bytes of the headers
 *     15 16   publishedAtMs
 *     17 18   instant: since when ready, ready when delayed, deadline when pending, died when dead
 *     19 20   expiresAtMs, 0 for never
 *     21 ...  payload, then headers, as bytes
 *
 * 84 bytes a message beside its payload and headers; a bucket of the hash table is 4 to 8 more, a deadline 20.
 */

export const STATE_READY = 0;
export const STATE_DELAYED = 1;
export const STATE_PENDING = 2;
export const STATE_DEAD = 3;
export type MessageState = typeof STATE_READY | typeof STATE_DELAYED | typeof STATE_PENDING | typeof STATE_DEAD;
export const STATE_NAMES = ["ready", "delayed", "pending", "dead"] as const;
export const STATE_COUNT = 4;

/** Why a message died. */
export const DEATH_NONE = 0;
export const DEATH_MAX_RETRIES = 1;
export const DEATH_NACKED = 2;
export const DEATH_EXPIRED = 3;
export type DeathReason = typeof DEATH_NONE | typeof DEATH_MAX_RETRIES | typeof DEATH_NACKED | typeof DEATH_EXPIRED;
/** The word for each reason on the wire, by reason; the first is none. */
export const DEATH_REASON_NAMES = ["none", "max_retries", "nacked", "expired"] as const;

/** How a delivery ended that was not acknowledged. */
export const ENDED_NONE = 0;
export const ENDED_NACKED = 1;
export const ENDED_TIMED_OUT = 2;
export const ENDED_RELEASED = 3;
export type DeliveryEnd = typeof ENDED_NONE | typeof ENDED_NACKED | typeof ENDED_TIMED_OUT | typeof ENDED_RELEASED;

export const LANE = 1;
export const ID = 2;
export const TURN = 4;
export const HASH_NEXT = 6;
export const LEFT = 8;
export const RIGHT = 9;
export const PARENT = 10;
export const DEADLINE_HANDLE = 11;
export const RETRIES = 12;
export const PAYLOAD_BYTES = 13;
export const HEADERS_BYTES = 14;
export const PUBLISHED_AT = 15;
export const INSTANT = 17;
export const EXPIRES_AT = 19;
export const RECORD_WORDS = 21;
export const RECORD_BYTES = RECORD_WORDS * 4;

const TWO_32 = 0x1_0000_0000;

/** Reads a number of two words. */
export function readLong(words: Int32Array, at: number): number {
  return (words[at] >>> 0) + words[at + 1] * TWO_32;
}

/** @param value an integer from 0 to 2^53 - 1. */
export function writeLong(words: Int32Array, at: number, value: number): void {
  words[at] = value | 0;
  words[at + 1] = Math.floor(value / TWO_32);
}

/** Spreads a number of two words over 32 bits (the finalizer of MurmurHash3). */
export function mixLong(low: number, high: number): number {
  let hash = low ^ Math.imul(high, 0x9e37_79b1);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return hash ^ (hash >>> 16);
}

/**
 * Sixteen ids in a row share the line of sixteen buckets that their group's hash names. So messages that were published
 * together are found together, and whatever the step from id to id is, it fills all buckets alike.
 */
export function hashOfId(messageId: number): number {
  const group = Math.floor(messageId / 16);
  return mixLong(group | 0, Math.floor(group / TWO_32)) ^ (messageId & 15);
}

export function writeState(words: Int32Array, at: number, state: MessageState): void {
  words[at] = (words[at] & ~0xf) | state;
}

export function writeReason(words: Int32Array, at: number, reason: DeathReason): void {
  words[at] = (words[at] & ~0xf000) | (reason << 12);
}

export function stateOf(words: Int32Array, at: number): MessageState {
  return (words[at] & 0xf) as MessageState; // Only `writeState` writes it.
}

export function priorityOf(words: Int32Array, at: number): number {
  return (words[at] >>> 4) & 0xf;
}

/** The number of the last snapshot that has written the message; see queue-marks.ts. */
export function markOf(words: Int32Array, at: number): number {
  return words[at] >>> 16;
}

export function writeMark(words: Int32Array, at: number, mark: number): void {
  words[at] = (words[at] & 0xffff) | (mark << 16);
}

export function contentBytesOf(words: Int32Array, at: number): number {
  return words[at + PAYLOAD_BYTES] + words[at + HEADERS_BYTES];
}
