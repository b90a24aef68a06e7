/** Commands that read values: kv.get, kv.mget, kv.exists, kv.touch, kv.getrange, kv.strlen. */
import { TAG_NAMES, type Value } from "../../state/value.ts";
import { named } from "../access-rule.ts";
import { readCommand } from "../command.ts";
import { fail } from "../errors.ts";
import {
  Flag,
  Int64,
  Integer,
  Items,
  Key,
  List,
  Nullable,
  OneOf,
  Optional,
  StoredValue,
  Struct,
  ValueType,
} from "../schema.ts";
import { KEYS_READ_MAX } from "./key-limits.ts";
import { byteLengthOf, bytesOf, textOrBytes } from "./value-bytes.ts";

const withMeta = Struct({
  found: Flag(),
  value: Nullable(StoredValue()),
  ttl_ms: Nullable(Integer(), { description: "Null without expiry." }),
  version: Integer({ description: "0 for a missing key." }),
  type: Nullable(ValueType()),
  bytes: Integer({ description: "Length of the value." }),
});

export const kvGet = readCommand({
  name: "kv.get",
  access: "read",
  guard: named("key"),
  shows: "keys",
  summary: "Answers with the value of a key, or null; with `meta` also its expiry, version, type and size.",
  arguments: Struct(
    { key: Key(), meta: Optional(Flag({ description: "Answer with an object that tells more." })) },
    { ignored: ["type"] },
  ),
  reply: OneOf(Nullable(StoredValue()), withMeta),
  read(args, { keys, counters, nowMs }) {
    counters.gets++;
    const entry = keys.find(args.key);
    if (entry === undefined) {
      counters.misses++;
      return args.meta === true ? { found: false, value: null, ttl_ms: null, version: 0, type: null, bytes: 0 } : null;
    }
    counters.hits++;
    if (args.meta !== true) return entry.value;
    return {
      found: true,
      value: entry.value,
      ttl_ms: entry.deadlineMs === 0 ? null : entry.deadlineMs - nowMs,
      version: entry.version,
      type: TAG_NAMES[entry.value.tag],
      bytes: byteLengthOf(entry.value),
    };
  },
});

export const kvMget = readCommand({
  name: "kv.mget",
  access: "read",
  guard: named("keys"),
  shows: "keys",
  summary: "Answers with the values of several keys in their order, null where there is none.",
  arguments: Struct({ keys: List(Key(), { maxItems: KEYS_READ_MAX }) }),
  reply: Struct({ values: Items(Nullable(StoredValue())) }),
  read(args, { keys, counters }) {
    const values: (Value | null)[] = [];
    keys.findEach(args.keys, (entry) => values.push(entry === undefined ? null : entry.value.view()));
    const hits = values.reduce((sum, value) => (value === null ? sum : sum + 1), 0);
    counters.gets += values.length;
    counters.hits += hits;
    counters.misses += values.length - hits;
    return { values };
  },
});

export const kvExists = readCommand({
  name: "kv.exists",
  access: "read",
  guard: named("key", "keys"),
  shows: "keys",
  summary: "Tells whether a key exists, or how many of several do.",
  arguments: Struct({
    key: Optional(Key({ description: "The key; the answer is whether it is there." })),
    keys: Optional(
      List(Key(), {
        maxItems: KEYS_READ_MAX,
        description: "The keys; the answer is a count, in which one named twice counts twice.",
      }),
    ),
  }),
  reply: Struct({ exists: OneOf(Flag(), Integer()) }),
  read(args, { keys }) {
    if (args.key !== undefined && args.keys === undefined) return { exists: keys.peek(args.key) !== undefined };
    if (args.keys === undefined || args.key !== undefined) {
      return fail("INVALID_PAYLOAD", "give either key or keys", { path: "key" });
    }
    let exists = 0;
    for (const key of args.keys) if (keys.peek(key) !== undefined) exists++;
    return { exists };
  },
});

export const kvTouch = readCommand({
  name: "kv.touch",
  access: "read",
  guard: named("keys"),
  shows: "keys",
  summary: "Counts an access to each of several keys, for LRU and LFU eviction, and answers how many there are.",
  arguments: Struct({ keys: List(Key(), { maxItems: KEYS_READ_MAX }) }),
  reply: Struct({ touched: Integer() }),
  read(args, { keys }) {
    let touched = 0;
    keys.findEach(args.keys, (entry) => {
      if (entry !== undefined) touched++;
    });
    return { touched };
  },
});

export const kvStrlen = readCommand({
  name: "kv.strlen",
  access: "read",
  guard: named("key"),
  shows: "keys",
  summary: "Answers with the length of a value in bytes; 0 for a missing key.",
  arguments: Struct({ key: Key() }),
  reply: Struct({ length: Integer() }),
  read(args, { keys }) {
    const entry = keys.find(args.key);
    return { length: entry === undefined ? 0 : byteLengthOf(entry.value) };
  },
});

export const kvGetrange = readCommand({
  name: "kv.getrange",
  access: "read",
  guard: named("key"),
  shows: "keys",
  summary: "Answers with a part of a value, both ends inclusive, negative ends counted from the last byte.",
  arguments: Struct({
    key: Key(),
    start: Int64({ description: "First byte; -1 is the last one." }),
    end: Int64({ description: "Last byte, inclusive." }),
  }),
  reply: Nullable(StoredValue()),
  read(args, { keys }) {
    const entry = keys.find(args.key);
    if (entry === undefined) return null;
    const { bytes, start, end } = bytesOf(entry.value);
    const length = end - start;
    const isReversed = args.start < 0 && args.end < 0 && args.start > args.end;
    const first = indexOf(args.start, length);
    const last = Math.min(length - 1, indexOf(args.end, length));
    return last < first || isReversed
      ? textOrBytes(bytes, start, start)
      : textOrBytes(bytes, start + first, start + last + 1);
  },
});

/** As Redis: what would be before the first byte is the first byte. */
function indexOf(position: number | bigint, length: number): number {
  const index = Number(position);
  return Math.max(0, index < 0 ? length + index : index);
}
