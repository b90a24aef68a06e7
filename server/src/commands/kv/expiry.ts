/** Commands on a key's time to live: kv.expire, kv.ttl, kv.expiretime, kv.persist, kv.getex, and kv.time. */
import type { KeyEntry } from "../../state/key-view.ts";
import { KNOWN, named } from "../access-rule.ts";
import { readCommand, writeCommand } from "../command.ts";
import { type CommandError, fail, isCommandError } from "../errors.ts";
import { Flag, Integer, Key, Nullable, Optional, StoredValue, Struct } from "../schema.ts";
import { deadlineOf, INSTANT_MS_MAX, TTL_MS_MAX, TTL_SECS_MAX } from "./deadline.ts";

export const kvExpire = writeCommand({
  name: "kv.expire",
  access: "write",
  guard: named("key"),
  summary: "Sets when a key expires; an instant that has passed removes it. Answers whether that was done.",
  arguments: Struct({
    key: Key(),
    ttl: Optional(Integer({ minimum: 0, maximum: TTL_SECS_MAX, description: "Seconds from now." })),
    ttl_ms: Optional(Integer({ minimum: 0, maximum: TTL_MS_MAX, description: "Milliseconds from now." })),
    at_ms: Optional(
      Integer({ minimum: 0, maximum: INSTANT_MS_MAX, description: "The instant, in milliseconds since the epoch." }),
    ),
    nx: Optional(Flag({ description: "Only if the key does not expire." })),
    xx: Optional(Flag({ description: "Only if it does." })),
    gt: Optional(Flag({ description: "Only if it expires later then than now; without expiry it never does." })),
    lt: Optional(Flag({ description: "Only if it expires earlier then than now, or does not expire." })),
  }),
  reply: Struct({ result: Flag() }),
  plan(args, planner, { counters }) {
    const { ttl, ttl_ms: ttlMs, at_ms: atMs } = args;
    if (Number(ttl !== undefined) + Number(ttlMs !== undefined) + Number(atMs !== undefined) !== 1) {
      return fail("INVALID_PAYLOAD", "give one of ttl, ttl_ms and at_ms", { path: "ttl" });
    }
    const refusal = contradiction(args);
    if (refusal !== undefined) return refusal;
    const current = planner.find(args.key);
    if (current === undefined) return { result: false };
    const deadlineMs = atMs ?? planner.nowMs + (ttlMs ?? (ttl ?? 0) * 1000);
    if (!isMet(args, current, deadlineMs)) return { result: false };
    if (deadlineMs <= planner.nowMs) {
      planner.remove(args.key);
      counters.dels++;
    } else {
      planner.setDeadline(args.key, deadlineMs);
    }
    return { result: true };
  },
});

interface ExpiryConditions {
  readonly nx?: boolean;
  readonly xx?: boolean;
  readonly gt?: boolean;
  readonly lt?: boolean;
}

function contradiction({ nx, xx, gt, lt }: ExpiryConditions): CommandError | undefined {
  if (nx === true && (xx === true || gt === true || lt === true)) {
    return fail("INVALID_PAYLOAD", "nx and xx, gt or lt exclude each other", { path: "nx" });
  }
  if (gt === true && lt === true) return fail("INVALID_PAYLOAD", "gt and lt exclude each other", { path: "lt" });
  return undefined;
}

/** As Redis: for gt and lt a key without expiry expires after every instant. */
function isMet({ nx, xx, gt, lt }: ExpiryConditions, current: KeyEntry, deadlineMs: number): boolean {
  const expires = current.deadlineMs !== 0;
  if (nx === true && expires) return false;
  if (xx === true && !expires) return false;
  if (gt === true && (!expires || deadlineMs <= current.deadlineMs)) return false;
  return lt !== true || !expires || deadlineMs < current.deadlineMs;
}

/** `ttl` of a key that does not exist. */
const MISSING = -2;

