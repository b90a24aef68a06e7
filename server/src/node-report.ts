/** What the admin commands show of this process: the `Node` of commands/node.ts, read from the parts it is made of. */
import { arch, platform } from "node:os";
import type { Command } from "./commands/command.ts";
import type { ClientInfo, MemoryUse, Node, NodeAccess } from "./commands/node.ts";
import { SlowLog } from "./commands/slow-log.ts";
import type { TransactionMemory } from "./commands/transaction/transaction-memory.ts";
import { describeConfig } from "./config/print.ts";
import type { Config } from "./config/schema.ts";
import { version } from "./config/version.ts";
import type { Fanout } from "./fanout/fanout.ts";
import type { DataDirectory } from "./oplog/data-directory.ts";
import type { OperationLog } from "./oplog/operation-log.ts";
import { PersistenceReport } from "./persistence-report.ts";
import type { Replication } from "./replication/replication.ts";
import { replicationReport } from "./replication/replication-report.ts";
import type { Clock } from "./runtime/clock.ts";
import type { StateMachine } from "./state/state-machine.ts";
import type { Connections } from "./transports/connections.ts";

export interface NodeReportParts {
  readonly config: Config;
  readonly clock: Clock;
  readonly commands: readonly Command[];
  readonly state: StateMachine;
  readonly log: OperationLog;
  /** Undefined where everything is in memory only. */
  readonly directory: DataDirectory | undefined;
  readonly access: NodeAccess;
  readonly connections: Connections;
  readonly fanout: Fanout;
}

export class NodeReport implements Node {
  readonly slowLog: SlowLog;
  readonly commands: readonly Command[];
  readonly persistence: PersistenceReport;
  readonly access: NodeAccess;
  #replication: Replication | undefined;
  #transactions: Pick<TransactionMemory, "bytes"> = { bytes: 0 };
  readonly #parts: NodeReportParts;
  readonly #startedAtMs: number;

  constructor(parts: NodeReportParts) {
    this.#parts = parts;
    this.commands = parts.commands;
    this.access = parts.access;
    this.persistence = new PersistenceReport(parts.log, parts.directory);
    this.slowLog = new SlowLog(parts.config.slowlog.thresholdMs, parts.config.slowlog.maxEntries);
    this.#startedAtMs = parts.clock.nowMs();
  }

  /** Both belong to the executor, or have it, which has this: so they come later. */
  attach(replication: Replication, transactions: Pick<TransactionMemory, "bytes">): void {
    this.#replication = replication;
    this.#transactions = transactions;
  }

  get replication(): Replication {
    if (this.#replication === undefined) throw new Error("the report of a node is attached to its replication first");
    return this.#replication;
  }

  info(): Record<string, Record<string, unknown>> {
    const { clock, state, log, connections, config } = this.#parts;
    const { keys, queues, rooms, replies } = state;
    const process_ = process.memoryUsage();
    return {
      server: {
        version,
        node_version: process.version,
        platform: `${platform()}-${arch()}`,
        pid: process.pid,
        started_at: this.#startedAtMs,
        uptime_secs: Math.floor((clock.nowMs() - this.#startedAtMs) / 1000),
      },
      memory: {
        used_bytes: state.usedBytes,
        held_bytes: keys.heldBytes + queues.heldBytes + rooms.heldBytes + replies.heldBytes,
        limit_bytes: config.kvStore.maxMemoryBytes,
        eviction_policy: config.kvStore.evictionPolicy,
        backlog_bytes: log.backlogBytes,
        transaction_bytes: this.#transactions.bytes,
        rss_bytes: process_.rss,
        heap_used_bytes: process_.heapUsed,
      },
      persistence: this.persistence.section(),
      replication: replicationReport(this.replication, log),
      clients: {
        http: connections.httpActive,
        websocket: connections.websocketActive,
        sse: connections.sseActive,
        resp: connections.respActive,
        refused: connections.connectionsRefused,
        slow_cut_off: connections.slowClientsCutOff,
        silent_cut_off: connections.silentClientsCutOff,
      },
      keyspace: {
        keys: keys.size,
        expiring: keys.memory.deadlines.count,
        expired: state.expiredCount,
        evicted: state.evictedCount,
      },
      messaging: { queues: queues.queues().length, rooms: rooms.count },
    };
  }

  configuration(): Record<string, unknown> {
    return describeConfig(this.#parts.config);
  }

  clients(): readonly ClientInfo[] {
    const clients: ClientInfo[] = [];
    for (const caller of this.#parts.connections.callers()) {
      clients.push({
        id: caller.id,
        protocol: caller.protocol,
        address: caller.address,
        connected_at: caller.connectedAtMs,
        commands: caller.commandCount,
        unread_bytes: caller.unreadBytes(),
        token: caller.grant.name,
      });
    }
    return clients;
  }

  memory(): MemoryUse {
    const { state, log, connections, fanout } = this.#parts;
    const keys = state.keys.usedBytes;
    const queues = state.queues.usedBytes;
    const rooms = state.rooms.usedBytes;
    const replies = state.replies.usedBytes;
    const backlog = log.backlogBytes;
    const outboxes = connections.unreadBytes;
    const subscriptions = fanout.heldBytes;
    const transactions = this.#transactions.bytes;
    const total = keys + queues + rooms + replies + backlog + outboxes + subscriptions + transactions;
    return { total, keys, queues, rooms, replies, backlog, outboxes, subscriptions, transactions };
  }

  removals(): { expired: number; evicted: number } {
    const { expiredCount, evictedCount } = this.#parts.state;
    return { expired: expiredCount, evicted: evictedCount };
  }
}
