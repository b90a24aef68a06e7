/** Bytes as the key of a `Map`. */
import type { ByteRange } from "./byte-range.ts";

/** A letter for each byte: different for different bytes, whether they are UTF-8 or not. */
export function byteName({ bytes, start, end }: ByteRange): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("latin1");
}
