/**
 * Checks JSON text against RFC 8259, byte by byte, and tells where each part ends. It makes no values: a caller that
 * knows what it looks for walks with these steps and keeps offsets.
 *
 * Every step takes the position of a first byte and answers the position past the last one, or -1 and then `failure`
 * says what is wrong and `failedAt` where. That the text is UTF-8 is for the caller to check, in one go by native code;
 * no byte of a multi-byte letter can be taken for a quote, so the structure found does not depend on it.
 *
 * Stricter than the grammar in two points: an escape may not be half of a surrogate pair, and a number must be in the range
 * of a 64-bit float. So what passed is text that every format can carry. Recursion ends at `DEPTH_MAX`.
 */
import { DEPTH_MAX } from "../codec.ts";
import { parseNumber } from "../decimal.ts";

export const QUOTE = 0x22;
export const BACKSLASH = 0x5c;
export const COMMA = 0x2c;
export const COLON = 0x3a;
export const MINUS = 0x2d;
export const OPEN_BRACE = 0x7b;
export const CLOSE_BRACE = 0x7d;
export const OPEN_BRACKET = 0x5b;
export const CLOSE_BRACKET = 0x5d;
export const LETTER_T = 0x74;
export const LETTER_F = 0x66;
export const LETTER_N = 0x6e;

const SPACE = 0x20;
const TAB = 0x09;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const ZERO = 0x30;
const NINE = 0x39;
const DOT = 0x2e;
const PLUS = 0x2b;
const LETTER_E = 0x65;
const LETTER_U = 0x75;

/** 1 for what ends a run of plain bytes in a string: the quote, the backslash, and control characters. */
const SPECIAL = new Uint8Array(256);
SPECIAL.fill(1, 0, SPACE);
SPECIAL[QUOTE] = 1;
SPECIAL[BACKSLASH] = 1;

/** What may follow a backslash, besides u: " \ / b f n r t */
const SIMPLE_ESCAPES = new Uint8Array(256);
for (const letter of '"\\/bfnrt') SIMPLE_ESCAPES[letter.charCodeAt(0)] = 1;

/** The largest float has 309 digits. */
const SURELY_FINITE_CHARS = 308;

const TRUE = new TextEncoder().encode("true");
const FALSE = new TextEncoder().encode("false");
const NULL = new TextEncoder().encode("null");
const NO_BYTES = new Uint8Array(0);

export class JsonScanner {
  failure = "";
  failedAt = 0;
  /** The string read last has a backslash in it. */
  hasEscapes = false;
  #bytes: Uint8Array = NO_BYTES;
  #end = 0;

  begin(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#end = bytes.length;
  }

  fail(at: number, failure: string): -1 {
    this.failedAt = at;
    this.failure = failure;
    return -1;
  }

  /** Steps over white space; never fails. */
  space(from: number): number {
    const bytes = this.#bytes;
    const end = this.#end;
    let at = from;
    while (at < end) {
      const byte = bytes[at];
      if (byte > SPACE) return at;
      if (byte !== SPACE && byte !== LINE_FEED && byte !== CARRIAGE_RETURN && byte !== TAB) return at;
      at++;
    }
    return at;
  }

  /** Is `byte` here? False at the end. */
  has(at: number, byte: number): boolean {
    return at < this.#end && this.#bytes[at] === byte;
  }

  /**
   * After a member or item: steps over white space and the comma to the next one. At the closing byte it answers the position of
   * that byte.
   */
  next(from: number, close: number): number {
    const at = this.space(from);
    if (this.has(at, close)) return at;
    if (!this.has(at, COMMA)) return this.fail(at, "a comma or the closing bracket is missing");
    const item = this.space(at + 1);
    if (this.has(item, close)) return this.fail(item, "nothing follows the comma");
    return item;
  }

  /** The name of a member and what is between it and its value. */
  colon(from: number): number {
    const at = this.space(from);
    if (!this.has(at, COLON)) return this.fail(at, "a colon is missing");
    return this.space(at + 1);
  }

