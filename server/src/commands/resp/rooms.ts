/**
 * Event rooms under names of their own, for redis-cli and Redis clients:
 *
 *     SPUBLISH chat said hello        (integer) 0             the event's offset
 *     SREAD chat FROM -10             events, next_offset ...
 *     SSUBSCRIBE chat FROM 0          history and then every new event, as pushes
 *
 * Data is bytes. Redis has other commands by the names of SPUBLISH and SSUBSCRIBE, for shards, which are not here.
 */
import { integer as integerField, ok, plain, zeroOrOne } from "./reply-shapes.ts";
import { NO_KEYS, name, type Option, options, type RespCommand, type RespFlag, value } from "./resp-command.ts";

const READ: readonly RespFlag[] = ["readonly"];
const WRITE: readonly RespFlag[] = ["write"];

const number = (word: string, field: string): Option => ({ word, field, takes: "integer" });
const room = name("room");

function named(word: string, arity: number, flags: readonly RespFlag[], summary: string) {
  return { name: word, arity, flags, keys: NO_KEYS, group: "stream", summary } as const;
}

export const roomCommands: readonly RespCommand[] = [
  {
    ...named("screate", -2, WRITE, "Create an event room"),
    command: "stream.create",
    arguments: [
      room,
      options([
        number("MAXEVENTS", "max_events"),
        number("MAXBYTES", "max_bytes"),
        number("RETENTION", "retention_secs"),
      ]),
    ],
    reply: ok,
  },
  {
    ...named("spublish", -4, ["write", "denyoom", "fast"], "Publish an event to a room; answers with its offset"),
    command: "stream.publish",
    arguments: [
      room,
      name("event"),
      value("data"),
      options([
        { word: "METADATA", field: "metadata", takes: "object" },
        { word: "DEDUP", field: "dedup_id", takes: "name" },
      ]),
    ],
    reply: integerField("offset"),
  },
  {
    ...named("sread", -2, READ, "Read the events of a room"),
    command: "stream.consume",
    arguments: [
      room,
      options([
        number("FROM", "from_offset"),
        number("TO", "to_offset"),
        number("COUNT", "limit"),
        { word: "STRICT", field: "strict", value: true },
      ]),
    ],
    reply: plain,
  },
  {
    ...named("sstats", 2, READ, "Show what a room holds, and who reads it"),
    command: "stream.stats",
    arguments: [room],
    reply: plain,
  },
  {
    ...named("slist", -1, READ, "List the rooms"),
    command: "stream.list",
    arguments: [options([number("COUNT", "limit"), { word: "CURSOR", field: "cursor", takes: "text" }])],
    reply: plain,
  },
  {
    ...named("sdelete", 2, WRITE, "Remove a room"),
    command: "stream.delete",
    arguments: [room],
    reply: zeroOrOne("deleted"),
  },
  {
    ...named("ssubscribe", -2, ["readonly", "pubsub"], "Have the events of a room pushed to this connection"),
    command: "stream.subscribe",
    arguments: [room, options([number("FROM", "from_offset"), number("GENERATION", "generation")])],
    reply: plain,
  },
  {
    ...named("sunsubscribe", 2, ["readonly", "pubsub"], "End a subscription to a room"),
    command: "stream.unsubscribe",
    arguments: [room],
    reply: integerField("unsubscribed"),
  },
];
