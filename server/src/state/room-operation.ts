/**
 * The operations of rooms, as bytes (see operation.ts for those of keys, which share the log):
 *
 *     create   64 | nameBytes u8 | maxEvents u32 | maxBytes u48 | retentionMs u48 | dedupIdsMax u32 | atMs u48 | name
 *     publish  65 | tag u8 | eventBytes u16 | dataBytes u32 | metadataBytes u32 | dedupBytes u16
 *                 | room u48 | roomOffset u48 | timestampMs u48 | event | metadata | dedup id | data
 *     trim     66 | room u48 | oldestOffset u48      the events before are over their age
 *     delete   67 | room u48                         asked for by a client
 *     expire   68 | room u48                         nobody used the room
 *
 * Little endian, nothing aligned. A room is named by its id, the log offset of its create. A publish ends with the bytes
 * of the event in the order in which they are stored (room-ring.ts), so that apply copies them at once.
 */
import { type ByteRange, copyBytes } from "../structures/byte-range.ts";
import {
  type OperationWriter,
  readUint16,
  readUint32,
  readUint48,
  writeUint16,
  writeUint32,
  writeUint48,
} from "./operation.ts";
import type { RoomConfig } from "./room.ts";
import type { EventSource } from "./room-block.ts";
import type { Value, ValueTag } from "./value.ts";

export const OP_ROOM_CREATE = 64;
export const OP_ROOM_PUBLISH = 65;
export const OP_ROOM_TRIM = 66;
export const OP_ROOM_DELETE = 67;
export const OP_ROOM_EXPIRE = 68;

/** The fixed part of each operation, in bytes. */
export const CREATE_HEADER_BYTES = 28;
export const PUBLISH_HEADER_BYTES = 32;
export const TRIM_HEADER_BYTES = 13;
export const ROOM_ONLY_BYTES = 7;

/** An event to publish. Ranges are copied when it is written. */
export interface NewEvent {
  /** What the contract calls `event`: up to 65,535 bytes. */
  readonly event: ByteRange;
  readonly data: Value;
  /** JSON text; empty for none. */
  readonly metadata: ByteRange;
  /** Up to 65,535 bytes; empty for none. */
  readonly dedupId: ByteRange;
}

/**
 * The room's id will be the offset of this operation.
 * @param name of up to 255 bytes, that no room has.
 */
export function writeRoomCreate(writer: OperationWriter, name: ByteRange, config: RoomConfig, atMs: number): void {
  const nameBytes = name.end - name.start;
  const at = writer.begin(CREATE_HEADER_BYTES + nameBytes);
  const { bytes } = writer;
  bytes[at] = OP_ROOM_CREATE;
  bytes[at + 1] = nameBytes;
  writeUint32(bytes, at + 2, config.maxEvents);
  writeUint48(bytes, at + 6, config.maxBytes);
  writeUint48(bytes, at + 12, config.retentionMs);
  writeUint32(bytes, at + 18, config.dedupIdsMax);
  writeUint48(bytes, at + 22, atMs);
  copyBytes(name.bytes, name.start, name.end, bytes, at + CREATE_HEADER_BYTES);
}

/**
 * @param roomId of a room that exists, or that an operation before in the same record creates.
 * @param roomOffset the offset that the event gets: the room's `nextOffset` by then; apply stops the process if it differs.
 * @param timestampMs raised to that of the event before, where it is earlier: in a room time does not go back.
 */
