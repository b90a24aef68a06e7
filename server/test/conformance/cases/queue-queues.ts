/** Whole queues, and batches with messages. */
import { expect } from "vitest";
import { atomic, batch, type Case, failure, refusedBatch, run, someInteger } from "../case.ts";
import { consume, delivered, emptyQueue, onePage, publish, stats, waiting } from "./queue-steps.ts";

export const queues: readonly Case[] = [
  {
    name: "a queue is created once, and its config is its own",
    steps: [
      run("queue.delete", { queue: "made" }, { deleted: expect.any(Boolean) }),
      run(
        "queue.create",
        {
          queue: "made",
          config: {
            max_depth: 10,
            max_bytes: 1000,
            ack_deadline_secs: 5,
            default_max_retries: 1,
            default_priority: 2,
            message_ttl_secs: 60,
            retry_backoff_ms: { initial: 10, factor: 1.5, max: 100 },
            dead_letter: { enabled: true, max_depth: 10 },
            dedup_window_secs: 60,
            prefetch_limit: 100,
          },
        },
        { success: true, queue: "made", created: true },
      ),
      run("queue.create", { name: "made" }, { success: true, queue: "made", created: false }),
      run(
        "queue.create",
        { name: "made", config: { max_depth: 10 } },
        { success: true, queue: "made", created: false },
      ),
      run(
        "queue.create",
        { name: "made", config: { max_depth: 11, retry_backoff_ms: { factor: 2 } } },
        failure("QUEUE_EXISTS", {
          queue: "made",
          fields: {
            max_depth: { current: 10, requested: 11 },
            "retry_backoff_ms.factor": { current: 1.5, requested: 2 },
          },
        }),
      ),
      run("queue.publish", { queue: "made", payload: 1 }, { message_id: someInteger, position: 0 }),
      run("queue.peek", { queue: "made" }, { messages: [waiting(1, { priority: 2, max_retries: 1 })] }),
    ],
  },
  {
    name: "a config with a value out of range or a name nobody knows is refused",
    steps: [
      ...(
        [
          [{ max_depth: -1 }, "config.max_depth"],
          [{ ack_deadline_secs: 0 }, "config.ack_deadline_secs"],
          [{ default_priority: 10 }, "config.default_priority"],
          [{ default_max_retries: 65_536 }, "config.default_max_retries"],
          [{ message_ttl_secs: -1 }, "config.message_ttl_secs"],
          [{ retry_backoff_ms: { factor: 0.5 } }, "config.retry_backoff_ms.factor"],
          [{ retry_backoff_ms: { factor: "2" } }, "config.retry_backoff_ms.factor"],
          [{ retry_backoff_ms: { inital: 1 } }, "config.retry_backoff_ms.inital"],
          [{ dead_letter: { enabled: 1 } }, "config.dead_letter.enabled"],
        ] as const
      ).map(([config, path]) => run("queue.create", { name: "refused", config }, failure("INVALID_PAYLOAD", { path }))),
      run("queue.create", { name: "" }, failure("INVALID_PAYLOAD", { path: "name" })),
      run("queue.create", { name: "n".repeat(256) }, failure("PAYLOAD_TOO_LARGE", { path: "name" })),
      run("queue.stats", { queue: "refused" }, failure("QUEUE_NOT_FOUND", { queue: "refused" })),
    ],
  },
  {
    name: "queues are listed with their counts, purged and deleted",
    steps: [
      ...emptyQueue("listed"),
      publish("listed", 1),
      publish("listed", 2, { delay_ms: 100_000 }),
      publish("listed", 3, { priority: 9 }),
      consume("listed", delivered(3, { priority: 9 })),
      run(
        "queue.list",
        {},
        {
          ...onePage,
          queues: expect.arrayContaining([{ name: "listed", depth: 2, pending: 1, dead: 0, consumers: 0 }]),
        },
      ),
      run("queue.list", { limit: 2001 }, failure("INVALID_PAYLOAD", { path: "limit" })),
      run("queue.list", { cursor: "r" }, failure("INVALID_PAYLOAD", { path: "cursor" })),
      run("queue.purge", { queue: "listed" }, { purged: 2 }),
      run("queue.purge", { queue: "listed" }, { purged: 0 }),
      stats("listed", { depth: 0, pending: 1, published: 3, consumed: 1 }),
      run("queue.delete", { queue: "listed" }, { deleted: true }),
      run("queue.delete", { queue: "listed" }, { deleted: false }),
      run("queue.purge", { queue: "listed" }, failure("QUEUE_NOT_FOUND")),
    ],
  },
  {
    name: "stats tell what has happened",
    steps: [
      ...emptyQueue("told"),
      publish("told", 1),
      run(
        "queue.stats",
        { queue: "told" },
        {
          depth: 1,
          ready: 1,
          delayed: 0,
          pending: 0,
          dead: 0,
          consumers: 0,
          published: 1,
          consumed: 0,
          acked: 0,
          nacked: 0,
          timed_out: 0,
          released: 0,
          dead_lettered: 0,
          dropped: 0,
          expired: 0,
          dedup_ids: 0,
          oldest_message_age_secs: expect.any(Number),
          avg_wait_ms: 0,
        },
      ),
    ],
  },
];

export const queueBatches: readonly Case[] = [
  {
    name: "an atomic batch publishes and acknowledges as one",
    steps: [
      ...emptyQueue("work"),
      ...emptyQueue("results", { max_depth: 1 }),
      publish("work", "task"),
      consume("work", delivered("task")),
      atomic(
        [
          ["kv.set", { key: "done", value: true }],
          ["queue.publish", { queue: "results", payload: "result" }],
        ],
        [
          { success: true, key: "done", version: someInteger },
          { message_id: someInteger, position: 0 },
        ],
      ),
      refusedBatch(
        [
          ["kv.set", { key: "done", value: "twice" }],
          ["queue.publish", { queue: "results", payload: "another" }],
        ],
        failure("QUEUE_FULL", { index: 1 }),
        { atomic: true },
      ),
      run("kv.get", { key: "done" }, true),
    ],
  },
  {
    name: "commands that take messages or change whole queues cannot be part of an atomic batch",
    steps: [
      ...emptyQueue("apart"),
      ...(["queue.consume", "queue.purge", "queue.delete", "queue.stats", "queue.peek"] as const).map((command) =>
        refusedBatch([[command, { queue: "apart" }]], failure("INVALID_REQUEST", { index: 0 }), { atomic: true }),
      ),
      batch(
        [
          ["queue.publish", { queue: "apart", payload: 1 }],
          ["queue.consume", { queue: "apart" }],
          ["queue.purge", { queue: "apart" }],
        ],
        [{ message_id: someInteger, position: 0 }, { message: delivered(1) }, { purged: 0 }],
      ),
    ],
  },
];
