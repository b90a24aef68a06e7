/** The metrics of replication (wire contract, section 6). */
import { labelled, type Metric, single } from "./families.ts";

export interface ReplicationReadings {
  readonly isReplica: boolean;
  readonly epoch: number;
  /** Those that are linked, as of now; never more than a master takes. */
  readonly replicas: readonly ReplicaReadings[];
  /** This replica beside its master, as it knows itself; undefined on a master. */
  readonly link: LinkReadings | undefined;
  /** Since the start, on the master. */
  readonly partialSyncs: number;
  readonly fullSyncs: number;
  readonly linksRefused: number;
  readonly publishedDropped: number;
  /** Since the start, on the replica. */
  readonly linkCount: number;
}

export interface ReplicaReadings {
  /** No two have the same, or the page could not be read. */
  readonly address: string;
  readonly lagMs: number;
  readonly lagOperations: number;
  readonly isInSync: boolean;
}

export interface LinkReadings {
  /** It is linked, and gets the log. */
  readonly isUp: boolean;
  readonly lagMs: number;
  readonly lagOperations: number;
}

export function replicationMetrics(read: () => ReplicationReadings): Metric[] {
  return [
    single("gauge", "synap_is_replica", "1 where this node is a replica.", () => (read().isReplica ? 1 : 0)),
    single("gauge", "synap_replication_epoch", "The epoch of the log; each promotion begins one.", () => read().epoch),
    ...masterMetrics(read),
    ...replicaMetrics(read),
  ];
}

function masterMetrics(read: () => ReplicationReadings): Metric[] {
  const byReplica = (name: string, help: string, of: (replica: ReplicaReadings) => number): Metric =>
    labelled("gauge", name, help, () =>
      read().replicas.map((replica) => ({ labels: { replica: replica.address }, value: of(replica) })),
    );
  return [
    byReplica(
      "synap_replication_lag_ms",
      "For how long a replica has lacked something that is durable on this master, in milliseconds.",
      ({ lagMs }) => lagMs,
    ),
    byReplica(
      "synap_replication_lag_operations",
      "Operations that are durable on this master and not on a replica.",
      ({ lagOperations }) => lagOperations,
    ),
    byReplica("synap_replica_in_sync", "1 for a replica that has had everything since it linked.", ({ isInSync }) =>
      isInSync ? 1 : 0,
    ),
    labelled("counter", "synap_replication_syncs_total", "How links of replicas to this master began.", () => {
      const { partialSyncs, fullSyncs } = read();
      return [
        { labels: { kind: "partial" }, value: partialSyncs },
        { labels: { kind: "full" }, value: fullSyncs },
      ];
    }),
    single(
      "counter",
      "synap_replication_links_refused_total",
      "Links of replicas that this node did not take.",
      () => read().linksRefused,
    ),
    single(
      "counter",
      "synap_replication_published_dropped_total",
      "Messages of publish/subscribe that a replica did not get, since its link was not ready for them.",
      () => read().publishedDropped,
    ),
  ];
}

function replicaMetrics(read: () => ReplicationReadings): Metric[] {
  const ofLink = (name: string, help: string, of: (link: LinkReadings) => number): Metric =>
    labelled("gauge", name, help, () => {
      const { link } = read();
      return link === undefined ? [] : [{ labels: {}, value: of(link) }];
    });
  return [
    ofLink("synap_replica_link_up", "1 where this replica is linked to its master and gets its log.", ({ isUp }) =>
      isUp ? 1 : 0,
    ),
    ofLink(
      "synap_replica_lag_ms",
      "How far this replica is behind its master, as it knows, in milliseconds; -1 before its first link.",
      ({ lagMs }) => (Number.isFinite(lagMs) ? lagMs : -1),
    ),
    ofLink(
      "synap_replica_lag_operations",
      "Operations that this replica knows of and does not have; -1 while it does not hear its master.",
      ({ lagOperations }) => (Number.isFinite(lagOperations) ? lagOperations : -1),
    ),
    single(
      "counter",
      "synap_replica_links_total",
      "Links of this replica that its master took.",
      () => read().linkCount,
    ),
  ];
}
