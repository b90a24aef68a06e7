/** kv.incrbyfloat. */
import { integerValue, TAG_BYTES, TAG_JSON, TAG_TEXT, Value } from "../../state/value.ts";
import { rangeOf } from "../../structures/byte-range.ts";
import { named } from "../access-rule.ts";
import { writeCommand } from "../command.ts";
import { type CommandError, fail, isCommandError } from "../errors.ts";
import { Key, StoredValue, Struct } from "../schema.ts";
import { addExtendedFloats, type ExtendedFloat, extendedFloatText, parseExtendedFloat } from "./extended-float.ts";
import { isNumber, parseDecimal } from "./integer.ts";
import { bytesOf } from "./value-bytes.ts";

export const kvIncrbyfloat = writeCommand({
  name: "kv.incrbyfloat",
  access: "write",
  guard: named("key"),
  summary: "Adds to a number, which begins at 0, and answers with the sum, exact to 17 digits after the point.",
  arguments: Struct({
    key: Key(),
    amount: StoredValue({ description: "A number, or its decimal as a string; below zero it takes away." }),
  }),
  reply: Struct({ value: StoredValue() }),
  plan(args, planner, { counters }) {
    const current = planner.find(args.key);
    const base = current === undefined ? ZERO : numberIn(current.value);
    if (isCommandError(base)) return base;
    const amount = numberIn(args.amount);
    if (isCommandError(amount)) {
      return fail("INVALID_PAYLOAD", "amount is neither a number nor the decimal of one", { path: "amount" });
    }
    const sum = base === "infinite" || amount === "infinite" ? "infinite" : addExtendedFloats(base, amount);
    if (sum === "infinite") return fail("OVERFLOW", "the sum is larger than a number can be");
    const value = numberValue(extendedFloatText(sum));
    // What was text stays text; a JSON reader gets a number where it had one or nothing.
    const isText = current?.value.tag === TAG_TEXT || current?.value.tag === TAG_BYTES;
    planner.put(args.key, isText ? textOf(value) : value, current?.deadlineMs ?? 0);
    counters.sets++;
    return { value };
  },
});

const ZERO: ExtendedFloat = { mantissa: 0n, exponent: 0 };

/** Errors: WRONG_TYPE, NOT_A_NUMBER. */
function numberIn(value: Value): ExtendedFloat | "infinite" | CommandError {
  if (value.tag === TAG_JSON && !isNumber(value)) return fail("WRONG_TYPE", "the value is JSON, not a number");
  const number = parseExtendedFloat(bytesOf(value).toString());
  return number ?? fail("NOT_A_NUMBER", "the value is not the decimal of a number");
}

/**
 * An integer where it is one of 64 bits, else JSON: what a JSON number of these digits would be stored as. One that readers of
 * JSON would take for infinity is text.
 */
function numberValue(text: string): Value {
  const range = rangeOf(text);
  const integer = parseDecimal(range);
  if (integer !== undefined) return integerValue(integer);
  return new Value(Number.isFinite(Number(text)) ? TAG_JSON : TAG_TEXT, range.bytes, range.start, range.end);
}

function textOf(value: Value): Value {
  const { bytes, start, end } = bytesOf(value);
  return new Value(TAG_TEXT, bytes, start, end);
}
