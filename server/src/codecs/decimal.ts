/** Integers and their decimal digits, without a string in between where the number is of ordinary size. */
import type { OutputBuffer } from "./output-buffer.ts";
import { decodeUtf8 } from "./utf8.ts";

const ZERO = 0x30;
const MINUS = 0x2d;
const DOT = 0x2e;
const BILLION = 1_000_000_000;

/** Any decimal of so many digits is a safe integer. */
const SAFE_DIGITS = 15;
/** Digits of 2^64 - 1. */
const WIDE_DIGITS = 20;

export const INT64_MIN = -(2n ** 63n);
export const INT64_MAX = 2n ** 63n - 1n;
const UINT64_MAX = 2n ** 64n - 1n;

/** Writes the digits of an integer; a `number` must be a safe one. */
export function writeInteger(out: OutputBuffer, value: number | bigint): void {
  if (typeof value === "bigint") {
    writeAscii(out, value.toString());
    return;
  }
  out.ensure(17);
  const to = out.bytes;
  let at = out.length;
  let rest = value;
  if (rest < 0) {
    to[at++] = MINUS;
    rest = -rest;
  }
  if (rest < BILLION) {
    out.length = writeDigits(to, at, rest, digitCount(rest));
    return;
  }
  // Exact: below 2^53 a quotient is at least 1e-9 under the next integer, and rounding moves it by less.
  const high = Math.floor(rest / BILLION);
  const low = rest - high * BILLION;
  at = writeDigits(to, at, high, digitCount(high));
  out.length = writeDigits(to, at, low, 9);
}

/** Writes text of ASCII letters. */
export function writeAscii(out: OutputBuffer, text: string): void {
  out.ensure(text.length);
  const to = out.bytes;
  const at = out.length;
  for (let i = 0; i < text.length; i++) to[at + i] = text.charCodeAt(i);
  out.length = at + text.length;
}

function writeDigits(to: Uint8Array, at: number, value: number, count: number): number {
  let rest = value;
  for (let i = at + count - 1; i >= at; i--) {
    const quotient = (rest / 10) | 0;
    to[i] = ZERO + rest - quotient * 10;
    rest = quotient;
  }
  return at + count;
}

/** Digits of an integer from 0 to 999,999,999. */
function digitCount(value: number): number {
  if (value < 10) return 1;
  if (value < 100) return 2;
  if (value < 1_000) return 3;
  if (value < 10_000) return 4;
  if (value < 100_000) return 5;
  if (value < 1_000_000) return 6;
  if (value < 10_000_000) return 7;
  return value < 100_000_000 ? 8 : 9;
}

/**
 * The integer that a JSON number spells, from -2^63 to 2^64 - 1; a `number` where that is exact. `undefined` where the
 * number has a fraction or an exponent, or is outside. Minus zero is 0.
 */
export function parseInteger(bytes: Uint8Array, start: number, end: number): number | bigint | undefined {
  const isNegative = bytes[start] === MINUS;
  const first = isNegative ? start + 1 : start;
  if (end - first > SAFE_DIGITS) return parseWideInteger(bytes, start, first, end);
  let value = 0;
  for (let i = first; i < end; i++) {
    const digit = bytes[i] - ZERO;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  return isNegative ? 0 - value : value;
}

function parseWideInteger(bytes: Uint8Array, start: number, first: number, end: number): number | bigint | undefined {
  if (end - first > WIDE_DIGITS) return undefined;
  let text = start === first ? "" : "-";
  for (let i = first; i < end; i++) {
    const digit = bytes[i] - ZERO;
    if (digit < 0 || digit > 9) return undefined;
    text += digit;
  }
  const value = BigInt(text);
  if (value < INT64_MIN || value > UINT64_MAX) return undefined;
  const approximate = Number(value);
  return Number.isSafeInteger(approximate) ? approximate : value;
}

/** Powers of ten up to the last that a float holds exactly. */
const POWERS_OF_TEN = Array.from({ length: 23 }, (_, exponent) => 10 ** exponent);

/**
 * Any JSON number, as the nearest float. With few digits and no exponent it is the quotient of two exact floats, which
 * rounds right; the rest goes through text.
 */
export function parseNumber(bytes: Uint8Array, start: number, end: number): number {
  const isNegative = bytes[start] === MINUS;
  let digits = 0;
  let decimals = 0;
  const first = isNegative ? start + 1 : start;
  let isFraction = false;
  if (end - first > SAFE_DIGITS + 1) return Number(decodeUtf8(bytes, start, end));
  for (let i = first; i < end; i++) {
    const digit = bytes[i] - ZERO;
    if (digit >= 0 && digit <= 9) {
      digits = digits * 10 + digit;
      if (isFraction) decimals++;
    } else if (bytes[i] === DOT) {
      isFraction = true;
    } else {
      return Number(decodeUtf8(bytes, start, end));
    }
  }
  const value = digits / POWERS_OF_TEN[decimals];
  return isNegative ? -value : value;
}

export function fitsInt64(value: number | bigint): boolean {
  return typeof value === "number" || value <= INT64_MAX;
}
