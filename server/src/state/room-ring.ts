/**
 * The events of one room, oldest first, in blocks (room-block.ts), and a directory of these: a ring of references.
 *
 *     directory   | block 4 |   | block 1 | block 2 | block 3 |     capacity a power of two, grown by doubling
 *                                 ^ first
 *     block 1     | gone | gone | oldest | event | ... |            its slot goes when its last event does
 *     block 4     | event | event | newest |   free    |            the only one that is written to
 *
 * A new block has an eighth of the room's bytes, at least 256 bytes and at most 64 KB, or as much as one larger event needs;
 * when it is full and a part of it is left over, it moves to a slot that fits. So what a room takes beside its events
 * is a small part of them at every size.
 *
 * Invariants: timestamps never go back; every block in the directory has events, and the last of each is still in the ring.
 * Append and drop cost O(1) amortized, whatever the number dropped in whole blocks; finding O(log n).
 */
import type { SlabAllocator } from "../structures/slab-allocator.ts";
import {
  appendEvent,
  BLOCK_HEADER_BYTES,
  blockBytesNeeded,
  bytesBetween,
  type EventSource,
  eventCountOf,
  eventRecordBytes,
  eventWordOf,
  firstOffsetOf,
  hasRoomFor,
  initializeBlock,
  moveBlock,
  ownerOf,
  slotBytesOf,
  timestampMsOf,
} from "./room-block.ts";

const BLOCK_BYTES_MIN = 256;
const BLOCK_BYTES_MAX = 2 ** 16;
/** A full block moves when that saves at least this part of its slot: one part in 8. */
const SLACK_PART = 8;
const DIRECTORY_CAPACITY_MIN = 2;

export class RoomRing {
  oldestOffset = 0;
  nextOffset = 0;
  /** Of the events in the ring, as `eventRecordBytes` counts them. */
  bytes = 0;
  /** Of the slots that blocks and directory have. */
  slotBytes = 0;
  blockCount = 0;
  /** Where the blocks are. */
  readonly slab: SlabAllocator;
  /** Where the directory is. */
  readonly #tables: SlabAllocator;
  readonly #owner: number;
  /** 0 where there is no block. */
  #directory = 0;
  #capacity = 0;
  #first = 0;

  /** @param owner what the blocks say whose they are: a signed 32-bit integer. */
  constructor(slab: SlabAllocator, tables: SlabAllocator, owner: number) {
    this.slab = slab;
    this.#tables = tables;
    this.#owner = owner;
  }

