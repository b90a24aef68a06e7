/** Commands that publish messages: queue.publish, queue.publish_batch. */
import { TAG_JSON, type Value } from "../../state/value.ts";
import type { ByteRange } from "../../structures/byte-range.ts";
import { named } from "../access-rule.ts";
import { writeCommand } from "../command.ts";
import { type CommandError, fail, isCommandError } from "../errors.ts";
import { INSTANT_MS_MAX } from "../kv/deadline.ts";
import type { Planner } from "../planner.ts";
import { Flag, Integer, Items, List, Name, Optional, StoredValue, Struct } from "../schema.ts";
import { DELAY_MS_MAX, DELAY_SECS_MAX, RETRIES_MAX } from "./queue-config.ts";
import type { QueueLimits } from "./queue-limits.ts";
import type { PublishRequest, QueueEntry } from "./queue-planner.ts";

/** Messages of one batch: it is planned and applied in one step of the loop. */
const PUBLISH_BATCH_MAX = 1_000;
const OPEN_BRACE = 0x7b;
const NULL = "null";

const messageFields = {
  payload: StoredValue({ aliases: ["message"] }),
  priority: Optional(Integer({ minimum: 0, maximum: 9, description: "9 goes first." })),
  max_retries: Optional(Integer({ minimum: 0, maximum: RETRIES_MAX, description: "Deliveries after the first." })),
  headers: Optional(StoredValue({ description: "A JSON object." })),
  ttl: Optional(
    Integer({ minimum: 0, maximum: DELAY_SECS_MAX, description: "Seconds until it expires undelivered; 0: never." }),
  ),
  delay_ms: Optional(Integer({ minimum: 0, maximum: DELAY_MS_MAX, description: "Until it may be delivered." })),
  at_ms: Optional(
    Integer({ minimum: 0, maximum: INSTANT_MS_MAX, description: "When it may be delivered, in ms since the epoch." }),
  ),
  dedup_id: Optional(
    Name({ description: "The same one within the queue's window is published once; up to 255 bytes." }),
  ),
};

interface MessageArguments {
  readonly payload: Value;
  readonly priority?: number;
  readonly max_retries?: number;
  readonly headers?: Value;
  readonly ttl?: number;
  readonly delay_ms?: number;
  readonly at_ms?: number;
  readonly dedup_id?: ByteRange;
}

export const queuePublish = writeCommand({
  name: "queue.publish",
  access: "write",
  guard: named("queue"),
  summary: "Publishes a message to a queue, which is created with the defaults if there is none.",
  arguments: Struct({ queue: Name({ aliases: ["name"] }), ...messageFields }),
  reply: Struct({
    message_id: Integer({ description: "That of the first message, where this one is a duplicate." }),
    position: Integer({
      description: "Ready messages of its priority or above, which go before it; 0 for a duplicate.",
    }),
    duplicate: Optional(Flag({ description: "Its dedup_id was published already: nothing has happened." })),
  }),
  plan(args, planner, { limits: { queue: limits } }) {
    const entry = findOrCreate(args.queue, planner, limits);
    if (isCommandError(entry)) return entry;
    const request = requestOf(args, "", entry, planner.nowMs, limits.messageBytesMax);
    if (isCommandError(request)) return request;
    const published = planner.queues.publish(entry, request);
    if (isCommandError(published)) return published;
    const { messageId, position, duplicate } = published;
    return { message_id: messageId, position, duplicate };
  },
});

export const queuePublishBatch = writeCommand({
  name: "queue.publish_batch",
  access: "write",
  guard: named("queue"),
  summary: "Publishes several messages to a queue, all or none.",
  arguments: Struct({
    queue: Name({ aliases: ["name"] }),
    messages: List(Struct(messageFields), { maxItems: PUBLISH_BATCH_MAX }),
  }),
  reply: Struct({
    message_ids: Items(Integer(), { description: "In the order of the messages; of a duplicate, that of the first." }),
  }),
  plan(args, planner, { limits: { queue: limits } }) {
    const entry = findOrCreate(args.queue, planner, limits);
    if (isCommandError(entry)) return entry;
    const messageIds: number[] = [];
    for (const [index, message] of args.messages.entries()) {
      const request = requestOf(message, `messages[${index}].`, entry, planner.nowMs, limits.messageBytesMax);
      if (isCommandError(request)) return request;
      planner.queues.refresh(entry);
      const published = planner.queues.publish(entry, request);
      if (isCommandError(published)) return published;
      messageIds.push(published.messageId);
    }
    return { message_ids: messageIds };
  },
});

function findOrCreate(name: ByteRange, planner: Planner, limits: QueueLimits): QueueEntry | CommandError {
  return planner.queues.find(name) ?? planner.queues.create(name, limits.defaults, limits.queuesMax);
}

/**
 * What is to be published, held against what a message may be. Errors: INVALID_PAYLOAD, PAYLOAD_TOO_LARGE.
 * @param path what comes before the name of a field in `details.path`.
 */
function requestOf(
  args: MessageArguments,
  path: string,
  { config }: QueueEntry,
  nowMs: number,
  messageBytesMax: number,
): PublishRequest | CommandError {
  if (args.delay_ms !== undefined && args.at_ms !== undefined) {
    return fail("INVALID_PAYLOAD", "delay_ms and at_ms exclude each other", { path: `${path}at_ms` });
  }
  const headers = args.headers === undefined ? undefined : headersOf(args.headers, path);
  if (isCommandError(headers)) return headers;
  const { payload } = args;
  const bytes = payload.end - payload.start + (headers === undefined ? 0 : headers.end - headers.start);
  if (bytes > messageBytesMax) {
    const message = `a message may have at most ${messageBytesMax} bytes, its headers included`;
    return fail("PAYLOAD_TOO_LARGE", message, { path: `${path}payload`, limit_bytes: messageBytesMax, bytes });
  }
  const readyAtMs = args.at_ms ?? (args.delay_ms === undefined ? 0 : nowMs + args.delay_ms);
  const ttlMs = args.ttl === undefined ? undefined : args.ttl * 1000;
  const lifeMs = ttlMs ?? config.messageTtlMs;
  if (lifeMs !== 0 && readyAtMs >= nowMs + lifeMs) {
    const message = "the message would expire before it may be delivered: give it a longer ttl";
    return fail("INVALID_PAYLOAD", message, { path: `${path}ttl` });
  }
  const { priority, max_retries: maxRetries, dedup_id: dedupId } = args;
  return { payload, headers, priority, maxRetries, readyAtMs, ttlMs, dedupId };
}

/** The headers as JSON text; `undefined` where they are null. */
function headersOf(headers: Value, path: string): ByteRange | undefined | CommandError {
  if (headers.tag === TAG_JSON && headers.bytes[headers.start] === OPEN_BRACE) return headers;
  if (headers.tag === TAG_JSON && headers.toString() === NULL) return undefined;
  return fail("INVALID_PAYLOAD", "headers must be an object", { path: `${path}headers` });
}
