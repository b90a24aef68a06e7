/** Commands that end a delivery or prolong it: queue.ack, queue.nack, queue.extend. */
import { named } from "../access-rule.ts";
import { writeCommand } from "../command.ts";
import { fail, isCommandError } from "../errors.ts";
import { Choice, Flag, Integer, Items, List, Name, Optional, Struct, Text } from "../schema.ts";
import { REPLY_MESSAGES_MAX } from "./message-reply.ts";
import { ACK_DEADLINE_SECS_MAX, DELAY_MS_MAX } from "./queue-config.ts";

const MessageId = () => Integer({ minimum: 1 });
const deliveryId = Optional(
  Integer({
    minimum: 1,
    description: "Refused with STALE_DELIVERY if this is not the current delivery of the message.",
  }),
);

/** Why a message of a list was left alone. */
export const failedSchema = Items(Struct({ message_id: Integer(), code: Text() }), {
  description: "Those of message_ids that were left alone, and why.",
});

export const queueAck = writeCommand({
  name: "queue.ack",
  access: "write",
  guard: named("queue"),
  summary: "Acknowledges pending messages: they are done with. Of a list, those that are not pending are left alone.",
  arguments: Struct({
    queue: Name({ aliases: ["name"] }),
    message_id: Optional(MessageId()),
    message_ids: Optional(List(MessageId(), { maxItems: REPLY_MESSAGES_MAX })),
    delivery_id: deliveryId,
  }),
  reply: Struct({ success: Flag(), acked: Integer(), failed: Optional(failedSchema) }),
  plan(args, planner) {
    const { message_id: messageId, message_ids: messageIds, delivery_id: delivery } = args;
    if ((messageId === undefined) === (messageIds === undefined)) {
      return fail("INVALID_PAYLOAD", "give either message_id or message_ids", { path: "message_id" });
    }
    if (messageIds !== undefined && delivery !== undefined) {
      return fail("INVALID_PAYLOAD", "delivery_id goes with message_id only", { path: "delivery_id" });
    }
    const entry = planner.queues.require(args.queue);
    if (isCommandError(entry)) return entry;
    if (messageId !== undefined) {
      const ref = planner.queues.findPending(entry, messageId, delivery);
      if (isCommandError(ref)) return ref;
      planner.queues.ack(ref);
      return { success: true, acked: 1 };
    }
    const failed: { message_id: number; code: string }[] = [];
    const ids = messageIds ?? [];
    for (const id of ids) {
      const ref = planner.queues.findPending(entry, id, undefined);
      if (isCommandError(ref)) failed.push({ message_id: id, code: ref.code });
      else planner.queues.ack(ref);
    }
    return { success: true, acked: ids.length - failed.length, failed: failed.length === 0 ? undefined : failed };
  },
});

export const queueNack = writeCommand({
  name: "queue.nack",
  access: "write",
  guard: named("queue"),
  summary: "Rejects a pending message: it goes back to its place for a retry, or dies where it has none left.",
  arguments: Struct({
    queue: Name({ aliases: ["name"] }),
    message_id: MessageId(),
    delivery_id: deliveryId,
    requeue: Optional(Flag({ default: true, description: "False lets it die at once." })),
    delay_ms: Optional(
      Integer({ minimum: 0, maximum: DELAY_MS_MAX, description: "Until the retry; else the queue's backoff." }),
    ),
  }),
  reply: Struct({
    success: Flag(),
    action: Choice(["requeued", "dead_lettered", "dropped"], {
      description: "Dropped where the queue keeps no dead letters.",
    }),
  }),
  plan(args, planner) {
    const requeue = args.requeue ?? true;
    if (!requeue && args.delay_ms !== undefined) {
      return fail("INVALID_PAYLOAD", "delay_ms is for a message that is requeued", { path: "delay_ms" });
    }
    const entry = planner.queues.require(args.queue);
    if (isCommandError(entry)) return entry;
    const ref = planner.queues.findPending(entry, args.message_id, args.delivery_id);
    if (isCommandError(ref)) return ref;
    return { success: true, action: planner.queues.nack(ref, requeue, args.delay_ms) };
  },
});

export const queueExtend = writeCommand({
  name: "queue.extend",
  access: "write",
  guard: named("queue"),
  summary: "Gives a pending message another ack deadline, from now on.",
  arguments: Struct({
    queue: Name({ aliases: ["name"] }),
    message_id: MessageId(),
    delivery_id: deliveryId,
    ack_deadline: Integer({ minimum: 1, maximum: ACK_DEADLINE_SECS_MAX, description: "Seconds from now." }),
  }),
  reply: Struct({ deadline_at_ms: Integer() }),
  plan(args, planner) {
    const entry = planner.queues.require(args.queue);
    if (isCommandError(entry)) return entry;
    const ref = planner.queues.findPending(entry, args.message_id, args.delivery_id);
    if (isCommandError(ref)) return ref;
    const deadlineMs = planner.nowMs + args.ack_deadline * 1000;
    planner.queues.extend(ref, deadlineMs);
    return { deadline_at_ms: deadlineMs };
  },
});
