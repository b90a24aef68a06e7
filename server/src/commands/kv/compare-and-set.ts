/** kv.cas: write only over the value, or the version, that the caller saw. */
import type { KeyEntry } from "../../state/key-view.ts";
import { TAG_INTEGER, TAG_JSON, type Value } from "../../state/value.ts";
import { rangesEqual } from "../../structures/byte-range.ts";
import { named } from "../access-rule.ts";
import { writeCommand } from "../command.ts";
import { fail } from "../errors.ts";
import { Flag, Integer, Key, Nullable, Optional, StoredValue, Struct } from "../schema.ts";
import { oversized } from "./set.ts";

export const kvCas = writeCommand({
  name: "kv.cas",
  access: "write",
  guard: named("key"),
  summary: "Stores a value only if the key still has the value, or the version, that the caller expects.",
  arguments: Struct({
    key: Key(),
    value: StoredValue({ description: "The new value. The key's expiry is kept." }),
    expect: Optional(StoredValue({ description: "The value that must be there; null expects no key." })),
    version: Optional(Integer({ minimum: 0, description: "The version it must have; 0 expects no key." })),
  }),
  reply: Struct({
    success: Flag(),
    version: Integer({ description: "The key's version now." }),
    current: Optional(Nullable(StoredValue(), { description: "The value found instead." })),
  }),
  plan(args, planner, { counters, limits }) {
    if ((args.expect === undefined) === (args.version === undefined)) {
      return fail("INVALID_PAYLOAD", "give either expect or version", { path: "expect" });
    }
    const refusal = oversized(args.value, limits.valueBytesMax);
    if (refusal !== undefined) return refusal;
    const current = planner.find(args.key);
    const met = args.expect === undefined ? (current?.version ?? 0) === args.version : isExpected(args.expect, current);
    if (!met) return { success: false, version: current?.version ?? 0, current: current?.value.copy() ?? null };
    counters.sets++;
    return { success: true, version: planner.put(args.key, args.value, current?.deadlineMs ?? 0) };
  },
});

function isExpected(expected: Value, current: KeyEntry | undefined): boolean {
  if (isNull(expected)) return current === undefined || isNull(current.value);
  return current !== undefined && sameValue(expected, current.value);
}

function isNull(value: Value): boolean {
  return value.tag === TAG_JSON && value.end - value.start === 4 && value.bytes[value.start] === 0x6e;
}

/** Text and bytes compare as bytes, JSON by its text without insignificant white space. */
function sameValue(a: Value, b: Value): boolean {
  if (a.tag === TAG_JSON || b.tag === TAG_JSON) return a.tag === b.tag && sameJsonText(a, b);
  if (a.tag === TAG_INTEGER || b.tag === TAG_INTEGER) return a.tag === b.tag && rangesEqual(a, b);
  return rangesEqual(a, b);
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SPACE = 0x20;

function sameJsonText(a: Value, b: Value): boolean {
  let i = a.start;
  let j = b.start;
  let inString = false;
  for (;;) {
    if (!inString) {
      while (i < a.end && a.bytes[i] <= SPACE) i++;
      while (j < b.end && b.bytes[j] <= SPACE) j++;
    }
    if (i === a.end || j === b.end) return i === a.end && j === b.end;
    const byte = a.bytes[i];
    if (byte !== b.bytes[j]) return false;
    i++;
    j++;
    if (byte === QUOTE) inString = !inString;
    else if (byte === BACKSLASH && inString) {
      if (a.bytes[i++] !== b.bytes[j++]) return false;
    }
  }
}
