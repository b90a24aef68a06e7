/**
 * Layout of a block: a run of a room's events in one slab slot.
 *
 *     | header | event | event | event |  free  | start 2 | start 1 | start 0 |
 *
 * The header and the events consist of 32-bit words, little endian. The starts are u16, in words from the block's first
 * byte, and grow down from the end of the slot: any event is found in O(1).
 *
 *     header   0  slot bytes                           never -1, see slab-allocator.ts
 *              1  bytes written, header included
 *              2  offset of the first event, low 32
 *              3  offset of the first event, high 16 | events 16
 *              4  whose it is, for moving it
 *
 *     event    0  0 | hasDedup 1 | hasMetadata 1 | tag 2 | dataBytes 27
 *              1  timestamp in ms, low 32
 *              2  timestamp in ms, high 16 | eventBytes 16
 *            ( 3  metadataBytes )                      only with metadata
 *            ( 4  dedupBytes )                         only with a dedup id
 *                then event, metadata, dedup id and data, and up to 3 bytes that are unused
 *
 * So an event takes 15.5 bytes on average beside its own. `words` is the chunk that a block's reference names, `at` the
 * first word of the block or event in it.
 */
import type { ByteRange } from "../structures/byte-range.ts";
import { CHUNK_BYTES } from "../structures/page-heap.ts";
import type { Value, ValueTag } from "./value.ts";

export const BLOCK_HEADER_BYTES = 20;
/** What an event takes at the end of its block. */
const START_BYTES = 2;
/** Of one event, as `eventRecordBytes` counts it. */
export const EVENT_RECORD_BYTES_MAX = CHUNK_BYTES / 2;

const START_WORD_MAX = 0xffff;
const EVENT_HEADER_BYTES = 12;
const TAG_SHIFT = 27;
const DATA_BYTES_MASK = (1 << 27) - 1;
const HAS_METADATA = 1 << 29;
const HAS_DEDUP = 1 << 30;

/** An event and where its bytes are: event, metadata, dedup id and data, one after the other from `start` on. */
export class EventSource {
  tag: ValueTag = 0;
  timestampMs = 0;
  eventBytes = 0;
  metadataBytes = 0;
  dedupBytes = 0;
  dataBytes = 0;
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;

  /** The bytes of all four. */
  get length(): number {
    return this.eventBytes + this.metadataBytes + this.dedupBytes + this.dataBytes;
  }
}

/** What an event counts for in a room's `bytes` and takes in its block. */
export function eventRecordBytes(
  eventBytes: number,
  dataBytes: number,
  metadataBytes: number,
  dedupBytes: number,
): number {
  const header = EVENT_HEADER_BYTES + (metadataBytes > 0 ? 4 : 0) + (dedupBytes > 0 ? 4 : 0);
  return ((header + eventBytes + dataBytes + metadataBytes + dedupBytes + 3) & ~3) + START_BYTES;
}

export function initializeBlock(
  words: Int32Array,
  at: number,
  slotBytes: number,
  firstOffset: number,
  owner: number,
): void {
  words[at] = slotBytes;
  words[at + 1] = BLOCK_HEADER_BYTES;
  words[at + 2] = firstOffset;
  words[at + 3] = Math.floor(firstOffset / 0x1_0000_0000) << 16;
  words[at + 4] = owner;
}

export function ownerOf(words: Int32Array, at: number): number {
  return words[at + 4];
}

export function slotBytesOf(words: Int32Array, at: number): number {
  return words[at];
}

export function firstOffsetOf(words: Int32Array, at: number): number {
  return (words[at + 3] >>> 16) * 0x1_0000_0000 + (words[at + 2] >>> 0);
}

export function eventCountOf(words: Int32Array, at: number): number {
  return words[at + 3] & 0xffff;
}

/** The slot bytes that the block's content needs. */
export function blockBytesNeeded(words: Int32Array, at: number): number {
  return words[at + 1] + eventCountOf(words, at) * START_BYTES;
}

/** @param recordBytes as `eventRecordBytes` has it. */
export function hasRoomFor(words: Int32Array, at: number, recordBytes: number): boolean {
  return blockBytesNeeded(words, at) + recordBytes <= words[at] && words[at + 1] >> 2 <= START_WORD_MAX;
}

/** Byte, in the chunk, of the start of event `i` of a block. */
function startByte(words: Int32Array, at: number, i: number): number {
  return at * 4 + words[at] - (i + 1) * START_BYTES;
}

