/** Commands about dead letters: queue.dead.list, queue.dead.retry, queue.dead.purge. */
import { STATE_DEAD } from "../../state/queue-record.ts";
import { named } from "../access-rule.ts";
import { readCommand, writeCommand } from "../command.ts";
import { type CommandError, fail, isCommandError } from "../errors.ts";
import { Flag, Integer, Items, List, Name, Nullable, Optional, Struct, Text } from "../schema.ts";
import { failedSchema } from "./acknowledge.ts";
import { deadMessage, deadSchema, pageBytesOf, REPLY_MESSAGES_MAX } from "./message-reply.ts";
import { queueNotFound } from "./queue-planner.ts";

const CURSOR = /^d(0|[1-9][0-9]{0,15})$/;

export const queueDeadList = readCommand({
  name: "queue.dead.list",
  access: "read",
  guard: named("queue"),
  summary: "Answers with the dead letters of a queue in the order of their deaths, page by page.",
  atomic: false,
  arguments: Struct({
    queue: Name({ aliases: ["name"] }),
    limit: Optional(
      Integer({ minimum: 1, maximum: REPLY_MESSAGES_MAX, default: 100, description: "Fewer where they are large." }),
    ),
    cursor: Optional(Text({ description: "The cursor of the page before; absent for the first page." })),
  }),
  reply: Struct({
    messages: Items(deadSchema),
    cursor: Nullable(Text(), { description: "Null at the end." }),
    has_more: Flag(),
  }),
  read(args, { queues, limits }) {
    const queue = queues.find(args.queue);
    if (queue === undefined) return queueNotFound(args.queue);
    const after = args.cursor === undefined ? 0 : positionOf(args.cursor);
    if (isCommandError(after)) return after;
    const limit = args.limit ?? 100;
    const messages: ReturnType<typeof deadMessage>[] = [];
    let pageBytes = 0;
    let last = after;
    let hasMore = false;
    queues.scan(queue, STATE_DEAD, after, (ref) => {
      pageBytes += pageBytesOf(queues, ref);
      hasMore = messages.length === limit || (pageBytes > limits.queue.pageBytesMax && messages.length > 0);
      if (hasMore) return false;
      messages.push(deadMessage(queues, ref));
      last = queues.messages.positionOf(ref);
      return true;
    });
    return { messages, cursor: hasMore ? `d${last}` : null, has_more: hasMore };
  },
});

/** The position of the last dead letter of the page before. */
function positionOf(cursor: string): number | CommandError {
  const position = CURSOR.exec(cursor)?.[1];
  if (position !== undefined) return Number(position);
  return fail("INVALID_PAYLOAD", "cursor is not one that queue.dead.list gave", { path: "cursor" });
}

export const queueDeadRetry = writeCommand({
  name: "queue.dead.retry",
  access: "write",
  guard: named("queue"),
  summary: "Makes dead letters ready again, as if they had never been delivered, whatever the queue's max_depth.",
  atomic: false,
  arguments: Struct({
    queue: Name({ aliases: ["name"] }),
    message_ids: Optional(List(Integer({ minimum: 1 }), { maxItems: REPLY_MESSAGES_MAX })),
    all: Optional(Flag({ description: "All that are dead letters now; many become ready bit by bit." })),
  }),
  reply: Struct({ retried: Integer(), failed: Optional(failedSchema) }),
  plan(args, planner) {
    const { message_ids: messageIds, all } = args;
    if ((messageIds === undefined) !== (all === true)) {
      return fail("INVALID_PAYLOAD", "give either message_ids or all: true", { path: "message_ids" });
    }
    const queue = planner.queues.requireStored(args.queue);
    if (isCommandError(queue)) return queue;
    if (messageIds === undefined) {
      const { dead } = queue;
      if (dead > 0) planner.queues.retryAll(queue);
      return { retried: dead };
    }
    const failed: { message_id: number; code: string }[] = [];
    const distinct = new Set(messageIds);
    for (const id of distinct) {
      const error = planner.queues.retry(queue, id);
      if (error !== undefined) failed.push({ message_id: id, code: error.code });
    }
    return { retried: distinct.size - failed.length, failed: failed.length === 0 ? undefined : failed };
  },
});

export const queueDeadPurge = writeCommand({
  name: "queue.dead.purge",
  access: "write",
  guard: named("queue"),
  summary: "Removes the dead letters of a queue.",
  atomic: false,
  arguments: Struct({ queue: Name({ aliases: ["name"] }) }),
  reply: Struct({ purged: Integer() }),
  plan(args, planner) {
    const queue = planner.queues.requireStored(args.queue);
    if (isCommandError(queue)) return queue;
    const { dead } = queue;
    if (dead > 0) planner.queues.purgeDead(queue);
    return { purged: dead };
  },
});
