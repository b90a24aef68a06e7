/**
 * The master's log from some offset on, wherever that is: in segment files as long as the reader is behind the backlog, then
 * in memory.
 *
 *     segment files   [. . . . . . . . . . . . .]
 *     backlog                     [. . . . . . . . . .]      records that are durable
 *     reader            files --->|---> memory ------>|
 *
 * Reading files takes time, so `take` answers with nothing while it goes on, and `onReady` is called.
 */
import type { BacklogCursor } from "../oplog/backlog.ts";
import { countAt, firstOffsetAt, recordBytesAt } from "../oplog/log-record.ts";
import type { OperationLog } from "../oplog/operation-log.ts";
import type { Pin } from "../oplog/snapshots.ts";
import type { LogReader, ReplicationFiles } from "./replication-files.ts";

export interface LogSourceParts {
  readonly log: OperationLog;
  readonly files: Pick<ReplicationFiles, "openLog" | "pinned">;
  /** `take` may have something. */
  readonly onReady: () => void;
  /** The log could not be read. */
  readonly onFailure: (error: unknown) => void;
}

const EMPTY_READERS_MAX = 3;

export class LogSource {
  readonly #parts: LogSourceParts;
  /** The offset behind the last record that was taken. */
  #nextOffset: number;
  #cursor: BacklogCursor | undefined;
  #reader: LogReader | undefined;
  #pin: Pin | undefined;
  #isOpening = false;
  /** Readers, one after the other, that had nothing. */
  #emptyReaders = 0;
  /** Read from a file and not taken. */
  #range: Uint8Array | undefined;
  #isClosed = false;
  /** Neither the backlog nor the files have what comes next. */
  isLost = false;

  /** @param nextOffset of the first operation that is wanted. */
  constructor(parts: LogSourceParts, nextOffset: number) {
    this.#parts = parts;
    this.#nextOffset = nextOffset;
  }

  /** The last offset that was taken. */
  get takenOffset(): number {
    return this.#nextOffset - 1;
  }

  /** Whether it reads from memory. */
  get isLive(): boolean {
    return this.#reader === undefined && !this.#isOpening;
  }

  /** Finds its first records; resolves with false where they are gone. */
  async open(): Promise<boolean> {
    if (this.#findCursor()) return true;
    await this.#openFiles();
    return !this.isLost;
  }

  /**
   * Whole records that are durable, or undefined where there are none (yet). Valid until the next append, and the next call.
   * @param bytesMax how much is wanted; a single record may be larger.
   */
  take(bytesMax: number): Uint8Array | undefined {
    if (this.isLost || this.#isClosed || this.#isOpening) return undefined;
    if (this.#reader !== undefined) return this.#takeRead(bytesMax);
    if (!this.#findCursor()) {
      this.#openAgain();
      return undefined;
    }
    if (this.#cursor === undefined) return undefined;
    const { log } = this.#parts;
    const range = log.backlog.take(this.#cursor, bytesMax, log.durableOffset + 1);
    if (range !== undefined) this.#took(range);
    return range;
  }

  /** False where the backlog does not have what comes next. */
  #findCursor(): boolean {
    if (this.#cursor?.isLost === false) return true;
    const { log } = this.#parts;
    const offset = log.history.behindGap(this.#nextOffset);
    this.#cursor = log.backlog.cursorAt(offset);
    return this.#cursor !== undefined || offset >= log.nextOffset;
  }

  #openAgain(): void {
    this.#tellOf(this.#openFiles());
  }

  /** Whoever has closed it meanwhile is not told: nothing of it is ready any more. */
  #tellOf(work: Promise<void>): void {
    work.then(
      () => {
        if (!this.#isClosed) this.#parts.onReady();
      },
      (error: unknown) => this.#parts.onFailure(error),
    );
  }

  async #openFiles(): Promise<void> {
    const { files } = this.#parts;
    this.#isOpening = true;
    this.#pin?.release();
    this.#pin = files.pinned(this.#nextOffset);
    const reader = await files.openLog(this.#nextOffset);
    this.#isOpening = false;
    if (this.#isClosed) {
      await reader?.close();
      return;
    }
    this.#reader = reader;
    this.isLost = reader === undefined;
    if (this.isLost) this.#unpin();
  }

  #takeRead(bytesMax: number): Uint8Array | undefined {
    const range = this.#range;
    if (range === undefined) {
      this.#tellOf(this.#read());
      return undefined;
    }
    let end = 0;
    while (end < range.length) {
      const next = end + recordBytesAt(range, end);
      if (next > bytesMax && end > 0) break;
      end = next;
    }
    const taken = range.subarray(0, end);
    this.#range = end < range.length ? range.subarray(end) : undefined;
    this.#took(taken);
    return taken;
  }

  async #read(): Promise<void> {
    const reader = this.#reader;
    if (reader === undefined) return;
    this.#isOpening = true;
    try {
      this.#range = await reader.next();
    } finally {
      this.#isOpening = false;
      // It was left to this read, which may have opened another file.
      if (this.#isClosed) await reader.close();
    }
    if (this.#range !== undefined) this.#emptyReaders = 0;
    if (this.#isClosed || this.#range !== undefined) return;
    // All that is on disk was read; what is newer is in memory, or in files that were begun since.
    this.#reader = undefined;
    await reader.close();
    this.#emptyReaders++;
    if (this.#findCursor()) this.#unpin();
    // The backlog begins where the files end, unless it has moved on just now.
    else if (this.#emptyReaders >= EMPTY_READERS_MAX) this.isLost = true;
  }

  #took(range: Uint8Array): void {
    let at = 0;
    let last = 0;
    while (at < range.length) {
      last = at;
      at += recordBytesAt(range, at);
    }
    this.#nextOffset = Math.max(this.#nextOffset, firstOffsetAt(range, last) + countAt(range, last));
  }

  #unpin(): void {
    this.#pin?.release();
    this.#pin = undefined;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#unpin();
    // A read that is under way finds itself closed, and closes its file: closed here, it could go on to the next segment's.
    if (this.#isOpening) return;
    this.#reader?.close().catch((error: unknown) => this.#parts.onFailure(error));
  }
}
