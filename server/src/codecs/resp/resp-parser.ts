/**
 * RESP requests out of a stream that comes in pieces of any size. Pure: it is given bytes, and says where words are.
 *
 *     *3\r\n $3\r\nSET\r\n $1\r\nk\r\n $1\r\nv\r\n      an array of bulk strings; or
 *     SET k "v\x41"\r\n                                 inline: words with Redis' quoting
 *
 *     bytes   [ done | request | request | req... ]
 *                                         ^ at        NEEDS_MORE: the next call begins with this request at 0
 *
 * A request in progress costs a few numbers and the spans of its words so far, whatever it announces; a word once found is
 * not searched again, so that a request in many pieces costs what it costs in one. Errors are those of Redis 7
 * (networking.c, processMultibulkBuffer and processInlineBuffer), after which the stream is of no use. Like Redis it takes
 * the two bytes after a number or a word for their line end, whatever they are.
 *
 * Unlike Redis it ends a connection whose line is not text. A web page can have a browser begin TLS, or another binary
 * protocol, with this port, and choose bytes within the greeting: a line break and a command behind it must not be found.
 *
 * Where Redis has 512 MB for a bulk string and 1 GB for all of a request, this has `requestBytesMax` for both, and for the
 * number of words what Redis had before version 7, since every word announced is at least 5 bytes to come.
 */
import { splitInline } from "./resp-inline.ts";
import type { RespRequest } from "./resp-request.ts";

/** A request was found; `at` is behind it. */
export const COMPLETE = 0;
/** The bytes end within a request, which begins at `at`. */
export const NEEDS_MORE = 1;
/** The stream breaks the protocol; `error` says how. */
export const BROKEN = 2;
export type ParseOutcome = typeof COMPLETE | typeof NEEDS_MORE | typeof BROKEN;

export const WORDS_MAX = 1024 * 1024;
/** Of an inline request, and of the line of a number, if a request may have as much. */
const LINE_BYTES_MAX = 64 * 1024;
/** Digits that are read without looking further: any such number is safe. */
const DIGITS_MAX = 10;

const TAB = 0x09;
const SPACE = 0x20;
const TILDE = 0x7e;
const STAR = 0x2a;
const DOLLAR = 0x24;
const CR = 0x0d;
const LF = 0x0a;
const ZERO = 0x30;

// What `#readLength` answers with where it has no length.
const INCOMPLETE = -1;
const INVALID = -2;
const NEGATIVE = -3;
const LINE_TOO_LONG = -4;

const NOT_TEXT = "a line holds bytes that are no text: another protocol, or TLS on a port without it";

const SPANS_INITIAL = 256;
const SPANS_KEPT_MAX = 64 * 1024;

/** Where the spans of a burst of requests are kept, one after the other. Shared by all parsers: emptied for each burst. */
export class SpanList {
  spans = new Int32Array(SPANS_INITIAL);
  length = 0;

  clear(): void {
    this.length = 0;
    if (this.spans.length > SPANS_KEPT_MAX) this.spans = new Int32Array(SPANS_INITIAL);
  }

  add(start: number, end: number): void {
    if (this.length + 2 > this.spans.length) this.#grow();
    this.spans[this.length] = start;
    this.spans[this.length + 1] = end;
    this.length += 2;
  }

  /** Requests found before keep the old array. */
  #grow(): void {
    const grown = new Int32Array(this.spans.length * 2);
    grown.set(this.spans);
    this.spans = grown;
  }
}

export class RespParser {
  /** May be raised: who has not logged in may not send as much. */
  requestBytesMax: number;
  /** Behind the last request, or where one begins that is not all there. */
  at = 0;
  /** After BROKEN: the reply, without `-` and line end. */
  error = "";
  /** Behind the number that `#readLength` has read. */
  #next = 0;
  // The request in progress, at 0 of the next bytes: words to come, where the next one begins, spans of those found.
  #wordsLeft = 0;
  #resumeAt = 0;
  #partial: SpanList | undefined;

