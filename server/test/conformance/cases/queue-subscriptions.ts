/** Messages pushed to a connection (wire contract, section 5). */
import { expect } from "vitest";
import {
  type Case,
  earlierField,
  failure,
  overHttpOnly,
  overWebSocketOnly,
  pushed,
  type Reply,
  run,
  someInteger,
} from "../case.ts";
import { delivered, emptyQueue, onePage, publish, waitFor } from "./queue-steps.ts";

const PREFETCH_MAX = 100;

/** The push of a delivery to the subscription that the third step has made. */
const delivery = (earlier: readonly Reply[], queue: string, payload: unknown, more = {}) => ({
  type: "delivery",
  subscription_id: earlierField(earlier, 2, "subscription_id"),
  queue,
  message: delivered(payload, more),
});

export const queueSubscriptions: readonly Case[] = [
  {
    name: "a subscription gets what is there and what comes, up to its prefetch",
    skip: overWebSocketOnly,
    steps: [
      ...emptyQueue("pushed"),
      run("queue.subscribe", { queue: "pushed", prefetch: 2, consumer_id: "me" }, { subscription_id: someInteger }),
      publish("pushed", "a"),
      publish("pushed", new Uint8Array([0, 255])),
      publish("pushed", "c"),
      pushed((_format, earlier) => [
        delivery(earlier, "pushed", "a"),
        delivery(earlier, "pushed", new Uint8Array([0, 255])),
      ]),
      run("queue.ack", (earlier) => ({ queue: "pushed", message_id: earlierField(earlier, 3, "message_id") }), {
        success: true,
        acked: 1,
      }),
      pushed((_format, earlier) => [delivery(earlier, "pushed", "c")]),
      run(
        "queue.list",
        {},
        {
          ...onePage,
          queues: expect.arrayContaining([{ name: "pushed", depth: 0, pending: 2, dead: 0, consumers: 1 }]),
        },
      ),
      run("queue.unsubscribe", { queue: "pushed" }, { success: true }),
      run("queue.unsubscribe", { queue: "pushed" }, { success: false }),
    ],
  },
  {
    name: "unsubscribing gives back what was not acknowledged, and a rejected message comes again",
    skip: overWebSocketOnly,
    steps: [
      ...emptyQueue("given back", { retry_backoff_ms: { initial: 0 } }),
      run("queue.subscribe", { queue: "given back", ack_deadline: 60 }, { subscription_id: someInteger }),
      publish("given back", "a"),
      pushed((_format, earlier) => [delivery(earlier, "given back", "a")]),
      run("queue.nack", (earlier) => ({ queue: "given back", message_id: earlierField(earlier, 3, "message_id") }), {
        success: true,
        action: "requeued",
      }),
      pushed((_format, earlier) => [delivery(earlier, "given back", "a", { retry_count: 1 })]),
      run("queue.unsubscribe", (earlier) => ({ subscription_id: earlierField(earlier, 2, "subscription_id") }), {
        success: true,
      }),
      waitFor({ queue: "given back", wait_ms: 5000 }, { message: delivered("a", { retry_count: 1 }) }),
    ],
  },
  {
    name: "a second subscription to a queue changes the first",
    skip: overWebSocketOnly,
    steps: [
      ...emptyQueue("changed"),
      run("queue.subscribe", { queue: "changed", prefetch: 1 }, { subscription_id: someInteger }),
      publish("changed", 1),
      publish("changed", 2),
      pushed((_format, earlier) => [delivery(earlier, "changed", 1)]),
      {
        command: "queue.subscribe",
        payload: { queue: "changed", prefetch: PREFETCH_MAX },
        expected: (_format, earlier) => ({
          success: true,
          payload: { subscription_id: earlierField(earlier, 2, "subscription_id") },
        }),
      },
      pushed((_format, earlier) => [delivery(earlier, "changed", 2)]),
      run(
        "queue.subscribe",
        { queue: "changed", prefetch: PREFETCH_MAX + 1 },
        failure("INVALID_PAYLOAD", { path: "prefetch" }),
      ),
      run("queue.subscribe", { queue: "changed", prefetch: 0 }, failure("INVALID_PAYLOAD", { path: "prefetch" })),
      run("queue.unsubscribe", { queue: "changed" }, { success: true }),
    ],
  },
  {
    name: "a subscription outlives its queue",
    skip: overWebSocketOnly,
    steps: [
      ...emptyQueue("mortal"),
      run("queue.subscribe", { queue: "mortal" }, { subscription_id: someInteger }),
      run("queue.delete", { queue: "mortal" }, { deleted: true }),
      publish("mortal", "anew"),
      pushed((_format, earlier) => [delivery(earlier, "mortal", "anew")]),
      run("queue.unsubscribe", { queue: "mortal" }, { success: true }),
    ],
  },
  {
    name: "a subscription needs a queue, and one thing to be ended by",
    steps: [
      run("queue.subscribe", { queue: "nowhere" }, failure("QUEUE_NOT_FOUND")),
      run("queue.unsubscribe", {}, failure("INVALID_PAYLOAD", { path: "queue" })),
      run("queue.unsubscribe", { queue: "nowhere", subscription_id: 1 }, failure("INVALID_PAYLOAD")),
    ],
  },
  {
    name: "a subscription to a queue needs a connection",
    skip: overHttpOnly,
    steps: [...emptyQueue("wired"), run("queue.subscribe", { queue: "wired" }, failure("INVALID_REQUEST"))],
  },
];
