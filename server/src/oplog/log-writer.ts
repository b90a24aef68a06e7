/**
 * Writes the log to its segment files, in groups: everything that was appended in a turn of the loop, and in the turns
 * that passed while a sync was running, shares the next one.
 *
 *     appends   a b c | d e f g h | i
 *     disk            [write abc, sync]  [write defgh, sync]  [write i, sync]
 *     durable                         c                    h               i
 *
 * With `always` a group is durable when it is synced, off this thread. With `interval` and `never` it counts as durable when
 * the system has it, which the end of this process does not take back; it is written at once at the end of the turn, and
 * synced every second, or not at all. Nobody waits for the sync of `interval`: groups are written beside it, and off this
 * thread meanwhile, since there are file systems on which a write to a file waits for its sync. Whatever the policy, a
 * segment is synced before the next one begins, so that a crash of the machine can only tear the last.
 *
 * A write or a sync that fails is never tried again: the state may be ahead of the disk by then, and what a failed sync was
 * about can be lost without another error. The process has to end.
 */
import type { BacklogCursor } from "./backlog.ts";
import type { FileSystem } from "./file-system.ts";
import { epochAt, firstOffsetAt } from "./log-record.ts";
import type { OperationLog } from "./operation-log.ts";
import { type SegmentFile, Segments } from "./segment-file.ts";

export type FsyncPolicy = "always" | "interval" | "never";

export interface LogWriterOptions {
  readonly files: FileSystem;
  readonly directory: string;
  readonly log: OperationLog;
  readonly replicationId: string;
  readonly fsync: FsyncPolicy;
  readonly segmentBytes: number;
  readonly clock: { monotonicMs(): number };
  /** More of the log is durable. */
  readonly onDurable: (offset: number) => void;
  /** The process must end. */
  readonly onFailure: (error: unknown) => void;
  /** For the metrics. */
  readonly onSynced?: (durationMs: number) => void;
}

/** What one group writes before it is synced. */
const GROUP_BYTES_MAX = 16 * 2 ** 20;
/** What is written on this thread. */
const WRITE_NOW_BYTES_MAX = 256 * 1024;
/** With `interval`, what a crash of the machine may take back. */
export const SYNC_INTERVAL_MS = 1000;

export class LogWriter {
  readonly #options: LogWriterOptions;
  readonly #segments: Segments;
  #segment: SegmentFile | undefined;
  #cursor: BacklogCursor | undefined;
  #running: Promise<void> | undefined;
  /** The sync of `interval` that is under way. Its file must not be closed meanwhile. */
  #syncing: Promise<void> | undefined;
  /** Written and not synced. */
  #isDirty = false;
  #syncedAtMs = 0;
  /** Somebody needs what is written to be on disk, whatever the policy. */
  #isSyncWanted = false;
  #hasFailed = false;
  #isClosing = false;
  groups = 0;
  syncs = 0;

  constructor(options: LogWriterOptions) {
    this.#options = options;
    this.#segments = new Segments(options.files, options.directory, options.segmentBytes);
    this.#syncedAtMs = options.clock.monotonicMs();
  }

  /** @param tail the last segment and the end of its last record; undefined where the log begins. */
  async start(tail: SegmentFile | undefined): Promise<void> {
    this.#segment = tail ?? (await this.#segments.next(this.#beginning(), 0));
    this.#segments.prepare();
  }

  get fsync(): FsyncPolicy {
    return this.#options.fsync;
  }

  /** The name of the segment that is written to. */
  get segmentName(): string | undefined {
    return this.#segment?.name;
  }

  /** Bytes of the log that are not written yet. */
  get unwrittenBytes(): number {
    const { log } = this.#options;
    return log.appendedBytes - log.writtenBytes;
  }

