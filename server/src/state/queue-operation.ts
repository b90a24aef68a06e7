/**
 * The operations of queues, as bytes: how plan writes them. queue-apply.ts reads them.
 *
 *     create      32 | nameBytes u8 | config (60 bytes, below) | name        its offset is the queue's id
 *     delete      33 | queueId u48
 *     purge       34 | queueId u48 | states u8                               a bit for each state
 *     publish     35 | queueId u48 | tag u8 | priority u8 | maxRetries u16 | dedupBytes u16 | payloadBytes u32
 *                    | headersBytes u32 | publishedAtMs u48 | readyAtMs u48 | expiresAtMs u48 | dedupUntilMs u48
 *                    | payload | headers | dedup id                          its offset is the message's id
 *     deliver     36 | messageId u48 | deadlineMs u48 | atMs u48             its offset is the delivery's id
 *     ack         37 | messageId u48
 *     requeue     38 | messageId u48 | ended u8 | retryCount u16 | readyAtMs u48 | atMs u48
 *     bury        39 | messageId u48 | reason u8 | ended u8 | atMs u48       its offset is the dead letter's position
 *     drop        40 | messageId u48 | reason u8 | ended u8
 *     extend      41 | messageId u48 | deadlineMs u48
 *     ready       42 | messageId u48
 *     retry       43 | messageId u48 | atMs u48
 *     retry all   44 | queueId u48
 *     retry some  45 | queueId u48 | count u32 | atMs u48
 *     forget      46 | queueId u48 | count u32
 *
 *     config      maxDepth u48 | maxBytes u48 | ackDeadlineMs u48 | maxRetries u16 | defaultPriority u8 | messageTtlMs u48
 *                 | initialMs u48 | factor f64 | maxMs u48 | deadLetter enabled u8 | deadLetter maxDepth u48
 *                 | dedupWindowMs u48
 */
import { type ByteRange, copyBytes } from "../structures/byte-range.ts";
import { type OperationWriter, readUint16, readUint48, writeUint16, writeUint32, writeUint48 } from "./operation.ts";
import type { QueueConfig } from "./queue.ts";
import type { DeathReason, DeliveryEnd } from "./queue-record.ts";
import type { Value } from "./value.ts";

export const OP_QUEUE_CREATE = 32;
export const OP_QUEUE_DELETE = 33;
export const OP_QUEUE_PURGE = 34;
export const OP_PUBLISH = 35;
export const OP_DELIVER = 36;
export const OP_ACK = 37;
export const OP_REQUEUE = 38;
export const OP_BURY = 39;
export const OP_DROP = 40;
export const OP_EXTEND = 41;
export const OP_READY = 42;
export const OP_RETRY = 43;
export const OP_RETRY_ALL = 44;
export const OP_RETRY_SOME = 45;
export const OP_FORGET = 46;
/** Kinds from `OP_QUEUE_CREATE` to this one are for `QueueStore#apply`. */
export const OP_QUEUE_LAST = OP_FORGET;

const CONFIG_BYTES = 60;
export const QUEUE_CREATE_HEADER_BYTES = 2 + CONFIG_BYTES;
export const PUBLISH_HEADER_BYTES = 45;

/** A message to publish. Every instant is absolute, in ms since the epoch. */
export interface NewMessage {
  readonly queueId: number;
  readonly payload: Value;
  /** JSON text of an object; empty for none. */
  readonly headers: ByteRange;
  /** 0 to 9, 9 first. */
  readonly priority: number;
  /** 0 to 65,535. */
  readonly maxRetries: number;
  readonly publishedAtMs: number;
  /** 0 for ready at once. */
  readonly readyAtMs: number;
  /** 0 for never. */
  readonly expiresAtMs: number;
  /** Empty for none; up to 65,535 bytes. */
  readonly dedupId: ByteRange;
  /** Until when the dedup id is remembered; 0 without one. */
  readonly dedupUntilMs: number;
}

