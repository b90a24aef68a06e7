/** What the cases about queues have in common. */
import { expect } from "vitest";
import { type CommandStep, earlierField, run, someInteger } from "../case.ts";

/** Queues outlive a case: each begins with its own made anew. */
export function emptyQueue(queue: string, config: Readonly<Record<string, unknown>> = {}): readonly CommandStep[] {
  return [
    run("queue.delete", { queue }, { deleted: expect.any(Boolean) }),
    run("queue.create", { name: queue, config }, { success: true, queue, created: true }),
  ];
}

/** The number of steps that `emptyQueue` makes: where the replies of a case begin. */
export const BEGIN = 2;

export const publish = (queue: string, payload: unknown, more: Readonly<Record<string, unknown>> = {}) =>
  run("queue.publish", { queue, payload, ...more }, { message_id: someInteger, position: someInteger });

export const waiting = (payload: unknown, more: Readonly<Record<string, unknown>> = {}) => ({
  id: someInteger,
  payload,
  priority: 5,
  retry_count: 0,
  max_retries: 3,
  headers: {},
  published_at_ms: someInteger,
  ...more,
});

export const delivered = (payload: unknown, more: Readonly<Record<string, unknown>> = {}) =>
  waiting(payload, { delivery_id: someInteger, deadline_at_ms: someInteger, ...more });

export const dead = (payload: unknown, reason: string, more: Readonly<Record<string, unknown>> = {}) =>
  waiting(payload, { reason, died_at_ms: someInteger, ...more });

export const consume = (queue: string, message: unknown) => run("queue.consume", { queue }, { message });

/** A field of the message that a step of the case, counted after `emptyQueue`, was given. */
export function messageField(
  earlier: Parameters<typeof earlierField>[0],
  step: number,
  field: "id" | "delivery_id",
): unknown {
  const message = earlierField(earlier, BEGIN + step, "message");
  return new Map(Object.entries(message as object)).get(field); // The step expects a message.
}

/** What `queue.list` says of a page beside its queues, where it is the only one. */
export const onePage = { count: someInteger, total: someInteger, cursor: null, has_more: false };

export const stats = (queue: string, expected: Readonly<Record<string, unknown>>) =>
  run("queue.stats", { queue }, expect.objectContaining(expected));

/** A queue.consume that may wait: on a WebSocket it needs a request id. */
export function waitFor(payload: Readonly<Record<string, unknown>>, expected: unknown): CommandStep {
  const envelope = { request_id: "waits" };
  const step = run("queue.consume", payload, expected);
  if (typeof step.expected === "function" || !("payload" in step.expected)) return { ...step, envelope };
  return { ...step, envelope, expected: { ...step.expected, ...envelope } };
}