  /** Bytes that the next segment is still going to take from the disk. */
  get unpreparedBytes(): number {
    return Math.max(0, this.#options.segmentBytes - this.#segments.spareBytes);
  }

  /** Bytes that can be written, where the disk has so many left for further segments. */
  roomFor(freeBytes: number): number {
    const { segmentBytes } = this.#options;
    const segments = Math.floor((freeBytes + this.#segments.spareBytes) / segmentBytes);
    return (this.#segment?.bytesLeft ?? 0) + Math.max(0, segments * segmentBytes);
  }

  /** Whether the next segment is got ready ahead: not while it would take the disk's last room. */
  keepSpare(isWanted: boolean): void {
    this.#segments.keepsSpare = isWanted;
    if (isWanted && !this.#isOver) this.#segments.prepare();
  }

  get #isOver(): boolean {
    return this.#hasFailed || this.#isClosing;
  }

  /** Writes what was appended: now, or when the group under way is durable. Called at the end of a turn. */
  flush(): void {
    if (this.#running !== undefined || this.#isOver) return;
    if (this.#options.fsync !== "always" && this.#syncing === undefined && this.#writeNow()) return;
    this.#run();
  }

  /** With `interval`, syncs what is due; called by the ticker. */
  syncWhereDue(): void {
    if (this.#options.fsync === "interval" && this.#running === undefined) this.#syncBesideWhereDue();
  }

  /** All that was taken from the log is written now. */
  #syncBesideWhereDue(): void {
    if (!this.#isDirty || this.#syncing !== undefined || this.#isOver) return;
    if (this.#options.clock.monotonicMs() - this.#syncedAtMs < SYNC_INTERVAL_MS) return;
    this.#syncing = this.#sync(this.#nextOffset() - 1).then(
      () => {
        this.#syncing = undefined;
      },
      (error: unknown) => this.#fail(error),
    );
  }

  #fail(error: unknown): void {
    this.#hasFailed = true;
    this.#options.onFailure(error);
  }

  /** Whatever the policy, brings what was appended to the disk, soon: a snapshot must not be ahead of the log there. */
  syncSoon(): void {
    this.#isSyncWanted = true;
    if (this.#running === undefined && !this.#isOver) this.#run();
  }

  #run(): void {
    this.#running = this.#writeGroups().then(
      () => {
        this.#running = undefined;
        // Appended between the last look and this: whoever has asked meanwhile was told that the group under way has it.
        if (this.unwrittenBytes > 0) this.flush();
      },
      (error: unknown) => this.#fail(error),
    );
  }

  async #writeGroups(): Promise<void> {
    const { fsync } = this.#options;
    do {
      const offset = await this.#writeGroup();
      if (fsync === "always") await this.#sync(offset);
      // A sync beside may have failed meanwhile: then nothing becomes durable any more.
      if (this.#hasFailed) return;
      this.#durableTo(offset);
      if (this.#isSyncWanted) await this.#sync(offset);
      if (fsync === "interval") this.#syncBesideWhereDue();
    } while (this.unwrittenBytes > 0);
  }

  /** Small groups, where nobody waits for a sync. Answers with false where the other way must be taken. */
  #writeNow(): boolean {
    const bytes = this.unwrittenBytes;
    const segment = this.#segment;
    if (bytes === 0) return true;
    if (segment === undefined || bytes > WRITE_NOW_BYTES_MAX || bytes > segment.bytesLeft) return false;
    try {
      for (let range = this.#take(bytes); range !== undefined; range = this.#take(bytes)) {
        segment.file.writeNow(range, segment.position);
        this.#wrote(segment, range.length);
      }
    } catch (error) {
      this.#fail(error);
      return true;
    }
    this.#durableTo(this.#options.log.nextOffset - 1);
    return true;
  }

  /** Writes up to `GROUP_BYTES_MAX`, or nothing where nothing is left; returns the last offset that is written then. */
  async #writeGroup(): Promise<number> {
    let groupBytes = 0;
    while (groupBytes < GROUP_BYTES_MAX) {
      const segment = this.#openSegment();
      const range = this.#take(Math.min(segment.bytesLeft, GROUP_BYTES_MAX));
      if (range === undefined) break;
      const into = range.length <= segment.bytesLeft ? segment : await this.#nextSegment(range);
      await into.file.write(range, into.position);
      this.#wrote(into, range.length);
      groupBytes += range.length;
    }
    if (groupBytes > 0) this.groups += 1;
    return this.#nextOffset() - 1;
  }

  #wrote(segment: SegmentFile, bytes: number): void {
    segment.position += bytes;
    this.#options.log.writtenBytes += bytes;
    this.#isDirty = true;
  }

  #openSegment(): SegmentFile {
    if (this.#segment === undefined) throw new Error("the log is not open for writing");
    return this.#segment;
  }

  #take(bytesMax: number): Uint8Array | undefined {
    const { backlog } = this.#options.log;
    this.#cursor ??= backlog.cursorAtStart();
    return this.#cursor && backlog.take(this.#cursor, bytesMax);
  }

  /** The offset of the first operation that is not taken yet. */
  #nextOffset(): number {
    const cursor = this.#cursor;
    if (cursor === undefined || cursor.at === cursor.block.length) {
      return cursor?.block.next?.firstOffset ?? this.#options.log.nextOffset;
    }
    return firstOffsetAt(cursor.block.bytes, cursor.at);
  }

  /** Goes on in the next segment, which begins with the records in `range`. */
  async #nextSegment(range: Uint8Array): Promise<SegmentFile> {
    const full = this.#openSegment();
    await this.#syncing;
    // What is behind it must not become durable before it.
    await this.#sync(firstOffsetAt(range, 0) - 1);
    await full.file.close();
    const { replicationId } = this.#options;
    const header = { firstOffset: firstOffsetAt(range, 0), epoch: epochAt(range, 0), replicationId };
    this.#segment = await this.#segments.next(header, range.length);
    return this.#segment;
  }

  #beginning() {
    const { log, replicationId } = this.#options;
    return { firstOffset: log.nextOffset, epoch: log.epoch, replicationId };
  }

  /** @param writtenOffset the last offset that is written. */
  async #sync(writtenOffset: number): Promise<void> {
    const { clock, log, onSynced } = this.#options;
    const startedMs = clock.monotonicMs();
    this.#isDirty = false;
    this.#isSyncWanted = false;
    await this.#openSegment().file.sync();
    this.#syncedAtMs = clock.monotonicMs();
    this.syncs += 1;
    log.syncedTo(writtenOffset);
    onSynced?.(this.#syncedAtMs - startedMs);
  }

  #durableTo(offset: number): void {
    const { log, onDurable } = this.#options;
    log.durableTo(offset);
    // It may have come further meanwhile: a new epoch begins behind a gap.
    onDurable(log.durableOffset);
  }

  /** Writes and syncs what is left and the mark that says so, whatever the policy, and closes. Nothing may be appended any more. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#running;
    await this.#syncing;
    try {
      if (!this.#hasFailed && this.#segment !== undefined) {
        await this.#finish();
        // Names the last offset, so that damage to it is seen.
        if (this.#options.log.appendMark()) await this.#finish();
      }
    } finally {
      await this.closeFiles();
    }
  }

  /** Leaves everything as it is: also where the disk has failed. */
  async closeFiles(): Promise<void> {
    this.#isClosing = true;
    await this.#syncing;
    await this.#segment?.file.close();
    await this.#segments.close();
  }

  async #finish(): Promise<void> {
    do {
      const offset = await this.#writeGroup();
      await this.#sync(offset);
      this.#durableTo(offset);
    } while (this.unwrittenBytes > 0);
  }
}
