/** The inside of JSON strings: escaped bytes to plain ones and back. */
import { writeBase64 } from "../base64.ts";
import { writeAscii } from "../decimal.ts";
import type { OutputBuffer } from "../output-buffer.ts";
import { isUtf8Range, utf8Length, writeUtf8 } from "../utf8.ts";
import { BACKSLASH, QUOTE, readHex4, skipPlain } from "./json-scanner.ts";

const LETTER_U = 0x75;
const HEX = new TextEncoder().encode("0123456789abcdef");

/** What follows the backslash for a byte that must be escaped; `u` where it has no letter, 0 for plain bytes. */
const ESCAPES = new Uint8Array(256);
ESCAPES.fill(LETTER_U, 0, 0x20);
/** What a letter after the backslash stands for. */
const UNESCAPED = new Uint8Array(256);
for (const [letter, plain] of ["b\b", "f\f", "n\n", "r\r", "t\t", '""', "\\\\"].map((pair) => [...pair])) {
  ESCAPES[plain.charCodeAt(0)] = letter.charCodeAt(0);
  UNESCAPED[letter.charCodeAt(0)] = plain.charCodeAt(0);
}
UNESCAPED[0x2f] = 0x2f;

/** Appends what the inside of a string, quotes excluded, stands for. The string has passed the scanner. */
export function unescapeInto(out: OutputBuffer, bytes: Uint8Array, start: number, end: number): void {
  // An escape never stands for more bytes than it has.
  out.ensure(end - start);
  const to = out.bytes;
  let at = out.length;
  for (let i = start; i < end; i++) {
    if (bytes[i] !== BACKSLASH) {
      to[at++] = bytes[i];
      continue;
    }
    const letter = bytes[++i];
    if (letter !== LETTER_U) {
      to[at++] = UNESCAPED[letter];
      continue;
    }
    let point = readHex4(bytes, i + 1, end);
    i += 4;
    if (point >= 0xd800 && point <= 0xdfff) {
      // The scanner has seen to it that the other half follows.
      point = 0x10000 + ((point & 0x3ff) << 10) + (readHex4(bytes, i + 3, end) & 0x3ff);
      i += 6;
    }
    at = writeCodePoint(to, at, point);
  }
  out.length = at;
}

function writeCodePoint(to: Uint8Array, from: number, point: number): number {
  let at = from;
  if (point < 0x80) {
    to[at++] = point;
    return at;
  }
  if (point < 0x800) {
    to[at++] = 0xc0 | (point >> 6);
  } else {
    if (point < 0x10000) {
      to[at++] = 0xe0 | (point >> 12);
    } else {
      to[at++] = 0xf0 | (point >> 18);
      to[at++] = 0x80 | ((point >> 12) & 0x3f);
    }
    to[at++] = 0x80 | ((point >> 6) & 0x3f);
  }
  to[at++] = 0x80 | (point & 0x3f);
  return at;
}

/** Writes UTF-8 as a string. */
export function writeJsonString(out: OutputBuffer, bytes: Uint8Array, start: number, end: number): void {
  out.writeByte(QUOTE);
  const plainEnd = skipPlain(bytes, start, end);
  out.writeBytes(bytes, start, plainEnd);
  if (plainEnd === end) out.writeByte(QUOTE);
  else writeEscaped(out, bytes, plainEnd, end);
}

/** The rest of a string and its closing quote, from the first byte that must be escaped. */
function writeEscaped(out: OutputBuffer, bytes: Uint8Array, start: number, end: number): void {
  let at = start;
  while (at < end) {
    const byte = bytes[at];
    const letter = ESCAPES[byte];
    out.ensure(letter === LETTER_U ? 6 : 2);
    const to = out.bytes;
    to[out.length++] = BACKSLASH;
    to[out.length++] = letter;
    if (letter === LETTER_U) {
      to[out.length++] = 0x30;
      to[out.length++] = 0x30;
      to[out.length++] = HEX[byte >> 4];
      to[out.length++] = HEX[byte & 15];
    }
    const plainEnd = skipPlain(bytes, at + 1, end);
    out.writeBytes(bytes, at + 1, plainEnd);
    at = plainEnd;
  }
  out.writeByte(QUOTE);
}

/** Writes bytes as a string if they are UTF-8, else as `{"$bytes": base64}`. */
export function writeTextOrBytes(out: OutputBuffer, bytes: Uint8Array, start: number, end: number): void {
  if (isUtf8Range(bytes, start, end)) writeJsonString(out, bytes, start, end);
  else writeBytesObject(out, bytes, start, end);
}

/** `{"$bytes": base64}`: how raw bytes are written in JSON. */
export function writeBytesObject(out: OutputBuffer, bytes: Uint8Array, start: number, end: number): void {
  writeAscii(out, '{"$bytes":"');
  writeBase64(out, bytes, start, end);
  writeAscii(out, '"}');
}

/** Writes a JavaScript string. */
export function writeJsonText(out: OutputBuffer, text: string): void {
  out.ensure(text.length + 2);
  const to = out.bytes;
  let at = out.length;
  to[at++] = QUOTE;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80 || ESCAPES[unit] !== 0) {
      writeThroughUtf8(out, text);
      return;
    }
    to[at++] = unit;
  }
  to[at++] = QUOTE;
  out.length = at;
}

function writeThroughUtf8(out: OutputBuffer, text: string): void {
  const lengthBytes = utf8Length(text);
  // The plain bytes go where the string will end up at the latest, behind the room it needs; from there they are escaped.
  const start = out.length;
  writeUtf8(out, text, lengthBytes);
  const plain = out.bytes.slice(start, start + lengthBytes);
  out.length = start;
  writeJsonString(out, plain, 0, lengthBytes);
}