/** @param name 1 to 255 bytes; no queue has it. */
export function writeQueueCreate(writer: OperationWriter, name: ByteRange, config: QueueConfig): void {
  const nameBytes = name.end - name.start;
  const at = writer.begin(QUEUE_CREATE_HEADER_BYTES + nameBytes);
  const { bytes } = writer;
  bytes[at] = OP_QUEUE_CREATE;
  bytes[at + 1] = nameBytes;
  writeConfig(bytes, at + 2, config);
  copyBytes(name.bytes, name.start, name.end, bytes, at + QUEUE_CREATE_HEADER_BYTES);
}

export function writeConfig(bytes: Uint8Array, at: number, config: QueueConfig): void {
  writeUint48(bytes, at, config.maxDepth);
  writeUint48(bytes, at + 6, config.maxBytes);
  writeUint48(bytes, at + 12, config.ackDeadlineMs);
  writeUint16(bytes, at + 18, config.maxRetries);
  bytes[at + 20] = config.defaultPriority;
  writeUint48(bytes, at + 21, config.messageTtlMs);
  writeUint48(bytes, at + 27, config.retryBackoff.initialMs);
  viewOf(bytes).setFloat64(at + 33, config.retryBackoff.factor, true);
  writeUint48(bytes, at + 41, config.retryBackoff.maxMs);
  bytes[at + 47] = config.deadLetter.enabled ? 1 : 0;
  writeUint48(bytes, at + 48, config.deadLetter.maxDepth);
  writeUint48(bytes, at + 54, config.dedupWindowMs);
}

