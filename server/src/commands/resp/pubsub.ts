/** PUBLISH and PUBSUB of Redis. SUBSCRIBE and its like are connection commands (dispatch/resp-subscriptions.ts). */
import type { ByteRange } from "../../structures/byte-range.ts";
import { integer, type ReplyShape, ranges } from "./reply-shapes.ts";
import { key, NO_KEYS, optional, type RespCommand, rest, value } from "./resp-command.ts";

const FLAGS = ["pubsub", "loading", "stale"] as const;

interface Counted {
  readonly channels: readonly { readonly channel: ByteRange; readonly subscribers: number }[];
}

const counts: ReplyShape = ({ channels }: Counted, sink) => {
  sink.array(channels.length * 2);
  for (const { channel, subscribers } of channels) {
    sink.bulk(channel);
    sink.integer(subscribers);
  }
};

const noCounts: ReplyShape = ({ channels }: Counted, sink) => {
  sink.array(channels.length * 2);
  for (const { channel } of channels) {
    sink.bulk(channel);
    sink.integer(0);
  }
};

/** There are no shards: nobody is subscribed to a channel of one. */
const noShards: ReplyShape = (_result, sink) => sink.array(0);

function subcommand(name: string, arity: number, summary: string, since: string) {
  return { name: `pubsub|${name}`, arity, flags: FLAGS, keys: NO_KEYS, group: "pubsub", summary, since } as const;
}

export const pubsubCommands: readonly RespCommand[] = [
  {
    name: "publish",
    arity: 3,
    flags: [...FLAGS, "fast"],
    keys: NO_KEYS,
    group: "pubsub",
    summary: "Post a message to a channel",
    since: "2.0.0",
    command: "pubsub.publish",
    arguments: [key("channel"), value("payload")],
    reply: integer("subscribers_matched"),
  },
  {
    ...subcommand("channels", -2, "List active channels", "2.8.0"),
    command: "pubsub.channels",
    arguments: [optional(key("pattern"))],
    reply: ranges("channels"),
  },
  {
    ...subcommand("numpat", 2, "Get the count of unique patterns pattern subscriptions", "2.8.0"),
    command: "pubsub.stats",
    arguments: [],
    reply: integer("total_channel_patterns"),
  },
  {
    ...subcommand("numsub", -2, "Get the count of subscribers for channels", "2.8.0"),
    command: "pubsub.numsub",
    arguments: [rest("channels", "key")],
    reply: counts,
  },
  {
    ...subcommand("shardchannels", -2, "List active shard channels", "7.0.0"),
    command: "pubsub.channels",
    arguments: [optional(key("pattern"))],
    reply: noShards,
  },
  {
    ...subcommand("shardnumsub", -2, "Get the count of subscribers for shard channels", "7.0.0"),
    command: "pubsub.numsub",
    arguments: [rest("channels", "key")],
    reply: noCounts,
  },
];
