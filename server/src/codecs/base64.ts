/**
 * Base64 (RFC 4648, section 4) between byte ranges. Only the one canonical spelling is read: padded, and with the spare
 * bits of the last letter zero. So bytes and their text are one to one, and a value keeps its spelling from one format
 * to the other and back.
 */
import type { OutputBuffer } from "./output-buffer.ts";

const LETTERS = new TextEncoder().encode("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
const PADDING = 0x3d;
const NO_LETTER = 0xff;

const SEXTETS = new Uint8Array(256).fill(NO_LETTER);
for (const [sextet, letter] of LETTERS.entries()) SEXTETS[letter] = sextet;

export function writeBase64(out: OutputBuffer, bytes: Uint8Array, start: number, end: number): void {
  out.ensure(Math.ceil((end - start) / 3) * 4);
  const to = out.bytes;
  let at = out.length;
  let i = start;
  for (; i + 2 < end; i += 3) {
    const group = (bytes[i] << 16) | (bytes[i + 1] << 8) | bytes[i + 2];
    to[at++] = LETTERS[group >>> 18];
    to[at++] = LETTERS[(group >>> 12) & 63];
    to[at++] = LETTERS[(group >>> 6) & 63];
    to[at++] = LETTERS[group & 63];
  }
  if (i < end) {
    const isPair = i + 1 < end;
    const group = (bytes[i] << 16) | (isPair ? bytes[i + 1] << 8 : 0);
    to[at++] = LETTERS[group >>> 18];
    to[at++] = LETTERS[(group >>> 12) & 63];
    to[at++] = isPair ? LETTERS[(group >>> 6) & 63] : PADDING;
    to[at++] = PADDING;
  }
  out.length = at;
}

/** How many bytes the text stands for, or -1 where it is not canonical base64. Looks at every letter. */
export function base64DecodedLength(text: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (length % 4 !== 0) return -1;
  if (length === 0) return 0;
  const padding = text[end - 1] !== PADDING ? 0 : text[end - 2] !== PADDING ? 1 : 2;
  for (let i = start; i < end - padding; i++) {
    if (SEXTETS[text[i]] === NO_LETTER) return -1;
  }
  const last = SEXTETS[text[end - padding - 1]];
  if (padding === 1 && (last & 3) !== 0) return -1;
  if (padding === 2 && (last & 15) !== 0) return -1;
  return (length / 4) * 3 - padding;
}

/** Appends the bytes of a text for which `base64DecodedLength` gave `decodedLength`. */
export function decodeBase64(out: OutputBuffer, text: Uint8Array, start: number, decodedLength: number): void {
  // A whole group is written at once, so up to two bytes past the end.
  out.ensure(decodedLength + 2);
  const to = out.bytes;
  const first = out.length;
  let from = start;
  for (let at = first; at < first + decodedLength; at += 3, from += 4) {
    // Padding has no sextet; its low bits only reach bytes past the end.
    const group =
      (SEXTETS[text[from]] << 18) |
      (SEXTETS[text[from + 1]] << 12) |
      ((SEXTETS[text[from + 2]] & 63) << 6) |
      (SEXTETS[text[from + 3]] & 63);
    to[at] = group >>> 16;
    to[at + 1] = group >>> 8;
    to[at + 2] = group;
  }
  out.length = first + decodedLength;
}
