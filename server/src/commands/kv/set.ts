/** Commands that write whole values: kv.set, kv.getset, kv.mset, kv.msetnx. */
import type { KeyEntry } from "../../state/key-view.ts";
import type { Value } from "../../state/value.ts";
import type { ByteRange } from "../../structures/byte-range.ts";
import { named } from "../access-rule.ts";
import { writeCommand } from "../command.ts";
import { type CommandError, fail, isCommandError } from "../errors.ts";
import type { Planner } from "../planner.ts";
import { Choice, Flag, Integer, Key, List, Nullable, Optional, StoredValue, Struct } from "../schema.ts";
import { deadlineOf, INSTANT_MS_MAX, TTL_MS_MAX, TTL_SECS_MAX } from "./deadline.ts";
import { KEYS_WRITTEN_MAX } from "./key-limits.ts";

export const kvSet = writeCommand({
  name: "kv.set",
  access: "write",
  guard: named("key"),
  summary: "Stores a value under a key, with an optional time to live and conditions.",
  arguments: Struct({
    key: Key({ description: "The key." }),
    value: StoredValue({ description: 'Any JSON value; raw bytes as {"$bytes": base64} or MessagePack bin.' }),
    ttl: Optional(Integer({ minimum: 0, maximum: TTL_SECS_MAX, description: "Seconds to live; 0 is for ever." })),
    ttl_ms: Optional(Integer({ minimum: 0, maximum: TTL_MS_MAX, description: "Milliseconds to live." })),
    at_ms: Optional(
      Integer({
        minimum: 1,
        maximum: INSTANT_MS_MAX,
        description: "The instant it expires; one that has passed is at once.",
      }),
    ),
    nx: Optional(Flag({ description: "Only if the key does not exist." })),
    xx: Optional(Flag({ description: "Only if the key exists." })),
    keep_ttl: Optional(Flag({ description: "Keep the expiry that the key has." })),
    if_version: Optional(
      Integer({ minimum: 0, description: "Only if the key has this version; 0 is that of a missing key." }),
    ),
    get: Optional(Flag({ description: "Answer with the value before, in `previous`." })),
  }),
  reply: Struct({
    success: Flag(),
    key: Optional(Key()),
    version: Optional(Integer({ description: "The key's new version." })),
    reason: Optional(Choice(["exists", "missing", "version"], { description: "Why not." })),
    previous: Optional(Nullable(StoredValue())),
  }),
  plan(args, planner, { counters, limits }) {
    const refusal = contradiction(args) ?? oversized(args.value, limits.valueBytesMax);
    if (refusal !== undefined) return refusal;
    let deadlineMs = deadlineOf(args, planner.nowMs);
    if (isCommandError(deadlineMs)) return deadlineMs;
    const current = planner.find(args.key);
    const previous = args.get === true ? (current?.value.copy() ?? null) : undefined;
    const reason = unmetCondition(args, current);
    if (reason !== undefined) return { success: false, reason, previous };
    if (args.keep_ttl === true && current !== undefined) deadlineMs = current.deadlineMs;
    const version = planner.put(args.key, args.value, deadlineMs);
    counters.sets++;
    return { success: true, key: args.key, version, previous };
  },
});

type SetRefusal = "exists" | "missing" | "version";

interface SetConditions {
  readonly nx?: boolean;
  readonly xx?: boolean;
  readonly if_version?: number;
}

function contradiction(
  args: SetConditions & {
    readonly keep_ttl?: boolean;
    readonly ttl?: number;
    readonly ttl_ms?: number;
    readonly at_ms?: number;
  },
): CommandError | undefined {
  if (args.nx === true && args.xx === true) {
    return fail("INVALID_PAYLOAD", "nx and xx exclude each other", { path: "xx" });
  }
  if (args.keep_ttl === true && (args.ttl ?? args.ttl_ms ?? args.at_ms) !== undefined) {
    return fail("INVALID_PAYLOAD", "keep_ttl and a time to live exclude each other", { path: "keep_ttl" });
  }
  return undefined;
}

function unmetCondition(args: SetConditions, current: KeyEntry | undefined): SetRefusal | undefined {
  if (args.nx === true && current !== undefined) return "exists";
  if (args.xx === true && current === undefined) return "missing";
  if (args.if_version !== undefined && (current?.version ?? 0) !== args.if_version) return "version";
  return undefined;
}

