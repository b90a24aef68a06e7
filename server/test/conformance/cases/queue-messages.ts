/** Messages: published, delivered, acknowledged, and every refusal. */
import { expect } from "vitest";
import { batch, type Case, earlierField, failure, overWebSocketOnly, run, someInteger } from "../case.ts";
import {
  BEGIN,
  consume,
  delivered,
  emptyQueue,
  messageField,
  publish,
  stats,
  waitFor,
  waiting,
} from "./queue-steps.ts";

/** What the server under test takes at most. */
const MESSAGE_BYTES_MAX = 16 * 1024;
const WAIT_MS_MAX = 10_000;

export const queueMessages: readonly Case[] = [
  {
    name: "publishing creates the queue with the defaults",
    steps: [
      run("queue.delete", { queue: "made by use" }, { deleted: expect.any(Boolean) }),
      run("queue.publish", { queue: "made by use", message: { a: [1] } }, { message_id: someInteger, position: 0 }),
      run("queue.publish", { queue: "made by use", payload: "text" }, { message_id: someInteger, position: 1 }),
      consume("made by use", delivered({ a: [1] })),
    ],
  },
  {
    name: "a message keeps its value, whatever its type",
    steps: [
      ...emptyQueue("typed"),
      ...["text", 12, -1.5, true, null, [1, "a"], { a: { b: null } }, "", new Uint8Array([0, 255])].flatMap(
        (payload) => [publish("typed", payload), consume("typed", delivered(payload))],
      ),
    ],
  },
  {
    name: "the highest priority goes first, then publish order",
    steps: [
      ...emptyQueue("ordered"),
      run(
        "queue.publish_batch",
        {
          queue: "ordered",
          messages: [
            { payload: "low", priority: 0 },
            { payload: "first", priority: 9, headers: { trace: "x" }, max_retries: 0 },
            { payload: "second", priority: 9 },
            { payload: "middle" },
          ],
        },
        { message_ids: [someInteger, someInteger, someInteger, someInteger] },
      ),
      run(
        "queue.publish",
        { queue: "ordered", payload: "last", priority: 5 },
        { message_id: someInteger, position: 3 },
      ),
      run(
        "queue.peek",
        { queue: "ordered", count: 2 },
        {
          messages: [
            waiting("first", { priority: 9, headers: { trace: "x" }, max_retries: 0 }),
            waiting("second", { priority: 9 }),
          ],
        },
      ),
      run(
        "queue.consume",
        { queue: "ordered", count: 10, consumer_id: "ignored" },
        {
          messages: [
            delivered("first", { priority: 9, headers: { trace: "x" }, max_retries: 0 }),
            delivered("second", { priority: 9 }),
            delivered("middle"),
            delivered("last"),
            delivered("low", { priority: 0 }),
          ],
        },
      ),
      run("queue.consume", { queue: "ordered", count: 1 }, { messages: [] }),
      consume("ordered", null),
    ],
  },
  {
    name: "a message out of range is refused with the field",
    steps: [
      ...emptyQueue("strict"),
      ...(
        [
          [{ priority: 10 }, "priority"],
          [{ priority: -1 }, "priority"],
          [{ ttl: -1 }, "ttl"],
          [{ max_retries: -1 }, "max_retries"],
          [{ delay_ms: -1 }, "delay_ms"],
          [{ delay_ms: 1, at_ms: 1 }, "at_ms"],
          [{ ttl: 1, delay_ms: 1000 }, "ttl"],
          [{ headers: "text" }, "headers"],
          [{ headers: [1] }, "headers"],
          [{ dedup_id: "" }, "dedup_id"],
          [{ prioritty: 1 }, "prioritty"],
        ] as const
      ).map(([more, path]) =>
        run("queue.publish", { queue: "strict", payload: 1, ...more }, failure("INVALID_PAYLOAD", { path })),
      ),
      run(
        "queue.publish",
        { queue: "strict", payload: 1, dedup_id: "d".repeat(256) },
        failure("PAYLOAD_TOO_LARGE", { path: "dedup_id" }),
      ),
      run("queue.publish", { queue: "strict" }, failure("INVALID_PAYLOAD", { path: "payload" })),
      run(
        "queue.publish_batch",
        { queue: "strict", messages: [{ payload: 1 }, { payload: 2, headers: 3 }] },
        failure("INVALID_PAYLOAD", { path: "messages[1].headers" }),
      ),
      run("queue.publish_batch", { queue: "strict", messages: [] }, failure("INVALID_PAYLOAD", { path: "messages" })),
      publish("strict", "x".repeat(MESSAGE_BYTES_MAX)),
      run(
        "queue.publish",
        { queue: "strict", payload: "x".repeat(MESSAGE_BYTES_MAX + 1) },
        failure("PAYLOAD_TOO_LARGE", { path: "payload", limit_bytes: MESSAGE_BYTES_MAX, bytes: MESSAGE_BYTES_MAX + 1 }),
      ),
      stats("strict", { depth: 1 }),
    ],
  },
  {
    name: "a full queue refuses, and takes again what was made room for",
    steps: [
      ...emptyQueue("full", { max_depth: 2 }),
      publish("full", 1),
      publish("full", 2, { delay_ms: 100_000 }),
      run("queue.publish", { queue: "full", payload: 3 }, failure("QUEUE_FULL", { limit: "max_depth", max_depth: 2 })),
      consume("full", delivered(1)),
      publish("full", 3),
      ...emptyQueue("full of bytes", { max_bytes: 10 }),
      publish("full of bytes", "12345678"),
      run(
        "queue.publish",
        { queue: "full of bytes", payload: "123" },
        failure("QUEUE_FULL", { limit: "max_bytes", bytes: 8, max_bytes: 10 }),
      ),
    ],
  },
  {
    name: "the same dedup_id is published once",
    steps: [
      ...emptyQueue("once"),
      publish("once", 1, { dedup_id: "d" }),
      {
        command: "queue.publish",
        payload: { queue: "once", payload: 2, dedup_id: "d" },
        expected: (_format, earlier) => ({
          success: true,
          payload: { message_id: earlierField(earlier, BEGIN, "message_id"), position: 0, duplicate: true },
        }),
      },
      consume("once", delivered(1)),
      consume("once", null),
      run(
        "queue.publish",
        { queue: "once", payload: 3, dedup_id: "d" },
        {
          message_id: someInteger,
          position: 0,
          duplicate: true,
        },
      ),
    ],
  },
  {
    name: "a delayed message comes when it is due, to the one who waits",
    steps: [
      ...emptyQueue("later"),
      publish("later", "by delay", { delay_ms: 300 }),
      consume("later", null),
      waitFor({ queue: "later", wait_ms: 8000 }, { message: delivered("by delay") }),
      publish("later", "by instant", { at_ms: 1 }),
      consume("later", delivered("by instant")),
      waitFor({ queue: "later", wait_ms: 5 }, { message: null }),
      waitFor({ queue: "later", count: 2, wait_ms: 5 }, { messages: [] }),
      waitFor({ queue: "later", wait_ms: 1, timeout: 1 }, failure("INVALID_PAYLOAD", { path: "timeout" })),
      waitFor(
        { queue: "later", wait_ms: WAIT_MS_MAX + 1 },
        failure("INVALID_PAYLOAD", { path: "wait_ms", maximum_ms: WAIT_MS_MAX }),
      ),
      run("queue.consume", { queue: "later", timeout: 0 }, { message: null }),
    ],
  },
  {
    name: "an acknowledged message is done with",
    steps: [
      ...emptyQueue("acked"),
      publish("acked", 1),
      consume("acked", delivered(1)),
      run(
        "queue.ack",
        (earlier) => ({
          queue: "acked",
          message_id: messageField(earlier, 1, "id"),
          delivery_id: messageField(earlier, 1, "delivery_id"),
        }),
        { success: true, acked: 1 },
      ),
      run(
        "queue.ack",
        (earlier) => ({ queue: "acked", message_id: messageField(earlier, 1, "id") }),
        failure("MESSAGE_NOT_FOUND"),
      ),
      stats("acked", { depth: 0, pending: 0, acked: 1 }),
    ],
  },
  {
    name: "several are acknowledged at once, and those that are not pending named",
    steps: [
      ...emptyQueue("many"),
      publish("many", 1),
      publish("many", 2),
      consume("many", delivered(1)),
      {
        command: "queue.ack",
        payload: (earlier) => ({
          queue: "many",
          message_ids: [messageField(earlier, 2, "id"), earlierField(earlier, BEGIN + 1, "message_id")],
        }),
        expected: (_format, earlier) => ({
          success: true,
          payload: {
            success: true,
            acked: 1,
            failed: [{ message_id: earlierField(earlier, BEGIN + 1, "message_id"), code: "STALE_DELIVERY" }],
          },
        }),
      },
      run("queue.ack", { queue: "many" }, failure("INVALID_PAYLOAD", { path: "message_id" })),
      run("queue.ack", { queue: "many", message_id: 1, message_ids: [1] }, failure("INVALID_PAYLOAD")),
      run(
        "queue.ack",
        { queue: "many", message_ids: [1], delivery_id: 1 },
        failure("INVALID_PAYLOAD", { path: "delivery_id" }),
      ),
    ],
  },
  {
    name: "a delivery that is not the current one cannot be ended",
    steps: [
      ...emptyQueue("stale", { retry_backoff_ms: { initial: 0 } }),
      publish("stale", 1),
      run(
        "queue.ack",
        (earlier) => ({ queue: "stale", message_id: earlierField(earlier, BEGIN, "message_id") }),
        failure("STALE_DELIVERY"),
      ),
      consume("stale", delivered(1)),
      run("queue.nack", (earlier) => ({ queue: "stale", message_id: messageField(earlier, 2, "id") }), {
        success: true,
        action: "requeued",
      }),
      consume("stale", delivered(1, { retry_count: 1 })),
      // It is with another consumer now.
      ...(["queue.ack", "queue.nack", "queue.extend"] as const).map((command) =>
        run(
          command,
          (earlier) => ({
            queue: "stale",
            message_id: messageField(earlier, 2, "id"),
            delivery_id: messageField(earlier, 2, "delivery_id"),
            ...(command === "queue.extend" ? { ack_deadline: 5 } : {}),
          }),
          failure("STALE_DELIVERY"),
        ),
      ),
      run(
        "queue.extend",
        (earlier) => ({ queue: "stale", message_id: messageField(earlier, 4, "id"), ack_deadline: 60 }),
        { deadline_at_ms: someInteger },
      ),
      run("queue.extend", { queue: "stale", message_id: 1, ack_deadline: 0 }, failure("INVALID_PAYLOAD")),
    ],
  },
  {
    name: "messages of another queue and queues that are not there are not found",
    steps: [
      ...emptyQueue("one"),
      ...emptyQueue("another"),
      publish("one", 1),
      consume("one", delivered(1)),
      ...(["queue.ack", "queue.nack"] as const).map((command) =>
        run(
          command,
          (earlier) => ({ queue: "another", message_id: messageField(earlier, BEGIN + 1, "id") }),
          failure("MESSAGE_NOT_FOUND"),
        ),
      ),
      ...(
        [
          ["queue.consume", {}],
          ["queue.peek", {}],
          ["queue.ack", { message_id: 1 }],
          ["queue.nack", { message_id: 1 }],
          ["queue.extend", { message_id: 1, ack_deadline: 1 }],
          ["queue.dead.list", {}],
          ["queue.dead.retry", { all: true }],
          ["queue.dead.purge", {}],
        ] as const
      ).map(([command, more]) =>
        run(command, { queue: "nowhere", ...more }, failure("QUEUE_NOT_FOUND", { queue: "nowhere" })),
      ),
    ],
  },
  {
    name: "a delivery that is not acknowledged in time is made again",
    steps: [
      ...emptyQueue("slow", { retry_backoff_ms: { initial: 0 } }),
      publish("slow", 1),
      run("queue.consume", { queue: "slow", ack_deadline: 1 }, { message: delivered(1) }),
      consume("slow", null),
      waitFor({ queue: "slow", timeout: 8 }, { message: delivered(1, { retry_count: 1 }) }),
      stats("slow", { timed_out: 1, consumed: 2, pending: 1 }),
    ],
  },
  {
    name: "a command that waits needs a request id on a WebSocket, and cannot be in a batch",
    skip: overWebSocketOnly,
    steps: [
      ...emptyQueue("unnamed"),
      run("queue.consume", { queue: "unnamed", wait_ms: 1 }, failure("INVALID_REQUEST")),
      batch([["queue.consume", { queue: "unnamed", wait_ms: 1 }]], [failure("INVALID_REQUEST")]),
      run("queue.consume", { queue: "unnamed", wait_ms: 0 }, { message: null }),
    ],
  },
];
