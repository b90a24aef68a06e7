/** Publish/subscribe: what is pushed to whom, and what is refused. Pushes are for WebSockets alone. */
import { expect } from "vitest";
import {
  batch,
  type Case,
  earlierField,
  failure,
  overHttpOnly,
  overWebSocketOnly,
  pushed,
  pushedInAnyOrder,
  type Reply,
  refusedBatch,
  run,
  type Step,
  someInteger,
} from "../case.ts";
import { VALUE_TABLE } from "./values.ts";

const someText = expect.any(String) as string;
const SUBSCRIBED = { subscribed: 1, subscription_id: someInteger };
/** The limits of the suite's server. */
const MESSAGE_BYTES_MAX = 32 * 1024;
const SUBSCRIPTIONS_MAX = 20;
const COSTLY_PATTERNS_MAX = 2;
const manyTopics = Array.from({ length: SUBSCRIPTIONS_MAX }, (_, i) => `many.${i}`);

const publish = (topic: string, payload: unknown, matched: number): Step =>
  run("pubsub.publish", { topic, payload }, { message_id: someText, topic, subscribers_matched: matched });

const subscribe = (...topics: string[]): Step =>
  run("pubsub.subscribe", { topics }, { ...SUBSCRIBED, subscribed: topics.length });

const unsubscribe = (...topics: string[]): Step =>
  run("pubsub.unsubscribe", { topics }, { unsubscribed: topics.length });

/** A push for the subscription that step `from` made. */
function message(earlier: readonly Reply[], from: number, topic: string, pattern: string, data: unknown): Reply {
  return {
    type: "message",
    subscription_id: earlierField(earlier, from, "subscription_id"),
    topic,
    pattern,
    message_id: someText,
    data,
    timestamp: someInteger,
  };
}

const invalid = (path: string) => failure("INVALID_PAYLOAD", { path });

/** Pattern, topics it matches, topics it does not. */
const PATTERNS: readonly (readonly [pattern: string, matching: readonly string[], others: readonly string[]])[] = [
  ["p.a", ["p.a"], ["p.b", "p", "p.a.b", "x.p.a"]],
  ["p.*", ["p.a"], ["p", "p.a.b", "q.a"]],
  ["*.p", ["a.p"], ["p", "a.b.p"]],
  ["p.*.c", ["p.b.c"], ["p.c", "p.b.b.c"]],
  ["p.#", ["p", "p.a", "p.a.b"], ["q", "q.p"]],
  ["#.p", ["p", "a.p", "a.b.p"], ["p.a"]],
  ["p.#.c", ["p.c", "p.b.c", "p.b.b.c"], ["p", "c", "p.b"]],
  ["p.#.*", ["p.a", "p.a.b"], ["p"]],
  ["#", ["p", "p.a"], []],
  ["žluť.🐎", ["žluť.🐎"], ["žluť"]],
];

