/** A master and its replicas, each a process of its own, and what they say of each other. */
import { until } from "./processes.ts";
import { type FsyncPolicy, type Synap, startSynap } from "./synap-process.ts";

/** Of `/health/replication`; what only one of the two roles says is optional. */
export interface ReplicationReport {
  readonly role: "master" | "replica";
  readonly offset: number;
  readonly durable_offset: number;
  readonly link?: string;
  readonly lag_ms?: number | null;
  readonly replicas: readonly { readonly lag_ms: number; readonly lag_operations: number }[];
  readonly partial_syncs: number;
  readonly full_syncs: number;
}

export interface ReplicationSet {
  readonly master: Synap;
  readonly replicas: readonly Synap[];
}

export interface ReplicationSetOptions {
  readonly program: string | undefined;
  readonly fsync: FsyncPolicy;
  readonly replicas: number;
  readonly args?: readonly string[];
  /** Where replicas find the master, which listens on this port; such as a proxy in between. */
  readonly masterPortFor?: (port: number) => Promise<number>;
}

/** Resolves when all replicas have what the master has. */
export async function startReplicationSet(options: ReplicationSetOptions): Promise<ReplicationSet> {
  const { program, fsync, args = [] } = options;
  const master = await startSynap(program, { durability: fsync, args });
  const port = (await options.masterPortFor?.(master.port)) ?? master.port;
  const replicas: Synap[] = [];
  for (let i = 0; i < options.replicas; i++) {
    replicas.push(
      await startSynap(program, { durability: fsync, args: ["--replica-of", `127.0.0.1:${port}`, ...args] }),
    );
  }
  await untilEqual({ master, replicas });
  return { master, replicas };
}

export async function replicationOf(node: Synap): Promise<ReplicationReport> {
  const response = await fetch(`http://127.0.0.1:${node.port}/health/replication`);
  return (await response.json()) as ReplicationReport;
}

/** Nothing may be written meanwhile. */
export async function untilEqual({ master, replicas }: ReplicationSet): Promise<void> {
  await until(async () => {
    const { offset, durable_offset } = await replicationOf(master);
    const reports = await Promise.all(replicas.map(tryReplicationOf));
    return durable_offset === offset && reports.every((each) => each?.link === "log" && each.durable_offset === offset);
  }, "the replicas to have all that the master has");
}

/** A replica that was sent a snapshot starts again with it; nobody listens meanwhile. */
async function tryReplicationOf(node: Synap): Promise<ReplicationReport | undefined> {
  try {
    return await replicationOf(node);
  } catch (error) {
    if (node.child.exitCode !== null || !(error instanceof TypeError)) throw error;
    return undefined;
  }
}

export async function stopReplicationSet({ master, replicas }: ReplicationSet): Promise<void> {
  await Promise.all(replicas.map((replica) => replica.stop()));
  await master.stop();
}
