/**
 * The data directory: everything that outlives the process, opened, kept in order and closed in one place.
 *
 *     lock-HOST-PID       whose it is now (data-lock.ts)
 *     identity.json       whose log it is, and its epochs (identity.ts)
 *     log-OFFSET.synap    the log, in segments (segment.ts)
 *     snapshot-...synap   the state at an offset (snapshot-file.ts)
 *     cut-OFFSET.bytes    a torn tail that was cut off (log-recovery.ts)
 *     diverged-.../       what a former master had written and its successor has not (adoption.ts)
 *
 * Opening leads to the state as it was: the newest snapshot that is whole, then the log behind it.
 */
import type { StateMachine } from "../state/state-machine.ts";
import { type Adoption, beginAdoption, finishAdoption, SnapshotReceiver } from "./adoption.ts";
import { type DataLock, LOCK_TOUCH_MS } from "./data-lock.ts";
import { DiskReserve } from "./disk-reserve.ts";
import { EpochHistory } from "./epochs.ts";
import type { FileHandle, FileSystem } from "./file-system.ts";
import { IDENTITY_NAME, type Identity, loadIdentity, saveIdentity } from "./identity.ts";
import { LogFileReader, listSegments } from "./log-file-reader.ts";
import { LogDamage, type RecoveredLog, recoverLog } from "./log-recovery.ts";
import { type FsyncPolicy, LogWriter } from "./log-writer.ts";
import { OperationLog, offsetAt } from "./operation-log.ts";
import { readSnapshot } from "./snapshot-file.ts";
import { type ImageSource, listSnapshots, type Pin, type SnapshotFile, Snapshots } from "./snapshots.ts";

export interface DataDirectoryOptions {
  readonly files: FileSystem;
  readonly path: string;
  readonly fsync: FsyncPolicy;
  readonly segmentBytes: number;
  readonly reserveBytes: number;
  readonly backlogBytesMax: number;
  readonly snapshotIntervalMs: number;
  readonly snapshotLogBytes: number;
  readonly clock: { nowMs(): number; monotonicMs(): number };
  /** A replica's log is its master's: it begins no epoch of its own. */
  readonly isReplica: boolean;
  /** Takes the lock of the directory, or says why it cannot be had. */
  readonly lock: (files: FileSystem, directory: string) => Promise<DataLock | string>;
  readonly newReplicationId: () => string;
  /** An empty state at an offset. */
  readonly makeState: (appliedOffset: number) => StateMachine;
  readonly restore: (state: StateMachine) => {
    apply(images: Uint8Array, length: number): void;
    finish(offset: number): void;
  };
  readonly beginSnapshot: (state: StateMachine) => ImageSource;
  readonly onDurable: (offset: number) => void;
  /** The process must end. */
  readonly onFailure: (error: unknown) => void;
  readonly onSynced?: (durationMs: number) => void;
  readonly onSnapshot?: (snapshot: SnapshotFile, durationMs: number) => void;
  readonly logger: DirectoryLogger;
}

export interface DirectoryLogger {
  info(message: string): void;
  warn(message: string): void;
}

/** The directory cannot be used. `message` is for the person who started the server. */
export class DataDirectoryError extends Error {}

/** What was found in a directory when it was opened. */
export interface Recovered {
  /** Of the snapshot; undefined where there was none. */
  readonly snapshotOffset: number | undefined;
  readonly records: number;
  readonly durationMs: number;
}

const PROGRESS_MS = 2000;
/** The log is quiet when nothing was appended for so long. */
const MARK_MS = 100;

export class DataDirectory {
  readonly state: StateMachine;
  readonly log: OperationLog;
  readonly writer: LogWriter;
  readonly snapshots: Snapshots;
  readonly recovered: Recovered;
  readonly reserve: DiskReserve;
  readonly #options: DataDirectoryOptions;
  readonly #lock: DataLock;
  #identity: Identity;
  #touchedAtMs: number;
  #markedBytes = 0;
  #markAtMs = 0;

  private constructor(options: DataDirectoryOptions, lock: DataLock, identity: Identity, opened: Opened) {
    this.#options = options;
    this.#lock = lock;
    this.#identity = identity;
    this.state = opened.state;
    this.recovered = opened.recovered;
    this.#touchedAtMs = options.clock.monotonicMs();
    const { files, path: directory, fsync, segmentBytes, clock } = options;
    const { nextOffset } = opened.log;
    this.log = new OperationLog({
      backlogBytesMax: options.backlogBytesMax,
      position: { nextOffset, history: identity.history },
      isDurable: true,
    });
    this.state.skipTo(this.log.nextOffset - 1);
    this.writer = new LogWriter({
      files,
      directory,
      log: this.log,
      replicationId: identity.replicationId,
      fsync,
      segmentBytes,
      clock,
      onDurable: options.onDurable,
      onFailure: options.onFailure,
      onSynced: options.onSynced,
    });
    this.snapshots = new Snapshots(
      {
        files,
        directory,
        log: this.log,
        replicationId: identity.replicationId,
        clock,
        begin: () => options.beginSnapshot(this.state),
        intervalMs: options.snapshotIntervalMs,
        logBytes: options.snapshotLogBytes,
        report: (event) => {
          if (event.kind === "abandoned") options.logger.warn(`a snapshot was given up: ${event.reason}`);
          else {
            const { offset, bytes } = event.snapshot;
            const secs = (event.durationMs / 1000).toFixed(1);
            options.logger.info(`snapshot at offset ${offset}: ${bytes} bytes in ${secs} s`);
            options.onSnapshot?.(event.snapshot, event.durationMs);
          }
        },
        onFailure: options.onFailure,
      },
      opened.snapshots,
      opened.logBytes,
    );
    this.reserve = new DiskReserve({
      files,
      directory,
      reserveBytes: options.reserveBytes,
      log: this.log,
      writer: this.writer,
      snapshots: this.snapshots,
      logger: options.logger,
    });
  }

