/**
 * The operations on remembered replies, as bytes (see operation.ts for those of keys, which share the log):
 *
 *     remember 96 | format u8 | idBytes u16 | replyBytes u32 | dropCount u32 | expiresAtMs u48 | hash 16 bytes | id | reply
 *                                                                                                                     or row
 *     forget   97 | count u32       the oldest ones: their time is over, or there are too many
 *
 * Little endian, nothing aligned. A remember stands at the end of the record of the write that it answers, so that there is
 * never one without the other. Plan counts how many of the oldest it drops: apply knows no limit and no clock.
 */
import { type ByteRange, copyBytes } from "../structures/byte-range.ts";
import { type OperationWriter, readUint16, readUint32, writeUint16, writeUint32, writeUint48 } from "./operation.ts";

export const OP_REMEMBER = 96;
export const OP_FORGET_REPLIES = 97;

/** The fixed part of each operation, in bytes. */
export const REMEMBER_HEADER_BYTES = 34;
const FORGET_REPLIES_BYTES = 5;

export const PAYLOAD_HASH_BYTES = 16;

/** How the bytes of a reply are encoded; of a row of replies (reply-row.ts), those of each. The numbers are in the log. */
export const OLD_REPLY_JSON = 0;
export const OLD_REPLY_MSGPACK = 1;
export const ROW_JSON = 2;
export const ROW_MSGPACK = 3;
export const REPLY_JSON = 4;
export const REPLY_MSGPACK = 5;
export type ReplyFormat =
  | typeof OLD_REPLY_JSON
  | typeof OLD_REPLY_MSGPACK
  | typeof ROW_JSON
  | typeof ROW_MSGPACK
  | typeof REPLY_JSON
  | typeof REPLY_MSGPACK;

export function isReplyFormat(number: number): number is ReplyFormat {
  return number <= REPLY_MSGPACK;
}

export function isJsonReply(format: ReplyFormat): boolean {
  return format === OLD_REPLY_JSON || format === ROW_JSON || format === REPLY_JSON;
}

/** Whether its hash is one of another kind, which earlier versions had, and so tells nothing. */
export function hasOldHash(format: ReplyFormat): boolean {
  return format === OLD_REPLY_JSON || format === OLD_REPLY_MSGPACK;
}

/** A reply to remember. Ranges are copied when it is written. */
export interface NewReply {
  /** Whose and which request: bytes that are the same for the same request, up to 65,535. The store does not look inside. */
  readonly id: ByteRange;
  /** `PAYLOAD_HASH_BYTES` that tell what the request asked for; nothing for a row. */
  readonly hash: ByteRange;
  readonly format: ReplyFormat;
  readonly reply: ByteRange;
  readonly expiresAtMs: number;
}

/** @param dropCount how many of the oldest replies go first. */
export function writeRemember(writer: OperationWriter, remembered: NewReply, dropCount: number): void {
  const { id, hash, reply } = remembered;
  const idBytes = id.end - id.start;
  const replyBytes = reply.end - reply.start;
  const at = writer.begin(REMEMBER_HEADER_BYTES + idBytes + replyBytes);
  const { bytes } = writer;
  bytes[at] = OP_REMEMBER;
  bytes[at + 1] = remembered.format;
  writeUint16(bytes, at + 2, idBytes);
  writeUint32(bytes, at + 4, replyBytes);
  writeUint32(bytes, at + 8, dropCount);
  writeUint48(bytes, at + 12, remembered.expiresAtMs);
  copyBytes(hash.bytes, hash.start, hash.end, bytes, at + 18);
  copyBytes(id.bytes, id.start, id.end, bytes, at + REMEMBER_HEADER_BYTES);
  copyBytes(reply.bytes, reply.start, reply.end, bytes, at + REMEMBER_HEADER_BYTES + idBytes);
}

/** @param count from 1 to the number of replies there are. */
export function writeForgetReplies(writer: OperationWriter, count: number): void {
  const at = writer.begin(FORGET_REPLIES_BYTES);
  writer.bytes[at] = OP_FORGET_REPLIES;
  writeUint32(writer.bytes, at + 1, count);
}

/** Bytes of the operation at `at`. Throws on an unknown kind. */
export function replyOperationBytes(bytes: Uint8Array, at: number): number {
  switch (bytes[at]) {
    case OP_REMEMBER:
      return REMEMBER_HEADER_BYTES + readUint16(bytes, at + 2) + readUint32(bytes, at + 4);
    case OP_FORGET_REPLIES:
      return FORGET_REPLIES_BYTES;
    default:
      throw new Error(`unknown operation kind ${bytes[at]} at byte ${at} of a record`);
  }
}
