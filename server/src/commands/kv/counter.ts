/** Integer commands: kv.incr and kv.decr. */
import { INTEGER_BYTES, TAG_INTEGER, Value, writeInt64 } from "../../state/value.ts";
import { named } from "../access-rule.ts";
import { writeCommand } from "../command.ts";
import { fail, isCommandError } from "../errors.ts";
import { Flag, Int64, Integer, Key, Optional, Struct } from "../schema.ts";
import { TTL_SECS_MAX } from "./deadline.ts";
import { addInt64, integerOf } from "./integer.ts";

/** The operation is applied, or written by `settle`, before the next command is planned, so one serves every call. */
const result = new Value(TAG_INTEGER, new Uint8Array(INTEGER_BYTES), 0, INTEGER_BYTES);

function counterCommand<const Name extends string>(name: Name, sign: 1 | -1, summary: string) {
  return writeCommand({
    name,
    access: "write",
    guard: named("key"),
    summary,
    arguments: Struct({
      key: Key(),
      amount: Optional(Int64({ default: 1, description: "By how much." })),
      min: Optional(Int64({ description: "Refuse to go below; the value stays as it is." })),
      max: Optional(Int64({ description: "Refuse to go above; the value stays as it is." })),
      ttl: Optional(
        Integer({ minimum: 0, maximum: TTL_SECS_MAX, description: "Seconds to live, only when this creates the key." }),
      ),
    }),
    reply: Struct({ value: Int64(), limited: Optional(Flag()) }),
    plan(args, planner, { counters }) {
      const current = planner.find(args.key);
      const base = current === undefined ? 0 : integerOf(current.value);
      if (isCommandError(base)) return base;
      const amount = args.amount ?? 1;
      const value = addInt64(base, sign === 1 ? amount : -amount);
      if (value === undefined) {
        return fail("OVERFLOW", `${base} ${sign === 1 ? "+" : "-"} ${amount} does not fit a signed 64-bit integer`);
      }
      if ((args.min !== undefined && value < args.min) || (args.max !== undefined && value > args.max)) {
        return { value: base, limited: true };
      }
      const deadlineMs = current === undefined ? newDeadline(args.ttl, planner.nowMs) : current.deadlineMs;
      writeInt64(result.bytes, 0, value);
      planner.put(args.key, result, deadlineMs);
      counters.sets++;
      return { value };
    },
  });
}

function newDeadline(ttlSecs: number | undefined, nowMs: number): number {
  return ttlSecs === undefined || ttlSecs === 0 ? 0 : nowMs + ttlSecs * 1000;
}

export const kvIncr = counterCommand("kv.incr", 1, "Adds to an integer, which begins at 0, and answers with the sum.");
export const kvDecr = counterCommand(
  "kv.decr",
  -1,
  "Takes from an integer, which begins at 0, and answers with the rest.",
);
