/** Commands that change part of a value: kv.append and kv.setrange. */
import type { KeyEntry } from "../../state/key-view.ts";
import { TAG_BYTES, TAG_INTEGER, TAG_JSON, TAG_TEXT, Value, type ValueTag } from "../../state/value.ts";
import type { ByteRange } from "../../structures/byte-range.ts";
import { named } from "../access-rule.ts";
import { writeCommand } from "../command.ts";
import { type CommandError, fail } from "../errors.ts";
import type { Planner } from "../planner.ts";
import { Integer, Key, StoredValue, Struct } from "../schema.ts";
import { isNumber } from "./integer.ts";
import { tooLong } from "./set.ts";
import { bytesOf, textOrBytes } from "./value-bytes.ts";

/** Only texts, byte strings and numbers (as their decimal) have parts; the text of other JSON is not to be cut. */
function notAString(value: Value, what: string): CommandError | undefined {
  if (value.tag !== TAG_JSON || isNumber(value)) return undefined;
  return fail("WRONG_TYPE", `${what} is JSON, not a string, bytes or a number`);
}

/** Both what is written and what is there, if anything, must be of that kind. */
function notStrings(part: Value, current: KeyEntry | undefined): CommandError | undefined {
  return (
    notAString(part, "value") ?? (current === undefined ? undefined : notAString(current.value, "the stored value"))
  );
}

function tagOfPart(value: Value): ValueTag {
  return value.tag === TAG_BYTES ? TAG_BYTES : TAG_TEXT;
}

/** Text stays text only when text is added to it. */
function joinedTag(a: ValueTag, b: ValueTag): ValueTag {
  return a === TAG_TEXT && b === TAG_TEXT ? TAG_TEXT : TAG_BYTES;
}

/** Writes `part` at `offset`: as a delta where the stored bytes can stay, as a whole value where they cannot. */
function write(
  planner: Planner,
  key: ByteRange,
  current: KeyEntry | undefined,
  tag: ValueTag,
  offset: number,
  part: ByteRange,
): void {
  if (current !== undefined && current.value.tag !== TAG_INTEGER) {
    planner.splice(key, tag, offset, part);
    return;
  }
  const whole = overwritten(current === undefined ? undefined : bytesOf(current.value), offset, part);
  planner.put(key, new Value(tag, whole, 0, whole.length), current?.deadlineMs ?? 0);
}

function overwritten(base: ByteRange | undefined, offset: number, part: ByteRange): Uint8Array {
  const baseLength = base === undefined ? 0 : base.length;
  const whole = new Uint8Array(Math.max(baseLength, offset + part.length));
  if (base !== undefined) whole.set(base.bytes.subarray(base.start, base.end));
  whole.set(part.bytes.subarray(part.start, part.end), offset);
  return whole;
}

export const kvAppend = writeCommand({
  name: "kv.append",
  access: "write",
  guard: named("key"),
  summary: "Adds to the end of a string, which begins empty, and answers with its length in bytes.",
  arguments: Struct({ key: Key(), value: StoredValue({ description: "A string, bytes or a number." }) }),
  reply: Struct({ length: Integer() }),
  plan(args, planner, { counters, limits }) {
    const current = planner.find(args.key);
    const refusal = notStrings(args.value, current);
    if (refusal !== undefined) return refusal;
    const part = bytesOf(args.value);
    const offset = current === undefined ? 0 : bytesOf(current.value).length;
    const length = offset + part.length;
    const tooBig = tooLong(length, limits.valueBytesMax);
    if (tooBig !== undefined) return tooBig;
    const partTag = tagOfPart(args.value);
    const tag = current === undefined ? partTag : joinedTag(tagOfPart(current.value), partTag);
    write(planner, args.key, current, tag, offset, part);
    counters.sets++;
    return { length };
  },
});

export const kvSetrange = writeCommand({
  name: "kv.setrange",
  access: "write",
  guard: named("key"),
  summary: "Writes over a part of a string, zero-filled up to the offset, and answers with its length in bytes.",
  arguments: Struct({
    key: Key(),
    offset: Integer({ minimum: 0, maximum: 2 ** 32 - 1, description: "First byte to write." }),
    value: StoredValue({ description: "A string, bytes or a number." }),
  }),
  reply: Struct({ length: Integer() }),
  plan(args, planner, { counters, limits }) {
    const current = planner.find(args.key);
    const refusal = notStrings(args.value, current);
    if (refusal !== undefined) return refusal;
    const part = bytesOf(args.value);
    const currentLength = current === undefined ? 0 : bytesOf(current.value).length;
    // As Redis: nothing to write changes nothing and creates nothing.
    if (part.length === 0) return { length: currentLength };
    const length = Math.max(currentLength, args.offset + part.length);
    const tooBig = tooLong(length, limits.valueBytesMax);
    if (tooBig !== undefined) return tooBig;
    const tag = tagAfter(current, args.offset, part);
    write(planner, args.key, current, tag, args.offset, part);
    counters.sets++;
    return { length };
  },
});

/** A write into the middle can cut a character in two, so the outcome is looked at. */
function tagAfter(current: KeyEntry | undefined, offset: number, part: ByteRange): ValueTag {
  if (current !== undefined && current.value.tag === TAG_BYTES) return TAG_BYTES;
  const whole = overwritten(current === undefined ? undefined : bytesOf(current.value), offset, part);
  return textOrBytes(whole, 0, whole.length).tag;
}
