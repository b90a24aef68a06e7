/** The string commands of Redis. */
import type { Value } from "../../state/value.ts";
import { NOT_A_FLOAT, TOO_LONG_STRING } from "./error-texts.ts";
import { aboveZero, expiryOptions } from "./expiry-options.ts";
import {
  integer as integerReply,
  ok,
  type ReplyShape,
  value as valueReply,
  values,
  zeroOrOne,
} from "./reply-shapes.ts";
import {
  ALL_KEYS,
  fixed,
  flag,
  int64,
  integer,
  key,
  keys,
  ONE_KEY,
  options,
  pairs,
  type RespCommand,
  type RespFlag,
  value,
} from "./resp-command.ts";

const EVERY_SECOND_KEY = [1, -1, 2] as const;

const READ: readonly RespFlag[] = ["readonly", "fast"];
const SLOW_READ: readonly RespFlag[] = ["readonly"];
const WRITE: readonly RespFlag[] = ["write", "denyoom", "fast"];
const SLOW_WRITE: readonly RespFlag[] = ["write", "denyoom"];
/** Takes no memory. */
const LESSENING_WRITE: readonly RespFlag[] = ["write", "fast"];

type Answer = Pick<RespCommand, "command" | "arguments" | "reply"> & Partial<Pick<RespCommand, "keys" | "errors">>;

function string(
  name: string,
  arity: number,
  flags: readonly RespFlag[],
  since: string,
  summary: string,
  answer: Answer,
): RespCommand {
  return { name, arity, flags, keys: ONE_KEY, group: "string", summary, since, ...answer };
}

const setReply: ReplyShape = (
  result: { readonly success: boolean; readonly previous?: Value | null },
  sink,
  args: Readonly<Record<string, unknown>>,
) => {
  if (args.get === true) {
    if (result.previous instanceof Object) sink.value(result.previous);
    else sink.null();
  } else if (result.success) sink.ok();
  else sink.null();
};

/** As a reader of Redis gets a part: nothing of a missing key is no bytes. */
const part: ReplyShape = (result: Value | null, sink) => {
  if (result === null) sink.text("");
  else sink.value(result);
};

const floatValue: ReplyShape = (result: { readonly value: Value }, sink) => sink.value(result.value);

const range = {
  command: "kv.getrange",
  arguments: [key(), int64("start"), int64("end")],
  reply: part,
} as const;

export const stringCommands: readonly RespCommand[] = [
  string("get", 2, READ, "1.0.0", "Get the value of a key", {
    command: "kv.get",
    arguments: [key()],
    reply: valueReply,
  }),
  string("set", -3, SLOW_WRITE, "1.0.0", "Set the string value of a key", {
    command: "kv.set",
    arguments: [
      key(),
      value(),
      options([
        flag("NX", "nx", true, "condition"),
        flag("XX", "xx", true, "condition"),
        flag("GET", "get"),
        ...expiryOptions("set", "KEEPTTL", "keep_ttl"),
      ]),
    ],
    reply: setReply,
  }),
  string("setnx", 3, WRITE, "1.0.0", "Set the value of a key, only if the key does not exist", {
    command: "kv.set",
    arguments: [key(), value(), fixed("nx", true)],
    reply: zeroOrOne("success"),
  }),
  string("setex", 4, SLOW_WRITE, "2.0.0", "Set the value and expiration of a key", {
    command: "kv.set",
    arguments: [key(), integer("ttl", aboveZero("setex")), value()],
    reply: ok,
  }),
  string("psetex", 4, SLOW_WRITE, "2.6.0", "Set the value and expiration in milliseconds of a key", {
    command: "kv.set",
    arguments: [key(), integer("ttl_ms", aboveZero("psetex")), value()],
    reply: ok,
  }),
  string("getset", 3, WRITE, "1.0.0", "Set the string value of a key and return its old value", {
    command: "kv.getset",
    arguments: [key(), value()],
    reply: valueReply,
  }),
  string("getdel", 2, LESSENING_WRITE, "6.2.0", "Get the value of a key and delete the key", {
    command: "kv.getdel",
    arguments: [key()],
    reply: valueReply,
  }),
  string("getex", -2, LESSENING_WRITE, "6.2.0", "Get the value of a key and optionally set its expiration", {
    command: "kv.getex",
    arguments: [key(), options(expiryOptions("getex", "PERSIST", "persist"))],
    reply: valueReply,
  }),
  string("mget", -2, READ, "1.0.0", "Get the values of all the given keys", {
    keys: ALL_KEYS,
    command: "kv.mget",
    arguments: [keys()],
    reply: values("values"),
  }),
  string("mset", -3, SLOW_WRITE, "1.0.1", "Set multiple keys to multiple values", {
    keys: EVERY_SECOND_KEY,
    command: "kv.mset",
    arguments: [pairs()],
    reply: ok,
  }),
  string("msetnx", -3, SLOW_WRITE, "1.0.1", "Set multiple keys to multiple values, only if none of the keys exist", {
    keys: EVERY_SECOND_KEY,
    command: "kv.msetnx",
    arguments: [pairs()],
    reply: zeroOrOne("success"),
  }),
  string("append", 3, WRITE, "2.0.0", "Append a value to a key", {
    command: "kv.append",
    arguments: [key(), value()],
    reply: integerReply("length"),
    errors: { PAYLOAD_TOO_LARGE: TOO_LONG_STRING },
  }),
  string("strlen", 2, READ, "2.2.0", "Get the length of the value stored in a key", {
    command: "kv.strlen",
    arguments: [key()],
    reply: integerReply("length"),
  }),
  string("getrange", 4, SLOW_READ, "2.4.0", "Get a substring of the string stored at a key", range),
  string("substr", 4, SLOW_READ, "1.0.0", "Get a substring of the string stored at a key", range),
  string("setrange", 4, SLOW_WRITE, "2.2.0", "Overwrite part of a string at key starting at the specified offset", {
    command: "kv.setrange",
    arguments: [
      key(),
      integer("offset", { minimum: 0, outside: "ERR offset is out of range", clamp: "above" }),
      value(),
    ],
    reply: integerReply("length"),
    errors: { PAYLOAD_TOO_LARGE: TOO_LONG_STRING },
  }),
  string("incr", 2, WRITE, "1.0.0", "Increment the integer value of a key by one", {
    command: "kv.incr",
    arguments: [key(), fixed("amount", 1)],
    reply: integerReply("value"),
  }),
  string("decr", 2, WRITE, "1.0.0", "Decrement the integer value of a key by one", {
    command: "kv.decr",
    arguments: [key(), fixed("amount", 1)],
    reply: integerReply("value"),
  }),
  string("incrby", 3, WRITE, "1.0.0", "Increment the integer value of a key by the given amount", {
    command: "kv.incr",
    arguments: [key(), int64("amount")],
    reply: integerReply("value"),
  }),
  string("decrby", 3, WRITE, "1.0.0", "Decrement the integer value of a key by the given number", {
    command: "kv.decr",
    arguments: [key(), int64("amount", { fitsTimes: -1, outside: "ERR decrement would overflow" })],
    reply: integerReply("value"),
  }),
  string("incrbyfloat", 3, WRITE, "2.6.0", "Increment the float value of a key by the given amount", {
    command: "kv.incrbyfloat",
    arguments: [key(), value("amount")],
    reply: floatValue,
    errors: { INVALID_PAYLOAD: NOT_A_FLOAT, OVERFLOW: "ERR increment would produce NaN or Infinity" },
  }),
];