export const messages: readonly Case[] = [
  {
    name: "a published message needs no subscriber",
    steps: [
      publish("nobody.here", { a: 1 }, 0),
      run("pubsub.publish", { topic: "nobody", message: 1, priority: 5, client_id: "c" }, expect.anything()),
      run("pubsub.publish", { topic: "nobody", data: null, metadata: { a: 1 } }, expect.anything()),
      run("pubsub.publish", { topic: "nobody", payload: 1, headers: null }, expect.anything()),
    ],
  },
  {
    name: "a message carries any value",
    skip: overWebSocketOnly,
    steps: [
      subscribe("values"),
      ...VALUE_TABLE.flatMap(([, value]): Step[] => [
        publish("values", value, 1),
        pushed((_, earlier) => [message(earlier, 0, "values", "values", value)]),
      ]),
      unsubscribe("values"),
    ],
  },
  ...PATTERNS.map(
    ([pattern, matching, others]): Case => ({
      name: `the pattern ${pattern} matches just what it should`,
      skip: overWebSocketOnly,
      steps: [
        subscribe(pattern),
        ...others.map((topic) => publish(topic, "other", 0)),
        ...matching.map((topic) => publish(topic, topic, 1)),
        pushed((_, earlier) => matching.map((topic) => message(earlier, 0, topic, pattern, topic))),
        unsubscribe(pattern),
        ...matching.map((topic) => publish(topic, topic, 0)),
        pushed([]),
      ],
    }),
  ),
  {
    name: "a message comes with its headers",
    skip: overWebSocketOnly,
    steps: [
      subscribe("h"),
      run("pubsub.publish", { topic: "h", payload: 1, headers: { b: [1], a: "x" } }, expect.anything()),
      pushed((_, earlier) => [{ ...message(earlier, 0, "h", "h", 1), headers: { b: [1], a: "x" } }]),
      unsubscribe("h"),
    ],
  },
  {
    name: "each subscription that matches gets a copy, with its own pattern and id",
    skip: overWebSocketOnly,
    steps: [
      subscribe("s.a"),
      subscribe("s.a", "s.*"),
      publish("s.a", 1, 3),
      publish("s.b", 2, 1),
      pushedInAnyOrder((_, earlier) => [
        message(earlier, 0, "s.a", "s.a", 1),
        message(earlier, 1, "s.a", "s.a", 1),
        message(earlier, 1, "s.a", "s.*", 1),
        message(earlier, 1, "s.b", "s.*", 2),
      ]),
      unsubscribe("s.a"),
      publish("s.a", 3, 1),
      pushed((_, earlier) => [message(earlier, 1, "s.a", "s.*", 3)]),
      unsubscribe("s.*"),
      publish("s.a", 4, 0),
      pushed([]),
    ],
  },
  {
    name: "the same list again, in whatever order, is the same subscription",
    skip: overWebSocketOnly,
    steps: [
      subscribe("i.a", "i.b"),
      {
        command: "pubsub.subscribe",
        payload: { topics: ["i.b", "i.a", "i.b"], subscriber_id: "me" },
        expected: (_, earlier) => ({
          success: true,
          payload: { subscribed: 2, subscription_id: earlierField(earlier, 0, "subscription_id") },
        }),
      },
      publish("i.a", 1, 1),
      pushed((_, earlier) => [message(earlier, 0, "i.a", "i.a", 1)]),
      {
        command: "pubsub.unsubscribe",
        payload: (earlier) => ({ subscription_id: earlierField(earlier, 0, "subscription_id") }),
        expected: (_, earlier) => ({
          success: true,
          payload: { unsubscribed: 2, subscription_id: earlierField(earlier, 0, "subscription_id") },
        }),
      },
      publish("i.a", 1, 0),
      run("pubsub.unsubscribe", { topics: ["i.a", "never"] }, { unsubscribed: 0 }),
      run("pubsub.unsubscribe", { subscription_id: 0 }, { unsubscribed: 0, subscription_id: 0 }),
      pushed([]),
    ],
  },
  {
    name: "subscribing needs something to push to",
    skip: overHttpOnly,
    steps: [
      run("pubsub.subscribe", { topics: ["a"] }, failure("INVALID_REQUEST")),
      run("pubsub.unsubscribe", { topics: ["a"] }, failure("INVALID_REQUEST")),
    ],
  },
  {
    name: "a topic that cannot be is refused",
    steps: [
      ...["", ".", "a..b", ".a", "a.", "a.*", "#", "a.b#", "x.".repeat(32).concat("x")].map((topic) =>
        run("pubsub.publish", { topic, payload: 1 }, invalid("topic")),
      ),
      run("pubsub.publish", { topic: "x".repeat(256), payload: 1 }, failure("PAYLOAD_TOO_LARGE", { path: "topic" })),
      publish("x.".repeat(31).concat("x"), 1, 0),
      publish("x".repeat(255), 1, 0),
      run("pubsub.publish", { payload: 1 }, invalid("topic")),
      run("pubsub.publish", { topic: "a" }, invalid("payload")),
      run("pubsub.publish", { topic: "a", payload: 1, headers: [1] }, invalid("headers")),
      run("pubsub.publish", { topic: "a", payload: 1, headers: "{}" }, invalid("headers")),
      run("pubsub.publish", { topic: "a", payload: 1, retain: true }, invalid("retain")),
    ],
  },
  {
    name: "a pattern that cannot be is refused, and nothing of its list is subscribed",
    skip: overWebSocketOnly,
    steps: [
      ...["", "a..b", "a.#b", "*a", "##", "#.a.#.b.#.c.#"].map((pattern) =>
        run("pubsub.subscribe", { topics: ["good", pattern] }, invalid("topics[1]")),
      ),
      run(
        "pubsub.subscribe",
        { topics: ["good", "x".repeat(256)] },
        failure("PAYLOAD_TOO_LARGE", { path: "topics[1]" }),
      ),
      run("pubsub.unsubscribe", { topics: ["a.#b"] }, invalid("topics[0]")),
      run("pubsub.subscribe", { topics: [] }, invalid("topics")),
      run("pubsub.subscribe", {}, invalid("topics")),
      run("pubsub.subscribe", { topics: Array.from({ length: 1001 }, () => "a") }, invalid("topics")),
      run("pubsub.unsubscribe", {}, invalid("topics")),
      run("pubsub.unsubscribe", { topics: ["a"], subscription_id: 1 }, invalid("topics")),
      publish("good", 1, 0),
    ],
  },
  {
    name: "a message at the limit is taken and one past it refused",
    steps: [
      publish("big", "x".repeat(MESSAGE_BYTES_MAX), 0),
      run(
        "pubsub.publish",
        { topic: "big", payload: "x".repeat(MESSAGE_BYTES_MAX + 1) },
        failure("PAYLOAD_TOO_LARGE", { limit_bytes: MESSAGE_BYTES_MAX }),
      ),
      run(
        "pubsub.publish",
        { topic: "big", payload: "x".repeat(MESSAGE_BYTES_MAX), headers: {} },
        failure("PAYLOAD_TOO_LARGE", { limit_bytes: MESSAGE_BYTES_MAX }),
      ),
    ],
  },
  {
    name: "subscriptions of a connection end at their limit",
    skip: overWebSocketOnly,
    steps: [
      subscribe(...manyTopics),
      run(
        "pubsub.subscribe",
        { topics: ["one.more"] },
        failure("INVALID_REQUEST", { subscriptions_max: SUBSCRIPTIONS_MAX }),
      ),
      subscribe(...manyTopics),
      unsubscribe(manyTopics[0]),
      subscribe("one.more"),
      unsubscribe("one.more", ...manyTopics.slice(1)),
    ],
  },
  {
    name: "costly patterns end at their limit",
    skip: overWebSocketOnly,
    steps: [
      subscribe("#.a", "b.#.c"),
      run(
        "pubsub.subscribe",
        { topics: ["#.d"] },
        failure("SERVICE_UNAVAILABLE", { costly_patterns_max: COSTLY_PATTERNS_MAX }),
      ),
      subscribe("d.#"),
      unsubscribe("#.a", "b.#.c", "d.#"),
    ],
  },
  {
    name: "topics and patterns are listed and counted while they have subscribers",
    skip: overWebSocketOnly,
    steps: [
      run("pubsub.info", { topic: "l.a" }, { topic: "l.a", subscriber_count: 0, message_count: 0, created_at: null }),
      run("pubsub.topics", {}, { topics: [], count: 0, cursor: null }),
      subscribe("l.a", "l.*"),
      subscribe("l.a"),
      publish("l.a", 1, 3),
      publish("l.b", 1, 1),
      run(
        "pubsub.info",
        { topic: "l.a" },
        { topic: "l.a", subscriber_count: 2, message_count: 1, created_at: someInteger },
      ),
      run(
        "pubsub.info",
        { topic: "l.*" },
        { topic: "l.*", subscriber_count: 1, message_count: 2, created_at: someInteger },
      ),
      run("pubsub.info", { topic: "l.b" }, { topic: "l.b", subscriber_count: 0, message_count: 0, created_at: null }),
      run("pubsub.topics", {}, { topics: expect.arrayContaining(["l.a", "l.*"]), count: 2, cursor: null }),
      run("pubsub.topics", { limit: 1 }, { topics: [someText], count: 2, cursor: someText }),
      {
        command: "pubsub.topics",
        payload: (earlier) => ({ cursor: earlierField(earlier, 10, "cursor") }),
        expected: { success: true, payload: { topics: [someText], count: 2, cursor: null } },
      },
      run(
        "pubsub.stats",
        {},
        {
          total_topics: 2,
          total_subscribers: 3,
          total_wildcard_subscriptions: 1,
          total_channels: 0,
          total_channel_patterns: 0,
          total_channel_subscriptions: 0,
          messages_published: someInteger,
          messages_delivered: someInteger,
          slow_consumers_dropped: 0,
        },
      ),
      pushedInAnyOrder((_, earlier) => [
        message(earlier, 2, "l.a", "l.a", 1),
        message(earlier, 2, "l.a", "l.*", 1),
        message(earlier, 3, "l.a", "l.a", 1),
        message(earlier, 2, "l.b", "l.*", 1),
      ]),
      unsubscribe("l.a", "l.*"),
      run("pubsub.topics", {}, { topics: [], count: 0, cursor: null }),
    ],
  },
  {
    name: "what is asked about topics is checked",
    steps: [
      run("pubsub.info", { topic: "a..b" }, invalid("topic")),
      run("pubsub.info", {}, invalid("topic")),
      run("pubsub.topics", { cursor: "x" }, invalid("cursor")),
      run("pubsub.topics", { cursor: "t99999999999" }, invalid("cursor")),
      run("pubsub.topics", { limit: 0 }, invalid("limit")),
    ],
  },
  {
    name: "channels of Redis clients: any bytes, and the topic of the same name",
    skip: overWebSocketOnly,
    steps: [
      subscribe("c.*"),
      run(
        "pubsub.publish",
        { channel: "c.d", payload: 1 },
        { message_id: someText, channel: "c.d", subscribers_matched: 1 },
      ),
      run(
        "pubsub.publish",
        { channel: "..*", payload: 1 },
        { message_id: someText, channel: "..*", subscribers_matched: 0 },
      ),
      run("pubsub.publish", { channel: "", payload: 1 }, { message_id: someText, channel: "", subscribers_matched: 0 }),
      pushed((_, earlier) => [message(earlier, 0, "c.d", "c.*", 1)]),
      subscribe("c.d"),
      run("pubsub.channels", {}, { channels: ["c.d"] }),
      run("pubsub.channels", { pattern: "x*" }, { channels: [] }),
      run(
        "pubsub.numsub",
        { channels: ["c.d", "c.*", ""] },
        {
          channels: [
            { channel: "c.d", subscribers: 1 },
            { channel: "c.*", subscribers: 0 },
            { channel: "", subscribers: 0 },
          ],
        },
      ),
      unsubscribe("c.d", "c.*"),
      run("pubsub.publish", { channel: "c", topic: "c", payload: 1 }, invalid("topic")),
      run("pubsub.publish", { channel: "c".repeat(1025), payload: 1 }, failure("PAYLOAD_TOO_LARGE")),
    ],
  },
  {
    name: "messages are published in a batch, but not in an atomic one",
    steps: [
      batch(
        [
          ["pubsub.publish", { topic: "b", payload: 1 }],
          ["pubsub.publish", { topic: "b.*", payload: 1 }],
        ],
        [{ message_id: someText, topic: "b", subscribers_matched: 0 }, invalid("topic")],
      ),
      refusedBatch(
        [
          ["kv.set", { key: "k", value: 1 }],
          ["pubsub.publish", { topic: "b", payload: 1 }],
        ],
        failure("INVALID_REQUEST", { index: 1 }),
        { atomic: true },
      ),
      run("kv.exists", { key: "k" }, { exists: false }),
    ],
  },
];
