/**
 * The one log. A write is appended here and then applied; whatever makes it durable, carries it to replicas or tells
 * watchers is a reader of this log. The last records stay in a bounded backlog in memory, which is where those readers find
 * them: the writer of segment files (log-writer.ts) and the links to replicas.
 *
 *     append --> backlog --> LogWriter --> disk --> durableTo(offset) --> whoever waits for it
 *                       '--> replicas, up to the durable offset
 *
 * Offsets count operations and are never reused; 0 is the version of a missing key. A log begins at an offset that no
 * earlier process without a disk has come to: ids, versions and generations that a client kept over a restart must not name
 * something else now.
 */
import type { OperationWriter } from "../state/operation.ts";
import { Backlog } from "./backlog.ts";
import { EpochHistory } from "./epochs.ts";
import {
  KIND_MARK,
  KIND_OPERATIONS,
  type LogRecord,
  RECORD_HEADER_BYTES,
  type RecordContent,
  WrittenBytes,
} from "./log-record.ts";

/**
 * A log begins at this many offsets for each millisecond since the epoch of time: an earlier process that wrote less than
 * 100,000 operations a second on average has come to none of them. Versions and ids have 48 bits, which lasts until 2059.
 */
const OFFSETS_PER_MS = 100;

/** The first offset of a log, or of an epoch, that begins at this instant, behind all that any node has written. */
export function offsetAt(nowMs: number): number {
  return nowMs * OFFSETS_PER_MS;
}

/**
 * So many offsets an epoch leaves out at least, in case the clock does not lead behind those that were given out and are not
 * known here. A start after which the end of the log may be missing: more than could be written in the half minute after
 * which a system writes what it has. A promotion: as many starts of the old master, of which this node has not heard.
 */
export const LOST_OFFSETS_MAX = 2 ** 24;
export const UNHEARD_OFFSETS_MAX = 2 ** 28;

/** Where an epoch begins, at this instant, behind the last offset that is known to be given out. */
export function epochOffset(lastOffset: number, leftOut: number, nowMs: number): number {
  return Math.max(lastOffset + 1 + leftOut, offsetAt(nowMs));
}

/** Fewer than the offsets of a millisecond. */
const PROMOTIONS_APART = 100;

/**
 * Where the epoch of a promotion begins. Of two nodes that are promoted apart, from the same place, the later one has the greater
 * offsets, so that delivery ids grow whoever gives them out: where the clock does not lead behind what may have been given out,
 * it still decides where within the next offsets. Two that are promoted within a millisecond must not begin what looks like the
 * same epoch: chance keeps them apart.
 * @param random draws from [0, 1).
 */
export function promotionOffset(lastOffset: number, nowMs: number, random: () => number): number {
  const least = epochOffset(lastOffset, UNHEARD_OFFSETS_MAX, nowMs);
  const period = UNHEARD_OFFSETS_MAX;
  const apart = Math.floor(random() * PROMOTIONS_APART);
  return least + ((((offsetAt(nowMs) - least) % period) + period) % period) + apart;
}

/** What may be appended and not written before new writes are refused: it is memory. */
const UNWRITTEN_BYTES_MAX = 64 * 2 ** 20;
/** Past this the log is behind: who can be made to wait does, so that it does not come to refusing. */
const BEHIND_BYTES = 16 * 2 ** 20;

/** Where a log goes on: what recovery has found, or an empty beginning. */
export interface LogPosition {
  readonly nextOffset: number;
  readonly history: EpochHistory;
}

export interface OperationLogOptions {
  /** How much of the log readers can still find in memory; 0 where there are none, and records are only counted. */
  readonly backlogBytesMax: number;
  readonly position: LogPosition;
  /** Whether records are to become durable. Without a disk everything counts as durable at once. */
  readonly isDurable: boolean;
}

export class OperationLog {
  readonly backlog: Backlog;
  readonly #isRead: boolean;
  #history: EpochHistory;
  #nextOffset: number;
  #durableOffset: number;
  /** The last offset that is synced: what records may name, whatever `fsync` lets count as durable. */
  #syncedOffset: number;
  /** The synced offset that a record names last. */
  #namedOffset = 0;
  /** Bytes of records appended, over the life of the process. */
  appendedBytes = 0;
  /** Operations and records likewise. */
  appendedOperations = 0;
  appendedRecords = 0;
  /** Bytes of records that the system has. The writer counts them. */
  writtenBytes = 0;
  /** Why the disk takes no more, a sentence for the client. */
  diskRefusal: string | undefined;
  /** So many bytes may have been appended, until it was looked again what room the disk has. */
  appendedBytesMax = Number.POSITIVE_INFINITY;
  /** Called after each append: the writer asks for the end of the turn. */
  onAppended: (() => void) | undefined;

  constructor({ backlogBytesMax, position, isDurable }: OperationLogOptions) {
    this.backlog = new Backlog(backlogBytesMax);
    this.#isRead = backlogBytesMax > 0;
    this.#history = position.history;
    this.#nextOffset = Math.max(position.nextOffset, position.history.current.firstOffset);
    this.#durableOffset = isDurable ? this.#nextOffset - 1 : Number.POSITIVE_INFINITY;
    this.#syncedOffset = this.#durableOffset;
    if (isDurable) this.backlog.keepFrom = this.#nextOffset;
  }