  constructor(requestBytesMax: number) {
    this.requestBytesMax = requestBytesMax;
  }

  /** Forgets the request in progress: its bytes will be given from the beginning. */
  rewind(): void {
    this.#wordsLeft = 0;
    this.#partial = undefined;
  }

  /**
   * Looks for the next request in `bytes[start, end)`. After NEEDS_MORE the next call must give the same bytes from `at` on,
   * now at 0, with more behind them.
   */
  next(bytes: Uint8Array, start: number, end: number, into: RespRequest, spans: SpanList): ParseOutcome {
    if (this.#partial !== undefined) return this.#resume(bytes, end, into, this.#partial);
    this.at = start;
    while (this.at < end) {
      if (bytes[this.at] !== STAR) {
        const outcome = this.#inline(bytes, end, into, spans);
        if (outcome !== COMPLETE || into.count > 0) return outcome;
        continue;
      }
      const count = this.#readLength(bytes, this.at + 1, end);
      if (count > WORDS_MAX || count === INVALID) return this.#fail("invalid multibulk length");
      if (count === LINE_TOO_LONG) return this.#fail("too big mbulk count string");
      if (count === INCOMPLETE) return NEEDS_MORE;
      if (count > 0) return this.#words(bytes, end, into, spans, count);
      this.at = this.#next;
    }
    return NEEDS_MORE;
  }

  #words(bytes: Uint8Array, end: number, into: RespRequest, spans: SpanList, count: number): ParseOutcome {
    const first = spans.length;
    const left = this.#takeWords(bytes, this.#next, end, count, spans);
    if (left < 0) return BROKEN;
    if (left > 0) {
      this.#keepPartial(spans, first, left);
      return this.#tooLarge(end - this.at);
    }
    into.bytes = bytes;
    into.spans = spans.spans;
    into.first = first;
    into.count = count;
    into.isInline = false;
    this.at = this.#next;
    return COMPLETE;
  }

