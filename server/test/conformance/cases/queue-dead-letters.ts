/** Dead letters. */
import { expect } from "vitest";
import { type Case, earlierField, failure, run } from "../case.ts";
import { BEGIN, consume, dead, delivered, emptyQueue, messageField, publish, stats } from "./queue-steps.ts";

export const deadLetters: readonly Case[] = [
  {
    name: "a message without retries left is dead, retried and purged",
    steps: [
      ...emptyQueue("dying"),
      publish("dying", 1, { max_retries: 0 }),
      consume("dying", delivered(1, { max_retries: 0 })),
      run("queue.nack", (earlier) => ({ queue: "dying", message_id: messageField(earlier, 1, "id") }), {
        success: true,
        action: "dead_lettered",
      }),
      run(
        "queue.dead.list",
        { queue: "dying" },
        {
          messages: [dead(1, "max_retries", { max_retries: 0 })],
          cursor: null,
          has_more: false,
        },
      ),
      run(
        "queue.dead.retry",
        (earlier) => ({ queue: "dying", message_ids: [messageField(earlier, 1, "id"), 999_999_999] }),
        { retried: 1, failed: [{ message_id: 999_999_999, code: "MESSAGE_NOT_FOUND" }] },
      ),
      consume("dying", delivered(1, { max_retries: 0 })),
      run("queue.nack", (earlier) => ({ queue: "dying", message_id: messageField(earlier, 1, "id"), requeue: false }), {
        success: true,
        action: "dead_lettered",
      }),
      run(
        "queue.dead.list",
        { queue: "dying" },
        {
          messages: [dead(1, "nacked", { max_retries: 0 })],
          cursor: null,
          has_more: false,
        },
      ),
      run("queue.dead.purge", { queue: "dying" }, { purged: 1 }),
      run("queue.dead.purge", { queue: "dying" }, { purged: 0 }),
    ],
  },
  {
    name: "dead letters are listed by page, and retried all",
    steps: [
      ...emptyQueue("dead", { message_ttl_secs: 1 }),
      ...[1, 2, 3].map((payload) => publish("dead", payload)),
      { ...stats("dead", { ready: 0, dead: 3, expired: 3 }), eventually: true },
      {
        command: "queue.dead.list",
        payload: { queue: "dead", limit: 2 },
        expected: () => ({
          success: true,
          payload: {
            messages: [dead(1, "expired"), dead(2, "expired")],
            cursor: expect.any(String),
            has_more: true,
          },
        }),
      },
      run(
        "queue.dead.list",
        (earlier) => ({ queue: "dead", limit: 2, cursor: earlierField(earlier, BEGIN + 4, "cursor") }),
        { messages: [dead(3, "expired")], cursor: null, has_more: false },
      ),
      run("queue.dead.list", { queue: "dead", cursor: "x" }, failure("INVALID_PAYLOAD", { path: "cursor" })),
      run("queue.dead.retry", { queue: "dead" }, failure("INVALID_PAYLOAD", { path: "message_ids" })),
      run("queue.dead.retry", { queue: "dead", all: true }, { retried: 3 }),
      { ...stats("dead", { ready: 3, dead: 0 }), eventually: true },
      consume("dead", delivered(1)),
    ],
  },
  {
    name: "where no dead letters are kept, a rejected message is dropped",
    steps: [
      ...emptyQueue("dropping", { dead_letter: { enabled: false } }),
      publish("dropping", 1),
      consume("dropping", delivered(1)),
      run(
        "queue.nack",
        (earlier) => ({ queue: "dropping", message_id: messageField(earlier, 1, "id"), requeue: false }),
        { success: true, action: "dropped" },
      ),
      stats("dropping", { dead: 0, pending: 0, dropped: 1 }),
    ],
  },
];
