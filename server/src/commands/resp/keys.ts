/** The generic key commands of Redis, and those of its server group that are about all keys, or the time they expire by. */
import { invalidExpiry } from "./expiry-options.ts";
import {
  accessFrequency,
  cursorAndKeys,
  fieldOrNull,
  idleSeconds,
  integer as integerReply,
  ok,
  oneReference,
  type ReplyShape,
  ranges,
  secondsAndMicroseconds,
  secondsLeft,
  typeName,
  untilExpiry,
  zeroOrOne,
} from "./reply-shapes.ts";
import {
  ALL_KEYS,
  fixed,
  flag,
  integer,
  key,
  keys,
  NO_KEYS,
  type NumberRule,
  ONE_KEY,
  type Option,
  options,
  type RespCommand,
  type RespFlag,
} from "./resp-command.ts";

const TWO_KEYS = [1, 2, 1] as const;
const KEY_OF_SUBCOMMAND = [2, 2, 1] as const;
const NO_SUCH_KEY = "ERR no such key";

const READ: readonly RespFlag[] = ["readonly", "fast"];
const SLOW_READ: readonly RespFlag[] = ["readonly"];
const WRITE: readonly RespFlag[] = ["write", "fast"];
const SLOW_WRITE: readonly RespFlag[] = ["write"];

type Answer = Pick<RespCommand, "command" | "arguments" | "reply"> &
  Partial<Pick<RespCommand, "keys" | "errors" | "group">>;

function generic(
  name: string,
  arity: number,
  flags: readonly RespFlag[],
  since: string,
  summary: string,
  answer: Answer,
): RespCommand {
  return { name, arity, flags, keys: ONE_KEY, group: "generic", summary, since, ...answer };
}

const conditions = options([flag("NX", "nx"), flag("XX", "xx"), flag("GT", "gt"), flag("LT", "lt")], {
  unknown: "ERR Unsupported option %s",
  conflicts: [
    ...["XX", "GT", "LT"].map((word) => ({
      words: ["NX", word],
      error: "ERR NX and XX, GT or LT options at the same time are not compatible",
    })),
    { words: ["GT", "LT"], error: "ERR GT and LT options at the same time are not compatible" },
  ],
});

/** A time that has passed removes the key, however long it has. */
function expiry(name: string, since: string, summary: string, field: string, rule: NumberRule): RespCommand {
  return generic(name, -3, WRITE, since, summary, {
    command: "kv.expire",
    arguments: [
      key(),
      integer(field, { minimum: 0, clamp: "below", outside: invalidExpiry(name), ...rule }),
      conditions,
    ],
    reply: zeroOrOne("result"),
  });
}

const IN_SECONDS: NumberRule = { fitsTimes: 1000 };

function read(name: string, since: string, summary: string, command: string, reply: ReplyShape): RespCommand {
  return generic(name, 2, READ, since, summary, { command, arguments: [key()], reply });
}

function removal(name: string, flags: readonly RespFlag[], since: string, summary: string): RespCommand {
  return generic(name, -2, flags, since, summary, {
    keys: ALL_KEYS,
    command: "kv.del",
    arguments: [keys()],
    reply: integerReply("deleted"),
  });
}

/** How to remove is accepted and without meaning: the memory is always given back in the background. */
function flush(name: string, summary: string): RespCommand {
  const mode: readonly Option[] = [
    { word: "ASYNC", group: "mode" },
    { word: "SYNC", group: "mode" },
  ];
  return generic(name, -1, SLOW_WRITE, "1.0.0", summary, {
    keys: NO_KEYS,
    group: "server",
    command: `kv.${name}`,
    arguments: [options(mode)],
    reply: ok,
  });
}

function renaming(name: string, flags: readonly RespFlag[], summary: string, reply: ReplyShape): RespCommand {
  return generic(name, 3, flags, "1.0.0", summary, {
    keys: TWO_KEYS,
    command: `key.${name}`,
    arguments: [key("source"), key("destination")],
    reply,
    errors: { KEY_NOT_FOUND: NO_SUCH_KEY },
  });
}

function object(name: string, since: string, summary: string, reply: ReplyShape): RespCommand {
  return generic(`object|${name}`, 3, SLOW_READ, since, summary, {
    keys: KEY_OF_SUBCOMMAND,
    command: "key.object",
    arguments: [key()],
    reply,
  });
}

