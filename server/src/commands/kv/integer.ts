/** Signed 64-bit arithmetic that stays with numbers as long as they are exact. */
import { readInt64, TAG_INTEGER, TAG_JSON, type Value } from "../../state/value.ts";
import { type CommandError, fail } from "../errors.ts";

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
/** 19 digits of 2^63 and a sign. */
const DECIMAL_CHARS_MAX = 20;
const ZERO = 0x30;
const NINE = 0x39;
const MINUS = 0x2d;

/** The integer in a value: an integer, or its decimal as text or bytes. Errors: WRONG_TYPE, NOT_AN_INTEGER. */
export function integerOf(value: Value): number | bigint | CommandError {
  if (value.tag === TAG_INTEGER) return readInt64(value.bytes, value.start);
  if (value.tag === TAG_JSON && !isNumber(value)) return fail("WRONG_TYPE", "the value is JSON, not an integer");
  return parseDecimal(value) ?? fail("NOT_AN_INTEGER", "the value is not a decimal integer of 64 bits");
}

/** Whether a JSON value is a number: one with a fraction or an exponent, as integers have a tag of their own. */
export function isNumber(value: Value): boolean {
  const first = value.bytes[value.start];
  return value.tag === TAG_JSON && (first === MINUS || (first >= ZERO && first <= NINE));
}

/** Strict, as Redis reads numbers: no spaces, no plus, no leading zeros, no "-0". */
export function parseDecimal({
  bytes,
  start,
  end,
}: {
  bytes: Uint8Array;
  start: number;
  end: number;
}): number | bigint | undefined {
  const negative = bytes[start] === MINUS && end > start;
  const first = negative ? start + 1 : start;
  const digits = end - first;
  if (digits < 1 || end - start > DECIMAL_CHARS_MAX) return undefined;
  if (bytes[first] === ZERO) return digits === 1 && !negative ? 0 : undefined;
  let text = "";
  let number = 0;
  for (let at = first; at < end; at++) {
    const digit = bytes[at] - ZERO;
    if (digit < 0 || digit > 9) return undefined;
    number = number * 10 + digit;
    if (digits > 15) text += digit;
  }
  if (digits <= 15) return negative ? -number : number;
  const wide = negative ? -BigInt(text) : BigInt(text);
  return isInt64(wide) ? narrow(wide) : undefined;
}

/** `a + b`, or `undefined` when that does not fit 64 bits. */
export function addInt64(a: number | bigint, b: number | bigint): number | bigint | undefined {
  if (typeof a === "number" && typeof b === "number") {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  const wide = BigInt(a) + BigInt(b);
  return isInt64(wide) ? narrow(wide) : undefined;
}

export function isInt64(value: bigint): boolean {
  return value >= INT64_MIN && value <= INT64_MAX;
}

/** A `number` where that is exact. */
function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