export const kvTtl = readCommand({
  name: "kv.ttl",
  access: "read",
  guard: named("key"),
  shows: "keys",
  summary: "Answers how long a key has to live: null without expiry, -2 for a missing key.",
  arguments: Struct({ key: Key() }),
  reply: Struct({
    ttl: Nullable(Integer({ description: "Seconds, rounded up." })),
    ttl_ms: Nullable(Integer()),
  }),
  read(args, { keys, nowMs }) {
    const entry = keys.peek(args.key);
    if (entry === undefined) return { ttl: MISSING, ttl_ms: MISSING };
    if (entry.deadlineMs === 0) return { ttl: null, ttl_ms: null };
    const leftMs = entry.deadlineMs - nowMs;
    return { ttl: Math.ceil(leftMs / 1000), ttl_ms: leftMs };
  },
});

export const kvExpiretime = readCommand({
  name: "kv.expiretime",
  access: "read",
  guard: named("key"),
  shows: "keys",
  summary: "Answers when a key expires: null without expiry, -2 for a missing key.",
  arguments: Struct({ key: Key() }),
  reply: Struct({ at_ms: Nullable(Integer({ description: "Milliseconds since the epoch." })) }),
  read(args, { keys }) {
    const entry = keys.peek(args.key);
    if (entry === undefined) return { at_ms: MISSING };
    return { at_ms: entry.deadlineMs === 0 ? null : entry.deadlineMs };
  },
});

export const kvPersist = writeCommand({
  name: "kv.persist",
  access: "write",
  guard: named("key"),
  summary: "Takes a key's expiry away. Answers whether it had one.",
  arguments: Struct({ key: Key() }),
  reply: Struct({ result: Flag() }),
  plan(args, planner) {
    const entry = planner.find(args.key);
    if (entry === undefined || entry.deadlineMs === 0) return { result: false };
    planner.setDeadline(args.key, 0);
    return { result: true };
  },
});

export const kvGetex = writeCommand({
  name: "kv.getex",
  access: "write",
  guard: named("key"),
  summary: "Answers with the value of a key, or null, and sets or takes away its expiry.",
  arguments: Struct({
    key: Key(),
    ttl: Optional(Integer({ minimum: 1, maximum: TTL_SECS_MAX, description: "Seconds from now." })),
    ttl_ms: Optional(Integer({ minimum: 1, maximum: TTL_MS_MAX, description: "Milliseconds from now." })),
    at_ms: Optional(
      Integer({
        minimum: 1,
        maximum: INSTANT_MS_MAX,
        description: "The instant, in milliseconds since the epoch; one that has passed removes the key.",
      }),
    ),
    persist: Optional(Flag({ description: "Take the expiry away." })),
  }),
  reply: Nullable(StoredValue()),
  plan(args, planner, { counters }) {
    const deadlineMs = deadlineOf(args, planner.nowMs);
    if (isCommandError(deadlineMs)) return deadlineMs;
    if (args.persist === true && deadlineMs !== 0) {
      return fail("INVALID_PAYLOAD", "persist and an expiry exclude each other", { path: "persist" });
    }
    const current = planner.find(args.key);
    if (current === undefined) return null;
    const value = current.value.copy();
    if (deadlineMs !== 0 && deadlineMs <= planner.nowMs) {
      planner.remove(args.key);
      counters.dels++;
    } else if (deadlineMs !== 0 || (args.persist === true && current.deadlineMs !== 0)) {
      planner.setDeadline(args.key, deadlineMs);
    }
    return value;
  },
});

export const kvTime = readCommand({
  name: "kv.time",
  access: "read",
  guard: KNOWN,
  shows: "nothing",
  summary: "Answers with the server's time, by which keys expire.",
  arguments: Struct({}),
  reply: Struct({ now_ms: Integer({ description: "Milliseconds since the epoch." }) }),
  read: (_args, { nowMs }) => ({ now_ms: nowMs }),
});