/** First word, in the chunk, of event `i` of a block, from 0. */
export function eventWordOf(words: Int32Array, bytes: Uint8Array, at: number, i: number): number {
  const start = startByte(words, at, i);
  return at + (bytes[start] | (bytes[start + 1] << 8));
}

/** Bytes of the events from `from` to before `to` as `eventRecordBytes` counts them. */
export function bytesBetween(words: Int32Array, bytes: Uint8Array, at: number, from: number, to: number): number {
  const end = to === eventCountOf(words, at) ? at + (words[at + 1] >> 2) : eventWordOf(words, bytes, at, to);
  return (end - eventWordOf(words, bytes, at, from)) * 4 + (to - from) * START_BYTES;
}

/** Adds an event to a block that has room for it. */
export function appendEvent(words: Int32Array, bytes: Uint8Array, at: number, source: EventSource): void {
  const { eventBytes, metadataBytes, dedupBytes, dataBytes, timestampMs } = source;
  const count = eventCountOf(words, at);
  const word = at + (words[at + 1] >> 2);
  const start = startByte(words, at, count);
  bytes[start] = word - at;
  bytes[start + 1] = (word - at) >> 8;
  words[at + 3]++;
  words[at + 1] += eventRecordBytes(eventBytes, dataBytes, metadataBytes, dedupBytes) - START_BYTES;
  words[word] =
    dataBytes | (source.tag << TAG_SHIFT) | (metadataBytes > 0 ? HAS_METADATA : 0) | (dedupBytes > 0 ? HAS_DEDUP : 0);
  words[word + 1] = timestampMs;
  words[word + 2] = eventBytes | (Math.floor(timestampMs / 0x1_0000_0000) << 16);
  let body = word + 3;
  if (metadataBytes > 0) words[body++] = metadataBytes;
  if (dedupBytes > 0) words[body++] = dedupBytes;
  copySource(source, bytes, body * 4);
}

/** Below this many bytes a loop beats `set` with its view, as in byte-range.ts. */
const LOOP_BYTES_MAX = 48;

function copySource(source: EventSource, to: Uint8Array, at: number): void {
  const { bytes, start, length } = source;
  if (length > LOOP_BYTES_MAX) to.set(bytes.subarray(start, start + length), at);
  else for (let i = 0; i < length; i++) to[at + i] = bytes[start + i];
}

/** Copies a block into another slot, which may be smaller, and leaves the old one as it is. */
export function moveBlock(
  fromWords: Int32Array,
  fromBytes: Uint8Array,
  from: number,
  toWords: Int32Array,
  toBytes: Uint8Array,
  to: number,
  slotBytes: number,
): void {
  toWords.set(fromWords.subarray(from, from + (fromWords[from + 1] >> 2)), to);
  toWords[to] = slotBytes;
  const last = eventCountOf(fromWords, from) - 1;
  const fromStart = startByte(fromWords, from, last);
  const fromEnd = from * 4 + fromWords[from];
  toBytes.set(fromBytes.subarray(fromStart, fromEnd), startByte(toWords, to, last));
}

// Events by their first word.

export function timestampMsOf(words: Int32Array, word: number): number {
  return (words[word + 2] >>> 16) * 0x1_0000_0000 + (words[word + 1] >>> 0);
}

/** Lets the ranges show an event's parts, in place. */
export function readEvent(
  words: Int32Array,
  bytes: Uint8Array,
  word: number,
  event: ByteRange,
  metadata: ByteRange,
  dedupId: ByteRange,
  data: Value,
): void {
  const header = words[word];
  let body = word + 3;
  const metadataBytes = (header & HAS_METADATA) === 0 ? 0 : words[body++];
  const dedupBytes = (header & HAS_DEDUP) === 0 ? 0 : words[body++];
  event.bytes = bytes;
  event.start = body * 4;
  event.end = event.start + (words[word + 2] & 0xffff);
  metadata.bytes = bytes;
  metadata.start = event.end;
  metadata.end = event.end + metadataBytes;
  dedupId.bytes = bytes;
  dedupId.start = metadata.end;
  dedupId.end = metadata.end + dedupBytes;
  // `appendEvent` was given one of the four tags.
  data.tag = ((header >>> TAG_SHIFT) & 3) as ValueTag;
  data.bytes = bytes;
  data.start = dedupId.end;
  data.end = dedupId.end + (header & DATA_BYTES_MASK);
}
