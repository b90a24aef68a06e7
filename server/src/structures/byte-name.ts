/** Bytes as the key of a `Map`. */
import { ByteRange } from "./byte-range.ts";

/** A letter for each byte: different for different bytes, whether they are UTF-8 or not. */
export function byteName({ bytes, start, end }: ByteRange): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("latin1");
}

/** The bytes that such a name stands for, in a buffer of their own. */
export function bytesOfName(name: string): ByteRange {
  const bytes = Buffer.from(name, "latin1");
  return new ByteRange(bytes, 0, bytes.length);
}
