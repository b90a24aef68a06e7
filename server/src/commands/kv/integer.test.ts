import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { integerValue, TAG_BYTES, TAG_JSON, TAG_TEXT, Value } from "../../state/value.ts";
import { rangeOf } from "../../structures/byte-range.ts";
import { CommandError } from "../errors.ts";
import { addInt64, integerOf, parseDecimal } from "./integer.ts";

const MIN = -(2n ** 63n);
const MAX = 2n ** 63n - 1n;
/** Mostly around the places where numbers become bigints and where 64 bits end. */
const int64 = fc.oneof(
  fc.bigInt({ min: MIN, max: MAX }),
  fc
    .tuple(
      fc.constantFrom(0n, 2n ** 53n, -(2n ** 53n), MAX - 100n, MIN + 100n, 10n ** 15n),
      fc.bigInt({ min: -100n, max: 100n }),
    )
    .map(([base, offset]) => base + offset),
);
const narrow = (wide: bigint): number | bigint => (Number.isSafeInteger(Number(wide)) ? Number(wide) : wide);
const isInt64 = (wide: bigint): boolean => wide >= MIN && wide <= MAX;

describe("parseDecimal", () => {
  it("reads every 64-bit integer, exactly", () => {
    fc.assert(
      fc.property(int64, (wide) => {
        expect(parseDecimal(rangeOf(wide.toString()))).toBe(narrow(wide));
      }),
      { numRuns: 3_000 },
    );
  });

  it.each([
    "",
    "-",
    "+1",
    "-0",
    "00",
    "01",
    "-01",
    " 1",
    "1 ",
    "1.0",
    "1e3",
    "0x1",
    "١",
    "--1",
    "1-",
    "9223372036854775808",
  ])("refuses %j", (text) => {
    expect(parseDecimal(rangeOf(text))).toBeUndefined();
  });

  it.each(["-9223372036854775809", "99999999999999999999", `1${"0".repeat(400)}`])(
    "refuses %s: more than 64 bits",
    (text) => {
      expect(parseDecimal(rangeOf(text))).toBeUndefined();
    },
  );

  it("accepts exactly what a regular expression and BigInt accept", () => {
    const text = fc.string({ unit: fc.constantFrom(..."-0129. "), maxLength: 22 });
    fc.assert(
      fc.property(text, (candidate) => {
        const valid = /^(0|-?[1-9][0-9]*)$/.test(candidate) && isInt64(BigInt(candidate));
        expect(parseDecimal(rangeOf(candidate)) !== undefined).toBe(valid);
      }),
      { numRuns: 3_000 },
    );
  });
});

describe("addInt64", () => {
  it("is exact, and undefined only past 64 bits", () => {
    fc.assert(
      fc.property(int64, int64, (a, b) => {
        const sum = a + b;
        expect(addInt64(narrow(a), narrow(b))).toBe(isInt64(sum) ? narrow(sum) : undefined);
      }),
      { numRuns: 3_000 },
    );
  });

  it("takes the amount that negating the smallest integer gives", () => {
    expect(addInt64(-1, 2n ** 63n)).toBe(MAX);
    expect(addInt64(0, 2n ** 63n)).toBeUndefined();
  });
});

describe("integerOf", () => {
  it("reads integers, and decimals in text and bytes", () => {
    expect(integerOf(integerValue(MIN))).toBe(MIN);
    for (const tag of [TAG_TEXT, TAG_BYTES] as const) {
      const { bytes, start, end } = rangeOf("-42");
      expect(integerOf(new Value(tag, bytes, start, end))).toBe(-42);
    }
  });

  it("tells JSON from text and numbers that are no integer", () => {
    const [number, list] = [rangeOf("1.5"), rangeOf("[1]")];
    const codeOf = (value: Value) => {
      const result = integerOf(value);
      return result instanceof CommandError ? result.code : undefined;
    };
    expect(codeOf(new Value(TAG_JSON, list.bytes, 0, 3))).toBe("WRONG_TYPE");
    expect(codeOf(new Value(TAG_JSON, number.bytes, 0, 3))).toBe("NOT_AN_INTEGER");
    expect(codeOf(new Value(TAG_TEXT, number.bytes, 0, 3))).toBe("NOT_AN_INTEGER");
  });
});
