/**
 * Leads a data directory's files to the state that they hold: the newest snapshot that is whole, then the log behind it.
 *
 *     snapshot 2   damaged ----------------.   put aside
 *     snapshot 1   whole ---> state at S1   |
 *     log                     [S1 + 1 . . . v . . . . end]      as long as it is there from the snapshot that is used on
 */
import type { StateMachine } from "../state/state-machine.ts";
import type { FileSystem } from "./file-system.ts";
import { giveUpLog } from "./give-up-log.ts";
import type { Identity } from "./identity.ts";
import { listSegments } from "./log-file-reader.ts";
import { LogDamage, LogDamageAt, type RecoveredLog, recoverLog } from "./log-recovery.ts";
import { OTHER_VERSION, readSnapshot } from "./snapshot-file.ts";
import { listSnapshots, type SnapshotFile } from "./snapshots.ts";

export interface StateRecoveryOptions {
  readonly files: FileSystem;
  readonly path: string;
  readonly clock: { monotonicMs(): number };
  /** The operator knows that a part of the log is missing or damaged, and gives it up. */
  readonly acceptsLogLoss: boolean;
  /** An empty state at an offset. */
  readonly makeState: (appliedOffset: number) => StateMachine;
  readonly restore: (state: StateMachine) => {
    apply(images: Uint8Array, length: number): void;
    finish(offset: number): void;
  };
  readonly logger: { info(message: string): void; warn(message: string): void };
}

/** What was found in a directory when it was opened. */
export interface Recovered {
  /** Of the snapshot; undefined where there was none. */
  readonly snapshotOffset: number | undefined;
  readonly records: number;
  readonly durationMs: number;
}

export interface Opened {
  readonly state: StateMachine;
  readonly log: RecoveredLog;
  /** Those that are whole, newest first; the others are left where they are. */
  readonly snapshots: readonly SnapshotFile[];
  /** Of the log behind the snapshot, about. */
  readonly logBytes: number;
  readonly recovered: Recovered;
}

const PROGRESS_MS = 2000;

/** Throws `LogDamage`; but where the operator accepts that, it gives up what comes after a damage. */
export async function recoverState(options: StateRecoveryOptions, identity: Identity): Promise<Opened> {
  const { files, path, acceptsLogLoss, logger } = options;
  for (;;) {
    try {
      return await recoverOnce(options, identity);
    } catch (error) {
      // Another version's file is no damage: who has written it can read it.
      if (!acceptsLogLoss || !(error instanceof LogDamageAt) || error.damage.isOtherVersion === true) throw error;
      const { damage, nextOffset } = error;
      const givenUp = await giveUpLog(files, path, damage, nextOffset);
      logger.warn(
        `given up: everything from offset ${nextOffset} on, that is ${givenUp.bytes} bytes of ${damage.name} and ` +
          `${givenUp.files} later files (${damage.problem}). It is kept in ${path}/${givenUp.folder}`,
      );
    }
  }
}

async function recoverOnce(options: StateRecoveryOptions, identity: Identity): Promise<Opened> {
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
    durableOffset: options.acceptsLogLoss ? 0 : identity.closedOffset,
    apply({ operations, firstOffset, count }) {
      state.skipTo(firstOffset - 1);
      state.apply(operations, operations.length, firstOffset);
      const applied = state.appliedOffset - firstOffset + 1;
      if (applied !== count)
        throw new Error(`the record at offset ${firstOffset} has ${applied} operations, not ${count}`);
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
        "where a crash has interrupted them, none of their writes was acknowledged as durable",
    );
  }
  const snapshotOffset = snapshots.at(0)?.offset;
  const durationMs = clock.monotonicMs() - startedMs;
  return { state, log, snapshots, logBytes, recovered: { snapshotOffset, records: log.records, durationMs } };
}

/**
 * The state of the newest snapshot that is whole, or an empty one at the beginning of the log. Those that are damaged are put
 * aside, once it is known that the server can do without them.
 */
async function loadSnapshot(options: StateRecoveryOptions, identity: Identity) {
  const { files, path } = options;
  const snapshots = await listSnapshots(files, path);
  const damaged: DamagedSnapshot[] = [];
  for (const [i, snapshot] of snapshots.entries()) {
    const found = await restoreSnapshot(options, identity, snapshot);
    if (typeof found !== "string") {
      await putAside(options, damaged);
      return { state: found, snapshots: snapshots.slice(i), fromOffset: snapshot.offset };
    }
    if (found.startsWith(OTHER_VERSION)) {
      throw new LogDamage(`${path}/${snapshot.name} cannot be read: ${found}. Start the server that has written it.`);
    }
    damaged.push({ name: snapshot.name, problem: found });
  }
  const [first] = identity.history.epochs;
  const segments = await listSegments(files, path);
  // A process that ends before it has written anything can leave an epoch without a segment.
  const reachesBack =
    segments.length === 0
      ? damaged.length === 0
      : identity.history.mayBegin(segments[0].firstOffset, first.firstOffset);
  if (first.epoch !== 1 || !reachesBack) {
    const problems = damaged.map(({ name, problem }) => `${name}: ${problem}`).join("; ");
    throw new LogDamage(
      `no snapshot in ${path} can be read (${problems || "there is none"}), and the log does not reach back to its ` +
        "beginning: start from a copy of the data directory, or as a replica of a node that is well",
    );
  }
  await putAside(options, damaged);
  return { state: options.makeState(first.firstOffset - 1), snapshots: [], fromOffset: first.firstOffset - 1 };
}

interface DamagedSnapshot {
  readonly name: string;
  readonly problem: string;
}

async function putAside({ files, path, logger }: StateRecoveryOptions, damaged: readonly DamagedSnapshot[]) {
  for (const { name, problem } of damaged) {
    await files.rename(`${path}/${name}`, `${path}/${name}.damaged`);
    logger.warn(`${path}/${name} is damaged and is not used, its name ends in .damaged now: ${problem}`);
  }
}

/** The state that a snapshot holds, or what is wrong with it. */
async function restoreSnapshot(options: StateRecoveryOptions, identity: Identity, snapshot: SnapshotFile) {
  const { files, path, logger, clock } = options;
  const state = options.makeState(0);
  const restorer = options.restore(state);
  let saidAtMs = clock.monotonicMs();
  const header = await readSnapshot(files, `${path}/${snapshot.name}`, (images, { doneBytes, allBytes }) => {
    restorer.apply(images, images.length);
    if (clock.monotonicMs() - saidAtMs < PROGRESS_MS) return;
    saidAtMs = clock.monotonicMs();
    logger.info(`reading ${snapshot.name}: ${percent(doneBytes, allBytes)}`);
  });
  if (typeof header === "string") return header;
  if (header.replicationId !== identity.replicationId || header.offset !== snapshot.offset)
    return "it belongs to another log";
  restorer.finish(snapshot.offset);
  return state;
}

function percent(done: number, all: number): string {
  return `${Math.min(100, Math.floor((100 * done) / Math.max(1, all)))} %`;
}
