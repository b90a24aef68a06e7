/** Values as the byte strings that append, ranges and lengths work on (design, "Value types"). */
import { isUtf8 } from "node:buffer";
import { readInt64, TAG_BYTES, TAG_INTEGER, TAG_TEXT, Value } from "../../state/value.ts";
import { type ByteRange, rangeOf } from "../../structures/byte-range.ts";

/** The decimal of an integer, the bytes of everything else. */
export function bytesOf(value: Value): ByteRange {
  if (value.tag !== TAG_INTEGER) return value;
  return rangeOf(readInt64(value.bytes, value.start).toString());
}

/** Length in bytes of what `bytesOf` gives, without making it. */
export function byteLengthOf(value: Value): number {
  if (value.tag !== TAG_INTEGER) return value.end - value.start;
  return readInt64(value.bytes, value.start).toString().length;
}

/** Text where the bytes are UTF-8, else bytes: what cutting a text in pieces leaves. */
export function textOrBytes(bytes: Uint8Array, start: number, end: number): Value {
  const tag = isUtf8(bytes.subarray(start, end)) ? TAG_TEXT : TAG_BYTES;
  return new Value(tag, bytes, start, end);
}
