/** Commands that read values: kv.get, kv.mget, kv.exists, kv.getrange, kv.strlen. */
import { TAG_NAMES, type Value } from "../../state/value.ts";
import { readCommand } from "../command.ts";
import {
  Flag,
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
  summary: "Tells whether a key exists.",
  arguments: Struct({ key: Key() }),
  reply: Struct({ exists: Flag() }),
  read: (args, { keys }) => ({ exists: keys.peek(args.key) !== undefined }),
});

export const kvStrlen = readCommand({
  name: "kv.strlen",
  access: "read",
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
  summary: "Answers with a part of a value, both ends inclusive, negative ends counted from the last byte.",
  arguments: Struct({
    key: Key(),
    start: Integer({ description: "First byte; -1 is the last one." }),
    end: Integer({ description: "Last byte, inclusive." }),
  }),
  reply: Nullable(StoredValue()),
  read(args, { keys }) {
    const entry = keys.find(args.key);
    if (entry === undefined) return null;
    const { bytes, start, end } = bytesOf(entry.value);
    const length = end - start;
    const first = Math.max(0, args.start < 0 ? length + args.start : args.start);
    const last = Math.min(length - 1, args.end < 0 ? length + args.end : args.end);
    return last < first ? textOrBytes(bytes, start, start) : textOrBytes(bytes, start + first, start + last + 1);
  },
});
