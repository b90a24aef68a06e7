/**
 * The versioned union of operations, as bytes. Plan writes them with `OperationWriter`; the log keeps them; apply reads
 * them (state-machine.ts). Every reader of the log, on this node or another, sees these very bytes.
 *
 *     put       1 | tag u8 | keyBytes u16 | valueBytes u32 | deadlineMs u48 | key | value
 *     remove    2 | keyBytes u16 | key                    asked for by a client
 *     expire    3 | keyBytes u16 | key                    the deadline had passed
 *     evict     4 | keyBytes u16 | key                    made room under the memory limit
 *     deadline  5 | keyBytes u16 | deadlineMs u48 | key   0 takes the deadline away
 *     splice    6 | tag u8 | keyBytes u16 | offset u32 | bytes u32 | baseVersion u48 | key | bytes
 *     flush     7                                         every key, nothing else
 *
 * Little endian, nothing aligned. Everything is absolute: instants, final values, or a delta with the version it must
 * find. An operation's own offset is its position in the log, so it is not in here; it becomes the key's version.
 */
import { ByteRange, copyBytes } from "../structures/byte-range.ts";
import { NONE } from "../structures/radix-tree.ts";
import type { ValueTag } from "./value.ts";

export const OP_PUT = 1;
export const OP_REMOVE = 2;
export const OP_EXPIRE = 3;
export const OP_EVICT = 4;
export const OP_DEADLINE = 5;
export const OP_SPLICE = 6;
export const OP_FLUSH = 7;
/**
 * Kinds from here on change queues (queue-operation.ts), from the next one on rooms (room-operation.ts), and from the last
 * one on remembered replies (reply-operation.ts).
 */
export const QUEUE_KIND_MIN = 32;
export const ROOM_KIND_MIN = 64;
export const REPLY_KIND_MIN = 96;

/** The fixed part of each operation, in bytes. */
export const PUT_HEADER_BYTES = 14;
export const REMOVE_HEADER_BYTES = 3;
export const DEADLINE_HEADER_BYTES = 9;
export const SPLICE_HEADER_BYTES = 18;

export function readUint16(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8);
}

export function readUint32(bytes: Uint8Array, at: number): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
}

export function readUint48(bytes: Uint8Array, at: number): number {
  return readUint32(bytes, at) + readUint16(bytes, at + 4) * 0x1_0000_0000;
}

export function writeUint16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
}

export function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

export function writeUint48(bytes: Uint8Array, at: number, value: number): void {
  writeUint32(bytes, at, value >>> 0);
  writeUint16(bytes, at + 4, Math.floor(value / 0x1_0000_0000));
}

function writePut(
  bytes: Uint8Array,
  at: number,
  key: ByteRange,
  tag: ValueTag,
  value: ByteRange,
  deadlineMs: number,
): void {
  const keyBytes = key.end - key.start;
  bytes[at] = OP_PUT;
  bytes[at + 1] = tag;
  writeUint16(bytes, at + 2, keyBytes);
  writeUint32(bytes, at + 4, value.end - value.start);
  writeUint48(bytes, at + 8, deadlineMs);
  copyBytes(key.bytes, key.start, key.end, bytes, at + PUT_HEADER_BYTES);
  copyBytes(value.bytes, value.start, value.end, bytes, at + PUT_HEADER_BYTES + keyBytes);
}

const NOTHING = new Uint8Array(0);
const INITIAL_BYTES = 64 * 1024;
/**
 * Of larger buffers a put is written at once: they would be kept until the next put. A store's own begin with far more, and what is
 * in them can be moved.
 */
const DEFERRED_BYTES_MAX = 64 * 1024;

/**
 * Collects the operations of one record. The buffer is reused from record to record.
 *
 * Most records are one put of a key and a value that a client has just sent. Such a put is not written at first: it is kept as
 * where its key and value are, which is all that apply needs, and the log writes it where its own readers will find it.
 * Whoever asks for `bytes`, or adds to the record, has it written first; whoever may change what it was given calls `settle`.
 */
