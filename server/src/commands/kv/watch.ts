/** Commands that have changes of keys pushed to a connection: kv.watch, kv.unwatch. */
import { WATCH_BYTES_MAX } from "../../fanout/key-watch-lookup.ts";
import { WATCH_MODES, type WatchedKeys } from "../../fanout/key-watches.ts";
import type { ByteRange } from "../../structures/byte-range.ts";
import { globOf, matching, OWN, prefixOf } from "../access-rule.ts";
import { nodeCommand } from "../command.ts";
import { type CommandError, fail, isCommandError } from "../errors.ts";
import { connectionOf } from "../pubsub/connection.ts";
import { Bytes, Choice, Integer, Optional, Struct } from "../schema.ts";

const pattern = Optional(
  Bytes({
    maxBytes: WATCH_BYTES_MAX,
    description:
      "A glob, as in kv.scan; without a wildcard it is one key. Keys of over 1,024 bytes are found by prefixes alone.",
  }),
);
const prefix = Optional(
  Bytes({ maxBytes: WATCH_BYTES_MAX, description: "Keys that begin with this, in the place of `pattern`." }),
);

export const kvWatch = nodeCommand({
  name: "kv.watch",
  access: "read",
  guard: matching(globOf("pattern"), prefixOf("prefix")),
  summary: "Has every change of some keys pushed to this connection, with the new value or without.",
  arguments: Struct({
    pattern,
    prefix,
    mode: Optional(
      Choice(WATCH_MODES, { default: "value", description: "`notify` says what happened and leaves the value out." }),
    ),
  }),
  reply: Struct({
    subscription_id: Integer({ description: "In every push of this watch; the same for all who watch the same." }),
  }),
  act(args, { fanout, caller }) {
    const connection = connectionOf(caller, "kv.watch");
    if (isCommandError(connection)) return connection;
    const keys = watchedKeys(args.pattern, args.prefix);
    if (isCommandError(keys)) return keys;
    const id = fanout.watches.watch(connection.session, connection.outbox, keys, args.mode ?? "value");
    return isCommandError(id) ? id : { subscription_id: id };
  },
});

export const kvUnwatch = nodeCommand({
  name: "kv.unwatch",
  access: "read",
  guard: OWN,
  summary: "Ends a watch of this connection.",
  arguments: Struct({
    subscription_id: Optional(Integer({ minimum: 0, description: "The watch, in the place of what it watches." })),
    pattern,
    prefix,
    mode: Optional(Choice(WATCH_MODES, { description: "Absent for the watches of either mode." })),
  }),
  reply: Struct({ unwatched: Integer({ description: "How many watches ended." }) }),
  act(args, { fanout, caller }) {
    const connection = connectionOf(caller, "kv.unwatch");
    if (isCommandError(connection)) return connection;
    const { subscription_id } = args;
    if (subscription_id !== undefined) {
      if (args.pattern !== undefined || args.prefix !== undefined || args.mode !== undefined) {
        return fail("INVALID_PAYLOAD", "subscription_id says it all: leave the rest out", { path: "subscription_id" });
      }
      return { unwatched: fanout.watches.unwatchById(connection.session, subscription_id) };
    }
    const keys = watchedKeys(args.pattern, args.prefix);
    if (isCommandError(keys)) return keys;
    return { unwatched: fanout.watches.unwatch(connection.session, keys, args.mode) };
  },
});

function watchedKeys(glob: ByteRange | undefined, start: ByteRange | undefined): WatchedKeys | CommandError {
  if (glob !== undefined && start === undefined) {
    if (glob.length > 0) return { isPattern: true, text: glob };
    return fail("INVALID_PAYLOAD", "pattern is empty, and no key is: use prefix for all keys", { path: "pattern" });
  }
  if (start !== undefined && glob === undefined) return { isPattern: false, text: start };
  return fail("INVALID_PAYLOAD", "say pattern or prefix: one of the two", { path: "pattern" });
}
