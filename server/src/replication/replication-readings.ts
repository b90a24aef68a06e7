/** What the metrics page reads of replication. */
import type { ReplicationReadings } from "../metrics/replication-metrics.ts";
import type { OperationLog } from "../oplog/operation-log.ts";
import { replicaNames } from "./replica-address.ts";
import type { Replication } from "./replication.ts";

export function replicationReadings(replication: Replication, log: OperationLog): ReplicationReadings {
  const { feeds, linkCount } = replication;
  const link = replication.linkReport();
  const replicas = replication.replicas();
  const names = replicaNames(replicas);
  return {
    isReplica: replication.role === "replica",
    epoch: log.epoch,
    replicas: replicas.map((replica, i) => ({ ...replica, address: names[i] })),
    link: link && { isUp: link.state === "log", lagMs: link.lagMs, lagOperations: link.lagOperations },
    partialSyncs: feeds?.partialSyncs ?? 0,
    fullSyncs: feeds?.fullSyncs ?? 0,
    linksRefused: feeds?.linksRefused ?? 0,
    publishedDropped: feeds?.publishedDropped ?? 0,
    linkCount,
  };
}