/** A value over its limit is refused before anything is staged. */
export function oversized(value: Value, valueBytesMax: number): CommandError | undefined {
  return tooLong(value.end - value.start, valueBytesMax);
}

/** The same for a value that would come to `valueBytes`. */
export function tooLong(valueBytes: number, valueBytesMax: number): CommandError | undefined {
  if (valueBytes <= valueBytesMax) return undefined;
  return fail("PAYLOAD_TOO_LARGE", `a value may have at most ${valueBytesMax} bytes`, {
    path: "value",
    limit_bytes: valueBytesMax,
    bytes: valueBytes,
  });
}

export const kvGetset = writeCommand({
  name: "kv.getset",
  access: "write",
  guard: named("key"),
  summary: "Stores a value without expiry and answers with the value before, or null.",
  arguments: Struct({ key: Key(), value: StoredValue() }),
  reply: Nullable(StoredValue()),
  plan(args, planner, { counters, limits }) {
    const refusal = oversized(args.value, limits.valueBytesMax);
    if (refusal !== undefined) return refusal;
    const previous = planner.find(args.key)?.value.copy() ?? null;
    planner.put(args.key, args.value, 0);
    counters.sets++;
    return previous;
  },
});

const pair = Struct({
  key: Key(),
  value: StoredValue(),
  ttl: Optional(Integer({ minimum: 0, maximum: TTL_SECS_MAX, description: "Seconds to live; 0 is for ever." })),
});

const pairsArguments = Struct({
  pairs: Optional(List(pair, { maxItems: KEYS_WRITTEN_MAX, description: "The keys and values." })),
  key: Optional(Key({ description: "With `value`: the only pair, in place of `pairs`." })),
  value: Optional(StoredValue()),
  ttl: Optional(Integer({ minimum: 0, maximum: TTL_SECS_MAX })),
});

interface Pair {
  readonly key: ByteRange;
  readonly value: Value;
  readonly ttl?: number;
}

interface PairsArguments {
  readonly pairs?: readonly Pair[];
  readonly key?: ByteRange;
  readonly value?: Value;
  readonly ttl?: number;
}

/** The pairs asked for, in either form of the contract. Errors: INVALID_PAYLOAD, PAYLOAD_TOO_LARGE. */
function pairsOf(args: PairsArguments, valueBytesMax: number): readonly Pair[] | CommandError {
  const { key, value, ttl } = args;
  if (args.pairs !== undefined) {
    if (key !== undefined || value !== undefined || ttl !== undefined) {
      return fail("INVALID_PAYLOAD", "pairs excludes key, value and ttl beside it", { path: "pairs" });
    }
    for (const item of args.pairs) {
      const refusal = oversized(item.value, valueBytesMax);
      if (refusal !== undefined) return refusal;
    }
    return args.pairs;
  }
  if (key === undefined || value === undefined) {
    return fail("INVALID_PAYLOAD", "pairs is missing (or key and value for a single pair)", { path: "pairs" });
  }
  return oversized(value, valueBytesMax) ?? [{ key, value, ttl }];
}

function putPairs(pairs: readonly Pair[], planner: Planner): void {
  for (const { key, value, ttl } of pairs) {
    planner.put(key, value, ttl === undefined || ttl === 0 ? 0 : planner.nowMs + ttl * 1000);
  }
}

export const kvMset = writeCommand({
  name: "kv.mset",
  access: "write",
  guard: named("pairs.key", "key"),
  summary: "Stores several values at once, all or none.",
  arguments: pairsArguments,
  reply: Struct({ success: Flag(), count: Integer() }),
  plan(args, planner, { counters, limits }) {
    const pairs = pairsOf(args, limits.valueBytesMax);
    if (isCommandError(pairs)) return pairs;
    putPairs(pairs, planner);
    counters.sets += pairs.length;
    return { success: true, count: pairs.length };
  },
});

export const kvMsetnx = writeCommand({
  name: "kv.msetnx",
  access: "write",
  guard: named("pairs.key", "key"),
  summary: "Stores several values at once, only if none of the keys exists.",
  arguments: pairsArguments,
  reply: Struct({ success: Flag(), count: Integer() }),
  plan(args, planner, { counters, limits }) {
    const pairs = pairsOf(args, limits.valueBytesMax);
    if (isCommandError(pairs)) return pairs;
    for (const { key } of pairs) {
      if (planner.find(key) !== undefined) return { success: false, count: 0 };
    }
    putPairs(pairs, planner);
    counters.sets += pairs.length;
    return { success: true, count: pairs.length };
  },
});