/** The config of a create operation, or of a queue's image, which begins at `at`. */
export function readConfig(bytes: Uint8Array, at: number): QueueConfig {
  return {
    maxDepth: readUint48(bytes, at + 2),
    maxBytes: readUint48(bytes, at + 8),
    ackDeadlineMs: readUint48(bytes, at + 14),
    maxRetries: readUint16(bytes, at + 20),
    defaultPriority: bytes[at + 22],
    messageTtlMs: readUint48(bytes, at + 23),
    retryBackoff: {
      initialMs: readUint48(bytes, at + 29),
      factor: viewOf(bytes).getFloat64(at + 35, true),
      maxMs: readUint48(bytes, at + 43),
    },
    deadLetter: { enabled: bytes[at + 49] === 1, maxDepth: readUint48(bytes, at + 50) },
    dedupWindowMs: readUint48(bytes, at + 56),
  };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function writeQueueDelete(writer: OperationWriter, queueId: number): void {
  writeIdOnly(writer, OP_QUEUE_DELETE, queueId, 7);
}

/** @param states a bit for each state to empty: `1 << STATE_READY | 1 << STATE_DELAYED`. */
export function writeQueuePurge(writer: OperationWriter, queueId: number, states: number): void {
  const at = writeIdOnly(writer, OP_QUEUE_PURGE, queueId, 8);
  writer.bytes[at + 7] = states;
}

export function writePublish(writer: OperationWriter, message: NewMessage): void {
  const { payload, headers, dedupId } = message;
  const payloadBytes = payload.end - payload.start;
  const headersBytes = headers.end - headers.start;
  const dedupBytes = dedupId.end - dedupId.start;
  const at = writer.begin(PUBLISH_HEADER_BYTES + payloadBytes + headersBytes + dedupBytes);
  const { bytes } = writer;
  bytes[at] = OP_PUBLISH;
  writeUint48(bytes, at + 1, message.queueId);
  bytes[at + 7] = payload.tag;
  bytes[at + 8] = message.priority;
  writeUint16(bytes, at + 9, message.maxRetries);
  writeUint16(bytes, at + 11, dedupBytes);
  writeUint32(bytes, at + 13, payloadBytes);
  writeUint32(bytes, at + 17, headersBytes);
  writeUint48(bytes, at + 21, message.publishedAtMs);
  writeUint48(bytes, at + 27, message.readyAtMs);
  writeUint48(bytes, at + 33, message.expiresAtMs);
  writeUint48(bytes, at + 39, message.dedupUntilMs);
  let end = at + PUBLISH_HEADER_BYTES;
  copyBytes(payload.bytes, payload.start, payload.end, bytes, end);
  end += payloadBytes;
  copyBytes(headers.bytes, headers.start, headers.end, bytes, end);
  copyBytes(dedupId.bytes, dedupId.start, dedupId.end, bytes, end + headersBytes);
}

/** A ready message goes to a consumer. @param deadlineMs until when it has to be acknowledged. */
export function writeDeliver(writer: OperationWriter, messageId: number, deadlineMs: number, atMs: number): void {
  const at = writeIdOnly(writer, OP_DELIVER, messageId, 19);
  writeUint48(writer.bytes, at + 7, deadlineMs);
  writeUint48(writer.bytes, at + 13, atMs);
}

/** A pending message is done with. */
export function writeAck(writer: OperationWriter, messageId: number): void {
  writeIdOnly(writer, OP_ACK, messageId, 7);
}

/**
 * A pending message goes back to its place.
 * @param retryCount its retry count from now on.
 * @param readyAtMs when it is ready again; 0 for at once.
 */
export function writeRequeue(
  writer: OperationWriter,
  messageId: number,
  ended: DeliveryEnd,
  retryCount: number,
  readyAtMs: number,
  atMs: number,
): void {
  const at = writeIdOnly(writer, OP_REQUEUE, messageId, 22);
  writer.bytes[at + 7] = ended;
  writeUint16(writer.bytes, at + 8, retryCount);
  writeUint48(writer.bytes, at + 10, readyAtMs);
  writeUint48(writer.bytes, at + 16, atMs);
}

/**
 * A message that is not dead becomes a dead letter; the oldest dead letters beyond the queue's limit go with it.
 * @param ended how its delivery ended; `ENDED_NONE` where it was not pending.
 */
export function writeBury(
  writer: OperationWriter,
  messageId: number,
  reason: DeathReason,
  ended: DeliveryEnd,
  atMs: number,
): void {
  const at = writeIdOnly(writer, OP_BURY, messageId, 15);
  writer.bytes[at + 7] = reason;
  writer.bytes[at + 8] = ended;
  writeUint48(writer.bytes, at + 9, atMs);
}

/** As `writeBury`, where the queue keeps no dead letters: the message is gone. */
export function writeDrop(writer: OperationWriter, messageId: number, reason: DeathReason, ended: DeliveryEnd): void {
  const at = writeIdOnly(writer, OP_DROP, messageId, 9);
  writer.bytes[at + 7] = reason;
  writer.bytes[at + 8] = ended;
}

/** A pending message gets another deadline. */
export function writeExtend(writer: OperationWriter, messageId: number, deadlineMs: number): void {
  const at = writeIdOnly(writer, OP_EXTEND, messageId, 13);
  writeUint48(writer.bytes, at + 7, deadlineMs);
}

/** A delayed message is ready. */
export function writeReady(writer: OperationWriter, messageId: number): void {
  writeIdOnly(writer, OP_READY, messageId, 7);
}

/** A dead letter is ready again, as if it had never been delivered; it expires no more. */
export function writeRetry(writer: OperationWriter, messageId: number, atMs: number): void {
  const at = writeIdOnly(writer, OP_RETRY, messageId, 13);
  writeUint48(writer.bytes, at + 7, atMs);
}

/** All that are dead letters now are to be retried. `QueueDue.stage` does it, in slices. */
export function writeRetryAll(writer: OperationWriter, queueId: number): void {
  writeIdOnly(writer, OP_RETRY_ALL, queueId, 7);
}

/** Retries up to `count` of those that a retry of all has left. */
export function writeRetrySome(writer: OperationWriter, queueId: number, count: number, atMs: number): void {
  const at = writeIdOnly(writer, OP_RETRY_SOME, queueId, 17);
  writeUint32(writer.bytes, at + 7, count);
  writeUint48(writer.bytes, at + 11, atMs);
}

/** Forgets the `count` oldest dedup ids. */
export function writeForget(writer: OperationWriter, queueId: number, count: number): void {
  const at = writeIdOnly(writer, OP_FORGET, queueId, 11);
  writeUint32(writer.bytes, at + 7, count);
}

/** Begins an operation of `size` bytes with its kind and the id that follows. */
function writeIdOnly(writer: OperationWriter, kind: number, id: number, size: number): number {
  const at = writer.begin(size);
  writer.bytes[at] = kind;
  writeUint48(writer.bytes, at + 1, id);
  return at;
}
