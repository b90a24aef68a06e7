/** Commands that remove keys: kv.del, kv.mdel, kv.getdel, kv.flushdb, kv.flushall. */
import type { ByteRange } from "../../structures/byte-range.ts";
import { named, WHOLE } from "../access-rule.ts";
import { writeCommand } from "../command.ts";
import { fail } from "../errors.ts";
import type { Planner } from "../planner.ts";
import { Flag, Integer, Key, List, Nullable, OneOf, Optional, StoredValue, Struct } from "../schema.ts";
import type { KeyCounters } from "./key-counters.ts";
import { KEYS_WRITTEN_MAX } from "./key-limits.ts";

function removeAll(keys: readonly ByteRange[], planner: Planner, counters: KeyCounters): number {
  let removed = 0;
  for (const key of keys) {
    if (planner.find(key) === undefined) continue;
    planner.remove(key);
    removed++;
  }
  counters.dels += removed;
  return removed;
}

export const kvDel = writeCommand({
  name: "kv.del",
  access: "write",
  guard: named("key", "keys"),
  summary: "Removes a key, or several.",
  arguments: Struct({
    key: Optional(Key({ description: "The key; the answer is whether it was there." })),
    keys: Optional(List(Key(), { maxItems: KEYS_WRITTEN_MAX, description: "The keys; the answer is a count." })),
  }),
  reply: Struct({ deleted: OneOf(Flag(), Integer()) }),
  plan(args, planner, { counters }) {
    const { key, keys } = args;
    if (key !== undefined && keys === undefined) {
      if (planner.find(key) === undefined) return { deleted: false };
      planner.remove(key);
      counters.dels++;
      return { deleted: true };
    }
    if (keys !== undefined && key === undefined) return { deleted: removeAll(keys, planner, counters) };
    return fail("INVALID_PAYLOAD", "give either key or keys", { path: "key" });
  },
});

export const kvMdel = writeCommand({
  name: "kv.mdel",
  access: "write",
  guard: named("keys"),
  summary: "Removes several keys and answers how many were there.",
  arguments: Struct({ keys: List(Key(), { maxItems: KEYS_WRITTEN_MAX }) }),
  reply: Struct({ deleted: Integer() }),
  plan: (args, planner, { counters }) => ({ deleted: removeAll(args.keys, planner, counters) }),
});

export const kvGetdel = writeCommand({
  name: "kv.getdel",
  access: "write",
  guard: named("key"),
  summary: "Removes a key and answers with the value it had, or null.",
  arguments: Struct({ key: Key() }),
  reply: Nullable(StoredValue()),
  plan(args, planner, { counters }) {
    const current = planner.find(args.key);
    if (current === undefined) return null;
    const value = current.value.copy();
    planner.remove(args.key);
    counters.dels++;
    return value;
  },
});

function flushCommand<const Name extends string>(name: Name) {
  return writeCommand({
    name,
    access: "write",
    guard: WHOLE,
    summary: "Removes every key; queues and rooms stay. The memory is given back in the background.",
    atomic: false,
    arguments: Struct({}),
    reply: Struct({ flushed: Integer({ description: "Keys removed." }) }),
    plan(_args, planner) {
      const flushed = planner.keys.size;
      if (flushed > 0) planner.flush();
      return { flushed };
    },
  });
}

export const kvFlushdb = flushCommand("kv.flushdb");
export const kvFlushall = flushCommand("kv.flushall");
