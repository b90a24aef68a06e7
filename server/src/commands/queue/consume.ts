/** Commands that take messages or look at them: queue.consume, queue.peek. */
import type { Queue } from "../../state/queue.ts";
import { isExpired } from "../../state/queue-due.ts";
import { named } from "../access-rule.ts";
import { readCommand, writeCommand } from "../command.ts";
import { type CommandError, fail, isCommandError } from "../errors.ts";
import type { Planner } from "../planner.ts";
import { Integer, Items, Name, Nullable, OneOf, Optional, Struct } from "../schema.ts";
import { QueueWait } from "../wait.ts";
import {
  type DeliveredMessage,
  deliveredSchema,
  pageBytesOf,
  REPLY_MESSAGES_MAX,
  waitingMessage,
  waitingSchema,
} from "./message-reply.ts";
import { ACK_DEADLINE_SECS_MAX } from "./queue-config.ts";
import { queueNotFound } from "./queue-planner.ts";

/** Overdue messages that queue.peek passes by. */
const PEEK_SKIPS_MAX = 1_000;
/** What `queue.max_wait_ms` can be set to. */
const WAIT_MS_MAX = 86_400_000;

interface WaitArguments {
  readonly wait_ms?: number;
  readonly timeout?: number;
}

function waitMsOf({ wait_ms: waitMs, timeout }: WaitArguments): number {
  return waitMs ?? (timeout ?? 0) * 1000;
}

export const queueConsume = writeCommand({
  name: "queue.consume",
  access: "write",
  guard: named("queue"),
  summary:
    "Takes the next messages of a queue, and waits for one if asked to; each is to be acknowledged by its deadline.",
  atomic: false,
  arguments: Struct(
    {
      queue: Name({ aliases: ["name"] }),
      count: Optional(
        Integer({
          minimum: 1,
          maximum: REPLY_MESSAGES_MAX,
          description: "At most so many, in `messages`; fewer where they are large.",
        }),
      ),
      wait_ms: Optional(
        Integer({ minimum: 0, maximum: WAIT_MS_MAX, description: "How long to wait where there is none." }),
      ),
      timeout: Optional(Integer({ minimum: 0, maximum: WAIT_MS_MAX / 1000, description: "As wait_ms, in seconds." })),
      ack_deadline: Optional(
        Integer({ minimum: 1, maximum: ACK_DEADLINE_SECS_MAX, description: "Seconds; else what the queue says." }),
      ),
    },
    { ignored: ["consumer_id"] },
  ),
  reply: OneOf(
    Struct({ message: Nullable(deliveredSchema) }),
    Struct({ messages: Items(deliveredSchema, { description: "Where `count` was given." }) }),
  ),
  isBlocking: (args) => waitMsOf(args) > 0,
  plan(args, planner, { limits: { queue: limits } }) {
    const refusal = unfitWait(args, limits.waitMsMax);
    if (refusal !== undefined) return refusal;
    const queue = planner.queues.requireStored(args.queue);
    if (isCommandError(queue)) return queue;
    const { ack_deadline: deadlineSecs, count } = args;
    const ackDeadlineMs = deadlineSecs === undefined ? queue.config.ackDeadlineMs : deadlineSecs * 1000;
    const messages = take(planner, queue, { count: count ?? 1, ackDeadlineMs, pageBytesMax: limits.pageBytesMax });
    const reply = count === undefined ? { message: messages.length > 0 ? messages[0] : null } : { messages };
    const waitMs = waitMsOf(args);
    // Where it has given up, burying what it met goes on with the next command, which may find what is behind.
    if (messages.length > 0 || waitMs === 0 || planner.queues.hasGivenUp) return reply;
    return new QueueWait(queue.id, waitMs, reply);
  },
});

function unfitWait(args: WaitArguments, waitMsMax: number): CommandError | undefined {
  if (args.wait_ms !== undefined && args.timeout !== undefined) {
    return fail("INVALID_PAYLOAD", "wait_ms and timeout exclude each other", { path: "timeout" });
  }
  if (waitMsOf(args) <= waitMsMax) return undefined;
  const path = args.wait_ms === undefined ? "timeout" : "wait_ms";
  return fail("INVALID_PAYLOAD", `a command may wait ${waitMsMax} ms at most`, { path, maximum_ms: waitMsMax });
}

interface Page {
  readonly count: number;
  readonly ackDeadlineMs: number;
  readonly pageBytesMax: number;
}

function take(planner: Planner, queue: Queue, { count, ackDeadlineMs, pageBytesMax }: Page): DeliveredMessage[] {
  const taken: DeliveredMessage[] = [];
  planner.queues.beginTaking(queue, pageBytesMax);
  while (taken.length < count) {
    const message = planner.queues.takeNext(ackDeadlineMs);
    if (message === undefined) break;
    taken.push(message);
  }
  return taken;
}

export const queuePeek = readCommand({
  name: "queue.peek",
  access: "read",
  guard: named("queue"),
  summary: "Shows the messages that would be delivered next, and leaves them where they are.",
  atomic: false,
  arguments: Struct({
    queue: Name({ aliases: ["name"] }),
    count: Optional(
      Integer({ minimum: 1, maximum: REPLY_MESSAGES_MAX, default: 1, description: "Fewer where they are large." }),
    ),
  }),
  reply: Struct({ messages: Items(waitingSchema) }),
  read(args, { queues, limits, nowMs }) {
    const queue = queues.find(args.queue);
    if (queue === undefined) return queueNotFound(args.queue);
    const count = args.count ?? 1;
    const messages: ReturnType<typeof waitingMessage>[] = [];
    let pageBytes = 0;
    let skips = 0;
    let ref = queues.firstReady(queue);
    for (; ref !== 0 && messages.length < count; ref = queues.nextReady(queue, ref)) {
      if (isExpired(queues, ref, nowMs)) {
        if (++skips > PEEK_SKIPS_MAX) break;
        continue;
      }
      pageBytes += pageBytesOf(queues, ref);
      if (pageBytes > limits.queue.pageBytesMax && messages.length > 0) break;
      messages.push(waitingMessage(queues, ref));
    }
    return { messages };
  },
});
