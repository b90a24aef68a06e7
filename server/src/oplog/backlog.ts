/**
 * The last records of the log in memory, for readers that follow it: a bounded ring of blocks.
 *
 *     oldest block                                   newest block
 *     [rec][rec][rec....]  [rec][rec][rec][rec]      [rec][rec]______
 *      ^ firstOffset                                            ^ the next record goes here
 *
 * A record is never split over two blocks; one larger than a block gets a block of its own. When the blocks pass
 * `bytesMax` the oldest is dropped (and its memory used again), so what can be read is the suffix of the log from
 * `oldestOffset` on. Appending copies the record once; nothing else moves.
 *
 *     record   bytes u32 | count u32 | firstOffset u48 | epoch u32 | operations
 */

import { readUint32, readUint48, writeUint32, writeUint48 } from "../state/operation.ts";
import { copyBytes } from "../structures/byte-range.ts";

export const RECORD_HEADER_BYTES = 18;

interface Block {
  bytes: Uint8Array;
  /** Bytes written. */
  length: number;
  /** Offset of the first operation in the block. */
  firstOffset: number;
}

/** One record as a reader sees it. `operations` is valid until the next append. */
export interface LogRecord {
  readonly firstOffset: number;
  readonly count: number;
  readonly epoch: number;
  readonly operations: Uint8Array;
}

export class Backlog {
  readonly #blocks: Block[] = [];
  readonly #bytesMax: number;
  readonly #blockBytes: number;
  #spare: Uint8Array | undefined;
  #heldBytes = 0;

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
    return this.#blocks[0]?.firstOffset;
  }

  append(operations: Uint8Array, length: number, count: number, firstOffset: number, epoch: number): void {
    const recordBytes = RECORD_HEADER_BYTES + length;
    const block = this.#blockFor(recordBytes, firstOffset);
    const { bytes } = block;
    let at = block.length;
    writeUint32(bytes, at, recordBytes);
    writeUint32(bytes, at + 4, count);
    writeUint48(bytes, at + 8, firstOffset);
    writeUint32(bytes, at + 14, epoch);
    at += RECORD_HEADER_BYTES;
    copyBytes(operations, 0, length, bytes, at);
    block.length = at + length;
  }

  #blockFor(recordBytes: number, firstOffset: number): Block {
    const newest = this.#blocks[this.#blocks.length - 1];
    if (newest !== undefined && newest.length + recordBytes <= newest.bytes.length) return newest;
    const wanted = Math.max(recordBytes, this.#blockBytes);
    // The newest block always stays, so that a reader at the head is never cut off by its own record.
    while (this.#blocks.length > 1 && this.#heldBytes + wanted > this.#bytesMax) this.#dropOldest();
    const bytes = wanted === this.#blockBytes && this.#spare !== undefined ? this.#spare : new Uint8Array(wanted);
    if (bytes === this.#spare) this.#spare = undefined;
    const block = { bytes, length: 0, firstOffset };
    this.#blocks.push(block);
    this.#heldBytes += bytes.length;
    return block;
  }

  #dropOldest(): void {
    const dropped = this.#blocks.shift();
    if (dropped === undefined) return;
    this.#heldBytes -= dropped.bytes.length;
    if (dropped.bytes.length === this.#blockBytes) this.#spare = dropped.bytes;
  }

  /**
   * Visits the records from the one that holds `offset` on, until `visit` answers false.
   * @returns false when `offset` is older than what is kept: the reader must start from a snapshot.
   */
  read(offset: number, visit: (record: LogRecord) => boolean): boolean {
    const oldest = this.oldestOffset;
    if (oldest === undefined || offset < oldest) return false;
    let first = this.#blocks.length - 1;
    while (this.#blocks[first].firstOffset > offset) first--;
    for (let index = first; index < this.#blocks.length; index++) {
      const { bytes, length } = this.#blocks[index];
      for (let at = 0; at < length; ) {
        const recordBytes = readUint32(bytes, at);
        const count = readUint32(bytes, at + 4);
        const firstOffset = readUint48(bytes, at + 8);
        if (firstOffset + count > offset) {
          const operations = bytes.subarray(at + RECORD_HEADER_BYTES, at + recordBytes);
          if (!visit({ firstOffset, count, epoch: readUint32(bytes, at + 14), operations })) return true;
        }
        at += recordBytes;
      }
    }
    return true;
  }
}
