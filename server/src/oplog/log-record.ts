/**
 * How a record lies in the log: the same bytes in memory, in a segment file, and on the way to a replica.
 *
 *      0  u32  bytes of the whole record
 *      4  u32  CRC-32 of all that follows
 *      8  u8   version of the format
 *      9  u8   kind: operations, or a mark
 *     10  u48  offset of its first operation; of a mark, the one that comes next
 *     16  u48  the last offset that was on disk when the record was appended
 *     22  u32  epoch
 *     26  u32  operations; 0 in a mark
 *     30       the operations
 *
 * A mark holds none. It is written when the log falls quiet, so that the last durable offset is named there too: recovery
 * never cuts below an offset that a record names.
 */
import { readUint32, readUint48, writeUint32, writeUint48 } from "../state/operation.ts";
import { copyBytes } from "../structures/byte-range.ts";
import { crc32 } from "../structures/crc32.ts";
import { FORMAT_VERSION, KNOWN_VERSIONS, knowsVersion } from "./format-version.ts";

export const RECORD_HEADER_BYTES = 30;
export const KIND_OPERATIONS = 1;
export const KIND_MARK = 2;
/** No record is larger: a command refuses to become one long before. */
export const RECORD_BYTES_MAX = 256 * 2 ** 20;

const CHECKED_FROM = 8;

/** One record as a reader sees it. `operations` is a view: valid until the next append, or the next read. */
export interface LogRecord {
  readonly kind: number;
  readonly firstOffset: number;
  readonly count: number;
  readonly epoch: number;
  /** What was on disk, synced, when it was appended. */
  readonly durableOffset: number;
  readonly operations: Uint8Array;
}

/** What stands in a record's header. */
export interface RecordHeader {
  readonly kind: number;
  readonly firstOffset: number;
  readonly durableOffset: number;
  readonly epoch: number;
  readonly count: number;
}

/** The operations of a record that is to be written. */
export interface RecordContent {
  /** In bytes. */
  readonly length: number;
  writeTo(into: Uint8Array, at: number): void;
}

/** Those that come as bytes already. */
export class WrittenBytes implements RecordContent {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get length(): number {
    return this.#bytes.length;
  }

  writeTo(into: Uint8Array, at: number): void {
    copyBytes(this.#bytes, 0, this.#bytes.length, into, at);
  }
}

/** Writes a whole record at `at`; returns where it ends. */
export function writeRecord(into: Uint8Array, at: number, header: RecordHeader, operations: RecordContent): number {
  const { length } = operations;
  const end = at + RECORD_HEADER_BYTES + length;
  writeUint32(into, at, RECORD_HEADER_BYTES + length);
  into[at + 8] = FORMAT_VERSION;
  into[at + 9] = header.kind;
  writeUint48(into, at + 10, header.firstOffset);
  writeUint48(into, at + 16, header.durableOffset);
  writeUint32(into, at + 22, header.epoch);
  writeUint32(into, at + 26, header.count);
  operations.writeTo(into, at + RECORD_HEADER_BYTES);
  writeUint32(into, at + 4, crc32(into, at + CHECKED_FROM, end));
  return end;
}

/** Bytes of the record at `at`, as it says; 0 where nothing was written. */
export function recordBytesAt(bytes: Uint8Array, at: number): number {
  return readUint32(bytes, at);
}

/** Why the bytes at `at` are no record that lies within `end`; undefined where they are one, to be trusted. */
export function recordProblem(bytes: Uint8Array, at: number, end: number): string | undefined {
  const damage = damageOf(bytes, at, end);
  if (damage !== undefined) return damage;
  const version = bytes[at + 8];
  if (!knowsVersion(version)) return `its format has version ${version}, and this server knows ${KNOWN_VERSIONS}`;
  return undefined;
}

function damageOf(bytes: Uint8Array, at: number, end: number): string | undefined {
  if (end - at < RECORD_HEADER_BYTES) return "it is cut off in its header";
  const recordBytes = recordBytesAt(bytes, at);
  if (recordBytes < RECORD_HEADER_BYTES || recordBytes > RECORD_BYTES_MAX) return "its length is impossible";
  if (at + recordBytes > end) return "it is cut off";
  if (crc32(bytes, at + CHECKED_FROM, at + recordBytes) !== readUint32(bytes, at + 4)) return "its checksum is wrong";
  return undefined;
}

/** Whether the bytes at `at` are a whole record, whose problem is that this code does not know its format. */
export function isOtherVersion(bytes: Uint8Array, at: number, end: number): boolean {
  return damageOf(bytes, at, end) === undefined && !knowsVersion(bytes[at + 8]);
}

/** Reads the record at `at`, which has no problem. */
export function readRecord(bytes: Uint8Array, at: number): LogRecord {
  return {
    kind: bytes[at + 9],
    firstOffset: readUint48(bytes, at + 10),
    durableOffset: readUint48(bytes, at + 16),
    epoch: readUint32(bytes, at + 22),
    count: readUint32(bytes, at + 26),
    operations: bytes.subarray(at + RECORD_HEADER_BYTES, at + recordBytesAt(bytes, at)),
  };
}

export function firstOffsetAt(bytes: Uint8Array, at: number): number {
  return readUint48(bytes, at + 10);
}

/** The epoch of the record at `at`. */
export function epochAt(bytes: Uint8Array, at: number): number {
  return readUint32(bytes, at + 22);
}

export function countAt(bytes: Uint8Array, at: number): number {
  return readUint32(bytes, at + 26);
}
