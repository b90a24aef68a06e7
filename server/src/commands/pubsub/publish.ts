/** pubsub.publish: a message for those who are connected now. */
import { CHANNEL_BYTES_MAX } from "../../fanout/channels.ts";
import { TAG_JSON, type Value } from "../../state/value.ts";
import { named } from "../access-rule.ts";
import { nodeCommand } from "../command.ts";
import { fail, isCommandError } from "../errors.ts";
import { Bytes, Integer, Name, Optional, StoredValue, Struct, Text } from "../schema.ts";
import { checkTopic } from "./topic-arguments.ts";

const OPEN_BRACE = 0x7b;
const LETTER_N = 0x6e;

export const pubsubPublish = nodeCommand({
  name: "pubsub.publish",
  access: "write",
  guard: named("topic", "channel"),
  shows: "nothing",
  summary: "Pushes a message to every subscription that matches its topic, at most once, to those connected now.",
  queueable: true,
  needsMaster: true,
  arguments: Struct(
    {
      topic: Optional(Name({ description: "Levels joined by '.', without wildcards." })),
      channel: Optional(
        Bytes({
          maxBytes: CHANNEL_BYTES_MAX,
          description:
            "In the place of `topic`: a channel of Redis clients, of any bytes. One that could be a topic is that topic.",
        }),
      ),
      payload: StoredValue({ aliases: ["message", "data"], description: "Any JSON value." }),
      headers: Optional(StoredValue({ aliases: ["metadata"], description: "An object that comes with the message." })),
    },
    { ignored: ["priority"] },
  ),
  reply: Struct({
    message_id: Text(),
    topic: Optional(Name()),
    channel: Optional(Bytes({ maxBytes: CHANNEL_BYTES_MAX })),
    subscribers_matched: Integer({ description: "Subscriptions that match; a connection may have several." }),
  }),
  act(args, { fanout, nowMs }) {
    const { topic, channel, payload, headers } = args;
    const name = topic ?? channel;
    if (name === undefined || (topic !== undefined && channel !== undefined)) {
      return fail("INVALID_PAYLOAD", "say topic or channel: one of the two", { path: "topic" });
    }
    const problem = topic === undefined ? undefined : checkTopic(topic);
    if (problem !== undefined) return problem;
    const given = headers === undefined || isNull(headers) ? undefined : headers;
    if (given !== undefined && !isObject(given)) {
      return fail("INVALID_PAYLOAD", "headers are a JSON object", { path: "headers" });
    }
    const published = fanout.publish(name, payload, given, nowMs, topic === undefined ? undefined : true);
    if (isCommandError(published)) return published;
    return { message_id: published.messageId, topic, channel, subscribers_matched: published.matchedCount };
  },
});

function isObject({ tag, bytes, start }: Value): boolean {
  return tag === TAG_JSON && bytes[start] === OPEN_BRACE;
}

/** Clients of the original send null for none. */
function isNull({ tag, bytes, start }: Value): boolean {
  return tag === TAG_JSON && bytes[start] === LETTER_N;
}
