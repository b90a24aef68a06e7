/** What `admin.info` and `/health/replication` show of a node's place in its replication set. */
import type { OperationLog } from "../oplog/operation-log.ts";
import type { Replication } from "./replication.ts";

export function replicationReport(replication: Replication, log: OperationLog): Record<string, unknown> {
  const { feeds } = replication;
  const { epoch, durableOffset } = log;
  const link = replication.linkReport();
  const offset = log.nextOffset - 1;
  return {
    role: replication.role,
    ...(replication.replicationId === undefined ? {} : { replication_id: replication.replicationId }),
    epoch,
    offset,
    durable_offset: Math.min(durableOffset, offset),
    backlog_first_offset: log.oldestOffset ?? log.nextOffset,
    ...(link === undefined
      ? {}
      : {
          master: replication.masterUrl,
          link: link.state,
          // While the master is not heard, nobody knows the first; before the first link, neither.
          lag_operations: Number.isFinite(link.lagOperations) ? link.lagOperations : null,
          lag_ms: Number.isFinite(link.lagMs) ? Math.round(link.lagMs) : null,
          ...(link.lastFailure === undefined ? {} : { last_failure: link.lastFailure }),
          ...(link.fullSync === undefined
            ? {}
            : { sync_bytes: link.fullSync.bytes, sync_received_bytes: link.fullSync.receivedBytes }),
        }),
    replicas: replication.replicas().map((replica) => ({
      address: replica.address,
      state: replica.state,
      in_sync: replica.isInSync,
      offset: replica.acknowledgedOffset,
      lag_operations: replica.lagOperations,
      lag_ms: Math.round(replica.lagMs),
      linked_at: replica.linkedAtMs,
    })),
    partial_syncs: feeds?.partialSyncs ?? 0,
    full_syncs: feeds?.fullSyncs ?? 0,
  };
}