  /** Throws `DataDirectoryError` and `LogDamage`, whose messages are for the person who started the server. */
  static async open(options: DataDirectoryOptions): Promise<DataDirectory> {
    const { files, path } = options;
    await files.makeDirectory(path);
    const lock = await options.lock(files, path);
    if (typeof lock === "string") throw new DataDirectoryError(lock);
    try {
      await finishAdoption(files, path);
      const found = await openIdentity(options);
      const opened = await recover(options, found);
      const identity = nextIdentity(options, found, opened.log.nextOffset);
      await saveIdentity(files, path, identity);
      const directory = new DataDirectory(options, lock, identity, opened);
      await directory.writer.start(opened.log.tail);
      await directory.reserve.measure();
      return directory;
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  get path(): string {
    return this.#options.path;
  }

  get identity(): Identity {
    return this.#identity;
  }

  /** Makes another history durable, such as one with a new epoch; then the log may begin it. */
  async saveHistory(history: EpochHistory): Promise<void> {
    const identity = { ...this.#identity, history };
    await saveIdentity(this.#options.files, this.path, identity);
    this.#identity = identity;
  }

  /** What was appended in this turn begins its way to the disk. */
  endTurn(): void {
    this.writer.flush();
  }

  /** What is due by the clock; called several times a second. */
  tick(): void {
    const { clock, onFailure } = this.#options;
    const nowMs = clock.monotonicMs();
    this.writer.syncWhereDue();
    this.#markWhereQuiet(nowMs);
    this.reserve.measure().catch(onFailure);
    if (nowMs - this.#touchedAtMs < LOCK_TOUCH_MS) return;
    this.#touchedAtMs = nowMs;
    this.#lock
      .touch()
      .catch((error: unknown) => this.#options.logger.warn(`the lock was not renewed: ${String(error)}`));
  }

  #markWhereQuiet(nowMs: number): void {
    const { appendedBytes } = this.log;
    if (appendedBytes !== this.#markedBytes) {
      this.#markedBytes = appendedBytes;
      this.#markAtMs = nowMs + MARK_MS;
    } else if (nowMs >= this.#markAtMs && this.log.isAllDurable && this.log.appendMark()) {
      this.#markedBytes = this.log.appendedBytes;
    }
  }

  // For replicas.

  /** The log from an offset on, as far as it is durable; undefined where the files do not reach back so far. */
  openLog(fromOffset: number): Promise<LogFileReader | undefined> {
    return LogFileReader.open(this.#options.files, this.path, fromOffset, () => this.log.durableOffset);
  }

  /** Keeps the snapshot at this offset, and the log behind it. */
  pinned(offset: number): Pin {
    return this.snapshots.pin(offset);
  }

  openSnapshot({ name }: SnapshotFile): Promise<FileHandle> {
    return this.#options.files.open(`${this.path}/${name}`, "read");
  }

  receiveSnapshot(): Promise<SnapshotReceiver> {
    return SnapshotReceiver.open(this.#options.files, this.path);
  }

  /** When the directory is opened the next time, it begins with the snapshot that was received. */
  adopt(adoption: Adoption): Promise<void> {
    return beginAdoption(this.#options.files, this.path, adoption);
  }

  /** Makes all of the log durable and gives the directory back. Nothing may be appended any more. */
  async close(): Promise<void> {
    await this.snapshots.close();
    await this.writer.drain();
    // Behind the last record too stands what says that it was on disk.
    this.log.appendMark();
    await this.writer.drain();
    await this.writer.close();
    await saveIdentity(this.#options.files, this.path, { ...this.#identity, isClosed: true });
    await this.#lock.release();
  }
}

interface Opened {
  readonly state: StateMachine;
  readonly log: RecoveredLog;
  /** Those that are whole, newest first; the others are left where they are. */
  readonly snapshots: readonly SnapshotFile[];
  /** Of the log behind the snapshot, about. */
  readonly logBytes: number;
  readonly recovered: Recovered;
}

async function openIdentity({ files, path, clock, newReplicationId }: DataDirectoryOptions): Promise<Identity> {
  const identity = await loadIdentity(files, path);
  if (typeof identity === "string") {
    throw new LogDamage(
      `${path}/${IDENTITY_NAME} cannot be read: ${identity}. Restore it from a copy of the directory.`,
    );
  }
  if (identity !== undefined) return identity;
  const hasData = (await listSegments(files, path)).length > 0 || (await listSnapshots(files, path)).length > 0;
  if (hasData) {
    throw new LogDamage(
      `${path} has log files and no ${IDENTITY_NAME}: restore it from a copy of the directory, or name an empty one`,
    );
  }
  return {
    replicationId: newReplicationId(),
    history: EpochHistory.beginning(offsetAt(clock.nowMs())),
    isClosed: true,
    mayLoseTail: false,
  };
}

/** After a start that may have lost the end of the log, offsets that were given out then must not be given out again. */
function nextIdentity(
  { fsync, isReplica, clock }: DataDirectoryOptions,
  found: Identity,
  nextOffset: number,
): Identity {
  const mayHaveLost = !found.isClosed && found.mayLoseTail && !isReplica;
  const history = mayHaveLost
    ? found.history.next(nextOffset - 1, Math.max(nextOffset, offsetAt(clock.nowMs())))
    : found.history;
  return { ...found, history, isClosed: false, mayLoseTail: fsync !== "always" };
}

async function recover(options: DataDirectoryOptions, identity: Identity): Promise<Opened> {
  const { files, path, clock, logger } = options;
  const startedMs = clock.monotonicMs();
  const { state, snapshots, fromOffset } = await loadSnapshot(options, identity);
  let saidAtMs = startedMs;
  let logBytes = 0;
  const log = await recoverLog({
    files,
    directory: path,
    history: identity.history,
    replicationId: identity.replicationId,
    fromOffset,
    apply({ operations, firstOffset }) {
      state.skipTo(firstOffset - 1);
      state.apply(operations, operations.length, firstOffset);
      logBytes += operations.length;
    },
    onProgress(doneBytes, allBytes) {
      if (clock.monotonicMs() - saidAtMs < PROGRESS_MS) return;
      saidAtMs = clock.monotonicMs();
      logger.info(`reading the log: ${percent(doneBytes, allBytes)}, at offset ${state.appliedOffset}`);
    },
  });
  if (log.cut !== undefined) {
    const { name, at, problem, keptIn, bytes } = log.cut;
    logger.warn(
      `the log was torn: ${bytes} bytes at byte ${at} of ${name} were cut off and kept in ${keptIn} (${problem}); ` +
        "no write in them was acknowledged as durable",
    );
  }
  const snapshotOffset = snapshots.at(0)?.offset;
  const durationMs = clock.monotonicMs() - startedMs;
  return { state, log, snapshots, logBytes, recovered: { snapshotOffset, records: log.records, durationMs } };
}

/** The state of the newest snapshot that is whole, or an empty one at the beginning of the log. */
async function loadSnapshot(options: DataDirectoryOptions, identity: Identity) {
  const { files, path, makeState, logger, clock } = options;
  const snapshots = await listSnapshots(files, path);
  for (const [i, snapshot] of snapshots.entries()) {
    const state = makeState(0);
    const restorer = options.restore(state);
    let saidAtMs = clock.monotonicMs();
    const header = await readSnapshot(files, `${path}/${snapshot.name}`, (images, { doneBytes, allBytes }) => {
      restorer.apply(images, images.length);
      if (clock.monotonicMs() - saidAtMs < PROGRESS_MS) return;
      saidAtMs = clock.monotonicMs();
      logger.info(`reading ${snapshot.name}: ${percent(doneBytes, allBytes)}`);
    });
    const problem =
      typeof header === "string"
        ? header
        : header.replicationId !== identity.replicationId || header.offset !== snapshot.offset
          ? "it belongs to another log"
          : undefined;
    if (problem === undefined) {
      restorer.finish(snapshot.offset);
      return { state, snapshots: snapshots.slice(i), fromOffset: snapshot.offset };
    }
    await files.rename(`${path}/${snapshot.name}`, `${path}/${snapshot.name}.damaged`);
    logger.warn(`${path}/${snapshot.name} is damaged and is not used, its name ends in .damaged now: ${problem}`);
  }
  const [first] = identity.history.epochs;
  const segments = await listSegments(files, path);
  const isWhole = first.epoch === 1 && (segments.length === 0 || segments[0].firstOffset === first.firstOffset);
  if (!isWhole) {
    throw new LogDamage(
      `no snapshot in ${path} can be read, and the log does not reach back to its beginning: start from a copy of the ` +
        "data directory, or as a replica of a node that is well",
    );
  }
  return { state: makeState(first.firstOffset - 1), snapshots: [], fromOffset: first.firstOffset - 1 };
}

function percent(done: number, all: number): string {
  return `${Math.min(100, Math.floor((100 * done) / Math.max(1, all)))} %`;
}