  /** Reference of a block, from 0, the oldest. */
  blockAt(i: number): number {
    const slot = (this.#first + i) & (this.#capacity - 1);
    return this.#tables.words[this.#directory >>> 24][(this.#directory & 0xfffffe) + slot];
  }

  #setBlock(i: number, block: number): void {
    const slot = (this.#first + i) & (this.#capacity - 1);
    this.#tables.words[this.#directory >>> 24][(this.#directory & 0xfffffe) + slot] = block;
  }

  /** Adds an event after the newest. Its timestamp is not before that one's. */
  append(source: EventSource): void {
    const { slab } = this;
    const recordBytes = eventRecordBytes(source.eventBytes, source.dataBytes, source.metadataBytes, source.dedupBytes);
    let block = this.blockCount === 0 ? 0 : this.blockAt(this.blockCount - 1);
    if (block === 0 || !hasRoomFor(slab.words[block >>> 24], block & 0xfffffe, recordBytes))
      block = this.#addBlock(recordBytes);
    appendEvent(slab.words[block >>> 24], slab.bytes[block >>> 24], block & 0xfffffe, source);
    this.nextOffset++;
    this.bytes += recordBytes;
  }

  /** Slot bytes that `append` of such an event may add. */
  slotBytesNeeded(recordBytes: number): number {
    const { slab } = this;
    if (this.blockCount > 0) {
      const block = this.blockAt(this.blockCount - 1);
      if (hasRoomFor(slab.words[block >>> 24], block & 0xfffffe, recordBytes)) return 0;
    }
    const capacity = Math.max(DIRECTORY_CAPACITY_MIN, this.#capacity * 2);
    const directoryBytes = this.blockCount === this.#capacity ? this.#tables.slotBytesFor(capacity * 4) : 0;
    return slab.slotBytesFor(this.#newBlockBytes(recordBytes)) + directoryBytes;
  }

  #newBlockBytes(recordBytes: number): number {
    const eighth = 2 ** Math.max(0, 28 - Math.clz32(Math.min(this.bytes, BLOCK_BYTES_MAX * 8)));
    return Math.max(BLOCK_BYTES_MIN, eighth, BLOCK_HEADER_BYTES + recordBytes);
  }

  #addBlock(recordBytes: number): number {
    if (this.blockCount > 0) this.#fitLastBlock();
    if (this.blockCount === this.#capacity) this.#growDirectory();
    const { slab } = this;
    const slotBytes = slab.slotBytesFor(this.#newBlockBytes(recordBytes));
    const block = slab.allocate(slotBytes);
    initializeBlock(slab.words[block >>> 24], block & 0xfffffe, slotBytes, this.nextOffset, this.#owner);
    this.slotBytes += slotBytes;
    this.#setBlock(this.blockCount++, block);
    return block;
  }

  /** Moves the last block to a slot that fits, where that saves much. */
  #fitLastBlock(): void {
    const old = this.blockAt(this.blockCount - 1);
    const words = this.slab.words[old >>> 24];
    const oldBytes = slotBytesOf(words, old & 0xfffffe);
    const slotBytes = this.slab.slotBytesFor(blockBytesNeeded(words, old & 0xfffffe));
    if ((oldBytes - slotBytes) * SLACK_PART >= oldBytes) this.#moveBlock(this.blockCount - 1, slotBytes);
  }

  #moveBlock(i: number, slotBytes: number): void {
    const old = this.blockAt(i);
    const block = this.slab.allocate(slotBytes);
    const { words, bytes } = this.slab;
    const from = old >>> 24;
    const to = block >>> 24;
    const oldBytes = slotBytesOf(words[from], old & 0xfffffe);
    moveBlock(words[from], bytes[from], old & 0xfffffe, words[to], bytes[to], block & 0xfffffe, slotBytes);
    this.#setBlock(i, block);
    this.slab.free(old);
    this.slotBytes += slotBytes - oldBytes;
  }

  /** Moves one of the blocks, given by its reference, to another slot of its size. */
  relocate(block: number): void {
    const words = this.slab.words[block >>> 24];
    const i = this.blockOf(firstOffsetOf(words, block & 0xfffffe));
    if (this.blockAt(i) !== block) throw new Error(`block ${block} is not in the directory of its room`);
    this.#moveBlock(i, slotBytesOf(words, block & 0xfffffe));
  }

  #growDirectory(): void {
    const tables = this.#tables;
    const capacity = Math.max(DIRECTORY_CAPACITY_MIN, this.#capacity * 2);
    const slotBytes = tables.slotBytesFor(capacity * 4);
    const directory = tables.allocate(slotBytes);
    const words = tables.words[directory >>> 24];
    const at = directory & 0xfffffe;
    // References have bit 0 clear and this is one too, so the slot's first word is never -1.
    words[at] = 0;
    for (let i = 0; i < this.blockCount; i++) words[at + i] = this.blockAt(i);
    this.#freeDirectory();
    this.#directory = directory;
    this.#capacity = capacity;
    this.slotBytes += slotBytes;
  }

  #freeDirectory(): void {
    if (this.#directory === 0) return;
    this.slotBytes -= this.#tables.slotBytesFor(this.#capacity * 4);
    this.#tables.free(this.#directory);
    this.#directory = 0;
    this.#capacity = 0;
    this.#first = 0;
  }

  /** Takes out all events before `offset`, which is at most `nextOffset`. */
  dropBefore(offset: number): void {
    while (this.oldestOffset < offset) {
      const block = this.blockAt(0);
      const words = this.slab.words[block >>> 24];
      const at = block & 0xfffffe;
      const firstOffset = firstOffsetOf(words, at);
      const end = Math.min(offset - firstOffset, eventCountOf(words, at));
      this.bytes -= bytesBetween(words, this.slab.bytes[block >>> 24], at, this.oldestOffset - firstOffset, end);
      this.oldestOffset = firstOffset + end;
      if (end === eventCountOf(words, at)) this.#freeFirstBlock();
    }
  }

  #freeFirstBlock(): void {
    const block = this.blockAt(0);
    this.slotBytes -= slotBytesOf(this.slab.words[block >>> 24], block & 0xfffffe);
    this.slab.free(block);
    this.#first = (this.#first + 1) & (this.#capacity - 1);
    if (--this.blockCount === 0) this.#freeDirectory();
  }

  /** The first offset before which there are events of at least so many bytes; the ring has that many. */
  offsetAfterBytes(bytes: number): number {
    let left = bytes;
    let from = this.oldestOffset;
    for (let i = 0; left > 0; i++) {
      const block = this.blockAt(i);
      const words = this.slab.words[block >>> 24];
      const chunk = this.slab.bytes[block >>> 24];
      const at = block & 0xfffffe;
      const firstOffset = firstOffsetOf(words, at);
      const count = eventCountOf(words, at);
      const first = from - firstOffset;
      const inBlock = bytesBetween(words, chunk, at, first, count);
      from = firstOffset + count;
      left -= inBlock;
      if (left > 0) continue;
      let low = first + 1;
      let high = count;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (bytesBetween(words, chunk, at, first, middle) >= left + inBlock) high = middle;
        else low = middle + 1;
      }
      return firstOffset + low;
    }
    return from;
  }

