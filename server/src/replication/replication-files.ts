/** What replication needs of the data directory: whose log it is, snapshots to send and to receive, and the log as far back as the disk has it. */
import type { FileHandle } from "../oplog/file-system.ts";
import type { LinkIdentity } from "./link-message.ts";

export interface ReplicationFiles {
  /** Makes it durable. */
  saveIdentity(identity: LinkIdentity): Promise<void>;
  /** The log from the record on that holds `fromOffset`, or comes after it; undefined where that is not on disk any more. */
  openLog(fromOffset: number): Promise<LogReader | undefined>;
  /** Keeps the snapshot at `offset`, and the log from it on, until it is released. */
  pinned(offset: number): Pin;
  newestSnapshot(): SnapshotSource | undefined;
  takeSnapshot(): Promise<SnapshotSource>;
  /** A file for the snapshot of a master. */
  receiveSnapshot(): Promise<SnapshotSink>;
}

export interface LogReader {
  /** Whole records, valid until the next call; undefined at the end of what is on disk by now. */
  next(bytesMax: number): Promise<Uint8Array | undefined>;
  close(): Promise<void>;
}

export interface Pin {
  release(): void;
}

export interface SnapshotSource {
  /** It is the state at this offset. */
  readonly offset: number;
  readonly bytes: number;
  open(): Promise<FileHandle>;
}

export interface SnapshotSink {
  write(bytes: Uint8Array): Promise<void>;
  /** Verifies it and makes it durable, under a name that recovery does not take yet. */
  finish(): Promise<void>;
  abort(): Promise<void>;
}
