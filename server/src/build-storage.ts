/** The state and its log: from the data directory, or empty and in memory. */
import { randomBytes } from "node:crypto";
import type { Config } from "./config/schema.ts";
import { DataDirectory, DataDirectoryError, type DataDirectoryOptions } from "./oplog/data-directory.ts";
import { DataLock } from "./oplog/data-lock.ts";
import { newNodeId, newReplicationId } from "./oplog/identity.ts";
import { LogDamage } from "./oplog/log-recovery.ts";
import { nodeFileSystem } from "./oplog/node-file-system.ts";
import { OperationLog, offsetAt } from "./oplog/operation-log.ts";
import { isRunning, thisProcess } from "./oplog/process-identity.ts";
import type { Clock } from "./runtime/clock.ts";
import { codeOf } from "./runtime/error-code.ts";
import { pause } from "./runtime/pause.ts";
import { StartError } from "./runtime/start-error.ts";
import { KeyStore } from "./state/key-store.ts";
import { QueueStore } from "./state/queue-store.ts";
import { ReplyStore } from "./state/reply-store.ts";
import { RoomStore } from "./state/room-store.ts";
import { StateMachine } from "./state/state-machine.ts";
import { StateRestorer } from "./state/state-restorer.ts";
import { StateSnapshot } from "./state/state-snapshot.ts";

export interface Storage {
  readonly state: StateMachine;
  readonly log: OperationLog;
  /** Undefined where everything is in memory only. */
  readonly directory: DataDirectory | undefined;
}

export interface StorageParts
  extends Pick<DataDirectoryOptions, "onDurable" | "onFailure" | "onSynced" | "onSnapshot"> {
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: DataDirectoryOptions["logger"];
  /** What of the memory limit is in none of the stores. */
  readonly otherBytes: () => number;
}

/** Throws `StartError` for what the operator can mend. */
export async function openStorage(parts: StorageParts): Promise<Storage> {
  const { config, clock, otherBytes, logger } = parts;
  const { persistence, replication } = config;
  const makeState = (appliedOffset: number) => emptyState(config, otherBytes, appliedOffset);
  if (!persistence.enabled) {
    // Neither a disk nor replicas read it.
    const log = OperationLog.inMemory(0, offsetAt(clock.nowMs()));
    return { state: makeState(log.nextOffset - 1), log, directory: undefined };
  }
  try {
    const directory = await DataDirectory.open({
      ...parts,
      files: nodeFileSystem,
      path: persistence.directory,
      acceptsLogLoss: persistence.acceptLogLoss,
      fsync: persistence.fsync,
      segmentBytes: persistence.segmentBytes,
      reserveBytes: persistence.reserveBytes,
      backlogBytesMax: replication.backlogBytes,
      snapshotIntervalMs: persistence.snapshotIntervalSecs * 1000,
      snapshotLogBytes: persistence.snapshotLogBytes,
      isReplica: replication.role === "replica",
      lock: (files, path) =>
        DataLock.take({
          files,
          directory: path,
          self: thisProcess(),
          unique: randomBytes(8).toString("hex"),
          isRunning,
          pause,
          onWait: (why) => logger.info(why),
        }),
      newReplicationId,
      newNodeId,
      random: Math.random,
      makeState,
      restore: (state) => new StateRestorer(state),
      beginSnapshot: (state) => new StateSnapshot(state),
    });
    return { state: directory.state, log: directory.log, directory };
  } catch (error) {
    throw explained(error, persistence.directory);
  }
}

function explained(error: unknown, directory: string): unknown {
  if (error instanceof DataDirectoryError || error instanceof LogDamage) {
    return new StartError(error.message, { cause: error });
  }
  if (error instanceof Error && "syscall" in error) {
    const advice = "name another directory with --data-dir, or keep nothing with --no-persistence";
    // Of a file in its place the system says only that it exists.
    const isFile = error.syscall === "mkdir" && codeOf(error) === "EEXIST";
    const why = isFile ? "it is a file" : error.message;
    return new StartError(`the data directory ${directory} cannot be used: ${why}; ${advice}.`, {
      cause: error,
    });
  }
  return error;
}

function emptyState(config: Config, otherBytes: () => number, appliedOffset: number): StateMachine {
  const hashSeed = Math.floor(Math.random() * 2 ** 32);
  const queues = new QueueStore({ hashSeed });
  const rooms = new RoomStore();
  const replies = new ReplyStore({ hashSeed });
  const keys = new KeyStore({
    memoryBytesMax: config.kvStore.maxMemoryBytes,
    evictionPolicy: config.kvStore.evictionPolicy,
    bytesElsewhere: () => queues.residentBytes + rooms.residentBytes + replies.residentBytes + otherBytes(),
  });
  return new StateMachine(keys, queues, rooms, replies, appliedOffset);
}
