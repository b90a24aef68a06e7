/** The configuration keys of queues, rooms and publish/subscribe; a part of the table in schema.ts. */
import { bytes, flag, text, whole } from "./setting.ts";

const KB = 2 ** 10;
const MB = 2 ** 20;
const GB = 2 ** 30;

export const MESSAGING_SETTINGS = {
  queue: {
    max_depth: whole("messages", {
      default: 1_000_000,
      min: 1,
      max: 1_000_000_000,
      zero: "no limit but memory",
      description: "Ready and delayed messages of a queue that does not say; one more is QUEUE_FULL.",
    }),
    max_bytes: bytes({
      default: 0,
      min: 1,
      max: 16 * GB,
      zero: "no limit but memory",
      description: "Payloads and headers of the ready and delayed messages of a queue that does not say.",
    }),
    ack_deadline_secs: whole("s", {
      default: 30,
      min: 1,
      max: 86_400,
      description: "How long a consumer has to acknowledge a message before it is delivered again.",
    }),
    default_max_retries: whole("retries", {
      default: 3,
      min: 0,
      max: 65_535,
      description: "Deliveries after the first one; then a message is dead.",
    }),
    default_priority: whole(undefined, {
      default: 5,
      min: 0,
      max: 9,
      description: "Priority of messages that do not say; 9 is delivered first.",
    }),
    message_ttl_secs: whole("s", {
      default: 0,
      min: 1,
      max: 31_536_000,
      zero: "never",
      description: "Age at which an undelivered message expires.",
    }),
    retry_backoff_initial_ms: whole("ms", {
      default: 1000,
      min: 0,
      max: 86_400_000,
      description: "How long a message waits after its first failed delivery.",
    }),
    retry_backoff_factor: whole(undefined, {
      default: 2,
      min: 1,
      max: 100,
      description: "By how much each further wait is longer than the one before.",
    }),
    retry_backoff_max_ms: whole("ms", {
      default: 60_000,
      min: 0,
      max: 86_400_000,
      description: "The longest such wait.",
    }),
    dead_letter_enabled: flag({
      default: true,
      description: "Whether messages that failed or expired are kept as dead letters, to be looked at and retried.",
    }),
    dead_letter_max_depth: whole("messages", {
      default: 100_000,
      min: 1,
      max: 1_000_000_000,
      zero: "no limit but memory",
      description: "Dead letters of a queue; past it the oldest go.",
    }),
    dedup_window_secs: whole("s", {
      default: 300,
      min: 1,
      max: 604_800,
      zero: "dedup ids are not remembered",
      description: "How long a `dedup_id` is remembered.",
    }),
    max_message_bytes: bytes({
      default: 2 * MB,
      min: KB,
      max: 32 * MB,
      description:
        "Largest message: payload and headers. `protocol.max_reply_bytes` should be six times as much, since a control character takes six bytes in JSON.",
    }),
    max_queues: whole("queues", {
      default: 10_000,
      min: 1,
      max: 1_000_000,
      description: "How many queues there may be.",
    }),
    max_consumers: whole("consumers", {
      default: 100_000,
      min: 1,
      max: 10_000_000,
      description: "Consumers that wait for a message or are subscribed to a queue, all queues together.",
    }),
    max_prefetch: whole("messages", {
      default: 10_000,
      min: 1,
      max: 1_000_000,
      description: "Largest `prefetch` that a subscriber may ask for.",
    }),
    max_wait_ms: whole("ms", {
      default: 300_000,
      min: 1,
      max: 86_400_000,
      description: "Longest `wait_ms` of `queue.consume`.",
    }),
    tick_ms: whole("ms", {
      default: 10,
      min: 1,
      max: 60_000,
      description: "How often deadlines, delays and expiries of messages are looked at.",
    }),
  },
  stream: {
    max_events: whole("events", {
      default: 10_000,
      min: 1,
      max: 100_000_000,
      description: "Events that a room keeps which does not say; the oldest go first.",
    }),
    max_bytes: bytes({
      default: 64 * MB,
      min: KB,
      max: 16 * GB,
      description: "Bytes of events that a room keeps which does not say.",
    }),
    retention_secs: whole("s", {
      default: 0,
      min: 1,
      max: 315_360_000,
      zero: "whatever their age",
      description: "How long a room keeps its events which does not say.",
    }),
    dedup_ids: whole("ids", {
      default: 1000,
      min: 0,
      max: 100_000,
      description: "How many `dedup_id`s a room remembers, those of its last events.",
    }),
    max_event_bytes: bytes({
      default: MB,
      min: KB,
      max: 32 * MB,
      description: "Largest event: name, data and metadata.",
    }),
    max_rooms: whole("rooms", {
      default: 200_000,
      min: 1,
      max: 10_000_000,
      description: "How many rooms there may be.",
    }),
    idle_room_secs: whole("s", {
      default: 0,
      min: 1,
      max: 315_360_000,
      zero: "never",
      description: "A room without publishers, readers and subscribers for so long is removed with its events.",
    }),
    tick_ms: whole("ms", {
      default: 100,
      min: 1,
      max: 60_000,
      description: "How often rooms are trimmed by age and idle ones removed.",
    }),
  },
  pubsub: {
    max_message_bytes: bytes({
      default: MB,
      min: KB,
      max: 32 * MB,
      description: "Largest message: data and headers.",
    }),
    max_subscriptions_per_connection: whole("subscriptions", {
      default: 10_000,
      min: 1,
      max: 1_000_000,
      description: "Topics, patterns, rooms and watches that one connection may be subscribed to.",
    }),
    max_subscriptions: whole("subscriptions", {
      default: 1_000_000,
      min: 1,
      max: 100_000_000,
      description: "Subscriptions to queues, rooms, topics and keys, all connections together.",
    }),
    max_patterns: whole("patterns", {
      default: 1_000_000,
      min: 1,
      max: 10_000_000,
      description: "Different topics and patterns that are subscribed to, all connections together.",
    }),
    max_name_bytes: bytes({
      default: 256 * MB,
      min: 64 * KB,
      max: 16 * GB,
      description:
        "What the names of channels, topics, patterns and watches that are subscribed to may take in memory, all connections together, each name once. One connection may have a tenth of it.",
    }),
    max_costly_patterns: whole("patterns", {
      default: 1000,
      min: 0,
      max: 1_000_000,
      description:
        "Different patterns with a `#`, or three `*`, before their last level: each of them can cost every published message some time. One connection may have a tenth of them, or 10.",
    }),
    max_watches: whole("watches", {
      default: 100_000,
      min: 0,
      max: 1_000_000,
      description: "Different `kv.watch` patterns and prefixes, all connections together.",
    }),
    max_watch_globs: whole("patterns", {
      default: 100,
      min: 0,
      max: 1_000_000,
      description:
        "Different `kv.watch` patterns that are neither a key nor a prefix: every change of a key is held against each of them. One connection may have a tenth of them, or 10. As many patterns of Redis clients (PSUBSCRIBE).",
    }),
    notify_keyspace_events: text(/^[Ag$lshzxetdKEmn]*$/, {
      default: "",
      allowed: "letters of Redis' notify-keyspace-events: K E g $ x e, A for all, or none",
      description:
        "Which changes of keys are published to the channels `__keyspace@0__:KEY` and `__keyevent@0__:EVENT` for Redis clients. `CONFIG SET notify-keyspace-events` changes it while the server runs.",
    }),
  },
  transaction: {
    max_transactions: whole("transactions", {
      default: 10_000,
      min: 1,
      max: 1_000_000,
      description:
        "Clients that may have a transaction or watched keys over HTTP and WebSocket at a time; with tokens, those of each a quarter of them.",
    }),
    transaction_timeout_secs: whole("s", {
      default: 60,
      min: 1,
      max: 86_400,
      description: "Such a transaction is forgotten when its client sends nothing for it for so long.",
    }),
    max_commands: whole("commands", {
      default: 10_000,
      min: 1,
      max: 1_000_000,
      description: "Commands in one transaction, also in MULTI of Redis clients.",
    }),
    max_watched_keys: whole("keys", {
      default: 10_000,
      min: 1,
      max: 1_000_000,
      description: "Keys that one client may watch for its transaction.",
    }),
    max_bytes: bytes({
      default: 16 * MB,
      min: KB,
      max: GB,
      description: "What one transaction may hold: its commands and the keys it watches.",
    }),
    max_total_bytes: bytes({
      default: 256 * MB,
      min: KB,
      max: 16 * GB,
      description:
        "What all transactions, those of Redis clients too, may hold until they run: commands and watched keys; with tokens, those of each a quarter of it. It counts in `kv_store.max_memory_bytes`. Past it: MEMORY_LIMIT_EXCEEDED.",
    }),
  },
} as const;
