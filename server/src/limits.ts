/** What the configuration allows commands, in the units that plans count in. */
import type { Limits } from "./commands/command.ts";
import type { QueueLimits } from "./commands/queue/queue-limits.ts";
import type { RoomLimits } from "./commands/stream/room-limits.ts";
import type { Config } from "./config/schema.ts";

export function limitsOf(config: Config): Limits {
  return {
    valueBytesMax: config.kvStore.maxValueBytes,
    keysReplyMax: config.kvStore.maxKeysReply,
    queue: queueLimits(config.queue),
    room: roomLimits(config.stream, config.pubsub),
  };
}

function queueLimits(queue: Config["queue"]): QueueLimits {
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
    queuesMax: queue.maxQueues,
    waitMsMax: queue.maxWaitMs,
  };
}

function roomLimits(stream: Config["stream"], pubsub: Config["pubsub"]): RoomLimits {
  return {
    defaults: {
      maxEvents: stream.maxEvents,
      maxBytes: stream.maxBytes,
      retentionMs: stream.retentionSecs * 1000,
      dedupIdsMax: stream.dedupIds,
    },
    eventBytesMax: stream.maxEventBytes,
    roomsMax: stream.maxRooms,
    subscriptionsPerConnectionMax: pubsub.maxSubscriptionsPerConnection,
  };
}