  /** A log that is not on disk. */
  static inMemory(backlogBytesMax: number, firstOffset = 1): OperationLog {
    const position = { nextOffset: firstOffset, history: EpochHistory.beginning(firstOffset) };
    return new OperationLog({ backlogBytesMax, position, isDurable: false });
  }

  get history(): EpochHistory {
    return this.#history;
  }

  get epoch(): number {
    return this.#history.current.epoch;
  }

  /** The offset that the next operation gets. */
  get nextOffset(): number {
    return this.#nextOffset;
  }

  /** The last offset that a crash cannot take back, as `persistence.fsync` has it; `Infinity` without a disk. */
  get durableOffset(): number {
    return this.#durableOffset;
  }

  get isAllDurable(): boolean {
    return this.#durableOffset >= this.#nextOffset - 1;
  }

  /** The last offset that is on disk, synced, whatever `fsync` lets count as durable. */
  get syncedOffset(): number {
    return this.#syncedOffset;
  }

  /** Why no write may be planned now; undefined where it may. */
  get refusal(): string | undefined {
    if (this.diskRefusal !== undefined) return this.diskRefusal;
    const { durableOffset, appendedBytes, writtenBytes, appendedBytesMax } = this;
    if (durableOffset === Number.POSITIVE_INFINITY) return undefined;
    if (appendedBytes - writtenBytes <= UNWRITTEN_BYTES_MAX && appendedBytes <= appendedBytesMax) return undefined;
    return "the disk does not keep up with the writes: try again, or send fewer at once";
  }

  /** The disk is slower than the writes that come. */
  get isBehind(): boolean {
    return this.durableOffset !== Number.POSITIVE_INFINITY && this.appendedBytes - this.writtenBytes > BEHIND_BYTES;
  }

  get backlogBytes(): number {
    return this.backlog.heldBytes;
  }

  get oldestOffset(): number | undefined {
    return this.backlog.oldestOffset;
  }

  /** Appends what the writer collected as one record and returns the offset of its first operation. */
  append(record: OperationWriter): number {
    const firstOffset = this.#nextOffset;
    this.#append(KIND_OPERATIONS, firstOffset, this.epoch, record.count, record);
    return firstOffset;
  }

  /** Appends a record of the master's log, at the same offsets and in its epoch. */
  appendCopy(record: LogRecord): void {
    const { firstOffset, epoch, count, operations } = record;
    if (record.kind !== KIND_OPERATIONS) throw new Error(`a record of kind ${record.kind} is no copy to keep`);
    if (!this.#history.mayFollow(record, this.#nextOffset)) {
      throw new Error(`record at offset ${firstOffset} of epoch ${epoch} does not follow ${this.#nextOffset - 1}`);
    }
    this.#nextOffset = firstOffset;
    this.#append(KIND_OPERATIONS, firstOffset, epoch, count, new WrittenBytes(operations));
  }

  /** Appends a mark where the synced offset is named by no record yet; returns whether it did. */
  appendMark(): boolean {
    if (this.#syncedOffset === Number.POSITIVE_INFINITY || this.#namedOffset >= this.#syncedOffset) return false;
    this.#append(KIND_MARK, this.#nextOffset, this.epoch, 0, NOTHING);
    return true;
  }

  #append(kind: number, firstOffset: number, epoch: number, count: number, operations: RecordContent): void {
    const durableOffset = Math.min(this.#syncedOffset, firstOffset - 1);
    if (this.#isRead) this.backlog.append({ kind, firstOffset, durableOffset, epoch, count }, operations);
    this.#namedOffset = durableOffset;
    this.#nextOffset = firstOffset + count;
    this.appendedBytes += RECORD_HEADER_BYTES + operations.length;
    this.appendedOperations += count;
    this.appendedRecords += 1;
    this.onAppended?.();
  }

  /** The disk has everything up to this offset. */
  syncedTo(offset: number): void {
    // Two syncs may be under way, and the one that knows of less may end last.
    this.#syncedOffset = Math.max(this.#syncedOffset, offset);
  }

  /** The writer has made everything up to this offset durable, as `persistence.fsync` has it. */
  durableTo(offset: number): void {
    // A mark that was on its way when an epoch began names what came before it.
    if (offset <= this.#durableOffset) return;
    this.#durableOffset = offset;
    this.backlog.keepFrom = offset + 1;
  }

  /**
   * Begins a new epoch, behind what this log holds. The history has to be on disk first (identity.ts).
   * @param history this log's, with one epoch more.
   */
  beginEpoch(history: EpochHistory): void {
    const lastOffset = this.#nextOffset - 1;
    const isAllDurable = this.#durableOffset === lastOffset;
    this.#history = history;
    this.#nextOffset = Math.max(this.#nextOffset, history.current.firstOffset);
    // Nothing is in the gap, so nothing of it is missing.
    if (this.#syncedOffset === lastOffset) this.syncedTo(this.#nextOffset - 1);
    if (isAllDurable) this.durableTo(this.#nextOffset - 1);
  }

  /** See `Backlog.read`. */
  read(offset: number, visit: (record: LogRecord) => boolean): boolean {
    return this.backlog.read(offset, visit);
  }
}

const NOTHING = new WrittenBytes(new Uint8Array(0));
