/** pubsub.publish: a message for those who are connected now. */
import { TAG_JSON, type Value } from "../../state/value.ts";
import { nodeCommand } from "../command.ts";
import { fail, isCommandError } from "../errors.ts";
import { Integer, Name, Optional, StoredValue, Struct, Text } from "../schema.ts";
import { checkTopic } from "./topic-arguments.ts";

const OPEN_BRACE = 0x7b;
const LETTER_N = 0x6e;

export const pubsubPublish = nodeCommand({
  name: "pubsub.publish",
  access: "write",
  summary: "Pushes a message to every subscription that matches its topic, at most once, to those connected now.",
  arguments: Struct(
    {
      topic: Name({ description: "Levels joined by '.', without wildcards." }),
      payload: StoredValue({ aliases: ["message", "data"], description: "Any JSON value." }),
      headers: Optional(StoredValue({ aliases: ["metadata"], description: "An object that comes with the message." })),
    },
    { ignored: ["priority"] },
  ),
  reply: Struct({
    message_id: Text(),
    topic: Name(),
    subscribers_matched: Integer({ description: "Subscriptions that match; a connection may have several." }),
  }),
  act(args, { fanout, nowMs }) {
    const { topic, payload, headers } = args;
    const problem = checkTopic(topic);
    if (problem !== undefined) return problem;
    const given = headers === undefined || isNull(headers) ? undefined : headers;
    if (given !== undefined && !isObject(given)) {
      return fail("INVALID_PAYLOAD", "headers are a JSON object", { path: "headers" });
    }
    const published = fanout.topics.publish(topic, payload, given, nowMs);
    if (isCommandError(published)) return published;
    return { message_id: published.messageId, topic, subscribers_matched: published.matchedCount };
  },
});

function isObject({ tag, bytes, start }: Value): boolean {
  return tag === TAG_JSON && bytes[start] === OPEN_BRACE;
}

/** Clients of the original send null for none. */
function isNull({ tag, bytes, start }: Value): boolean {
  return tag === TAG_JSON && bytes[start] === LETTER_N;
}
