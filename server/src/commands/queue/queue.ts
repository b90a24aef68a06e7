/** Commands about whole queues: queue.create, queue.stats, queue.list, queue.purge, queue.delete. */
import { slotOf } from "../../access/grant.ts";
import type { Queue } from "../../state/queue.ts";
import { STATE_DELAYED, STATE_PENDING } from "../../state/queue-record.ts";
import type { QueueStore } from "../../state/queue-store.ts";
import { FILTERED, named } from "../access-rule.ts";
import { readCommand, writeCommand } from "../command.ts";
import { fail, isCommandError } from "../errors.ts";
import { cursorSchema, decodeNameCursor, encodeNameCursor } from "../name-cursor.ts";
import { Flag, Fraction, Integer, Items, Name, Nullable, Optional, Struct, Text } from "../schema.ts";
import { configOf, configSchema, differences } from "./queue-config.ts";
import { QUEUES_LISTED_MAX } from "./queue-limits.ts";
import { queueNotFound } from "./queue-planner.ts";

/** Pending messages that queue.stats looks at for the oldest; they are in the order of their deliveries. */
const PENDING_VISITS_MAX = 1_000;

export const queueCreate = writeCommand({
  name: "queue.create",
  access: "write",
  guard: named("name"),
  summary: "Creates a queue; one that exists is left as it is, and refused where its config is not the one asked for.",
  arguments: Struct({
    name: Name({ aliases: ["queue"] }),
    config: Optional({ ...configSchema, description: "What is left out has the server's default." }),
  }),
  reply: Struct({ success: Flag(), queue: Name(), created: Flag() }),
  plan(args, planner, { limits: { queue: limits } }) {
    const entry = planner.queues.find(args.name);
    // Of a queue that exists, what the request does not name may be anything.
    const config = configOf(args.config ?? {}, entry?.config ?? limits.defaults);
    if (isCommandError(config)) return config;
    if (entry === undefined) {
      const created = planner.queues.create(args.name, config, limits.queuesMax);
      return isCommandError(created) ? created : { success: true, queue: args.name, created: true };
    }
    const fields = differences(entry.config, config);
    if (fields === undefined) return { success: true, queue: args.name, created: false };
    return fail(
      "QUEUE_EXISTS",
      "there is a queue of this name with another config: delete it first, or ask for its own",
      {
        queue: args.name.toString(),
        fields,
      },
    );
  },
});

export const queueStats = readCommand({
  name: "queue.stats",
  access: "read",
  guard: named("queue"),
  summary: "Answers how many messages a queue has in each state, and what has happened in it since it was created.",
  atomic: false,
  arguments: Struct({ queue: Name({ aliases: ["name"] }) }),
  reply: Struct({
    depth: Integer({ description: "Ready and delayed." }),
    ready: Integer(),
    delayed: Integer(),
    pending: Integer({ description: "Delivered and not acknowledged." }),
    dead: Integer(),
    consumers: Integer({ description: "Subscribed or waiting, on this node." }),
    published: Integer(),
    consumed: Integer({ description: "Deliveries." }),
    acked: Integer(),
    nacked: Integer(),
    timed_out: Integer({ description: "Deliveries whose ack deadline passed." }),
    released: Integer({ description: "Deliveries given back since their connection closed." }),
    dead_lettered: Integer(),
    dropped: Integer({
      description: "Rejected or expired where no dead letters are kept, and dead letters past their limit.",
    }),
    expired: Integer(),
    dedup_ids: Integer({ description: "Remembered now." }),
    oldest_message_age_secs: Fraction({
      description: "Since the publishing of the oldest that is not dead; 0 for none.",
    }),
    avg_wait_ms: Fraction({ description: "From when a message was ready to its delivery, over all deliveries." }),
  }),
  read(args, { queues, fanout, nowMs }) {
    const queue = queues.find(args.queue);
    if (queue === undefined) return queueNotFound(args.queue);
    const { totals } = queue;
    return {
      depth: queue.depth,
      ready: queue.ready,
      delayed: queue.delayed,
      pending: queue.pending,
      dead: queue.dead,
      consumers: fanout.consumers.consumerCount(queue.id),
      published: totals.published,
      consumed: totals.consumed,
      acked: totals.acked,
      nacked: totals.nacked,
      timed_out: totals.timedOut,
      released: totals.released,
      dead_lettered: totals.deadLettered,
      dropped: totals.dropped,
      expired: totals.expired,
      dedup_ids: queue.dedupCount,
      oldest_message_age_secs: oldestAgeMs(queues, queue, nowMs) / 1000,
      avg_wait_ms: totals.consumed === 0 ? 0 : Math.round((totals.waitMs / totals.consumed) * 1000) / 1000,
    };
  },
});

