/** The figures are those that Redis 7 on x86 gives. */
import { describe, expect, it } from "vitest";
import { addExtendedFloats, extendedFloatText, parseExtendedFloat } from "./extended-float.ts";

function sum(a: string, b: string): string | undefined {
  const [x, y] = [parseExtendedFloat(a), parseExtendedFloat(b)];
  if (x === undefined || y === undefined) return undefined;
  const result = x === "infinite" || y === "infinite" ? "infinite" : addExtendedFloats(x, y);
  return result === "infinite" ? result : extendedFloatText(result);
}

describe("extended floats", () => {
  it.each([
    ["0.1", "0.2", "0.3"],
    ["10.50", "0.1", "10.6"],
    ["5.0e3", "2.0e2", "5200"],
    ["5000.1", "0.25", "5000.35000000000000009"],
    ["1e15", "-101.3", "999999999999898.70001220703125"],
    ["18446744073709551615", "1", "18446744073709551616"],
    ["18446744073709551616", "1", "18446744073709551616"],
    ["0.00000000000000000499999", "0", "0"],
    ["-0.000000000000000001", "0", "0"],
    ["-0", "0", "0"],
    ["-0.25", "0", "-0.25"],
    ["1", "-1", "0"],
    [".5", "5.", "5.5"],
    ["+2.5", "-.5", "2"],
    ["1e4932", "1e4932", "infinite"],
    ["inf", "1", "infinite"],
    ["-Infinity", "1", "infinite"],
  ])("%s + %s is %s", (a, b, expected) => expect(sum(a, b)).toBe(expected));

  it.each(["", " 1", "1 ", "a", ".", "e5", "1e", "--1", "nan", "0x10", "1e5000", "1e-5000", "1".repeat(5_120)])(
    "%j is no number",
    (text) => expect(parseExtendedFloat(text)).toBeUndefined(),
  );

  it("takes the longest texts in no time", () => {
    expect(sum(`${"9".repeat(4_900)}.5`, `-${"9".repeat(4_900)}`)).toBeDefined();
    expect(parseExtendedFloat(`${"1".repeat(5_000)}x`)).toBeUndefined();
  });
});