  /** @param depth how many arrays and objects are open around this value. */
  value(at: number, depth: number): number {
    if (at >= this.#end) return this.fail(at, "the text ends too early");
    switch (this.#bytes[at]) {
      case QUOTE:
        return this.string(at);
      case OPEN_BRACE:
        return this.#object(at, depth);
      case OPEN_BRACKET:
        return this.#array(at, depth);
      case LETTER_T:
        return this.#literal(at, TRUE);
      case LETTER_F:
        return this.#literal(at, FALSE);
      case LETTER_N:
        return this.#literal(at, NULL);
      default:
        return this.#number(at);
    }
  }

  string(at: number): number {
    const bytes = this.#bytes;
    const end = this.#end;
    if (at >= end || bytes[at] !== QUOTE) return this.fail(at, "a string is missing");
    this.hasEscapes = false;
    for (let i = at + 1; ; ) {
      i = skipPlain(bytes, i, end);
      if (i === end) return this.fail(end, "a string does not end");
      if (bytes[i] === QUOTE) return i + 1;
      if (bytes[i] !== BACKSLASH) return this.fail(i, "a control character must be escaped");
      this.hasEscapes = true;
      i = this.#escape(i);
      if (i < 0) return -1;
    }
  }

  #escape(at: number): number {
    if (at + 1 >= this.#end) return this.fail(at, "a string does not end");
    const letter = this.#bytes[at + 1];
    if (SIMPLE_ESCAPES[letter] === 1) return at + 2;
    if (letter !== LETTER_U) return this.fail(at, "there is no such escape");
    const unit = readHex4(this.#bytes, at + 2, this.#end);
    if (unit < 0) return this.fail(at, "\\u needs four hexadecimal digits");
    if (unit < 0xd800 || unit > 0xdfff) return at + 6;
    const isPair =
      unit < 0xdc00 && at + 7 < this.#end && this.#bytes[at + 6] === BACKSLASH && this.#bytes[at + 7] === LETTER_U;
    const low = isPair ? readHex4(this.#bytes, at + 8, this.#end) : -1;
    if (low < 0xdc00 || low > 0xdfff) return this.fail(at, "an escape is half of a surrogate pair");
    return at + 12;
  }

  #object(open: number, depth: number): number {
    if (depth >= DEPTH_MAX) return this.fail(open, `nested deeper than ${DEPTH_MAX} levels`);
    let at = this.space(open + 1);
    while (!this.has(at, CLOSE_BRACE)) {
      at = this.string(at);
      if (at < 0) return -1;
      at = this.colon(at);
      if (at < 0) return -1;
      at = this.value(at, depth + 1);
      if (at < 0) return -1;
      at = this.next(at, CLOSE_BRACE);
      if (at < 0) return -1;
    }
    return at + 1;
  }

  #array(open: number, depth: number): number {
    if (depth >= DEPTH_MAX) return this.fail(open, `nested deeper than ${DEPTH_MAX} levels`);
    let at = this.space(open + 1);
    while (!this.has(at, CLOSE_BRACKET)) {
      at = this.value(at, depth + 1);
      if (at < 0) return -1;
      at = this.next(at, CLOSE_BRACKET);
      if (at < 0) return -1;
    }
    return at + 1;
  }

  #literal(at: number, word: Uint8Array): number {
    const past = at + word.length;
    if (past > this.#end) return this.fail(at, "a value is missing");
    for (let i = 1; i < word.length; i++) {
      if (this.#bytes[at + i] !== word[i]) return this.fail(at, "a value is missing");
    }
    return past;
  }

  #number(from: number): number {
    let at = from;
    if (this.has(at, MINUS)) at++;
    if (this.has(at, ZERO)) {
      at++;
    } else {
      const past = this.#digits(at);
      if (past === at) return this.fail(from, "a value is missing");
      at = past;
    }
    if (this.has(at, DOT)) {
      const past = this.#digits(at + 1);
      if (past === at + 1) return this.fail(at, "digits must follow the decimal point");
      at = past;
    }
    // Only an exponent or hundreds of digits can make a number larger than any float, which is what clients read it as.
    let mayBeInfinite = at - from > SURELY_FINITE_CHARS;
    if (at < this.#end && (this.#bytes[at] | 0x20) === LETTER_E) {
      mayBeInfinite = true;
      at++;
      if (this.has(at, PLUS) || this.has(at, MINUS)) at++;
      const past = this.#digits(at);
      if (past === at) return this.fail(at, "digits must follow the exponent's e");
      at = past;
    }
    if (mayBeInfinite && !Number.isFinite(parseNumber(this.#bytes, from, at))) {
      return this.fail(from, "a number is larger than a 64-bit float can be");
    }
    return at;
  }

  #digits(from: number): number {
    const bytes = this.#bytes;
    const end = this.#end;
    let at = from;
    while (at < end && bytes[at] >= ZERO && bytes[at] <= NINE) at++;
    return at;
  }
}

/** Past a run of bytes that mean themselves: to the next quote, backslash or control character, or to `end`. */
export function skipPlain(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  // Four at a time halves the time of looking at one.
  for (const last = end - 4; at <= last; at += 4) {
    if ((SPECIAL[bytes[at]] | SPECIAL[bytes[at + 1]] | SPECIAL[bytes[at + 2]] | SPECIAL[bytes[at + 3]]) !== 0) break;
  }
  while (at < end && SPECIAL[bytes[at]] === 0) at++;
  return at;
}

/** Four hexadecimal digits, or -1. */
export function readHex4(bytes: Uint8Array, at: number, end: number): number {
  if (at + 4 > end) return -1;
  let value = 0;
  for (let i = at; i < at + 4; i++) {
    const byte = bytes[i];
    const letter = byte | 0x20;
    if (byte >= ZERO && byte <= NINE) value = value * 16 + byte - ZERO;
    else if (letter >= 0x61 && letter <= 0x66) value = value * 16 + letter - 0x61 + 10;
    else return -1;
  }
  return value;
}

/**
 * Where a value of text that has already passed ends. Nested values are stepped over by counting brackets, without
 * recursion.
 */
export function skipValue(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  let open = 0;
  while (at < end) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      at = skipString(bytes, at, end);
      if (open === 0) return at;
      continue;
    }
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      open++;
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      if (open === 0) return at;
      if (--open === 0) return at + 1;
    } else if (open === 0 && (byte <= SPACE || byte === COMMA)) {
      return at;
    }
    at++;
  }
  return at;
}

/** Past the closing quote of a string of text that has already passed. */
export function skipString(bytes: Uint8Array, open: number, end: number): number {
  let at = skipPlain(bytes, open + 1, end);
  while (bytes[at] === BACKSLASH) at = skipPlain(bytes, at + 2, end);
  return at + 1;
}

/** Steps over white space of text that has already passed and does not end with it. */
export function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  while (bytes[at] <= SPACE) at++;
  return at;
}
