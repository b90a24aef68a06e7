/** Where the metrics page gets its readings from: the parts of this server, asked when the page is. */
import type { RateLimits } from "./access/rate-limits.ts";
import type { Executor } from "./commands/execute.ts";
import type { Config } from "./config/schema.ts";
import type { Dispatcher } from "./dispatch/dispatcher.ts";
import type { Fanout } from "./fanout/fanout.ts";
import { capped, type MessagingReadings, type QueueReadings } from "./metrics/messaging-metrics.ts";
import type { MetricsSources } from "./metrics/metrics-sources.ts";
import type { NodeReport } from "./node-report.ts";
import type { DataDirectory } from "./oplog/data-directory.ts";
import type { OperationLog } from "./oplog/operation-log.ts";
import { replicationReadings } from "./replication/replication-readings.ts";
import type { Queue } from "./state/queue.ts";
import type { StateMachine } from "./state/state-machine.ts";
import type { Connections } from "./transports/connections.ts";

export interface MeasuredParts {
  readonly config: Config;
  readonly clock: { nowMs(): number };
  readonly state: StateMachine;
  readonly log: OperationLog;
  readonly node: NodeReport;
  readonly connections: Connections;
  readonly executor: Executor;
  readonly dispatcher: Dispatcher;
  /** Undefined where nothing is limited. */
  readonly rates: RateLimits | undefined;
  readonly fanout: Fanout;
  /** Undefined where everything is in memory only. */
  readonly directory: DataDirectory | undefined;
}

export function metricsSources(parts: MeasuredParts): MetricsSources {
  const { config, state, log, node, connections, executor, dispatcher, rates, directory } = parts;
  const { counters } = executor;
  return {
    memory: () => node.memory(),
    memoryLimitBytes: () => config.kvStore.maxMemoryBytes,
    connections: () => connections,
    refusedRequests: () => dispatcher.refusedRequests,
    access: () => ({ refused: node.access.refusedCount, tooFast: rates?.refusedCount ?? 0 }),
    keys: () => ({ count: state.keys.size, ...node.removals(), hits: counters.hits, misses: counters.misses }),
    replies: () => ({ count: state.replies.count, replays: dispatcher.idempotentReplays }),
    log: () => ({
      backlogBytes: log.backlogBytes,
      operations: log.appendedOperations,
      appendedBytes: log.appendedBytes,
      unwrittenBytes: directory === undefined ? 0 : log.appendedBytes - log.writtenBytes,
      diskFreeBytes: directory?.reserve.freeBytes ?? 0,
    }),
    messaging: () => messaging(parts),
    replication: () => replicationReadings(node.replication, log),
  };
}

function messaging({ config, clock, state, connections, fanout }: MeasuredParts): MessagingReadings {
  const { consumers, rooms, topics, channels, watches } = fanout;
  const nowMs = clock.nowMs();
  return {
    // The oldest queues first, so that a queue keeps its series.
    queues: capped(state.queues.queuesById(), config.metrics.maxQueueSeries, (queue) =>
      readingsOf(queue, state, fanout, nowMs),
    ),
    rooms: { count: state.rooms.count, bytes: state.rooms.usedBytes },
    subscribers: {
      queue: consumers.subscriptionCount,
      room: rooms.readerCount,
      topic: topics.subscriptionCount + channels.subscriptionCount,
      watch: watches.subscriptionCount,
    },
    waiting: consumers.waiterCount,
    pushes: connections.pushes,
    pushBytes: connections.pushBytes,
    topicMessagesPublished: topics.publishedCount,
    topicMessagesDelivered: topics.deliveredCount + channels.deliveredCount,
    roomGaps: rooms.pushes.gapCount,
  };
}

function readingsOf(queue: Queue, { queues }: StateMachine, { consumers }: Fanout, nowMs: number): QueueReadings {
  const oldest = queues.oldestRef(queue);
  const oldestAgeMs = oldest === 0 ? 0 : nowMs - queues.messages.publishedAtMsOf(oldest);
  return {
    name: queue.name,
    depth: queue.depth,
    pending: queue.pending,
    dead: queue.dead,
    consumers: consumers.consumerCount(queue.id),
    oldestAgeSecs: Math.max(0, oldestAgeMs) / 1000,
  };
}
