/**
 * The images of queues, as bytes:
 *
 *     queue     144 | nameBytes u8 | config (60 bytes, as in the create operation) | queueId u48 | retryThrough u48
 *                   | published u64 | consumed u64 | acked u64 | nacked u64 | timedOut u64 | released u64
 *                   | deadLettered u64 | expired u64 | dropped u64 | waitMs u64 | name
 *     dedup id  145 | queueId u48 | messageId u48 | untilMs u48 | idBytes u16 | id
 *     message   146 | queueId u48 | messageId u48 | state u8 | tag u8 | priority u8 | reason u8 | retryCount u16
 *                   | maxRetries u16 | turn u48 | publishedAtMs u48 | instantMs u48 | expiresAtMs u48 | payloadBytes u32
 *                   | headersBytes u32 | payload | headers
 */
import { ByteRange, copyBytes } from "../structures/byte-range.ts";
import { DEDUP_ID_IMAGE, type ImageWriter, MESSAGE_IMAGE, QUEUE_IMAGE } from "./image.ts";
import { readUint32, writeUint16, writeUint32, writeUint48 } from "./operation.ts";
import type { Queue, QueueTotals } from "./queue.ts";
import type { DedupEntry } from "./queue-duplicates.ts";
import type { QueueMessages } from "./queue-messages.ts";
import { QUEUE_CREATE_HEADER_BYTES, writeConfig } from "./queue-operation.ts";
import { TURN } from "./queue-record.ts";
import { TAG_TEXT, Value } from "./value.ts";

/** In the order of the image. */
const TOTAL_NAMES = [
  "published",
  "consumed",
  "acked",
  "nacked",
  "timedOut",
  "released",
  "deadLettered",
  "expired",
  "dropped",
  "waitMs",
] as const satisfies readonly (keyof QueueTotals)[];

export const QUEUE_ID_AT = QUEUE_CREATE_HEADER_BYTES;
const TOTALS_AT = QUEUE_ID_AT + 12;
export const QUEUE_HEADER_BYTES = TOTALS_AT + TOTAL_NAMES.length * 8;
export const DEDUP_ID_HEADER_BYTES = 21;
export const MESSAGE_HEADER_BYTES = 53;

const TWO_32 = 0x1_0000_0000;

export function writeQueueImage(images: ImageWriter, queue: Queue): void {
  const { nameBytes } = queue;
  const at = images.begin(QUEUE_HEADER_BYTES + nameBytes.length);
  const { bytes } = images;
  bytes[at] = QUEUE_IMAGE;
  bytes[at + 1] = nameBytes.length;
  writeConfig(bytes, at + 2, queue.config);
  writeUint48(bytes, at + QUEUE_ID_AT, queue.id);
  writeUint48(bytes, at + QUEUE_ID_AT + 6, queue.retryThrough);
  for (const [i, name] of TOTAL_NAMES.entries()) writeUint64(bytes, at + TOTALS_AT + i * 8, queue.totals[name]);
  bytes.set(nameBytes, at + QUEUE_HEADER_BYTES);
}

/** @param at of the image. */
export function readTotals(bytes: Uint8Array, at: number, totals: QueueTotals): void {
  for (const [i, name] of TOTAL_NAMES.entries()) totals[name] = readUint64(bytes, at + TOTALS_AT + i * 8);
}

export function writeDedupIdImage(images: ImageWriter, queueId: number, entry: DedupEntry): void {
  const { id } = entry;
  const idBytes = id.end - id.start;
  const at = images.begin(DEDUP_ID_HEADER_BYTES + idBytes);
  const { bytes } = images;
  bytes[at] = DEDUP_ID_IMAGE;
  writeUint48(bytes, at + 1, queueId);
  writeUint48(bytes, at + 7, entry.messageId);
  writeUint48(bytes, at + 13, entry.untilMs);
  writeUint16(bytes, at + 19, idBytes);
  copyBytes(id.bytes, id.start, id.end, bytes, at + DEDUP_ID_HEADER_BYTES);
}

const payload = new Value(TAG_TEXT, new Uint8Array(0), 0, 0);
const headers = new ByteRange(payload.bytes, 0, 0);

export function writeMessageImage(images: ImageWriter, queueId: number, messages: QueueMessages, ref: number): void {
  messages.readPayload(ref, payload);
  messages.readHeaders(ref, headers);
  const payloadBytes = payload.end - payload.start;
  const headersBytes = headers.end - headers.start;
  const at = images.begin(MESSAGE_HEADER_BYTES + payloadBytes + headersBytes);
  const { bytes } = images;
  bytes[at] = MESSAGE_IMAGE;
  writeUint48(bytes, at + 1, queueId);
  writeUint48(bytes, at + 7, messages.idOf(ref));
  bytes[at + 13] = messages.stateOf(ref);
  bytes[at + 14] = payload.tag;
  bytes[at + 15] = messages.priorityOf(ref);
  bytes[at + 16] = messages.deathReasonOf(ref);
  writeUint16(bytes, at + 17, messages.retryCountOf(ref));
  writeUint16(bytes, at + 19, messages.maxRetriesOf(ref));
  writeUint48(bytes, at + 21, messages.longOf(ref, TURN));
  writeUint48(bytes, at + 27, messages.publishedAtMsOf(ref));
  writeUint48(bytes, at + 33, messages.instantMsOf(ref));
  writeUint48(bytes, at + 39, messages.expiresAtMsOf(ref));
  writeUint32(bytes, at + 45, payloadBytes);
  writeUint32(bytes, at + 49, headersBytes);
  // The headers follow the payload in the record, too.
  copyBytes(payload.bytes, payload.start, headers.end, bytes, at + MESSAGE_HEADER_BYTES);
}

/** Integers up to 2^53 - 1: a sum of waits outgrows 48 bits where a million messages wait for years. */
function writeUint64(bytes: Uint8Array, at: number, value: number): void {
  writeUint32(bytes, at, value >>> 0);
  writeUint32(bytes, at + 4, Math.floor(value / TWO_32));
}

function readUint64(bytes: Uint8Array, at: number): number {
  return readUint32(bytes, at) + readUint32(bytes, at + 4) * TWO_32;
}
