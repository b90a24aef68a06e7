/** What replication needs of the data directory: whose log it is, snapshots to send and to receive, and the log as far back as the disk has it. */
import type { DataDirectory } from "../oplog/data-directory.ts";

export type ReplicationFiles = Pick<
  DataDirectory,
  "identity" | "saveHistory" | "openLog" | "pinned" | "snapshots" | "openSnapshot" | "receiveSnapshot" | "adopt"
>;

export type LogReader = NonNullable<Awaited<ReturnType<ReplicationFiles["openLog"]>>>;
export type SnapshotReceiver = Exclude<Awaited<ReturnType<ReplicationFiles["receiveSnapshot"]>>, string>;
