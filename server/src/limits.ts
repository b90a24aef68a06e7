/** What the configuration allows commands, in the units that plans count in. */
import type { RateLimitOptions } from "./access/rate-limits.ts";
import type { Limits } from "./commands/command.ts";
import type { QueueLimits } from "./commands/queue/queue-limits.ts";
import { EVENTS_READ_BYTES, type RoomLimits } from "./commands/stream/room-limits.ts";
import type { TransactionLimits } from "./commands/transaction/transactions.ts";
import type { Config } from "./config/schema.ts";

/** Messages and events in one page; six times as much fits into the default `protocol.max_reply_bytes`. */
const PAGE_BYTES_MAX = 2.5 * 2 ** 20;
/** What JSON makes of a control character. */
const ENCODED_BYTES_PER_BYTE = 6;
/** The envelope of a reply, and the fields beside its messages or events. */
const REPLY_FIELDS_BYTES = 2 ** 10;

export function limitsOf(config: Config): Limits {
  const replyBytes = config.protocol.maxReplyBytes - REPLY_FIELDS_BYTES;
  const pageBytesMax = Math.min(PAGE_BYTES_MAX, Math.floor(replyBytes / ENCODED_BYTES_PER_BYTE));
  return {
    valueBytesMax: config.kvStore.maxValueBytes,
    keysReplyMax: config.kvStore.maxKeysReply,
    queue: queueLimits(config.queue, pageBytesMax),
    room: roomLimits(config.stream, config.pubsub, pageBytesMax),
    transaction: transactionLimits(config),
    reply: {
      windowMs: config.protocol.idempotencyWindowSecs * 1000,
      bytesMax: config.protocol.maxIdempotencyBytes,
    },
  };
}

export function ratesOf({ access }: Config): RateLimitOptions {
  const rate = (requestsPerSec: number, bytesPerSec: number) => ({ requestsPerSec, bytesPerSec });
  return {
    connection: rate(access.connectionRequestsPerSec, access.connectionBytesPerSec),
    token: rate(access.tokenRequestsPerSec, access.tokenBytesPerSec),
    address: rate(access.addressRequestsPerSec, access.addressBytesPerSec),
    burstSecs: access.rateBurstSecs,
  };
}

function transactionLimits({ transaction, protocol }: Config): TransactionLimits {
  return {
    transactionsMax: transaction.maxTransactions,
    timeoutMs: transaction.transactionTimeoutSecs * 1000,
    commandsMax: transaction.maxCommands,
    watchedKeysMax: transaction.maxWatchedKeys,
    bytesMax: transaction.maxBytes,
    totalBytesMax: transaction.maxTotalBytes,
    resultBytesMax: Math.floor(protocol.maxReplyBytes / ENCODED_BYTES_PER_BYTE),
  };
}

function queueLimits(queue: Config["queue"], pageBytesMax: number): QueueLimits {
  return {
    defaults: {
      maxDepth: queue.maxDepth,
      maxBytes: queue.maxBytes,
      ackDeadlineMs: queue.ackDeadlineSecs * 1000,
      maxRetries: queue.defaultMaxRetries,
      defaultPriority: queue.defaultPriority,
      messageTtlMs: queue.messageTtlSecs * 1000,
      retryBackoff: {
        initialMs: queue.retryBackoffInitialMs,
        factor: queue.retryBackoffFactor,
        maxMs: queue.retryBackoffMaxMs,
      },
      deadLetter: { enabled: queue.deadLetterEnabled, maxDepth: queue.deadLetterMaxDepth },
      dedupWindowMs: queue.dedupWindowSecs * 1000,
    },
    messageBytesMax: queue.maxMessageBytes,
    pageBytesMax,
    queuesMax: queue.maxQueues,
    waitMsMax: queue.maxWaitMs,
  };
}

function roomLimits(stream: Config["stream"], pubsub: Config["pubsub"], pageBytesMax: number): RoomLimits {
  return {
    defaults: {
      maxEvents: stream.maxEvents,
      maxBytes: stream.maxBytes,
      retentionMs: stream.retentionSecs * 1000,
      dedupIdsMax: stream.dedupIds,
    },
    eventBytesMax: stream.maxEventBytes,
    pageBytesMax: Math.min(pageBytesMax, EVENTS_READ_BYTES),
    roomsMax: stream.maxRooms,
    subscriptionsPerConnectionMax: pubsub.maxSubscriptionsPerConnection,
  };
}
