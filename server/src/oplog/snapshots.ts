/**
 * The snapshots of a data directory: takes them in slices while the server works, and removes what they make unnecessary.
 *
 *     begin -- slices of the walk --> chunks that wait --> the file, synced now and then --> end, sync, rename --> prune
 *              changes force images --'
 *
 * The two newest snapshots stay, with the log from the older one on: where the newest has gone bad, the other one and the
 * log lead to the same state. What a replica is being sent is pinned, and stays too.
 *
 * A disk that is full ends a snapshot and not the server: the log still has everything. So does a disk so slow that more
 * than `WAITING_BYTES_MAX` of images wait for it.
 */
import { type FileHandle, type FileSystem, isMissing } from "./file-system.ts";
import { listSegments } from "./log-file-reader.ts";
import type { OperationLog } from "./operation-log.ts";
import { isFull } from "./segment-file.ts";
import {
  decodeSnapshotHeader,
  encodeSnapshotHeader,
  SNAPSHOT_HEADER_BYTES,
  SnapshotFraming,
  snapshotName,
  snapshotOffset,
} from "./snapshot-file.ts";

/** The walk over the state (state/state-snapshot.ts). */
export interface ImageSource {
  /** The images are of the state at this offset. */
  readonly offset: number;
  /** Written and not taken. Changes of the state add to it between two steps. */
  readonly images: { readonly bytes: Uint8Array; readonly length: number; reset(): void };
  /** Goes on for about so many bytes; true when the walk is over. */
  step(budgetBytes: number): boolean;
  end(): void;
}

export interface SnapshotFile {
  readonly name: string;
  readonly offset: number;
  /** Of the file. */
  readonly bytes: number;
  /** When it was begun; 0 where the file does not say. */
  readonly startedAtMs: number;
}

/** Keeps a snapshot and the log behind it from being removed. */
export interface Pin {
  release(): void;
}

export interface SnapshotsOptions {
  readonly files: FileSystem;
  readonly directory: string;
  readonly log: OperationLog;
  /** Brings the log to the disk, whatever the policy: else a power failure could leave a snapshot with a log that ends before it. */
  readonly syncLog: () => void;
  readonly replicationId: string;
  readonly clock: { nowMs(): number; monotonicMs(): number };
  /** Begins a snapshot of the state as it is now. */
  readonly begin: () => ImageSource;
  /** One after this time, where anything was written since; 0 for none. */
  readonly intervalMs: number;
  /** One after so many bytes of log; 0 for none. */
  readonly logBytes: number;
  readonly report: (event: SnapshotEvent) => void;
  /** A sync has failed: the process must end. */
  readonly onFailure: (error: unknown) => void;
}

export type SnapshotEvent =
  | { readonly kind: "taken"; readonly snapshot: SnapshotFile; readonly durationMs: number }
  | { readonly kind: "abandoned"; readonly reason: string };

const STEP_BYTES = 64 * 1024;
/** Images that wait for the disk: from here on the walk pauses. */
const PAUSE_BYTES = 16 * 2 ** 20;
const WAITING_BYTES_MAX = 256 * 2 ** 20;
/** So that the last sync, and those of the log meanwhile, do not have to wait for the whole file. */
const SYNC_BYTES = 8 * 2 ** 20;
/** Between two slices of a walk: it takes a quarter of the time. */
const PAUSE_MS = 3;
const IDLE_MS = 200;
const KEPT_SNAPSHOTS = 2;
const TEMPORARY_NAME = "snapshot-next.tmp";

export class Snapshots {
  readonly #options: SnapshotsOptions;
  /** Newest first. */
  #taken: SnapshotFile[] = [];
  readonly #pins = new Set<{ readonly offset: number }>();
  #run: SnapshotRun | undefined;
  #lastAtMs: number;
  #lastLogBytes: number;
  #lastOffset = -1;
  /** How long the last one took; undefined where this process has taken none. */
  lastDurationMs: number | undefined;
  /** Why the last try was given up; undefined where it was not. */
  abandoned: string | undefined;

  /** @param taken those that are there, newest first. */
  constructor(options: SnapshotsOptions, taken: readonly SnapshotFile[], replayedLogBytes: number) {
    this.#options = options;
    this.#taken = [...taken];
    this.#lastAtMs = options.clock.monotonicMs();
    this.#lastLogBytes = -replayedLogBytes;
    this.#lastOffset = taken[0]?.offset ?? -1;
  }

  /** The newest one. */
  get newest(): SnapshotFile | undefined {
    return this.#taken[0];
  }

  get isUnderWay(): boolean {
    return this.#run !== undefined;
  }