  /** The block that has an event, which is in the ring. */
  blockOf(offset: number): number {
    let low = 0;
    let high = this.blockCount - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      const block = this.blockAt(middle);
      if (firstOffsetOf(this.slab.words[block >>> 24], block & 0xfffffe) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** When an event, which is in the ring, was published. */
  timestampMsAt(offset: number): number {
    const block = this.blockAt(this.blockOf(offset));
    const words = this.slab.words[block >>> 24];
    const at = block & 0xfffffe;
    const i = offset - firstOffsetOf(words, at);
    return timestampMsOf(words, eventWordOf(words, this.slab.bytes[block >>> 24], at, i));
  }

  /** The first offset whose event was published after `timestampMs`; `nextOffset` if there is none. */
  firstAfter(timestampMs: number): number {
    if (this.blockCount === 0 || this.timestampMsAt(this.oldestOffset) > timestampMs) return this.oldestOffset;
    // From here on the oldest event is not after it, so `low` stays at a block that begins with none after it.
    let low = 0;
    let high = this.blockCount - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#timestampIn(this.blockAt(middle), 0) <= timestampMs) low = middle;
      else high = middle - 1;
    }
    const block = this.blockAt(low);
    const words = this.slab.words[block >>> 24];
    const firstOffset = firstOffsetOf(words, block & 0xfffffe);
    let from = 0;
    let to = eventCountOf(words, block & 0xfffffe);
    while (from < to) {
      const middle = (from + to) >> 1;
      if (this.#timestampIn(block, middle) <= timestampMs) from = middle + 1;
      else to = middle;
    }
    return firstOffset + from;
  }

  #timestampIn(block: number, i: number): number {
    const words = this.slab.words[block >>> 24];
    return timestampMsOf(words, eventWordOf(words, this.slab.bytes[block >>> 24], block & 0xfffffe, i));
  }

  /** Leaves all events in O(1); `freeBlocks` gives their memory back. Nothing is appended afterwards. */
  detach(): void {
    this.oldestOffset = this.nextOffset;
    this.bytes = 0;
  }

  /** Another ring with all that is in this one, which has nothing any more: no events, and nothing to free. */
  handOver(): RoomRing {
    const heir = new RoomRing(this.slab, this.#tables, this.#owner);
    heir.oldestOffset = this.oldestOffset;
    heir.nextOffset = this.nextOffset;
    heir.bytes = this.bytes;
    heir.slotBytes = this.slotBytes;
    heir.blockCount = this.blockCount;
    heir.#directory = this.#directory;
    heir.#capacity = this.#capacity;
    heir.#first = this.#first;
    this.detach();
    this.slotBytes = 0;
    this.blockCount = 0;
    this.#directory = 0;
    this.#capacity = 0;
    this.#first = 0;
    return heir;
  }

  /** Frees up to `limit` blocks of a detached ring; returns how many were freed. */
  freeBlocks(limit: number): number {
    const count = Math.min(limit, this.blockCount);
    for (let i = 0; i < count; i++) this.#freeFirstBlock();
    return count;
  }

  /** Throws where blocks, counts and timestamps disagree. For tests. */
  checkInvariants(): void {
    let offset = -1;
    let bytes = 0;
    let slotBytes = this.#capacity === 0 ? 0 : this.#tables.slotBytesFor(this.#capacity * 4);
    let timestampMs = 0;
    for (let i = 0; i < this.blockCount; i++) {
      const block = this.blockAt(i);
      const words = this.slab.words[block >>> 24];
      const at = block & 0xfffffe;
      const count = eventCountOf(words, at);
      const firstOffset = firstOffsetOf(words, at);
      if (offset >= 0 && firstOffset !== offset) throw new Error(`block ${i} begins at ${firstOffset}, not ${offset}`);
      offset = firstOffset + count;
      if (offset <= this.oldestOffset) throw new Error(`block ${i} has no event in the ring`);
      if (this.slab.slotBytesOf(block) !== slotBytesOf(words, at)) throw new Error(`block ${i} has another slot`);
      if (ownerOf(words, at) !== this.#owner) throw new Error(`block ${i} has another owner`);
      if (blockBytesNeeded(words, at) > slotBytesOf(words, at)) throw new Error(`block ${i} is too full`);
      slotBytes += slotBytesOf(words, at);
      const first = Math.max(0, this.oldestOffset - firstOffset);
      bytes += bytesBetween(words, this.slab.bytes[block >>> 24], at, first, count);
      for (let event = 0; event < count; event++) {
        if (this.#timestampIn(block, event) < timestampMs) throw new Error(`time goes back in block ${i}`);
        timestampMs = this.#timestampIn(block, event);
      }
    }
    if (this.blockCount > 0 && offset !== this.nextOffset) throw new Error(`the last block ends at ${offset}`);
    if (this.blockCount === 0 && this.oldestOffset !== this.nextOffset) throw new Error("events have no block");
    if (bytes !== this.bytes) throw new Error(`${bytes} bytes of events, ${this.bytes} counted`);
    if (slotBytes !== this.slotBytes) throw new Error(`${slotBytes} bytes of slots, ${this.slotBytes} counted`);
  }
}
