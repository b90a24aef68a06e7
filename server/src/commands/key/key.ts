/** Commands on keys whatever they hold: key.type, key.exists, key.rename, key.renamenx, key.copy, key.randomkey. */
import { TAG_NAMES, type Value } from "../../state/value.ts";
import { type ByteRange, rangesEqual } from "../../structures/byte-range.ts";
import { named, reads, WHOLE } from "../access-rule.ts";
import { readCommand, writeCommand } from "../command.ts";
import { type CommandError, fail, isCommandError } from "../errors.ts";
import type { Planner } from "../planner.ts";
import { Choice, Flag, Key, Nullable, Optional, Struct } from "../schema.ts";

export const keyType = readCommand({
  name: "key.type",
  access: "read",
  guard: named("key"),
  shows: "keys",
  summary: "Answers with the type of a key's value: text, bytes, integer, json, or none for a missing key.",
  arguments: Struct({ key: Key() }),
  reply: Struct({ key: Key(), type: Choice([...TAG_NAMES, "none"]) }),
  read(args, { keys }) {
    const entry = keys.peek(args.key);
    return { key: args.key, type: entry === undefined ? "none" : TAG_NAMES[entry.value.tag] };
  },
});

export const keyExists = readCommand({
  name: "key.exists",
  access: "read",
  guard: named("key"),
  shows: "keys",
  summary: "Tells whether a key exists.",
  arguments: Struct({ key: Key() }),
  reply: Struct({ key: Key(), exists: Flag() }),
  read: (args, { keys }) => ({ key: args.key, exists: keys.peek(args.key) !== undefined }),
});

const twoKeys = Struct({ source: Key(), destination: Key() });
const twoKeysReply = Struct({ success: Flag(), source: Key(), destination: Key() });

interface TwoKeys {
  readonly source: ByteRange;
  readonly destination: ByteRange;
}

/** The value and deadline at `source`, copied: the next look-up would reuse the entry. Errors: KEY_NOT_FOUND. */
function take(planner: Planner, source: ByteRange): { value: Value; deadlineMs: number } | CommandError {
  const entry = planner.find(source);
  if (entry === undefined) return fail("KEY_NOT_FOUND", "the source key does not exist", { path: "source" });
  return { value: entry.value.copy(), deadlineMs: entry.deadlineMs };
}

function done(success: boolean, { source, destination }: TwoKeys) {
  return { success, source, destination };
}

/** Moves a key with its expiry. Onto itself nothing changes. */
function move(planner: Planner, keys: TwoKeys, taken: { value: Value; deadlineMs: number }): void {
  if (rangesEqual(keys.source, keys.destination)) return;
  // In this order the room of the source counts for the destination, and eviction cannot take the source first.
  planner.remove(keys.source);
  planner.put(keys.destination, taken.value, taken.deadlineMs);
}

export const keyRename = writeCommand({
  name: "key.rename",
  access: "write",
  guard: named("source", "destination"),
  summary: "Renames a key, with its expiry, over whatever is there.",
  arguments: twoKeys,
  reply: twoKeysReply,
  plan(args, planner) {
    const taken = take(planner, args.source);
    if (isCommandError(taken)) return taken;
    move(planner, args, taken);
    return done(true, args);
  },
});

export const keyRenamenx = writeCommand({
  name: "key.renamenx",
  access: "write",
  guard: named("source", "destination"),
  summary: "Renames a key, with its expiry, only if the new name is free.",
  arguments: twoKeys,
  reply: twoKeysReply,
  plan(args, planner) {
    const taken = take(planner, args.source);
    if (isCommandError(taken)) return taken;
    if (planner.find(args.destination) !== undefined) return done(false, args);
    move(planner, args, taken);
    return done(true, args);
  },
});

export const keyCopy = writeCommand({
  name: "key.copy",
  access: "write",
  guard: named(reads("source"), "destination"),
  summary: "Copies a key, with its expiry; over a key that exists only with `replace`.",
  arguments: Struct({
    source: Key(),
    destination: Key(),
    replace: Optional(Flag({ description: "Write over a destination that exists." })),
    if_exists: Optional(
      Flag({ description: "A source that is not there is no error: the answer is `success: false`." }),
    ),
  }),
  reply: twoKeysReply,
  plan(args, planner) {
    if (rangesEqual(args.source, args.destination)) {
      return fail("INVALID_PAYLOAD", "source and destination are the same key", { path: "destination" });
    }
    const taken = take(planner, args.source);
    if (isCommandError(taken)) return args.if_exists === true ? done(false, args) : taken;
    if (args.replace !== true && planner.find(args.destination) !== undefined) return done(false, args);
    planner.put(args.destination, taken.value, taken.deadlineMs);
    return done(true, args);
  },
});

export const keyRandomkey = readCommand({
  name: "key.randomkey",
  access: "read",
  guard: WHOLE,
  summary: "Answers with a key drawn at random, or null when there is none.",
  arguments: Struct({}),
  reply: Struct({ key: Nullable(Key()) }),
  read: (_args, { keys, random }) => ({ key: keys.random(random) ?? null }),
});
