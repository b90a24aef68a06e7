/**
 * Queues, rooms, publish/subscribe and the fan-out on the Prometheus page. Series by queue are capped: names of queues come
 * from clients, so those past the cap are summed under `_other`.
 */
import { labelled, type Metric, single } from "./families.ts";

export interface MessagingReadings {
  /** The first ones that were created have series of their own; never more than the page's cap, then one `_other`. */
  readonly queues: readonly QueueReadings[];
  readonly rooms: { readonly count: number; readonly bytes: number };
  readonly subscribers: {
    readonly queue: number;
    readonly room: number;
    readonly topic: number;
    readonly watch: number;
  };
  /** Consumers whose `queue.consume` waits. */
  readonly waiting: number;
  /** Since the start. */
  readonly pushes: number;
  readonly pushBytes: number;
  readonly topicMessagesPublished: number;
  readonly topicMessagesDelivered: number;
  readonly roomGaps: number;
}

/** As of now. */
export interface QueueReadings {
  readonly name: string;
  /** Ready and delayed. */
  readonly depth: number;
  readonly pending: number;
  readonly dead: number;
  readonly consumers: number;
  readonly oldestAgeSecs: number;
}

export const OTHER_QUEUES = "_other";

/** Reads the first `countMax` queues one by one, and sums up those past them. */
export function capped<Q>(queues: Iterable<Q>, countMax: number, read: (queue: Q) => QueueReadings): QueueReadings[] {
  const shown: QueueReadings[] = [];
  const other = { name: OTHER_QUEUES, depth: 0, pending: 0, dead: 0, consumers: 0, oldestAgeSecs: 0 };
  let hasOther = false;
  for (const queue of queues) {
    const readings = read(queue);
    if (shown.length < countMax) {
      shown.push(readings);
      continue;
    }
    hasOther = true;
    other.depth += readings.depth;
    other.pending += readings.pending;
    other.dead += readings.dead;
    other.consumers += readings.consumers;
    other.oldestAgeSecs = Math.max(other.oldestAgeSecs, readings.oldestAgeSecs);
  }
  if (hasOther) shown.push(other);
  return shown;
}

export function messagingMetrics(read: () => MessagingReadings): Metric[] {
  const byQueue = (name: string, help: string, of: (queue: QueueReadings) => number): Metric =>
    labelled("gauge", name, help, () =>
      read().queues.map((queue) => ({ labels: { queue: queue.name }, value: of(queue) })),
    );
  return [
    byQueue("synap_queue_depth", "Messages of a queue that are ready or delayed.", ({ depth }) => depth),
    byQueue(
      "synap_queue_consumers",
      "Consumers that wait for a message of a queue or are subscribed to it.",
      (queue) => queue.consumers,
    ),
    byQueue("synap_queue_pending_messages", "Messages delivered and not acknowledged.", ({ pending }) => pending),
    byQueue("synap_queue_dead_messages", "Dead letters of a queue.", ({ dead }) => dead),
    byQueue(
      "synap_queue_oldest_message_age_seconds",
      "Age of the oldest ready message of a queue.",
      (queue) => queue.oldestAgeSecs,
    ),
    single("gauge", "synap_rooms", "Event rooms.", () => read().rooms.count),
    single("gauge", "synap_room_bytes", "Bytes of all rooms and the events in them.", () => read().rooms.bytes),
    labelled("gauge", "synap_subscriptions", "Subscriptions of all connections.", () => {
      const { queue, room, topic, watch } = read().subscribers;
      return [
        { labels: { kind: "queue" }, value: queue },
        { labels: { kind: "room" }, value: room },
        { labels: { kind: "topic" }, value: topic },
        { labels: { kind: "watch" }, value: watch },
      ];
    }),
    single("gauge", "synap_waiting_consumers", "Calls of queue.consume that wait for a message.", () => read().waiting),
    single("counter", "synap_fanout_pushes_total", "Pushes to subscribers.", () => read().pushes),
    single("counter", "synap_fanout_bytes_total", "Bytes of the pushes to subscribers.", () => read().pushBytes),
    single(
      "counter",
      "synap_pubsub_messages_published_total",
      "Messages published to topics.",
      () => read().topicMessagesPublished,
    ),
    single(
      "counter",
      "synap_pubsub_messages_delivered_total",
      "Copies of them pushed to subscribers.",
      () => read().topicMessagesDelivered,
    ),
    single(
      "counter",
      "synap_room_gaps_total",
      "Holes in a room's events that a subscriber was told of.",
      () => read().roomGaps,
    ),
  ];
}
