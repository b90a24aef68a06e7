/**
 * The last records of the log in memory, for those who read it: a bounded chain of blocks.
 *
 *     oldest block                                   newest block
 *     [rec][rec][rec....]  [rec][rec][rec][rec]      [rec][rec]______
 *      ^ firstOffset         ^ a cursor                         ^ the next record goes here
 *
 * A record (log-record.ts) is never split over two blocks; one larger than a block gets a block of its own. When the blocks
 * pass `bytesMax` the oldest is dropped (and its memory used again), so what can be read is the suffix of the log from
 * `oldestOffset` on. What is not on disk yet is never dropped: `keepFrom` says where that begins, and the log refuses
 * writes before it grows too long. Appending copies the record once; nothing else moves, so that a reader may hand a range
 * of a block to a thread that writes it while more is appended behind it.
 */

import {
  countAt,
  firstOffsetAt,
  type LogRecord,
  RECORD_HEADER_BYTES,
  type RecordContent,
  type RecordHeader,
  readRecord,
  recordBytesAt,
  writeRecord,
} from "./log-record.ts";

interface Block {
  readonly bytes: Uint8Array;
  /** Bytes written. */
  length: number;
  /** Offset of the first operation in the block. */
  readonly firstOffset: number;
  next: Block | undefined;
  /** Its memory may hold something else by now. */
  isDropped: boolean;
}

/** A reader's place in the backlog: `take` moves it on. */
export class BacklogCursor {
  block: Block;
  at: number;

  constructor(block: Block, at: number) {
    this.block = block;
    this.at = at;
  }

  /** What comes next is not in the backlog any more. */
  get isLost(): boolean {
    return this.block.isDropped;
  }
}

export class Backlog {
  #oldest: Block | undefined;
  #newest: Block | undefined;
  readonly #bytesMax: number;
  readonly #blockBytes: number;
  #spare: Uint8Array | undefined;
  #heldBytes = 0;
  /** Blocks with this offset or later ones stay, whatever the limit. */
  keepFrom = Number.POSITIVE_INFINITY;

  constructor(bytesMax: number, blockBytes = 1024 * 1024) {
    this.#bytesMax = bytesMax;
    this.#blockBytes = Math.min(blockBytes, Math.max(4096, Math.floor(bytesMax / 4)));
  }

  /** Bytes of records and of room for them. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** The earliest offset that can still be read, or `undefined` while there is none. */
  get oldestOffset(): number | undefined {
    return this.#oldest?.firstOffset;
  }

  append(header: RecordHeader, operations: RecordContent): void {
    const block = this.#blockFor(RECORD_HEADER_BYTES + operations.length, header.firstOffset);
    block.length = writeRecord(block.bytes, block.length, header, operations);
  }

  #blockFor(recordBytes: number, firstOffset: number): Block {
    const newest = this.#newest;
    if (newest !== undefined && newest.length + recordBytes <= newest.bytes.length) return newest;
    const wanted = Math.max(recordBytes, this.#blockBytes);
    // The newest block always stays, so that a reader at the head is never cut off by its own record.
    while (this.#oldest !== newest && this.#heldBytes + wanted > this.#bytesMax && this.#dropOldest());
    const bytes = wanted === this.#blockBytes && this.#spare !== undefined ? this.#spare : new Uint8Array(wanted);
    if (bytes === this.#spare) this.#spare = undefined;
    const block: Block = { bytes, length: 0, firstOffset, next: undefined, isDropped: false };
    if (newest === undefined) this.#oldest = block;
    else newest.next = block;
    this.#newest = block;
    this.#heldBytes += bytes.length;
    return block;
  }

  /** Answers with false where the oldest block is still needed. */
  #dropOldest(): boolean {
    const dropped = this.#oldest;
    // The block after it begins with the first offset that is not in this one. Not even one more block may go: at
    // `keepFrom` there can be a mark, which has no offset of its own.
    if (dropped?.next === undefined || dropped.next.firstOffset >= this.keepFrom) return false;
    this.#oldest = dropped.next;
    dropped.isDropped = true;
    dropped.next = undefined;
    this.#heldBytes -= dropped.bytes.length;
    if (dropped.bytes.length === this.#blockBytes) this.#spare = dropped.bytes;
    return true;
  }

  /**
   * A place before the record that holds `offset`, or behind the last record where `offset` is what comes next; undefined
   * where the backlog does not reach back so far.
   */
  cursorAt(offset: number): BacklogCursor | undefined {
    let block = this.#oldest;
    if (block === undefined || offset < block.firstOffset) return undefined;
    while (block.next !== undefined && block.next.firstOffset <= offset) block = block.next;
    let at = 0;
    while (at < block.length && firstOffsetAt(block.bytes, at) + countAt(block.bytes, at) <= offset) {
      at += recordBytesAt(block.bytes, at);
    }
    return new BacklogCursor(block, at);
  }

  /** A place behind the last record; undefined while there is none. */
  cursorAtEnd(): BacklogCursor | undefined {
    return this.#newest === undefined ? undefined : new BacklogCursor(this.#newest, this.#newest.length);
  }

  /** A place before the first record; undefined while there is none. */
  cursorAtStart(): BacklogCursor | undefined {
    return this.#oldest === undefined ? undefined : new BacklogCursor(this.#oldest, 0);
  }

  /**
   * The bytes of whole records from a cursor on, as one range of a block, and moves the cursor behind them.
   * @param bytesMax how much is wanted; a single record may be larger.
   * @param beforeOffset only records that begin before this offset.
   * @returns undefined where there is nothing (more) to read, or the cursor is lost.
   */
  take(cursor: BacklogCursor, bytesMax: number, beforeOffset = Number.POSITIVE_INFINITY): Uint8Array | undefined {
    while (!cursor.block.isDropped && cursor.at === cursor.block.length && cursor.block.next !== undefined) {
      cursor.block = cursor.block.next;
      cursor.at = 0;
    }
    const { block, at } = cursor;
    if (block.isDropped || at === block.length) return undefined;
    let end = at;
    while (end < block.length && firstOffsetAt(block.bytes, end) < beforeOffset) {
      const next = end + recordBytesAt(block.bytes, end);
      if (next - at > bytesMax && end > at) break;
      end = next;
    }
    if (end === at) return undefined;
    cursor.at = end;
    return block.bytes.subarray(at, end);
  }

  /**
   * Visits the records from the one that holds `offset` on, until `visit` answers false.
   * @returns false when `offset` is older than what is kept: the reader must start from a snapshot.
   */
  read(offset: number, visit: (record: LogRecord) => boolean): boolean {
    const cursor = this.cursorAt(offset);
    if (cursor === undefined) return false;
    let at = cursor.at;
    for (let block: Block | undefined = cursor.block; block !== undefined; block = block.next, at = 0) {
      for (; at < block.length; at += recordBytesAt(block.bytes, at)) {
        if (!visit(readRecord(block.bytes, at))) return true;
      }
    }
    return true;
  }
}
