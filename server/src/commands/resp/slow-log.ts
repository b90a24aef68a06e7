/** SLOWLOG of Redis. An entry has the command's name in the registry in the place of the words, which are not kept. */
import { integer as integerField, ok, type ReplyShape } from "./reply-shapes.ts";
import { fixed, integer, NO_KEYS, optional, type RespCommand } from "./resp-command.ts";

interface Listed {
  readonly entries: readonly {
    readonly id: number;
    readonly timestamp: number;
    readonly duration_ms: number;
    readonly command: string;
    readonly client_address: string;
  }[];
}

const COUNT_MAX = 10_000;

const entries: ReplyShape = (result: Listed, sink) => {
  sink.array(result.entries.length);
  for (const { id, timestamp, duration_ms, command, client_address } of result.entries) {
    sink.array(6);
    sink.integer(id);
    sink.integer(Math.floor(timestamp / 1000));
    sink.integer(Math.round(duration_ms * 1000));
    sink.array(1);
    sink.text(command);
    sink.text(client_address);
    sink.text("");
  }
};

function named(name: string, arity: number, summary: string) {
  const flags = ["admin", "loading", "stale"] as const;
  return { name: `slowlog|${name}`, arity, flags, keys: NO_KEYS, group: "server", summary, since: "2.2.12" } as const;
}

export const slowLogCommands: readonly RespCommand[] = [
  {
    ...named("get", -2, "Get the slow log's entries"),
    command: "admin.slowlog.get",
    arguments: [optional(integer("limit", { minimum: 1, maximum: COUNT_MAX, clamp: "above" }))],
    reply: entries,
  },
  {
    ...named("len", 2, "Get the slow log's length"),
    command: "admin.slowlog.get",
    arguments: [fixed("limit", 1)],
    reply: integerField("length"),
  },
  {
    ...named("reset", 2, "Clear all entries from the slow log"),
    command: "admin.slowlog.reset",
    arguments: [],
    reply: ok,
  },
];
