/**
 * The data directory: everything that outlives the process, opened, kept in order and closed in one place.
 *
 *     lock-...            whose it is now (data-lock.ts)
 *     identity.json       whose log it is, and its epochs (identity.ts)
 *     node-id             which of the nodes of that log this is (identity.ts)
 *     log-OFFSET.synap    the log, in segments (segment.ts)
 *     snapshot-...synap   the state at an offset (snapshot-file.ts)
 *     cut-OFFSET.bytes    a torn tail that was cut off (log-recovery.ts)
 *     given-up-OFFSET/    what the operator has given up of a damaged log (give-up-log.ts)
 *     incoming.synap      a snapshot of the master, which this log is to begin with (adoption.ts)
 *     adoption.json       that it is to, and what becomes of what was here before (adoption.ts)
 *     diverged-.../       a directory like this one: what was here before a master's log took its place (adoption.ts)
 *
 * Opening leads to the state as it was: the newest snapshot that is whole, then the log behind it.
 */
import type { StateMachine } from "../state/state-machine.ts";
import { type Adoption, beginAdoption, finishAdoption, SnapshotReceiver } from "./adoption.ts";
import { type DataLock, LOCK_TOUCH_MS } from "./data-lock.ts";
import { DiskReserve } from "./disk-reserve.ts";
import { EpochHistory } from "./epochs.ts";
import type { FileHandle, FileSystem } from "./file-system.ts";
import { IDENTITY_NAME, type Identity, loadIdentity, openNodeId, saveIdentity } from "./identity.ts";
import { LogFileReader, listSegments } from "./log-file-reader.ts";
import { LogFiles } from "./log-files.ts";
import { LogDamage } from "./log-recovery.ts";
import { type FsyncPolicy, LogWriter } from "./log-writer.ts";
import { epochOffset, LOST_OFFSETS_MAX, OperationLog, offsetAt, promotionOffset } from "./operation-log.ts";
import { type ImageSource, listSnapshots, type Pin, type SnapshotFile, Snapshots } from "./snapshots.ts";
import { type Opened, type Recovered, recoverState } from "./state-recovery.ts";

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
  /** See `persistence.accept_log_loss`. */
  readonly acceptsLogLoss: boolean;
  /** Takes the lock of the directory, or says why it cannot be had. */
  readonly lock: (files: FileSystem, directory: string) => Promise<DataLock | string>;
  readonly newReplicationId: () => string;
  readonly newNodeId: () => string;
  /** Draws from [0, 1). */
  readonly random: () => number;
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

/** The log is quiet when nothing was appended for so long. */
const MARK_MS = 100;

export class DataDirectory {
  /** See `openNodeId`. */
  readonly nodeId: string;
  readonly state: StateMachine;
  readonly log: OperationLog;
  readonly writer: LogWriter;
  readonly snapshots: Snapshots;
  readonly recovered: Recovered;
  readonly reserve: DiskReserve;
  readonly logFiles: LogFiles;
  readonly #options: DataDirectoryOptions;
  readonly #lock: DataLock;
  #identity: Identity;
  #touchedAtMs: number;
  #isClosing = false;
  #markedBytes = 0;
  #markAtMs = 0;
  /** What was newest when the log's files were counted. */
  #measuredAt = "";

  private constructor(
    options: DataDirectoryOptions,
    lock: DataLock,
    { nodeId, identity, opened }: { nodeId: string; identity: Identity; opened: Opened },
  ) {
    this.nodeId = nodeId;
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
        syncLog: () => this.writer.syncSoon(),
        replicationId: identity.replicationId,
        clock,
        begin: () => this.#beginSnapshot(),
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
    this.logFiles = new LogFiles(files, directory);
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
      const opening = DataDirectory.#openLocked(options, lock);
      const isHeld = await lock.touchWhile(opening);
      const directory = await opening;
      if (!isHeld) throw new DataDirectoryError(`${path} was taken over by another server while it was read`);
      return directory;
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  static async #openLocked(options: DataDirectoryOptions, lock: DataLock): Promise<DataDirectory> {
    const { files, path } = options;
    // A process that was killed may have renamed what it had no time to make durable; from here on it is relied on.
    await files.syncDirectory(path);
    await finishAdoption(files, path);
    const nodeId = await openNodeId(files, path, options.newNodeId);
    const found = await openIdentity(options);
    const opened = await recoverState(options, found);
    const identity = nextIdentity(options, found, opened);
    await saveIdentity(files, path, identity);
    const directory = new DataDirectory(options, lock, { nodeId, identity, opened });
    await directory.writer.start(opened.log.tail);
    if (!identity.hasLog) await directory.#save({ hasLog: true });
    await directory.reserve.measure();
    await directory.logFiles.measure();
    return directory;
  }

