/** UTF-8 in both directions for what is a JavaScript string: words, messages, names. Keys and values stay bytes. */
import { isUtf8 } from "node:buffer";
import type { OutputBuffer } from "./output-buffer.ts";

// A byte order mark is a letter like others here.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/** Up to here a loop beats the way into native code. */
const LOOP_BYTES_MAX = 96;

export function decodeUtf8(bytes: Uint8Array, start: number, end: number): string {
  return decoder.decode(bytes.subarray(start, end));
}

/** Is the range valid UTF-8? The usual short ASCII is told without leaving JavaScript. */
export function isUtf8Range(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start <= LOOP_BYTES_MAX) {
    if (isAsciiRange(bytes, start, end)) return true;
  }
  return isUtf8(bytes.subarray(start, end));
}

/** For short ranges. */
export function isAsciiRange(bytes: Uint8Array, start: number, end: number): boolean {
  let all = 0;
  let i = start;
  for (const last = end - 4; i <= last; i += 4) all |= bytes[i] | bytes[i + 1] | bytes[i + 2] | bytes[i + 3];
  for (; i < end; i++) all |= bytes[i];
  return all < 0x80;
}

/** How many bytes `writeUtf8` will write. */
export function utf8Length(text: string): number {
  if (text.length > LOOP_BYTES_MAX) return Buffer.byteLength(text);
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) >= 0x80) return Buffer.byteLength(text);
  }
  return text.length;
}

/** Half of a surrogate pair becomes U+FFFD, which has the three bytes that `utf8Length` counts for it. */
export function writeUtf8(out: OutputBuffer, text: string, lengthBytes: number): void {
  out.ensure(lengthBytes);
  const to = out.bytes;
  const at = out.length;
  if (lengthBytes === text.length && lengthBytes <= LOOP_BYTES_MAX) {
    for (let i = 0; i < lengthBytes; i++) to[at + i] = text.charCodeAt(i);
  } else {
    encoder.encodeInto(text, to.subarray(at, at + lengthBytes));
  }
  out.length = at + lengthBytes;
}
