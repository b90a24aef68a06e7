/**
 * A snapshot on disk: the images of everything that the state held at one offset (state/, server/docs/log-format.md).
 *
 *     snapshot-0170000000000001.synap    named by that offset
 *
 *      0  "SYNAPSNP"                     28  replication id, 16 bytes
 *      8  u8   version of the format     44  u48 when it was begun, ms
 *     16  u48  offset                    60  u32 CRC-32 of the bytes before
 *     24  u32  epoch                     64  chunks
 *
 *     chunk   u32 bytes | u32 CRC-32 | images
 *     end     u32 0     | u32 CRC-32 | u48 chunks | u48 bytes of all images | ...
 *
 * It is written under another name, synced, and renamed: a file with this name was whole once, and one without its end
 * or with a wrong checksum has gone bad since.
 */
import { readUint32, readUint48, writeUint32, writeUint48 } from "../state/operation.ts";
import { crc32 } from "../structures/crc32.ts";
import type { FileHandle, FileSystem } from "./file-system.ts";
import { FORMAT_VERSION, KNOWN_VERSIONS, knowsVersion } from "./format-version.ts";

export const SNAPSHOT_HEADER_BYTES = 64;

/** How the problem of a snapshot begins that is whole, and was written by another version of the server. */
export const OTHER_VERSION = "its format has version";

const MAGIC = new TextEncoder().encode("SYNAPSNP");
const CHECKSUM_AT = 60;
const CHUNK_HEADER_BYTES = 8;
const END_BYTES = 12;
/** No chunk is larger: one image of the largest value, and what a slice has written beside it. */
const CHUNK_BYTES_MAX = 256 * 2 ** 20;
const NAME = /^snapshot-(\d{16})\.synap$/;

export interface SnapshotHeader {
  readonly offset: number;
  readonly epoch: number;
  /** 32 hexadecimal digits. */
  readonly replicationId: string;
  readonly startedAtMs: number;
}

export function snapshotName(offset: number): string {
  return `snapshot-${String(offset).padStart(16, "0")}.synap`;
}

/** The offset in a snapshot's name; undefined where it is not one. */
export function snapshotOffset(name: string): number | undefined {
  const match = NAME.exec(name);
  return match === null ? undefined : Number(match[1]);
}

export function encodeSnapshotHeader(header: SnapshotHeader): Uint8Array {
  const bytes = new Uint8Array(SNAPSHOT_HEADER_BYTES);
  bytes.set(MAGIC);
  bytes[8] = FORMAT_VERSION;
  writeUint48(bytes, 16, header.offset);
  writeUint32(bytes, 24, header.epoch);
  bytes.set(Buffer.from(header.replicationId, "hex"), 28);
  writeUint48(bytes, 44, header.startedAtMs);
  writeUint32(bytes, CHECKSUM_AT, crc32(bytes, 0, CHECKSUM_AT));
  return bytes;
}

/** The header, or why the bytes are none. */
export function decodeSnapshotHeader(bytes: Uint8Array): SnapshotHeader | string {
  if (bytes.length < SNAPSHOT_HEADER_BYTES || MAGIC.some((byte, i) => bytes[i] !== byte)) return "it is not a snapshot";
  if (crc32(bytes, 0, CHECKSUM_AT) !== readUint32(bytes, CHECKSUM_AT)) return "its header's checksum is wrong";
  if (!knowsVersion(bytes[8])) return `${OTHER_VERSION} ${bytes[8]}, and this server knows ${KNOWN_VERSIONS}`;
  return {
    offset: readUint48(bytes, 16),
    epoch: readUint32(bytes, 24),
    replicationId: Buffer.from(bytes.subarray(28, 44)).toString("hex"),
    startedAtMs: readUint48(bytes, 44),
  };
}

/** Counts what goes into the file, and frames it. */
export class SnapshotFraming {
  #chunks = 0;
  #imageBytes = 0;

  get imageBytes(): number {
    return this.#imageBytes;
  }

  /** A copy of the images, as a chunk. */
  chunk(images: Uint8Array, length: number): Uint8Array {
    const bytes = new Uint8Array(CHUNK_HEADER_BYTES + length);
    bytes.set(length === images.length ? images : images.subarray(0, length), CHUNK_HEADER_BYTES);
    writeUint32(bytes, 0, length);
    writeUint32(bytes, 4, crc32(bytes, CHUNK_HEADER_BYTES, bytes.length));
    this.#chunks += 1;
    this.#imageBytes += length;
    return bytes;
  }

  end(): Uint8Array {
    const bytes = new Uint8Array(CHUNK_HEADER_BYTES + END_BYTES);
    writeUint48(bytes, CHUNK_HEADER_BYTES, this.#chunks);
    writeUint48(bytes, CHUNK_HEADER_BYTES + 6, this.#imageBytes);
    writeUint32(bytes, 4, crc32(bytes, CHUNK_HEADER_BYTES, bytes.length));
    return bytes;
  }
}

/**
 * Reads a snapshot whole and hands its chunks on; every byte is checked.
 * @param onImages is called with the images of one chunk, which live until it returns.
 * @returns the header, or why the file is no snapshot.
 */
export async function readSnapshot(
  files: FileSystem,
  path: string,
  onImages: (images: Uint8Array, progress: { readonly doneBytes: number; readonly allBytes: number }) => void,
): Promise<SnapshotHeader | string> {
  const file = await files.open(path, "read");
  try {
    const head = new Uint8Array(SNAPSHOT_HEADER_BYTES);
    const header = decodeSnapshotHeader(head.subarray(0, await file.read(head, 0)));
    if (typeof header === "string") return header;
    return (await readChunks(file, await file.size(), onImages)) ?? header;
  } finally {
    await file.close();
  }
}

type OnImages = Parameters<typeof readSnapshot>[2];

/** Returns what is wrong; undefined where all is well. */
async function readChunks(file: FileHandle, fileBytes: number, onImages: OnImages): Promise<string | undefined> {
  const chunkHead = new Uint8Array(CHUNK_HEADER_BYTES + END_BYTES);
  let buffer = new Uint8Array(2 ** 20);
  let chunks = 0;
  let imageBytes = 0;
  for (let at = SNAPSHOT_HEADER_BYTES; ; ) {
    const read = await file.read(chunkHead, at);
    if (read < CHUNK_HEADER_BYTES) return `it is cut off at byte ${at}`;
    const length = readUint32(chunkHead, 0);
    const checksum = readUint32(chunkHead, 4);
    if (length === 0) {
      if (read < chunkHead.length) return "it is cut off in its end";
      if (crc32(chunkHead, CHUNK_HEADER_BYTES, chunkHead.length) !== checksum)
        return "the checksum of its end is wrong";
      const isComplete =
        readUint48(chunkHead, CHUNK_HEADER_BYTES) === chunks &&
        readUint48(chunkHead, CHUNK_HEADER_BYTES + 6) === imageBytes;
      return isComplete && at + chunkHead.length === fileBytes ? undefined : "it does not hold what its end says";
    }
    if (length > CHUNK_BYTES_MAX || at + CHUNK_HEADER_BYTES + length > fileBytes) return `it is damaged at byte ${at}`;
    if (length > buffer.length) buffer = new Uint8Array(length);
    const images = buffer.subarray(0, length);
    await file.read(images, at + CHUNK_HEADER_BYTES);
    if (crc32(images, 0, length) !== checksum) return `a checksum is wrong at byte ${at}`;
    chunks += 1;
    imageBytes += length;
    at += CHUNK_HEADER_BYTES + length;
    onImages(images, { doneBytes: at, allBytes: fileBytes });
  }
}