  #beginSnapshot(): ImageSource {
    if (!this.isBetweenRecords) throw new Error("a snapshot was asked for within a record");
    return this.#options.beginSnapshot(this.state);
  }

  /** While a record is gathered the state runs ahead of the log, and no log could go on behind a snapshot of it. */
  get isBetweenRecords(): boolean {
    return this.state.appliedOffset === this.log.nextOffset - 1;
  }

  get path(): string {
    return this.#options.path;
  }

  get identity(): Identity {
    return this.#identity;
  }

  /** Makes another history durable, such as one with a new epoch; then the log may begin it. */
  async saveHistory(history: EpochHistory, isReplica: boolean): Promise<void> {
    await this.#save({ history, isReplica });
  }

  async #save(change: Partial<Identity>): Promise<void> {
    const identity = { ...this.#identity, ...change };
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
    this.#measureLogWhereChanged();
    if (nowMs - this.#touchedAtMs < LOCK_TOUCH_MS) return;
    this.#touchedAtMs = nowMs;
    this.#touchLock().catch((error: unknown) =>
      this.#options.logger.warn(`the lock was not renewed: ${String(error)}`),
    );
  }

  #measureLogWhereChanged(): void {
    const { writer, snapshots } = this;
    const seen = `${writer.segmentName} ${snapshots.newest?.name}`;
    if (seen === this.#measuredAt) return;
    this.#measuredAt = seen;
    // A figure for people: without it everything goes on.
    this.logFiles
      .measure()
      .catch((error: unknown) => this.#options.logger.warn(`the log files were not counted: ${String(error)}`));
  }

  async #touchLock(): Promise<void> {
    if ((await this.#lock.touch()) || this.#isClosing) return;
    const problem = `another server has taken ${this.path} over, while this one was held up`;
    this.#options.onFailure(new DataDirectoryError(problem));
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

  /** @returns why a snapshot of so many bytes cannot be received, where the disk has no room for it beside the reserve. */
  async receiveSnapshot(bytes: number): Promise<SnapshotReceiver | string> {
    const { files, reserveBytes } = this.#options;
    const receiver = await SnapshotReceiver.open(files, this.path);
    if ((await files.freeBytes(this.path)) - reserveBytes >= bytes) return receiver;
    await receiver.abort();
    return `the disk has no room for a snapshot of ${bytes} bytes beside ${reserveBytes} bytes in reserve`;
  }

  /** When the directory is opened the next time, it begins with the snapshot that was received. */
  adopt(adoption: Adoption): Promise<void> {
    return beginAdoption(this.#options.files, this.path, adoption);
  }

  /** Makes all of the log durable and gives the directory back. Nothing may be appended any more. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await this.snapshots.close();
    await this.writer.close();
    const closedOffset = this.log.isAllDurable ? this.log.nextOffset - 1 : 0;
    await this.#save({ isClosed: true, closedOffset });
    await this.#lock.release();
  }
}

async function openIdentity({
  files,
  path,
  clock,
  newReplicationId,
  isReplica,
}: DataDirectoryOptions): Promise<Identity> {
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
    closedOffset: 0,
    mayLoseTail: false,
    isReplica,
    hasLog: false,
  };
}

/**
 * After a start that may have lost the end of the log, offsets that were given out then must not be given out again; nor may a
 * former replica go on in the epoch of its master.
 */
function nextIdentity(
  options: DataDirectoryOptions,
  found: Identity,
  { log: { oldestOffset, nextOffset, tail }, snapshots }: Opened,
): Identity {
  const { fsync, isReplica, acceptsLogLoss, clock, random } = options;
  const isEmptied = found.hasLog && tail === undefined && snapshots.length === 0;
  if (isEmptied) checkEmptied(options);
  if (found.isReplica && !isReplica) checkPromoted(options);
  const mayHaveLost = (!found.isClosed && found.mayLoseTail) || isEmptied || acceptsLogLoss;
  // A replica that is started as a master is promoted by that: its old master may go on in the epoch that ends here.
  const isOver = !isReplica && (mayHaveLost || found.isReplica);
  const reached = found.history.reachedAt(nextOffset - 1);
  const givenOut = Math.max(nextOffset, found.history.current.firstOffset) - 1;
  // An epoch in which nothing was written ends before its first offset; one that has lost what it followed, where that ends.
  const end = reached === found.history ? givenOut : nextOffset - 1;
  const nowMs = clock.nowMs();
  const begun = (): EpochHistory =>
    found.isReplica
      ? found.history.promoted(end, promotionOffset(givenOut, nowMs, random), 0)
      : found.history.next(end, epochOffset(givenOut, LOST_OFFSETS_MAX, nowMs));
  // A replica that has lost the end of an epoch has not come to the next one: it gets both again.
  const history = isOver ? begun() : reached;
  const mayLoseTail = fsync !== "always";
  const opened = { isClosed: false, closedOffset: 0, mayLoseTail, isReplica, hasLog: found.hasLog && !isEmptied };
  return { ...found, ...opened, history: history.forgetBefore(oldestOffset) };
}

function checkEmptied({ path, acceptsLogLoss, logger }: DataDirectoryOptions): void {
  if (!acceptsLogLoss) {
    throw new LogDamage(
      `${path} had a log, and its files are gone: put them back, or begin empty with --accept-log-loss`,
    );
  }
  logger.warn(`${path} has no log files any more: it begins empty`);
}

/** Two masters of one log, by a flag that was forgotten, would be followed by whoever meets the wrong one first. */
function checkPromoted({ path, acceptsLogLoss, logger }: DataDirectoryOptions): void {
  if (!acceptsLogLoss) {
    throw new DataDirectoryError(
      `${path} is a replica's: start it with --replica-of and the address of its master. Where that is gone, admin.promote then ` +
        "makes it the master; --accept-log-loss starts it as one at once, whatever its master has that it has not",
    );
  }
  logger.warn(
    `${path} was a replica's and is a master's from here on, in an epoch of its own: it can follow its old master only when it has been emptied`,
  );
}
