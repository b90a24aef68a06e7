/**
 * Words of an inline request, by the quoting rules of Redis (sds.c, sdssplitargs): "..." with \n \r \t \b \a and \xHH, '...'
 * with \' only, and a closing quote is followed by white space or the end. A zero byte ends the line.
 */
import type { SpanList } from "./resp-parser.ts";
import type { RespRequest } from "./resp-request.ts";

const SPACE = 0x20;
const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const BACKSLASH = 0x5c;
const DOUBLE_QUOTE = 0x22;
const SINGLE_QUOTE = 0x27;
const LOWER_X = 0x78;
/** What a letter after a backslash means; any other stands for itself. */
const ESCAPES: ReadonlyMap<number, number> = new Map([
  [0x6e, LF],
  [0x72, CR],
  [0x74, TAB],
  [0x62, 0x08],
  [0x61, 0x07],
]);

/**
 * Splits `bytes[start, end)`. A line without words leaves `into.count` at 0.
 * @returns false for unbalanced quotes.
 */
export function splitInline(
  bytes: Uint8Array,
  start: number,
  end: number,
  into: RespRequest,
  spans: SpanList,
): boolean {
  const first = spans.length;
  // Words are unpacked here: none is longer than it is in the line.
  const unpacked = new Uint8Array(end - start);
  let length = 0;
  let at = start;
  for (;;) {
    while (at < end && bytes[at] !== 0 && isSpace(bytes[at])) at++;
    if (at >= end || bytes[at] === 0) break;
    const word = unpackWord(bytes, at, end, unpacked, length);
    if (word === undefined) return false;
    spans.add(length, word.length);
    length = word.length;
    at = word.at;
  }
  into.bytes = unpacked;
  into.spans = spans.spans;
  into.first = first;
  into.count = (spans.length - first) / 2;
  into.isInline = true;
  return true;
}

/** @returns where the word ends, in the line and in what is unpacked; `undefined` where a quote is not closed. */
function unpackWord(bytes: Uint8Array, from: number, end: number, to: Uint8Array, toStart: number) {
  let length = toStart;
  let quote = 0;
  for (let at = from; ; at++) {
    const byte = at < end ? bytes[at] : 0;
    if (byte === 0) return quote === 0 ? { at, length } : undefined;
    if (quote === 0) {
      if (byte === SPACE || byte === LF || byte === CR || byte === TAB) return { at, length };
      if (byte === DOUBLE_QUOTE || byte === SINGLE_QUOTE) quote = byte;
      else to[length++] = byte;
    } else if (byte === quote) {
      const after = at + 1 < end ? bytes[at + 1] : 0;
      return after === 0 || isSpace(after) ? { at: at + 1, length } : undefined;
    } else if (byte === BACKSLASH && quote === SINGLE_QUOTE && at + 1 < end && bytes[at + 1] === SINGLE_QUOTE) {
      to[length++] = SINGLE_QUOTE;
      at++;
    } else if (byte === BACKSLASH && quote === DOUBLE_QUOTE && at + 1 < end && bytes[at + 1] !== 0) {
      const hex = bytes[at + 1] === LOWER_X && at + 3 < end ? hexPair(bytes[at + 2], bytes[at + 3]) : -1;
      to[length++] = hex >= 0 ? hex : (ESCAPES.get(bytes[at + 1]) ?? bytes[at + 1]);
      at += hex >= 0 ? 3 : 1;
    } else {
      to[length++] = byte;
    }
  }
}

function hexPair(high: number, low: number): number {
  const text = String.fromCharCode(high, low);
  return /^[0-9a-fA-F]{2}$/.test(text) ? Number.parseInt(text, 16) : -1;
}

/** `isspace` of C. */
function isSpace(byte: number): boolean {
  return byte === SPACE || (byte >= TAB && byte <= CR);
}