export const keyCommands: readonly RespCommand[] = [
  removal("del", SLOW_WRITE, "1.0.0", "Delete a key"),
  removal(
    "unlink",
    WRITE,
    "4.0.0",
    "Delete a key asynchronously in another thread. Otherwise it is just as DEL, but non blocking.",
  ),
  generic("exists", -2, READ, "1.0.0", "Determine if a key exists", {
    keys: ALL_KEYS,
    command: "kv.exists",
    arguments: [keys()],
    reply: integerReply("exists"),
  }),
  generic(
    "touch",
    -2,
    READ,
    "3.2.1",
    "Alters the last access time of a key(s). Returns the number of existing keys specified.",
    { keys: ALL_KEYS, command: "kv.touch", arguments: [keys()], reply: integerReply("touched") },
  ),
  read("type", "1.0.0", "Determine the type stored at key", "key.type", typeName),
  renaming("rename", SLOW_WRITE, "Rename a key", ok),
  renaming("renamenx", WRITE, "Rename a key, only if the new key does not exist", zeroOrOne("success")),
  generic("copy", -3, ["write", "denyoom"], "6.2.0", "Copy a key", {
    keys: TWO_KEYS,
    command: "key.copy",
    arguments: [
      key("source"),
      key("destination"),
      fixed("if_exists", true),
      options(
        [
          flag("REPLACE", "replace"),
          { word: "DB", takes: "integer", minimum: 0, maximum: 0, outside: "ERR DB index is out of range" },
        ],
        { eager: true },
      ),
    ],
    reply: zeroOrOne("success"),
    errors: { INVALID_PAYLOAD: "ERR source and destination objects are the same" },
  }),
  generic("randomkey", 1, SLOW_READ, "1.0.0", "Return a random key from the keyspace", {
    keys: NO_KEYS,
    command: "key.randomkey",
    arguments: [],
    reply: fieldOrNull("key"),
  }),
  expiry("expire", "1.0.0", "Set a key's time to live in seconds", "ttl", IN_SECONDS),
  expiry("pexpire", "2.6.0", "Set a key's time to live in milliseconds", "ttl_ms", {}),
  expiry("expireat", "1.2.0", "Set the expiration for a key as a UNIX timestamp", "at_ms", {
    ...IN_SECONDS,
    times: 1000,
  }),
  expiry(
    "pexpireat",
    "2.6.0",
    "Set the expiration for a key as a UNIX timestamp specified in milliseconds",
    "at_ms",
    {},
  ),
  read("ttl", "1.0.0", "Get the time to live for a key in seconds", "kv.ttl", secondsLeft("ttl_ms")),
  read("pttl", "2.6.0", "Get the time to live for a key in milliseconds", "kv.ttl", untilExpiry("ttl_ms")),
  read("expiretime", "7.0.0", "Get the expiration Unix timestamp for a key", "kv.expiretime", secondsLeft("at_ms")),
  read(
    "pexpiretime",
    "7.0.0",
    "Get the expiration Unix timestamp for a key in milliseconds",
    "kv.expiretime",
    untilExpiry("at_ms"),
  ),
  generic("persist", 2, WRITE, "2.2.0", "Remove the expiration from a key", {
    command: "kv.persist",
    arguments: [key()],
    reply: zeroOrOne("result"),
  }),
  generic("keys", 2, SLOW_READ, "1.0.0", "Find all keys matching the given pattern", {
    keys: NO_KEYS,
    command: "kv.keys",
    arguments: [key("pattern")],
    reply: ranges("keys"),
  }),
  generic("scan", -2, SLOW_READ, "2.8.0", "Incrementally iterate the keys space", {
    keys: NO_KEYS,
    command: "kv.scan",
    arguments: [
      integer("integer_cursor", { minimum: 0, invalid: "ERR invalid cursor", outside: "ERR invalid cursor" }),
      options(
        [
          { word: "MATCH", field: "pattern", takes: "key" },
          { word: "COUNT", field: "limit", takes: "integer", minimum: 1, outside: "ERR syntax error", clamp: "above" },
          { word: "TYPE", field: "type", takes: "text" },
        ],
        { eager: true },
      ),
    ],
    reply: cursorAndKeys,
  }),
  generic("dbsize", 1, READ, "1.0.0", "Return the number of keys in the selected database", {
    keys: NO_KEYS,
    group: "server",
    command: "kv.dbsize",
    arguments: [],
    reply: integerReply("size"),
  }),
  flush("flushdb", "Remove all keys from the current database"),
  flush("flushall", "Remove all keys from all databases"),
  object("encoding", "2.2.3", "Inspect the internal encoding of a Redis object", fieldOrNull("encoding")),
  object("freq", "4.0.0", "Get the logarithmic access frequency counter of a Redis object", accessFrequency),
  object("idletime", "2.2.3", "Get the time since a Redis object was last accessed", idleSeconds),
  object("refcount", "2.2.3", "Get the number of references to the value of the key", oneReference),
  generic("memory|usage", -3, SLOW_READ, "4.0.0", "Estimate the memory usage of a key", {
    keys: KEY_OF_SUBCOMMAND,
    group: "server",
    command: "key.object",
    arguments: [key(), options([{ word: "SAMPLES", takes: "integer", minimum: 0, outside: "ERR syntax error" }])],
    reply: fieldOrNull("memory_bytes"),
  }),
  generic("time", 1, ["loading", "stale", "fast"], "2.6.0", "Return the current server time", {
    keys: NO_KEYS,
    group: "server",
    command: "kv.time",
    arguments: [],
    reply: secondsAndMicroseconds("now_ms"),
  }),
];