export class OperationWriter {
  #bytes = new Uint8Array(INITIAL_BYTES);
  /** Bytes written, or to be written. */
  length = 0;
  /** Operations written; each takes one offset. */
  count = 0;
  readonly #deferred = new Operation(new ByteRange(NOTHING, 0, 0), new ByteRange(NOTHING, 0, 0));
  #isDeferred = false;
  /** What the deferred put was told. */
  deferredRef = NONE;

  get bytes(): Uint8Array {
    if (this.#isDeferred) this.settle();
    return this.#bytes;
  }

  /** The only operation of the record, while it is not written. */
  get deferred(): Operation | undefined {
    return this.#isDeferred ? this.#deferred : undefined;
  }

  reset(): void {
    this.length = 0;
    this.count = 0;
    this.#isDeferred = false;
    if (this.#bytes.length > INITIAL_BYTES * 64) this.#bytes = new Uint8Array(INITIAL_BYTES);
  }

  /** From here on nothing of the record depends on the bytes that it was made of. */
  settle(): void {
    if (!this.#isDeferred) return;
    this.#isDeferred = false;
    if (this.length > this.#bytes.length) this.#bytes = new Uint8Array(this.length);
    const { key, tag, value, deadlineMs } = this.#deferred;
    writePut(this.#bytes, 0, key, tag, value, deadlineMs);
  }

  /** Writes the record's operations, `length` bytes, to `into` at `at`. */
  writeTo(into: Uint8Array, at: number): void {
    if (this.#isDeferred) {
      const { key, tag, value, deadlineMs } = this.#deferred;
      writePut(into, at, key, tag, value, deadlineMs);
    } else copyBytes(this.#bytes, 0, this.length, into, at);
  }

  /** @param foundRef as of `KeyStore#put`. */
  put(key: ByteRange, tag: ValueTag, value: ByteRange, deadlineMs: number, foundRef = NONE): void {
    const bytes = PUT_HEADER_BYTES + key.end - key.start + value.end - value.start;
    if (this.count === 0 && value.bytes.length <= DEFERRED_BYTES_MAX && key.bytes.length <= DEFERRED_BYTES_MAX) {
      this.#deferred.setPut(key, tag, value, deadlineMs);
      this.deferredRef = foundRef;
      this.#isDeferred = true;
      this.length = bytes;
      this.count = 1;
      return;
    }
    const at = this.begin(bytes);
    writePut(this.#bytes, at, key, tag, value, deadlineMs);
  }

  remove(key: ByteRange): void {
    this.#keyOnly(OP_REMOVE, key);
  }

  expire(key: ByteRange): void {
    this.#keyOnly(OP_EXPIRE, key);
  }

  evict(key: ByteRange): void {
    this.#keyOnly(OP_EVICT, key);
  }

  #keyOnly(kind: number, key: ByteRange): void {
    const keyBytes = key.end - key.start;
    const at = this.begin(REMOVE_HEADER_BYTES + keyBytes);
    this.#bytes[at] = kind;
    writeUint16(this.#bytes, at + 1, keyBytes);
    copyBytes(key.bytes, key.start, key.end, this.#bytes, at + REMOVE_HEADER_BYTES);
  }

  /** @param deadlineMs 0 for none. */
  deadline(key: ByteRange, deadlineMs: number): void {
    const keyBytes = key.end - key.start;
    const at = this.begin(DEADLINE_HEADER_BYTES + keyBytes);
    this.#bytes[at] = OP_DEADLINE;
    writeUint16(this.#bytes, at + 1, keyBytes);
    writeUint48(this.#bytes, at + 3, deadlineMs);
    copyBytes(key.bytes, key.start, key.end, this.#bytes, at + DEADLINE_HEADER_BYTES);
  }

  /**
   * Overwrites the value's bytes from `offset`, zero-filled up to there where it was shorter.
   * @param baseVersion the version the key has now; apply stops the process if it finds another.
   */
  splice(key: ByteRange, tag: ValueTag, offset: number, part: ByteRange, baseVersion: number): void {
    const keyBytes = key.end - key.start;
    const partBytes = part.end - part.start;
    const at = this.begin(SPLICE_HEADER_BYTES + keyBytes + partBytes);
    const bytes = this.#bytes;
    bytes[at] = OP_SPLICE;
    bytes[at + 1] = tag;
    writeUint16(bytes, at + 2, keyBytes);
    writeUint32(bytes, at + 4, offset);
    writeUint32(bytes, at + 8, partBytes);
    writeUint48(bytes, at + 12, baseVersion);
    copyBytes(key.bytes, key.start, key.end, bytes, at + SPLICE_HEADER_BYTES);
    copyBytes(part.bytes, part.start, part.end, bytes, at + SPLICE_HEADER_BYTES + keyBytes);
  }

  flush(): void {
    const at = this.begin(1);
    this.#bytes[at] = OP_FLUSH;
  }

  /** Adds the operations of another writer, which has at least one. */
  addAll(other: OperationWriter): void {
    const at = this.begin(other.length);
    other.writeTo(this.#bytes, at);
    this.count += other.count - 1;
  }

  /** Claims room for the next operation, of so many bytes, and returns where it begins. Counts it: the caller writes it. */
  begin(bytes: number): number {
    this.settle();
    const at = this.length;
    const needed = at + bytes;
    if (needed > this.#bytes.length) {
      // The old buffer is left as it is: values staged earlier in this record still point into it.
      const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
    }
    this.length = needed;
    this.count++;
    return at;
  }
}

/**
 * One operation, read back. Reused by `OperationReader`: its ranges point into the record and live as long as that does.
 */
export class Operation {
  kind = 0;
  tag: ValueTag = 0;
  readonly key: ByteRange;
  /** The value of a put, the part of a splice. */
  readonly value: ByteRange;
  deadlineMs = 0;
  offset = 0;
  baseVersion = 0;

  constructor(key: ByteRange, value: ByteRange) {
    this.key = key;
    this.value = value;
  }

  setPut(key: ByteRange, tag: ValueTag, value: ByteRange, deadlineMs: number): void {
    this.kind = OP_PUT;
    this.tag = tag;
    this.deadlineMs = deadlineMs;
    this.key.bytes = key.bytes;
    this.key.start = key.start;
    this.key.end = key.end;
    this.value.bytes = value.bytes;
    this.value.start = value.start;
    this.value.end = value.end;
  }

  /**
   * Reads the operation at `at` and returns where the next begins. Throws on an unknown kind or one that runs past `end`:
   * the record's checksum was right, so whoever wrote it was not.
   */
  read(bytes: Uint8Array, at: number, end: number): number {
    const kind = bytes[at];
    this.kind = kind;
    let next: number;
    switch (kind) {
      case OP_PUT: {
        // Plan wrote one of the four tags here.
        this.tag = bytes[at + 1] as ValueTag;
        this.deadlineMs = readUint48(bytes, at + 8);
        next = this.#ranges(bytes, at + PUT_HEADER_BYTES, readUint16(bytes, at + 2), readUint32(bytes, at + 4));
        break;
      }
      case OP_REMOVE:
      case OP_EXPIRE:
      case OP_EVICT:
        next = this.#ranges(bytes, at + REMOVE_HEADER_BYTES, readUint16(bytes, at + 1), 0);
        break;
      case OP_DEADLINE:
        this.deadlineMs = readUint48(bytes, at + 3);
        next = this.#ranges(bytes, at + DEADLINE_HEADER_BYTES, readUint16(bytes, at + 1), 0);
        break;
      case OP_SPLICE:
        this.tag = bytes[at + 1] as ValueTag;
        this.offset = readUint32(bytes, at + 4);
        this.baseVersion = readUint48(bytes, at + 12);
        next = this.#ranges(bytes, at + SPLICE_HEADER_BYTES, readUint16(bytes, at + 2), readUint32(bytes, at + 8));
        break;
      case OP_FLUSH:
        next = at + 1;
        break;
      default:
        throw new Error(`unknown operation kind ${kind} at byte ${at} of a record`);
    }
    if (next > end) throw new Error(`operation of kind ${kind} at byte ${at} runs ${next - end} bytes past its record`);
    return next;
  }

  #ranges(bytes: Uint8Array, at: number, keyBytes: number, valueBytes: number): number {
    this.key.bytes = bytes;
    this.key.start = at;
    this.key.end = at + keyBytes;
    this.value.bytes = bytes;
    this.value.start = at + keyBytes;
    this.value.end = at + keyBytes + valueBytes;
    return this.value.end;
  }
}
