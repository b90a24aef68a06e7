/** Commands that tell of topics: pubsub.topics, pubsub.info, pubsub.stats. They tell of this node. */
import { patternProblem } from "../../structures/topic-problem.ts";
import { matching, topicsOf, WHOLE } from "../access-rule.ts";
import { readCommand } from "../command.ts";
import { type CommandError, fail } from "../errors.ts";
import { Integer, Items, Name, Nullable, Optional, Struct, Text } from "../schema.ts";

const PAGE_TOPICS = 1000;
const PAGE_TOPICS_MAX = 10_000;
const CURSOR = /^t([1-9]\d{0,9})$/;

export const pubsubTopics = readCommand({
  name: "pubsub.topics",
  access: "read",
  guard: WHOLE,
  shows: "nothing",
  summary: "Lists the topics and patterns that have subscribers, page by page and in no order that means anything.",
  arguments: Struct({
    cursor: Optional(Text({ description: "The cursor of the page before; absent for the first page." })),
    limit: Optional(Integer({ minimum: 1, maximum: PAGE_TOPICS_MAX, default: PAGE_TOPICS })),
  }),
  reply: Struct({
    topics: Items(Text()),
    count: Integer({ description: "How many there are, on all pages." }),
    cursor: Nullable(Text(), { description: "Null at the end." }),
  }),
  read(args, { fanout }) {
    const after = args.cursor === undefined ? 0 : pageAfter(args.cursor);
    if (typeof after !== "number") return after;
    const { topics, next } = fanout.topics.page(after, args.limit ?? PAGE_TOPICS);
    return { topics, count: fanout.topics.topicCount, cursor: next === 0 ? null : `t${next}` };
  },
});

function pageAfter(cursor: string): number | CommandError {
  const match = CURSOR.exec(cursor);
  const after = match === null ? Number.NaN : Number(match[1]);
  if (after < 2 ** 31) return after;
  return fail("INVALID_PAYLOAD", "cursor is not one that pubsub.topics gave", { path: "cursor" });
}

export const pubsubInfo = readCommand({
  name: "pubsub.info",
  access: "read",
  guard: matching(topicsOf("topic")),
  shows: "nothing",
  summary: "Tells of one topic or pattern, exactly as it was subscribed to; zeros where nobody is.",
  arguments: Struct({ topic: Name() }),
  reply: Struct({
    topic: Name(),
    subscriber_count: Integer({ description: "Subscriptions to exactly this topic or pattern." }),
    message_count: Integer({ description: "Messages that matched it since it has subscribers." }),
    created_at: Nullable(Integer(), { description: "Since when it has subscribers; null where it has none." }),
  }),
  read({ topic }, { fanout }) {
    const problem = patternProblem(topic.bytes, topic.start, topic.end);
    if (problem !== undefined) return fail("INVALID_PAYLOAD", problem, { path: "topic" });
    const { subscriberCount, messageCount, sinceMs } = fanout.topics.info(topic);
    return { topic, subscriber_count: subscriberCount, message_count: messageCount, created_at: sinceMs ?? null };
  },
});

export const pubsubStats = readCommand({
  name: "pubsub.stats",
  access: "read",
  guard: WHOLE,
  shows: "nothing",
  summary: "Counts topics, subscriptions and messages.",
  arguments: Struct({}),
  reply: Struct({
    total_topics: Integer({ description: "Topics and patterns that have subscribers." }),
    total_subscribers: Integer({
      description: "Subscriptions, one for each topic or pattern of a connection's lists.",
    }),
    total_wildcard_subscriptions: Integer({ description: "Those to a pattern with a wildcard." }),
    total_channels: Integer({ description: "Channels and patterns that Redis clients are subscribed to." }),
    total_channel_patterns: Integer({ description: "Those that are patterns." }),
    total_channel_subscriptions: Integer({ description: "Their subscriptions, one for each of a connection." }),
    messages_published: Integer(),
    messages_delivered: Integer({ description: "Copies pushed to subscribers." }),
    slow_consumers_dropped: Integer({ description: "Connections cut off because they did not read what was pushed." }),
  }),
  read(_args, { fanout: { topics, channels } }) {
    return {
      total_topics: topics.topicCount,
      total_subscribers: topics.subscriptionCount,
      total_wildcard_subscriptions: topics.wildcardSubscriptionCount,
      messages_published: topics.publishedCount,
      total_channels: channels.channelCount,
      total_channel_patterns: channels.globCount,
      total_channel_subscriptions: channels.subscriptionCount,
      messages_delivered: topics.deliveredCount + channels.deliveredCount,
      slow_consumers_dropped: topics.slowConsumersDropped(),
    };
  },
});
