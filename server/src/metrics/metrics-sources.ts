/** What the metrics page reads from the rest of the server. Plain functions that answer at once. */
import type { MessagingReadings } from "./messaging-metrics.ts";
import type { ReplicationReadings } from "./replication-metrics.ts";

export interface MetricsSources {
  /** Bytes part by part as the server accounts for them (`Node.memory` fits); `total` is the sum of the others. */
  readonly memory: () => { readonly total: number; readonly [component: string]: number };
  /** `kv_store.max_memory_bytes`; 0 = no limit. */
  readonly memoryLimitBytes: () => number;
  /** An object of `Connections` fits. */
  readonly connections: () => ConnectionReadings;
  /** What the dispatcher turned away before a command ran, since the start. */
  readonly refusedRequests: () => { readonly envelope: number; readonly unknownCommand: number };
  /** Since the start: who had no right to something, and who sent too much. */
  readonly access: () => { readonly refused: number; readonly tooFast: number };
  readonly keys: () => KeyReadings;
  readonly log: () => LogReadings;
  readonly replies: () => ReplyReadings;
  readonly messaging: () => MessagingReadings;
  readonly replication: () => ReplicationReadings;
}

/** `...Active` and `held...` are as of now, the rest count since the start. */
export interface ConnectionReadings {
  readonly httpActive: number;
  readonly websocketActive: number;
  readonly respActive: number;
  readonly replicaActive: number;
  /** Event streams, counted in `httpActive` too. */
  readonly sseActive: number;
  readonly httpRequests: number;
  readonly websocketMessages: number;
  /** Connections that hold replies or pushes until the log is released, and the bytes of those, as of now. */
  readonly heldOutboxes: number;
  readonly heldOutboxBytes: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly slowClientsCutOff: number;
  readonly floodersCutOff: number;
  readonly silentClientsCutOff: number;
  readonly repliesAbandoned: number;
  readonly invalidMessages: number;
  readonly connectionsRefused: number;
}

/** `count` is as of now, the rest count since the start, on this node. */
export interface KeyReadings {
  readonly count: number;
  readonly expired: number;
  readonly evicted: number;
  readonly hits: number;
  readonly misses: number;
}

export interface ReplyReadings {
  /** Replies of idempotent writes that are remembered now. */
  readonly count: number;
  /** Requests answered with one of them, since the start, on this node. */
  readonly replays: number;
}

export interface LogReadings {
  /** Bytes that the backlog holds in memory for readers of the log. */
  readonly backlogBytes: number;
  /** Appended since the start. */
  readonly operations: number;
  readonly appendedBytes: number;
  readonly unwrittenBytes: number;
  readonly diskFreeBytes: number;
}
