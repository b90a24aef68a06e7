/**
 * The last dedup ids of one room: hash chains over a ring of entries, in one slab slot. In 32-bit words:
 *
 *     0                  capacity, a power of two; grown by doubling while its oldest entry is still of use
 *     heads   capacity   by hash: number of the last entry in this chain
 *     entries capacity   hash | offset, low 32 | number of the entry before it in its chain
 *
 * Entries are numbered from 1 and stand at their number modulo the capacity. Nothing is ever taken out: a chain ends at the
 * first entry that is not among the last `idsMax`, or whose event has left the room. The ids themselves are with their
 * events. Numbers and offsets wrap at 2^32, which the comparison with the event's id makes harmless.
 *
 * Adding costs O(1) amortized, finding O(1) unless hashes collide, and then at most `idsMax` steps.
 */
import { type ByteRange, rangesEqual } from "../structures/byte-range.ts";
import type { SlabAllocator } from "../structures/slab-allocator.ts";
import type { Room } from "./room.ts";
import type { RoomCursor } from "./room-cursor.ts";

const CAPACITY_MIN = 8;
const HEADS = 1;
const ENTRY_WORDS = 3;

function slotBytesWanted(capacity: number): number {
  return (HEADS + capacity * (1 + ENTRY_WORDS)) * 4;
}

export class RoomDedup {
  /** Of its slot. */
  slotBytes: number;
  readonly #slab: SlabAllocator;
  readonly #idsMax: number;
  #ref: number;
  #capacity = CAPACITY_MIN;
  /** Ids ever added. */
  #count = 0;
  /** How many of these were left behind when the table grew: they could not be found any more. */
  #leftCount = 0;

  constructor(slab: SlabAllocator, idsMax: number) {
    this.#slab = slab;
    this.#idsMax = idsMax;
    this.slotBytes = slab.slotBytesFor(slotBytesWanted(CAPACITY_MIN));
    this.#ref = this.#allocate();
  }

  /** Slot bytes that the first id of a room adds. */
  static initialSlotBytes(slab: SlabAllocator): number {
    return slab.slotBytesFor(slotBytesWanted(CAPACITY_MIN));
  }

  #allocate(): number {
    const ref = this.#slab.allocate(this.slotBytes);
    const at = ref & 0xfffffe;
    this.#slab.words[ref >>> 24].fill(0, at, at + HEADS + this.#capacity);
    this.#slab.words[ref >>> 24][at] = this.#capacity;
    return ref;
  }

  free(): void {
    this.#slab.free(this.#ref);
  }

  /** Slot bytes that the next id may add. */
  growthBytes(room: Room): number {
    return this.#mustGrow(room) ? this.#slab.slotBytesFor(slotBytesWanted(this.#capacity * 2)) : 0;
  }

  /** Whether the entry that the next one would overwrite can still be found. */
  #mustGrow(room: Room): boolean {
    if (this.#capacity >= this.#idsMax || this.#count - this.#leftCount < this.#capacity) return false;
    return this.#offsetOf(this.#entryWord(this.#count + 1), room) >= room.oldestOffset;
  }

  /** Remembers the id of an event of the room. */
  add(id: ByteRange, offset: number, room: Room): void {
    if (this.#mustGrow(room)) this.#grow();
    this.#add(hashOf(id), offset);
  }

  #add(hash: number, offset: number): void {
    const words = this.#slab.words[this.#ref >>> 24];
    const head = (this.#ref & 0xfffffe) + HEADS + (hash & (this.#capacity - 1));
    const entry = this.#entryWord(++this.#count);
    words[entry] = hash;
    words[entry + 1] = offset;
    words[entry + 2] = words[head];
    words[head] = this.#count;
  }

  /** The last so many ids are in the table and not too old, though their events may be gone. */
  get #rememberedCount(): number {
    return Math.min(this.#count - this.#leftCount, this.#capacity, this.#idsMax);
  }

  #entryWord(number: number): number {
    return (this.#ref & 0xfffffe) + HEADS + this.#capacity + (number & (this.#capacity - 1)) * ENTRY_WORDS;
  }

  #offsetOf(entry: number, room: Room): number {
    return room.nextOffset - ((room.nextOffset - this.#slab.words[this.#ref >>> 24][entry + 1]) >>> 0);
  }

  #grow(): void {
    const { slab, ref, capacity } = { slab: this.#slab, ref: this.#ref, capacity: this.#capacity };
    const words = slab.words[ref >>> 24];
    const entries = (ref & 0xfffffe) + HEADS + capacity;
    const count = this.#count;
    this.#capacity = capacity * 2;
    this.slotBytes = slab.slotBytesFor(slotBytesWanted(this.#capacity));
    this.#ref = this.#allocate();
    this.#leftCount = count - capacity;
    this.#count = this.#leftCount;
    for (let number = this.#count + 1; number <= count; number++) {
      const entry = entries + (number & (capacity - 1)) * ENTRY_WORDS;
      this.#add(words[entry], words[entry + 1]);
    }
    slab.free(ref);
  }

  /**
   * The offset of the last event with this id that is in the room and among those remembered; -1 if there is none.
   * @param cursor to compare with; moved about.
   */
  find(id: ByteRange, room: Room, cursor: RoomCursor): number {
    const words = this.#slab.words[this.#ref >>> 24];
    const hash = hashOf(id);
    const ageEnd = this.#rememberedCount;
    let number = words[(this.#ref & 0xfffffe) + HEADS + (hash & (this.#capacity - 1))];
    let ageMin = 0;
    for (;;) {
      const age = (this.#count - number) >>> 0;
      // Further back in a chain is older; a number that is not is left from before numbers wrapped.
      if (age < ageMin || age >= ageEnd) return -1;
      ageMin = age + 1;
      const entry = this.#entryWord(number);
      const offset = this.#offsetOf(entry, room);
      if (offset < room.oldestOffset) return -1;
      if (words[entry] === hash && hasId(room, offset, id, cursor)) return offset;
      number = words[entry + 2];
    }
  }

  /** Offsets of the events whose ids are remembered, oldest first: for tests and dumps. */
  offsets(room: Room): number[] {
    const offsets: number[] = [];
    const from = this.#count - this.#rememberedCount + 1;
    for (let number = from; number <= this.#count; number++) {
      const offset = this.#offsetOf(this.#entryWord(number), room);
      if (offset >= room.oldestOffset) offsets.push(offset);
    }
    return offsets;
  }
}

function hasId(room: Room, offset: number, id: ByteRange, cursor: RoomCursor): boolean {
  cursor.seek(room, offset);
  return cursor.next() && rangesEqual(cursor.dedupId, id);
}

/** FNV-1a with a finish that lets every bit count in the low ones; signed, as words are. */
function hashOf(id: ByteRange): number {
  let hash = 0x811c_9dc5;
  for (let i = id.start; i < id.end; i++) hash = Math.imul(hash ^ id.bytes[i], 0x0100_0193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  return hash ^ (hash >>> 13);
}
