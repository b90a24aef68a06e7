/**
 * Queues under names of their own, for redis-cli and Redis clients:
 *
 *     QPUBLISH mail hello PRIORITY 9      (integer) 1
 *     QCONSUME mail WAIT 5000             id, delivery_id, payload ...      blocks the connection
 *     QACK mail 1
 *
 * A payload is bytes, and is given back as bytes. Messages are maps, in RESP2 lists of names and values.
 */
import { integer as integerField, plain, type ReplyShape, status, writePlain, zeroOrOne } from "./reply-shapes.ts";
import {
  fixed,
  flag,
  integer,
  NO_KEYS,
  name,
  type Option,
  optional,
  options,
  type RespCommand,
  type RespFlag,
  rest,
  value,
} from "./resp-command.ts";

const READ: readonly RespFlag[] = ["readonly"];
const WRITE: readonly RespFlag[] = ["write"];
const PUBLISH: readonly RespFlag[] = ["write", "denyoom", "fast"];

const number = (word: string, field: string): Option => ({ word, field, takes: "integer" });
const queue = name("queue");
const messageId = integer("message_id");
const delivery = number("DELIVERY", "delivery_id");

/** One message or null, or a list where COUNT was given. */
const consumed: ReplyShape = (result: { readonly message?: unknown; readonly messages?: readonly unknown[] }, sink) =>
  writePlain(result.messages ?? result.message ?? null, sink);

const listOf =
  (field: string): ReplyShape =>
  (result: Readonly<Record<string, unknown>>, sink) =>
    writePlain(result[field], sink);

function named(word: string, arity: number, flags: readonly RespFlag[], summary: string) {
  return { name: word, arity, flags, keys: NO_KEYS, group: "queue", summary } as const;
}

export const queueCommands: readonly RespCommand[] = [
  {
    ...named("qcreate", -2, WRITE, "Create a queue; 0 where it is there already"),
    command: "queue.create",
    arguments: [
      name("name"),
      options([
        number("MAXDEPTH", "config.max_depth"),
        number("MAXBYTES", "config.max_bytes"),
        number("ACKDEADLINE", "config.ack_deadline_secs"),
        number("RETRIES", "config.default_max_retries"),
        number("PRIORITY", "config.default_priority"),
        number("TTL", "config.message_ttl_secs"),
        number("BACKOFF", "config.retry_backoff_ms.initial"),
        number("DEDUPWINDOW", "config.dedup_window_secs"),
        number("DEADMAX", "config.dead_letter.max_depth"),
        flag("NODEAD", "config.dead_letter.enabled", false),
      ]),
    ],
    reply: zeroOrOne("created"),
  },
  {
    ...named("qpublish", -3, PUBLISH, "Publish a message to a queue; answers with its id"),
    command: "queue.publish",
    arguments: [
      queue,
      value("payload"),
      options([
        number("PRIORITY", "priority"),
        number("RETRIES", "max_retries"),
        number("TTL", "ttl"),
        { ...number("DELAY", "delay_ms"), group: "when" },
        { ...number("AT", "at_ms"), group: "when" },
        { word: "DEDUP", field: "dedup_id", takes: "name" },
        { word: "HEADERS", field: "headers", takes: "object" },
      ]),
    ],
    reply: integerField("message_id"),
  },
  {
    ...named("qconsume", -2, ["write", "blocking"], "Take the next message of a queue, or wait for one"),
    command: "queue.consume",
    arguments: [
      queue,
      options([number("COUNT", "count"), number("WAIT", "wait_ms"), number("DEADLINE", "ack_deadline")]),
    ],
    reply: consumed,
  },
  {
    ...named("qack", -3, WRITE, "Acknowledge a pending message"),
    command: "queue.ack",
    arguments: [queue, messageId, options([delivery])],
    reply: integerField("acked"),
  },
  {
    ...named("qnack", -3, WRITE, "Reject a pending message: for a retry, or as a dead letter at once"),
    command: "queue.nack",
    arguments: [queue, messageId, options([delivery, number("DELAY", "delay_ms"), flag("DEAD", "requeue", false)])],
    reply: status("action"),
  },
  {
    ...named(
      "qextend",
      -4,
      WRITE,
      "Give a pending message another deadline, in seconds; answers with the instant in ms",
    ),
    command: "queue.extend",
    arguments: [queue, messageId, integer("ack_deadline"), options([delivery])],
    reply: integerField("deadline_at_ms"),
  },
  {
    ...named("qpeek", -2, READ, "Show the next messages of a queue"),
    command: "queue.peek",
    arguments: [queue, optional(integer("count"))],
    reply: listOf("messages"),
  },
  {
    ...named("qstats", 2, READ, "Show how many messages a queue has, and what has happened in it"),
    command: "queue.stats",
    arguments: [queue],
    reply: plain,
  },
  {
    ...named("qlist", 1, READ, "List the queues"),
    command: "queue.list",
    arguments: [],
    reply: listOf("queues"),
  },
  {
    ...named("qpurge", 2, WRITE, "Remove the messages that nobody has been given"),
    command: "queue.purge",
    arguments: [queue],
    reply: integerField("purged"),
  },
  {
    ...named("qdelete", 2, WRITE, "Remove a queue"),
    command: "queue.delete",
    arguments: [queue],
    reply: zeroOrOne("deleted"),
  },
  {
    ...named("qdead|list", -3, READ, "Show the dead letters of a queue"),
    command: "queue.dead.list",
    arguments: [queue, options([number("COUNT", "limit"), { word: "CURSOR", field: "cursor", takes: "text" }])],
    reply: plain,
  },
  {
    ...named("qdead|retry", -4, WRITE, "Make some dead letters ready again"),
    command: "queue.dead.retry",
    arguments: [queue, rest("message_ids", "integer")],
    reply: integerField("retried"),
  },
  {
    ...named("qdead|retryall", 3, WRITE, "Make all dead letters of a queue ready again"),
    command: "queue.dead.retry",
    arguments: [queue, fixed("all", true)],
    reply: integerField("retried"),
  },
  {
    ...named("qdead|purge", 3, WRITE, "Remove the dead letters of a queue"),
    command: "queue.dead.purge",
    arguments: [queue],
    reply: integerField("purged"),
  },
  {
    ...named("qsubscribe", -2, ["write", "pubsub"], "Have the messages of a queue pushed to this connection"),
    command: "queue.subscribe",
    arguments: [queue, options([number("PREFETCH", "prefetch"), number("DEADLINE", "ack_deadline")])],
    reply: integerField("subscription_id"),
  },
  {
    ...named("qunsubscribe", 2, ["write", "pubsub"], "End a subscription to a queue"),
    command: "queue.unsubscribe",
    arguments: [queue],
    reply: zeroOrOne("success"),
  },
];
