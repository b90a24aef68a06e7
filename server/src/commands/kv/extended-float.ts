/**
 * The arithmetic of INCRBYFLOAT: that of C's `long double` on x86, by which Redis adds and prints, so that both give the
 * same digits on every machine. With doubles 0.1 + 0.2 would be 0.30000000000000004; here it is 0.3.
 *
 *     value = mantissa x 2^exponent        the mantissa has at most 64 bits and a sign
 *
 * Reading and adding round to the nearest mantissa, ties to the even one. Printing gives 17 digits after the point, rounded
 * in the same way, without zeros at the end.
 */

export interface ExtendedFloat {
  readonly mantissa: bigint;
  readonly exponent: number;
}

const MANTISSA_BITS = 64;
const FRACTION_DIGITS = 17;
/** A number below 2^16384 is finite, and one below 2^-16446 nothing. */
const BITS_MAX = 16_384;
const BITS_MIN = -16_445;
/** Longer texts, and powers of ten beyond these, are refused before they cost time. */
const TEXT_CHARS_MAX = 5_119;
const POWER_MAX = 2 * TEXT_CHARS_MAX;

/**
 * A number of JSON, or as Redis takes it: with a plus sign, with no digit before or after the point. `undefined` for all
 * else, and for what is too large or too small.
 */
export function parseExtendedFloat(text: string): ExtendedFloat | "infinite" | undefined {
  if (text.length > TEXT_CHARS_MAX) return undefined;
  if (/^[+-]?inf(?:inity)?$/i.test(text)) return "infinite";
  const match = /^([+-]?)(?:(\d+)(?:\.(\d*))?|\.(\d+))(?:e([+-]?\d+))?$/i.exec(text);
  if (match === null) return undefined;
  const [, sign, whole = "", afterWhole = "", alone = "", power = "0"] = match;
  const fraction = afterWhole + alone;
  const digits = BigInt(whole + fraction);
  if (digits === 0n) return { mantissa: 0n, exponent: 0 };
  const tens = Number(power) - fraction.length;
  if (Math.abs(tens) > POWER_MAX) return undefined;
  const scale = 10n ** BigInt(Math.abs(tens));
  const isNegative = sign === "-";
  const number = tens >= 0 ? quotient(digits * scale, 1n, isNegative) : quotient(digits, scale, isNegative);
  const bits = magnitudeBits(number);
  return bits > BITS_MAX || bits < BITS_MIN ? undefined : number;
}

/** The nearest number to a fraction above zero. */
function quotient(dividend: bigint, divisor: bigint, isNegative: boolean): ExtendedFloat {
  const shift = Math.max(0, MANTISSA_BITS + 2 - (bitsOf(dividend) - bitsOf(divisor)));
  const shifted = dividend << BigInt(shift);
  const whole = shifted / divisor;
  // The lowest bit stands for all that the division leaves.
  const sticky = whole * divisor === shifted ? 0n : 1n;
  const signed = (whole << 1n) | sticky;
  return rounded(isNegative ? -signed : signed, -shift - 1);
}

export function addExtendedFloats(a: ExtendedFloat, b: ExtendedFloat): ExtendedFloat | "infinite" {
  const exponent = Math.min(a.exponent, b.exponent);
  const sum = (a.mantissa << BigInt(a.exponent - exponent)) + (b.mantissa << BigInt(b.exponent - exponent));
  const result = rounded(sum, exponent);
  return magnitudeBits(result) > BITS_MAX ? "infinite" : result;
}

function rounded(mantissa: bigint, exponent: number): ExtendedFloat {
  const size = magnitude(mantissa);
  const drop = bitsOf(size) - MANTISSA_BITS;
  if (drop <= 0) return { mantissa, exponent };
  const kept = dropBits(size, drop);
  return { mantissa: mantissa < 0n ? -kept : kept, exponent: exponent + drop };
}

/** `size / 2^count`, rounded to the nearest, ties to the even one. */
function dropBits(size: bigint, count: number): bigint {
  const kept = size >> BigInt(count);
  const rest = size - (kept << BigInt(count));
  const half = 1n << BigInt(count - 1);
  return rest > half || (rest === half && (kept & 1n) === 1n) ? kept + 1n : kept;
}

/** As Redis prints it: no exponent, and nothing after the point that need not be. */
export function extendedFloatText({ mantissa, exponent }: ExtendedFloat): string {
  const scaled = magnitude(mantissa) * 10n ** BigInt(FRACTION_DIGITS);
  const digits = (exponent >= 0 ? scaled << BigInt(exponent) : dropBits(scaled, -exponent))
    .toString()
    .padStart(FRACTION_DIGITS + 1, "0");
  const fraction = digits.slice(-FRACTION_DIGITS).replace(/0+$/, "");
  const text = digits.slice(0, -FRACTION_DIGITS) + (fraction === "" ? "" : `.${fraction}`);
  return mantissa < 0n && text !== "0" ? `-${text}` : text;
}

/** One more than the power of two that the number begins with. */
function magnitudeBits({ mantissa, exponent }: ExtendedFloat): number {
  return bitsOf(magnitude(mantissa)) + exponent;
}

function magnitude(value: bigint): bigint {
  return value < 0n ? -value : value;
}

function bitsOf(value: bigint): number {
  return value.toString(2).length;
}