/** Since the publishing of the oldest message that is ready, delayed or pending; 0 for none. */
export function oldestAgeMs(store: QueueStore, queue: Queue, nowMs: number): number {
  const { messages } = store;
  let oldestMs = nowMs;
  let visits = 0;
  const look = (ref: number): boolean => {
    oldestMs = Math.min(oldestMs, messages.publishedAtMsOf(ref));
    return ++visits < PENDING_VISITS_MAX;
  };
  const ready = store.oldestRef(queue);
  if (ready !== 0) look(ready);
  store.scan(queue, STATE_DELAYED, 0, (ref) => look(ref) && false);
  store.scan(queue, STATE_PENDING, 0, look);
  return nowMs - oldestMs;
}

const listedSchema = Struct({
  name: Text(),
  depth: Integer({ description: "Ready and delayed." }),
  pending: Integer(),
  dead: Integer(),
  consumers: Integer(),
});

export const queueList = readCommand({
  name: "queue.list",
  access: "read",
  guard: FILTERED,
  summary: "Answers with queues in the order of their names, and how many messages each has, page by page.",
  atomic: false,
  arguments: Struct({
    cursor: Optional(cursorSchema),
    limit: Optional(
      Integer({ minimum: 1, maximum: QUEUES_LISTED_MAX, default: 1_000, description: "At most so many queues." }),
    ),
  }),
  reply: Struct({
    queues: Items(listedSchema),
    count: Integer({ description: "Queues in this page." }),
    total: Integer({ description: "Queues in all, of those that the token permits." }),
    cursor: Nullable(Text(), { description: "Null at the end." }),
    has_more: Flag(),
  }),
  read(args, { queues, fanout, caller: { grant } }) {
    const after = decodeNameCursor(args.cursor, "queue.list");
    if (isCommandError(after)) return after;
    const limit = args.limit ?? 1_000;
    const all = queues.queues();
    const permitted: Queue[] = [];
    let total = 0;
    let hasMore = false;
    for (const prefix of grant.prefixesOf(QUEUE_READ)) {
      const { start, end } = queues.placesOf(prefix);
      total += end - start;
      const from = after === undefined ? start : Math.max(start, queues.placeAfter(after));
      const to = Math.min(end, from + limit - permitted.length);
      for (let place = from; place < to; place++) permitted.push(all[place]);
      hasMore ||= to < end;
    }
    const listed = permitted.map(({ id, name, depth, pending, dead }) => {
      return { name, depth, pending, dead, consumers: fanout.consumers.consumerCount(id) };
    });
    const cursor = hasMore ? encodeNameCursor(listed[listed.length - 1].name) : null;
    return { queues: listed, count: listed.length, total, cursor, has_more: hasMore };
  },
});

const QUEUE_READ = slotOf("queue", "read");

export const queuePurge = writeCommand({
  name: "queue.purge",
  access: "write",
  guard: named("queue"),
  summary: "Removes the messages that nobody has been given yet; those that are pending, and dead letters, stay.",
  atomic: false,
  arguments: Struct({ queue: Name({ aliases: ["name"] }) }),
  reply: Struct({ purged: Integer() }),
  plan(args, planner) {
    const queue = planner.queues.requireStored(args.queue);
    if (isCommandError(queue)) return queue;
    if (queue.depth > 0) planner.queues.purge(queue);
    return { purged: queue.depth };
  },
});

export const queueDelete = writeCommand({
  name: "queue.delete",
  access: "write",
  guard: named("queue"),
  summary:
    "Removes a queue with all its messages; those who wait for one are told, subscriptions wait for the next queue.",
  atomic: false,
  arguments: Struct({ queue: Name({ aliases: ["name"] }) }),
  reply: Struct({ deleted: Flag({ description: "False where there was no such queue." }) }),
  plan(args, planner) {
    const queue = planner.queues.requireStored(args.queue);
    if (isCommandError(queue)) return { deleted: false };
    planner.queues.delete(queue);
    return { deleted: true };
  },
});