  /** @returns how many words are missing; then `#next` is where the first of them begins. Below zero: BROKEN. */
  #takeWords(bytes: Uint8Array, from: number, end: number, count: number, spans: SpanList): number {
    let at = from;
    for (let left = count; left > 0; left--) {
      this.#next = at;
      if (at >= end) return left;
      const length = bytes[at] === DOLLAR ? this.#readLength(bytes, at + 1, end) : this.#noDollar(bytes, at, end);
      if (length < 0) {
        if (length === INCOMPLETE) {
          this.#next = at;
          return left;
        }
        return this.#badLength(length, bytes[at]);
      }
      if (length > this.requestBytesMax) return this.#badLength(INVALID, DOLLAR);
      const start = this.#next;
      if (start + length + 2 > end) {
        this.#next = at;
        return left;
      }
      spans.add(start, start + length);
      at = start + length + 2;
    }
    this.#next = at;
    return 0;
  }

  /** Redis reads the line before it looks at what it begins with. */
  #noDollar(bytes: Uint8Array, at: number, end: number): number {
    const length = this.#slowLength(bytes, at, end);
    return length === INCOMPLETE || length === LINE_TOO_LONG ? length : INVALID;
  }

  #badLength(length: number, byte: number): -1 {
    if (length === LINE_TOO_LONG) this.#fail("too big bulk count string");
    else if (byte !== DOLLAR) this.#fail(`expected '$', got '${String.fromCharCode(byte)}'`);
    else this.#fail("invalid bulk length");
    return -1;
  }

  /** Moves what was found of a request to memory of this parser, as if the request began at 0. */
  #keepPartial(spans: SpanList, first: number, left: number): void {
    const kept = new SpanList();
    for (let i = first; i < spans.length; i += 2) kept.add(spans.spans[i] - this.at, spans.spans[i + 1] - this.at);
    spans.length = first;
    this.#partial = kept;
    this.#wordsLeft = left;
    this.#resumeAt = this.#next - this.at;
  }

  #resume(bytes: Uint8Array, end: number, into: RespRequest, partial: SpanList): ParseOutcome {
    this.at = 0;
    const left = this.#takeWords(bytes, this.#resumeAt, end, this.#wordsLeft, partial);
    if (left < 0) return BROKEN;
    this.#wordsLeft = left;
    this.#resumeAt = this.#next;
    if (left > 0) return this.#tooLarge(end);
    into.bytes = bytes;
    into.spans = partial.spans;
    into.first = 0;
    into.count = partial.length / 2;
    into.isInline = false;
    this.at = this.#next;
    this.rewind();
    return COMPLETE;
  }

  get #lineBytesMax(): number {
    return Math.min(LINE_BYTES_MAX, this.requestBytesMax);
  }

  #tooLarge(bytesHeld: number): ParseOutcome {
    return bytesHeld > this.requestBytesMax ? this.#fail("too big request") : NEEDS_MORE;
  }

  #inline(bytes: Uint8Array, end: number, into: RespRequest, spans: SpanList): ParseOutcome {
    if (!beginsLine(bytes[this.at])) return this.#fail(NOT_TEXT);
    const lineEnd = bytes.indexOf(LF, this.at);
    if (lineEnd < 0 || lineEnd >= end) {
      return end - this.at > this.#lineBytesMax ? this.#fail("too big inline request") : NEEDS_MORE;
    }
    const textEnd = lineEnd > this.at && bytes[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd;
    if (!isText(bytes, this.at, textEnd)) return this.#fail(NOT_TEXT);
    if (!splitInline(bytes, this.at, textEnd, into, spans)) return this.#fail("unbalanced quotes in request");
    this.at = lineEnd + 1;
    return COMPLETE;
  }

  /** The number that begins at `at`, and behind its line `#next`. Below zero: there is none. */
  #readLength(bytes: Uint8Array, at: number, end: number): number {
    let value = 0;
    let i = at;
    for (; i < end; i++) {
      const digit = bytes[i] - ZERO;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    const digits = i - at;
    if (i + 1 >= end || bytes[i] !== CR || digits === 0 || digits > DIGITS_MAX || (digits > 1 && bytes[at] === ZERO)) {
      return this.#slowLength(bytes, at, end);
    }
    this.#next = i + 2;
    return value;
  }

  #slowLength(bytes: Uint8Array, at: number, end: number): number {
    const lineEnd = bytes.indexOf(CR, at);
    if (lineEnd < 0 || lineEnd >= end) return end - at >= this.#lineBytesMax ? LINE_TOO_LONG : INCOMPLETE;
    if (lineEnd + 1 >= end) return INCOMPLETE;
    this.#next = lineEnd + 2;
    if (lineEnd - at > 20) return INVALID;
    const text = String.fromCharCode(...bytes.subarray(at, lineEnd));
    if (!/^(?:0|-?[1-9]\d*)$/.test(text)) return INVALID;
    if (text.startsWith("-")) return BigInt(text) < -(2n ** 63n) ? INVALID : NEGATIVE;
    // More than any limit, and less than what could be taken for another answer.
    return BigInt(text) >= 2n ** 63n ? INVALID : Number(text);
  }

  #fail(reason: string): typeof BROKEN {
    this.error = `ERR Protocol error: ${reason}`;
    return BROKEN;
  }
}

/** Whether a line can begin so: what is printable in ASCII, white space, or the end of an empty line. */
function beginsLine(byte: number): boolean {
  return byte >= SPACE ? byte <= TILDE : byte === TAB || byte === CR || byte === LF;
}

/** Whether there is no control character in a line, but for tabs. What a zero byte cuts off (resp-inline.ts) is not looked at. */
function isText(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end && bytes[at] !== 0; at++) {
    if (bytes[at] < SPACE && bytes[at] !== TAB) return false;
  }
  return true;
}
