/**
 * A stored value: a tag and bytes. The tags and what each reader gets for them are the table of design.md, "Value types":
 *
 *     tag      bytes                          JSON reader                        RESP reader
 *     TEXT     UTF-8, no quotes               "string"                           the bytes
 *     BYTES    anything                       string if UTF-8, else {"$bytes"}   the bytes
 *     INTEGER  8 bytes, little endian, i64    the integer, every digit           its decimal
 *     JSON     JSON text, already validated   spliced in as it is                the text
 */
import { ByteRange } from "../structures/byte-range.ts";

export const TAG_TEXT = 0;
export const TAG_BYTES = 1;
export const TAG_INTEGER = 2;
export const TAG_JSON = 3;
export type ValueTag = typeof TAG_TEXT | typeof TAG_BYTES | typeof TAG_INTEGER | typeof TAG_JSON;

/** The word for each tag on the wire (`type` of `kv.get` with meta, `key.type`), indexed by tag. */
export const TAG_NAMES = ["text", "bytes", "integer", "json"] as const;

export const INTEGER_BYTES = 8;

/** A tagged byte range. Like every range it is only as long-lived as its buffer. */
export class Value extends ByteRange {
  tag: ValueTag;

  constructor(tag: ValueTag, bytes: Uint8Array, start: number, end: number) {
    super(bytes, start, end);
    this.tag = tag;
  }

  /** Another range over the same bytes, for where this object itself is reused. */
  view(): Value {
    return new Value(this.tag, this.bytes, this.start, this.end);
  }

  /** A range over a copy of the bytes, for what must outlive the buffer. */
  copy(): Value {
    const bytes = this.bytes.slice(this.start, this.end);
    return new Value(this.tag, bytes, 0, bytes.length);
  }
}

/** Reads a signed 64-bit integer; a `number` where that is exact, else a `bigint`. */
export function readInt64(bytes: Uint8Array, at: number): number | bigint {
  const low = (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
  const high = bytes[at + 4]! | (bytes[at + 5]! << 8) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 24);
  if (high >= -0x20_0000 && high < 0x20_0000) {
    const value = high * 0x1_0000_0000 + low;
    if (Number.isSafeInteger(value)) return value;
  }
  return (BigInt(high) << 32n) | BigInt(low);
}

/** Writes a signed 64-bit integer. A `number` must be a safe integer. */
export function writeInt64(bytes: Uint8Array, at: number, value: number | bigint): void {
  let low: number;
  let high: number;
  if (typeof value === "bigint") {
    low = Number(value & 0xffff_ffffn);
    high = Number(value >> 32n);
  } else {
    high = Math.floor(value / 0x1_0000_0000);
    low = value - high * 0x1_0000_0000;
  }
  bytes[at] = low;
  bytes[at + 1] = low >>> 8;
  bytes[at + 2] = low >>> 16;
  bytes[at + 3] = low >>> 24;
  bytes[at + 4] = high;
  bytes[at + 5] = high >> 8;
  bytes[at + 6] = high >> 16;
  bytes[at + 7] = high >> 24;
}

/** An integer value in a buffer of its own. */
export function integerValue(value: number | bigint): Value {
  const bytes = new Uint8Array(INTEGER_BYTES);
  writeInt64(bytes, 0, value);
  return new Value(TAG_INTEGER, bytes, 0, INTEGER_BYTES);
}
