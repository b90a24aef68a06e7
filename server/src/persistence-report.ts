/** What the admin commands show of the data directory, and the snapshot that they ask for: part of the `Node` of commands/node.ts. */
import { type CommandError, fail } from "./commands/errors.ts";
import type { BegunSnapshot, NodePersistence } from "./commands/node.ts";
import type { DataDirectory } from "./oplog/data-directory.ts";
import type { OperationLog } from "./oplog/operation-log.ts";

export class PersistenceReport implements NodePersistence {
  readonly #log: OperationLog;
  readonly #directory: DataDirectory | undefined;

  /** @param directory undefined where everything is in memory only. */
  constructor(log: OperationLog, directory: DataDirectory | undefined) {
    this.#log = log;
    this.#directory = directory;
  }

  /** The section of `admin.info`. Paths are shown as they are configured. */
  section(): Record<string, unknown> {
    const directory = this.#directory;
    if (directory === undefined) return { enabled: false };
    const log = this.#log;
    const { snapshots, writer, reserve, logFiles } = directory;
    const { newest, lastDurationMs, abandoned } = snapshots;
    return {
      enabled: true,
      directory: directory.path,
      fsync: writer.fsync,
      durable_offset: log.durableOffset,
      synced_offset: log.syncedOffset,
      unwritten_bytes: writer.unwrittenBytes,
      log_bytes: logFiles.bytes,
      log_bytes_since_snapshot: snapshots.logBytesSince,
      segments: logFiles.count,
      free_bytes: reserve.freeBytes,
      ...(log.refusal === undefined ? {} : { refusing_writes: log.refusal }),
      snapshot_in_progress: snapshots.isUnderWay,
      ...(newest === undefined
        ? {}
        : {
            last_snapshot: {
              offset: newest.offset,
              bytes: newest.bytes,
              at: newest.startedAtMs,
              ...(lastDurationMs === undefined ? {} : { seconds: lastDurationMs / 1000 }),
            },
          }),
      ...(abandoned === undefined ? {} : { last_snapshot_failure: abandoned }),
    };
  }

  beginSnapshot(): BegunSnapshot | CommandError {
    const directory = this.#directory;
    if (directory === undefined)
      return fail("INVALID_REQUEST", "nothing is kept on disk here: persistence.enabled is false");
    const { diskRefusal } = this.#log;
    if (diskRefusal !== undefined) return fail("SERVICE_UNAVAILABLE", diskRefusal);
    // In a transaction the state is in the middle of a record, and a snapshot is of the end of one.
    if (!directory.isBetweenRecords)
      return fail("SERVICE_UNAVAILABLE", "a snapshot cannot be begun within a transaction that has written");
    const { snapshots } = directory;
    const started = !snapshots.isUnderWay;
    // What becomes of it is reported, and ends the process where it must.
    void snapshots.take();
    return { started, offset: snapshots.offsetUnderWay ?? this.#log.nextOffset - 1 };
  }
}