  get offsetUnderWay(): number | undefined {
    return this.#run?.offset;
  }

  /** Bytes of log since the last one was begun. */
  get logBytesSince(): number {
    return this.#options.log.appendedBytes - this.#lastLogBytes;
  }

  /** Takes one, or joins the one under way; undefined where it was abandoned, which `report` has told. */
  take(): Promise<SnapshotFile | undefined> {
    this.#run ??= this.#begin();
    return this.#run.done;
  }

  pin(offset: number): Pin {
    const pin = { offset, release: () => this.#pins.delete(pin) };
    this.#pins.add(pin);
    return pin;
  }

  /** A slice of what is due, within about `budgetMs`. @returns in how many milliseconds to call again. */
  slice(budgetMs: number): number {
    if (this.#run === undefined && this.#isDue()) void this.take();
    if (this.#run === undefined) return IDLE_MS;
    this.#run.slice(budgetMs);
    return PAUSE_MS;
  }

  #isDue(): boolean {
    const { log, clock, intervalMs, logBytes } = this.#options;
    if (log.nextOffset - 1 === this.#lastOffset) return false;
    if (logBytes > 0 && this.logBytesSince >= logBytes) return true;
    return intervalMs > 0 && clock.monotonicMs() - this.#lastAtMs >= intervalMs;
  }

  #begin(): SnapshotRun {
    const { log, clock } = this.#options;
    this.#lastAtMs = clock.monotonicMs();
    this.#lastLogBytes = log.appendedBytes;
    const run = new SnapshotRun({ ...this.#options, report: (event) => this.#report(event) });
    this.#lastOffset = run.offset;
    run.done.then((snapshot) => this.#finished(snapshot)).catch(this.#options.onFailure);
    return run;
  }

  #report(event: SnapshotEvent): void {
    if (event.kind === "taken") this.lastDurationMs = event.durationMs;
    this.abandoned = event.kind === "abandoned" ? event.reason : undefined;
    this.#options.report(event);
  }

  async #finished(snapshot: SnapshotFile | undefined): Promise<void> {
    this.#run = undefined;
    if (snapshot === undefined) {
      // Nothing needs to be written for the next one to be due.
      this.#lastOffset = this.#taken[0]?.offset ?? -1;
      return;
    }
    // One at the same offset has the same name: it was replaced, and is not to be removed as an old one.
    this.#taken = [snapshot, ...this.#taken.filter(({ offset }) => offset !== snapshot.offset)];
    await this.prune();
  }

  /** The snapshot under way gives its room on the disk back. */
  abandon(reason: string): void {
    this.#run?.abandon(reason);
  }

  /** Removes snapshots and segments that nobody needs any more. */
  async prune(): Promise<void> {
    const { files, directory } = this.#options;
    let pinned = Number.POSITIVE_INFINITY;
    for (const { offset } of this.#pins) pinned = Math.min(pinned, offset);
    const kept = this.#taken.filter(({ offset }, i) => i < KEPT_SNAPSHOTS || offset >= pinned);
    const dropped = this.#taken.filter((each) => !kept.includes(each));
    this.#taken = kept;
    for (const { name } of dropped) await files.remove(`${directory}/${name}`);
    const neededFrom = Math.min(pinned, kept.length < KEPT_SNAPSHOTS ? 0 : kept[kept.length - 1].offset + 1);
    const segments = await listSegments(files, directory);
    for (const [i, { name }] of segments.entries()) {
      const next = segments.at(i + 1);
      if (next === undefined || next.firstOffset > neededFrom) break;
      await files.remove(`${directory}/${name}`);
    }
  }

  /** The server stops: a snapshot under way is given up. */
  async close(): Promise<void> {
    this.#run?.abandon("the server is stopping");
    await this.#run?.done;
  }
}

/** The snapshots in a directory, newest first. What an interrupted one has left is removed. */
export async function listSnapshots(files: FileSystem, directory: string): Promise<SnapshotFile[]> {
  const snapshots: SnapshotFile[] = [];
  for (const name of await files.list(directory)) {
    if (name === TEMPORARY_NAME) await files.remove(`${directory}/${name}`);
    const offset = snapshotOffset(name);
    if (offset !== undefined) snapshots.push({ name, offset, ...(await lookAt(files, `${directory}/${name}`)) });
  }
  return snapshots.sort((a, b) => b.offset - a.offset);
}

async function lookAt(files: FileSystem, path: string): Promise<Pick<SnapshotFile, "bytes" | "startedAtMs">> {
  const file = await files.open(path, "read");
  try {
    const head = new Uint8Array(SNAPSHOT_HEADER_BYTES);
    const header = decodeSnapshotHeader(head.subarray(0, await file.read(head, 0)));
    return { bytes: await file.size(), startedAtMs: typeof header === "string" ? 0 : header.startedAtMs };
  } finally {
    await file.close();
  }
}

/** One snapshot being taken. */
class SnapshotRun {
  /** The file, or undefined where it was abandoned. Rejects where the process must end. */
  readonly done: Promise<SnapshotFile | undefined>;
  readonly offset: number;
  readonly #options: SnapshotsOptions;
  readonly #source: ImageSource;
  readonly #framing = new SnapshotFraming();
  readonly #startedMs: number;
  readonly #startedAtMs: number;
  #chunks: Uint8Array[] = [];
  #waitingBytes = 0;
  #isWalked = false;
  #abandoned: string | undefined;
  /** Resolves what `#more` has promised. */
  #wake: (() => void) | undefined;

  constructor(options: SnapshotsOptions) {
    this.#options = options;
    this.#startedMs = options.clock.monotonicMs();
    this.#startedAtMs = options.clock.nowMs();
    this.#source = options.begin();
    this.offset = this.#source.offset;
    this.done = this.#write();
  }

  abandon(reason: string): void {
    if (this.#abandoned !== undefined) return;
    this.#abandoned = reason;
    this.#source.end();
    this.#wake?.();
  }

  slice(budgetMs: number): void {
    if (this.#abandoned !== undefined) return;
    const { clock, log } = this.#options;
    const endMs = clock.monotonicMs() + budgetMs;
    this.#drain();
    while (!this.#isWalked && this.#waitingBytes < PAUSE_BYTES) {
      if (this.#source.step(STEP_BYTES)) this.#isWalked = true;
      this.#drain();
      if (clock.monotonicMs() >= endMs) break;
    }
    if (this.#isWalked) this.#source.end();
    if (this.#waitingBytes > WAITING_BYTES_MAX)
      this.abandon("the disk is too slow for the changes that go on meanwhile");
    const isLogSynced = log.syncedOffset >= this.offset;
    if (this.#isWalked && !isLogSynced) this.#options.syncLog();
    if (this.#chunks.length > 0 || (this.#isWalked && isLogSynced)) this.#wake?.();
  }

  #drain(): void {
    const { images } = this.#source;
    if (images.length === 0) return;
    const chunk = this.#framing.chunk(images.bytes, images.length);
    images.reset();
    this.#chunks.push(chunk);
    this.#waitingBytes += chunk.length;
  }

  async #write(): Promise<SnapshotFile | undefined> {
    const { files, directory, report, clock } = this.#options;
    const path = `${directory}/${TEMPORARY_NAME}`;
    let file: FileHandle | undefined;
    try {
      await files.remove(path);
      file = await files.open(path, "create");
      const bytes = await this.#fill(file);
      await file.close();
      file = undefined;
      if (this.#abandoned === undefined) {
        const name = snapshotName(this.offset);
        await files.rename(path, `${directory}/${name}`);
        await files.syncDirectory(directory);
        const snapshot = { name, offset: this.offset, bytes, startedAtMs: this.#startedAtMs };
        report({ kind: "taken", snapshot, durationMs: clock.monotonicMs() - this.#startedMs });
        return snapshot;
      }
    } catch (error) {
      if (!isFull(error) && !isMissing(error)) {
        await file?.close();
        throw error;
      }
      this.abandon(error instanceof Error ? error.message : String(error));
    }
    await file?.close();
    await files.remove(path);
    report({ kind: "abandoned", reason: this.#abandoned ?? "" });
    return undefined;
  }

  /** Writes what comes until it is complete or abandoned; returns the length of the file. */
  async #fill(file: FileHandle): Promise<number> {
    const { log, replicationId } = this.#options;
    const header = { offset: this.offset, epoch: log.epoch, replicationId, startedAtMs: this.#startedAtMs };
    await file.write(encodeSnapshotHeader(header), 0);
    let at = SNAPSHOT_HEADER_BYTES;
    let syncedAt = 0;
    while (this.#abandoned === undefined) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        await file.write(chunk, at);
        at += chunk.length;
        this.#waitingBytes -= chunk.length;
        if (at - syncedAt >= SYNC_BYTES) {
          await file.sync();
          syncedAt = at;
        }
      } else if (this.#isWalked && log.syncedOffset >= this.offset) {
        const end = this.#framing.end();
        await file.write(end, at);
        await file.sync();
        return at + end.length;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
      }
    }
    return at;
  }
}
