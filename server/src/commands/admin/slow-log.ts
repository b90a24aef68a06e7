/** admin.slowlog.get and admin.slowlog.reset. */
import { WHOLE } from "../access-rule.ts";
import { readCommand } from "../command.ts";
import { Fraction, Integer, Items, Optional, Struct, Text } from "../schema.ts";

const entry = Struct({
  id: Integer(),
  timestamp: Integer({ description: "When it ran, in milliseconds since the epoch." }),
  duration_ms: Fraction(),
  command: Text(),
  client_id: Integer(),
  client_address: Text(),
});

export const adminSlowlogGet = readCommand({
  name: "admin.slowlog.get",
  access: "read",
  guard: WHOLE,
  shows: "nothing",
  summary: "Answers with the last commands that took longer than slowlog.threshold_ms, newest first.",
  atomic: false,
  arguments: Struct({ limit: Optional(Integer({ minimum: 1, maximum: 10_000, default: 10 })) }),
  reply: Struct({ entries: Items(entry), length: Integer({ description: "Entries kept." }) }),
  read: (args, { node }) => ({ entries: [...node.slowLog.latest(args.limit ?? 10)], length: node.slowLog.length }),
});

export const adminSlowlogReset = readCommand({
  name: "admin.slowlog.reset",
  access: "admin",
  guard: WHOLE,
  shows: "nothing",
  summary: "Forgets the slow log.",
  atomic: false,
  arguments: Struct({}),
  reply: Struct({ removed: Integer() }),
  read: (_args, { node }) => ({ removed: node.slowLog.reset() }),
});
