/** Commands on a key's time to live: kv.expire, kv.ttl, kv.persist. */
import { readCommand, writeCommand } from "../command.ts";
import { fail } from "../errors.ts";
import { Flag, Integer, Key, Nullable, Optional, Struct } from "../schema.ts";
import { INSTANT_MS_MAX, TTL_MS_MAX, TTL_SECS_MAX } from "./deadline.ts";

export const kvExpire = writeCommand({
  name: "kv.expire",
  access: "write",
  summary: "Sets when a key expires; an instant that has passed removes it. Answers whether the key was there.",
  arguments: Struct({
    key: Key(),
    ttl: Optional(Integer({ minimum: 0, maximum: TTL_SECS_MAX, description: "Seconds from now." })),
    ttl_ms: Optional(Integer({ minimum: 0, maximum: TTL_MS_MAX, description: "Milliseconds from now." })),
    at_ms: Optional(
      Integer({ minimum: 0, maximum: INSTANT_MS_MAX, description: "The instant, in milliseconds since the epoch." }),
    ),
  }),
  reply: Struct({ result: Flag() }),
  plan(args, planner, { counters }) {
    const { ttl, ttl_ms: ttlMs, at_ms: atMs } = args;
    if (Number(ttl !== undefined) + Number(ttlMs !== undefined) + Number(atMs !== undefined) !== 1) {
      return fail("INVALID_PAYLOAD", "give one of ttl, ttl_ms and at_ms", { path: "ttl" });
    }
    if (planner.find(args.key) === undefined) return { result: false };
    const deadlineMs = atMs ?? planner.nowMs + (ttlMs ?? (ttl ?? 0) * 1000);
    if (deadlineMs <= planner.nowMs) {
      planner.remove(args.key);
      counters.dels++;
    } else {
      planner.setDeadline(args.key, deadlineMs);
    }
    return { result: true };
  },
});

/** `ttl` of a key that does not exist. */
const MISSING = -2;

export const kvTtl = readCommand({
  name: "kv.ttl",
  access: "read",
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

export const kvPersist = writeCommand({
  name: "kv.persist",
  access: "write",
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
