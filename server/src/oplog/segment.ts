/**
 * A segment file: a piece of the log on disk.
 *
 *     log-0170000000000001.synap    named by the offset that its first record has
 *
 *      0  "SYNAPLOG"                     28  replication id, 16 bytes
 *      8  u8   version of the format     44  zeros
 *     16  u48  first offset              60  u32 CRC-32 of the bytes before
 *     24  u32  epoch                     64  records (log-record.ts), one after the other, then zeros
 *
 * It has its full length from the start, filled with zeros and synced: a write into it changes no metadata and cannot find
 * the disk full. A record's length is never 0, so the zeros are the end.
 */
import { readUint32, readUint48, writeUint32, writeUint48 } from "../state/operation.ts";
import { crc32 } from "../structures/crc32.ts";
import { FORMAT_VERSION, KNOWN_VERSIONS, knowsVersion } from "./format-version.ts";

export const SEGMENT_HEADER_BYTES = 64;

const MAGIC = new TextEncoder().encode("SYNAPLOG");
const CHECKSUM_AT = 60;
const NAME = /^log-(\d{16})\.synap$/;

export interface SegmentHeader {
  readonly firstOffset: number;
  readonly epoch: number;
  /** 32 hexadecimal digits. */
  readonly replicationId: string;
}

export function segmentName(firstOffset: number): string {
  return `log-${String(firstOffset).padStart(16, "0")}.synap`;
}

/** The first offset in a segment's name; undefined where it is not one. */
export function segmentOffset(name: string): number | undefined {
  const match = NAME.exec(name);
  return match === null ? undefined : Number(match[1]);
}

export function encodeSegmentHeader({ firstOffset, epoch, replicationId }: SegmentHeader): Uint8Array {
  const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
  bytes.set(MAGIC);
  bytes[8] = FORMAT_VERSION;
  writeUint48(bytes, 16, firstOffset);
  writeUint32(bytes, 24, epoch);
  bytes.set(Buffer.from(replicationId, "hex"), 28);
  writeUint32(bytes, CHECKSUM_AT, crc32(bytes, 0, CHECKSUM_AT));
  return bytes;
}

/** The header, or why the bytes are none. */
export function decodeSegmentHeader(bytes: Uint8Array): SegmentHeader | string {
  if (bytes.length < SEGMENT_HEADER_BYTES || MAGIC.some((byte, i) => bytes[i] !== byte)) return "it is not a segment";
  if (crc32(bytes, 0, CHECKSUM_AT) !== readUint32(bytes, CHECKSUM_AT)) return "its header's checksum is wrong";
  if (!knowsVersion(bytes[8])) return `its format has version ${bytes[8]}, and this server knows ${KNOWN_VERSIONS}`;
  return {
    firstOffset: readUint48(bytes, 16),
    epoch: readUint32(bytes, 24),
    replicationId: Buffer.from(bytes.subarray(28, 44)).toString("hex"),
  };
}