export function writeRoomPublish(
  writer: OperationWriter,
  roomId: number,
  published: NewEvent,
  roomOffset: number,
  timestampMs: number,
): void {
  const { event, data, metadata, dedupId } = published;
  const eventBytes = event.end - event.start;
  const dataBytes = data.end - data.start;
  const metadataBytes = metadata.end - metadata.start;
  const dedupBytes = dedupId.end - dedupId.start;
  const at = writer.begin(PUBLISH_HEADER_BYTES + eventBytes + metadataBytes + dedupBytes + dataBytes);
  const { bytes } = writer;
  bytes[at] = OP_ROOM_PUBLISH;
  bytes[at + 1] = data.tag;
  writeUint16(bytes, at + 2, eventBytes);
  writeUint32(bytes, at + 4, dataBytes);
  writeUint32(bytes, at + 8, metadataBytes);
  writeUint16(bytes, at + 12, dedupBytes);
  writeUint48(bytes, at + 14, roomId);
  writeUint48(bytes, at + 20, roomOffset);
  writeUint48(bytes, at + 26, timestampMs);
  const metadataAt = at + PUBLISH_HEADER_BYTES + eventBytes;
  const dedupAt = metadataAt + metadataBytes;
  copyBytes(event.bytes, event.start, event.end, bytes, at + PUBLISH_HEADER_BYTES);
  copyBytes(metadata.bytes, metadata.start, metadata.end, bytes, metadataAt);
  copyBytes(dedupId.bytes, dedupId.start, dedupId.end, bytes, dedupAt);
  copyBytes(data.bytes, data.start, data.end, bytes, dedupAt + dedupBytes);
}

/** @param oldestOffset above the room's `oldestOffset`, at most its `nextOffset`. */
export function writeRoomTrim(writer: OperationWriter, roomId: number, oldestOffset: number): void {
  const at = writer.begin(TRIM_HEADER_BYTES);
  writer.bytes[at] = OP_ROOM_TRIM;
  writeUint48(writer.bytes, at + 1, roomId);
  writeUint48(writer.bytes, at + 7, oldestOffset);
}

export function writeRoomDelete(writer: OperationWriter, roomId: number): void {
  writeRoomOnly(writer, OP_ROOM_DELETE, roomId);
}

export function writeRoomExpire(writer: OperationWriter, roomId: number): void {
  writeRoomOnly(writer, OP_ROOM_EXPIRE, roomId);
}

function writeRoomOnly(writer: OperationWriter, kind: number, roomId: number): void {
  const at = writer.begin(ROOM_ONLY_BYTES);
  writer.bytes[at] = kind;
  writeUint48(writer.bytes, at + 1, roomId);
}

/**
 * The config of the create operation, or of the room's image, that begins at `at`.
 * @param likely returned where it is the same: most rooms have the config of the one before.
 */
export function readRoomConfig(bytes: Uint8Array, at: number, likely: RoomConfig): RoomConfig {
  const maxEvents = readUint32(bytes, at + 2);
  const maxBytes = readUint48(bytes, at + 6);
  const retentionMs = readUint48(bytes, at + 12);
  const dedupIdsMax = readUint32(bytes, at + 18);
  const same = likely.maxEvents === maxEvents && likely.maxBytes === maxBytes;
  if (same && likely.retentionMs === retentionMs && likely.dedupIdsMax === dedupIdsMax) return likely;
  return { maxEvents, maxBytes, retentionMs, dedupIdsMax };
}

/** Bytes of the operation at `at`. Throws on an unknown kind. */
export function roomOperationBytes(bytes: Uint8Array, at: number): number {
  switch (bytes[at]) {
    case OP_ROOM_CREATE:
      return CREATE_HEADER_BYTES + bytes[at + 1];
    case OP_ROOM_PUBLISH: {
      const named = readUint16(bytes, at + 2) + readUint32(bytes, at + 8) + readUint16(bytes, at + 12);
      return PUBLISH_HEADER_BYTES + named + readUint32(bytes, at + 4);
    }
    case OP_ROOM_TRIM:
      return TRIM_HEADER_BYTES;
    case OP_ROOM_DELETE:
    case OP_ROOM_EXPIRE:
      return ROOM_ONLY_BYTES;
    default:
      throw new Error(`unknown operation kind ${bytes[at]} at byte ${at} of a record`);
  }
}

/** Lets `source` show the event of the publish at `at`, in place. */
export function readPublish(bytes: Uint8Array, at: number, source: EventSource): void {
  // Plan wrote one of the four tags here.
  source.tag = bytes[at + 1] as ValueTag;
  source.eventBytes = readUint16(bytes, at + 2);
  source.dataBytes = readUint32(bytes, at + 4);
  source.metadataBytes = readUint32(bytes, at + 8);
  source.dedupBytes = readUint16(bytes, at + 12);
  source.timestampMs = readUint48(bytes, at + 26);
  source.bytes = bytes;
  source.start = at + PUBLISH_HEADER_BYTES;
}
