/**
 * Replies of idempotent writes, remembered so that a repeated request gets the first one again. Each is one slab slot:
 *
 *      0      format | bytes of the id      never -1, see slab-allocator.ts
 *      1  2   next in the hash chain, hash of the id
 *      3  4   the reply after this one, the one before it
 *      5      bytes of the reply
 *      6  7   expiresAtMs
 *      8  9   position: the log offset of the remember
 *     10 .. 13  hash of what was asked for
 *     14 ...  the id, and right after it the reply
 *
 *     oldest --next--> ... --next--> newest     they come at one end and go at the other
 *
 * Two can have the same id: one that is overdue and not forgotten yet, and the one that came after it. So a look-up takes
 * the newest. Rows (reply-row.ts) have those of other commands of the same batch beside them. Remembering, forgetting and
 * finding one cost O(1).
 */
import { type ByteRange, copyBytes } from "../structures/byte-range.ts";
import { HashTable } from "../structures/hash-table.ts";
import { PageHeap } from "../structures/page-heap.ts";
import { SlabAllocator } from "../structures/slab-allocator.ts";
import { readUint16, readUint32, readUint48 } from "./operation.ts";
import { copyWords } from "./queue-duplicates.ts";
import { readLong, writeLong } from "./queue-record.ts";
import { RememberedReply, type ReplyCursor } from "./remembered-reply.ts";
import type { ReplyObserver } from "./reply-images.ts";
import {
  OP_REMEMBER,
  PAYLOAD_HASH_BYTES,
  REMEMBER_HEADER_BYTES,
  type ReplyFormat,
  replyOperationBytes,
} from "./reply-operation.ts";
import { showPlace } from "./reply-row.ts";

const HASH_NEXT = 1;
const HASH = 2;
const NEXT = 3;
const BEFORE = 4;
const REPLY_BYTES = 5;
const EXPIRES_AT = 6;
const POSITION = 8;
const PAYLOAD_HASH = 10;
const HEADER_WORDS = 14;

const ID_BYTES_MASK = 0xffff;
const FORMAT_SHIFT = 16;
/** What the hash table takes for an entry. */
const TABLE_BYTES = 4;

export interface ReplyStoreOptions {
  /** Ids are the clients' choice, and should not choose their chains. No part of the state. */
  readonly hashSeed: number;
  readonly pageBytes?: number;
}

export class ReplyStore {
  readonly #heap: PageHeap;
  readonly #slab: SlabAllocator;
  readonly #table: HashTable;
  readonly #seed: number;
  #oldest = 0;
  #newest = 0;
  #observer: ReplyObserver | undefined = undefined;
  readonly #applied = new RememberedReply();
  readonly #move = (ref: number): void => this.#moveTo(ref);

  constructor({ hashSeed, pageBytes }: ReplyStoreOptions) {
    this.#heap = new PageHeap(pageBytes);
    this.#slab = new SlabAllocator(this.#heap, 0);
    this.#table = new HashTable(this.#slab.words, HASH_NEXT);
    this.#seed = hashSeed;
  }

  get count(): number {
    return this.#table.count;
  }

  /** Bytes of what is remembered, which the limit counts: 0 when all is forgotten. */
  get usedBytes(): number {
    return this.#slab.usedBytes + this.#table.usedBytes;
  }

  /** Bytes of the pages and the table these are in. */
  get heldBytes(): number {
    return this.#heap.heldBytes + this.#tableBytes;
  }

  /** `heldBytes` and pages that are free but stay with the process. */
  get residentBytes(): number {
    return this.#heap.residentBytes + this.#tableBytes;
  }

  /** Its first chunk is there from the start and is left out, so that an empty store holds nothing. */
  get #tableBytes(): number {
    return this.#slab.count === 0 ? 0 : this.#table.heldBytes;
  }

  /** What one more reply adds to `usedBytes`. */
  bytesNeeded(idBytes: number, replyBytes: number): number {
    return this.#slab.slotBytesFor(HEADER_WORDS * 4 + idBytes + replyBytes) + TABLE_BYTES;
  }

  /** Whether there are addresses for so many bytes more. */
  canTake(bytes: number): boolean {
    return this.#heap.canTake(bytes);
  }

  /** Lets `entry` show the reply that is remembered for this request at `nowMs`; false where there is none. */
  find(id: ByteRange, nowMs: number, entry: RememberedReply): boolean {
    const ref = this.#newestWith(id);
    if (ref === 0 || readLong(this.#wordsOf(ref), (ref & 0xfffffe) + EXPIRES_AT) <= nowMs) return false;
    this.#read(ref, entry);
    return true;
  }

  /** Whether anything is remembered under this id at `nowMs`. */
  has(id: ByteRange, nowMs: number): boolean {
    const hash = this.#hashOf(id.bytes, id.start, id.end);
    for (let ref = this.#table.first(hash); ref !== 0; ref = this.#table.next(ref)) {
      if (this.#get(ref, HASH) !== hash || !this.#hasId(ref, id)) continue;
      if (readLong(this.#wordsOf(ref), (ref & 0xfffffe) + EXPIRES_AT) > nowMs) return true;
    }
    return false;
  }

  /** As `find`, for a place of the rows that have this id. */
  findPlace(id: ByteRange, place: number, nowMs: number, entry: RememberedReply): boolean {
    const hash = this.#hashOf(id.bytes, id.start, id.end);
    for (let ref = this.#table.first(hash); ref !== 0; ref = this.#table.next(ref)) {
      if (this.#get(ref, HASH) !== hash || !this.#hasId(ref, id)) continue;
      this.#read(ref, entry);
      // Who adds a place has looked whether it is there, so one at the most is not overdue.
      if (entry.expiresAtMs > nowMs && showPlace(entry, place)) return true;
    }
    return false;
  }

  #newestWith(id: ByteRange): number {
    const hash = this.#hashOf(id.bytes, id.start, id.end);
    let newest = 0;
    for (let ref = this.#table.first(hash); ref !== 0; ref = this.#table.next(ref)) {
      if (this.#get(ref, HASH) !== hash || !this.#hasId(ref, id)) continue;
      if (newest === 0 || this.#positionOf(ref) > this.#positionOf(newest)) newest = ref;
    }
    return newest;
  }

  /**
   * How many of the oldest have to go so that `neededBytes` more fit into `bytesMax`, and what they give back: up to
   * `countMax`, which may not be enough.
   */
  dropsFor(
    neededBytes: number,
    bytesMax: number,
    countMax: number,
  ): { readonly count: number; readonly bytes: number } {
    const excessBytes = this.usedBytes + neededBytes - bytesMax;
    let count = 0;
    let bytes = 0;
    for (let ref = this.#oldest; ref !== 0 && bytes < excessBytes && count < countMax; ref = this.#get(ref, NEXT)) {
      bytes += this.#slab.slotBytesOf(ref) + TABLE_BYTES;
      count++;
    }
    return { count, bytes };
  }

  /** How many of the oldest are overdue, or past `bytesMax`; up to `countMax`. */
  countDue(nowMs: number, bytesMax: number, countMax: number): number {
    let count = 0;
    let excessBytes = this.usedBytes - bytesMax;
    for (let ref = this.#oldest; ref !== 0 && count < countMax; ref = this.#get(ref, NEXT)) {
      const isOverdue = readLong(this.#wordsOf(ref), (ref & 0xfffffe) + EXPIRES_AT) <= nowMs;
      if (!isOverdue && excessBytes <= 0) break;
      excessBytes -= this.#slab.slotBytesOf(ref) + TABLE_BYTES;
      count++;
    }
    return count;
  }

  /** Moves a cursor to the next reply, the oldest of all for a new one; false where there is none. */
  advance(cursor: ReplyCursor): boolean {
    const ref = this.#refAfter(cursor);
    if (ref === 0) return false;
    this.#read(ref, cursor.entry);
    cursor.keep();
    return true;
  }

  #refAfter(cursor: ReplyCursor): number {
    if (this.#oldest === 0 || this.#positionOf(this.#oldest) > cursor.position) return this.#oldest;
    const hash = this.#hashOf(cursor.id.bytes, cursor.id.start, cursor.id.end);
    for (let ref = this.#table.first(hash); ref !== 0; ref = this.#table.next(ref)) {
      if (this.#positionOf(ref) === cursor.position) return this.#get(ref, NEXT);
    }
    throw new Error(`the reply at position ${cursor.position} is gone, and older ones are there`);
  }

  /**
   * Applies the operation at `at` and returns where the next one begins. Throws on what plan cannot have written.
   * @param end of the record.
   * @param offset the operation's own in the log.
   */
  apply(bytes: Uint8Array, at: number, end: number, offset: number): number {
    const next = at + replyOperationBytes(bytes, at);
    if (next > end)
      throw new Error(`operation of kind ${bytes[at]} at byte ${at} runs ${next - end} bytes past its record`);
    if (bytes[at] === OP_REMEMBER) {
      this.#forget(readUint32(bytes, at + 8), offset);
      const entry = this.#applied;
      readRemember(bytes, at, entry);
      entry.position = offset;
      this.restore(entry);
    } else {
      this.#forget(readUint32(bytes, at + 1), offset);
    }
    return next;
  }

  #forget(dropCount: number, offset: number): void {
    if (dropCount > this.count) {
      throw new Error(`operation at offset ${offset} forgets ${dropCount} replies of ${this.count}`);
    }
    for (let i = 0; i < dropCount; i++) this.#removeOldest();
  }

  /** Adds a reply as it was remembered, the newest of all: for apply, and for whoever puts the state together again. */
  restore(entry: RememberedReply): void {
    const { id, reply, hash } = entry;
    const before = this.#newest;
    if (before !== 0 && this.#positionOf(before) >= entry.position) {
      throw new Error(`a reply at position ${entry.position} does not follow ${this.#positionOf(before)}`);
    }
    const idBytes = id.end - id.start;
    const replyBytes = reply.end - reply.start;
    const ref = this.#slab.allocate(HEADER_WORDS * 4 + idBytes + replyBytes);
    const words = this.#wordsOf(ref);
    const at = ref & 0xfffffe;
    words[at] = (entry.format << FORMAT_SHIFT) | idBytes;
    words[at + NEXT] = 0;
    words[at + BEFORE] = before;
    words[at + REPLY_BYTES] = replyBytes;
    writeLong(words, at + EXPIRES_AT, entry.expiresAtMs);
    writeLong(words, at + POSITION, entry.position);
    const bytes = this.#slab.bytes[ref >>> 24];
    const idAt = (at + HEADER_WORDS) * 4;
    copyBytes(hash.bytes, hash.start, hash.end, bytes, (at + PAYLOAD_HASH) * 4);
    copyBytes(id.bytes, id.start, id.end, bytes, idAt);
    copyBytes(reply.bytes, reply.start, reply.end, bytes, idAt + idBytes);
    this.#table.add(ref, this.#hashOf(id.bytes, id.start, id.end));
    if (before === 0) this.#oldest = ref;
    else this.#set(before, NEXT, ref);
    this.#newest = ref;
  }

  #removeOldest(): void {
    this.#observer?.beforeForget(this.#positionOf(this.#oldest));
    const ref = this.#oldest;
    this.#oldest = this.#get(ref, NEXT);
    if (this.#oldest === 0) this.#newest = 0;
    else this.#set(this.#oldest, BEFORE, 0);
    this.#table.remove(ref);
    this.#slab.free(ref);
  }

  /** From now on this is shown each reply before it goes; one at a time. */
  observe(observer: ReplyObserver | undefined): void {
    this.#observer = observer;
  }

  /** Bytes that `evacuate` can give back, where replies of other sizes have left pages sparse. */
  get reclaimableBytes(): number {
    return this.#slab.reclaimableBytes;
  }

  /** Moves the replies of one span, at most 2 MB, elsewhere; entries that were read are void then. Returns whether it did. */
  evacuate(): boolean {
    return this.#slab.evacuate(this.#move);
  }

  #moveTo(old: number): void {
    const bytes = this.#bytesOf(old);
    const ref = this.#slab.allocate(bytes);
    copyWords(this.#slab, old, ref, (bytes + 3) >> 2);
    this.#table.replace(old, ref);
    const next = this.#get(ref, NEXT);
    const before = this.#get(ref, BEFORE);
    if (next === 0) this.#newest = ref;
    else this.#set(next, BEFORE, ref);
    if (before === 0) this.#oldest = ref;
    else this.#set(before, NEXT, ref);
    this.#slab.free(old);
  }

  #read(ref: number, entry: RememberedReply): void {
    const words = this.#wordsOf(ref);
    const bytes = this.#slab.bytes[ref >>> 24];
    const at = ref & 0xfffffe;
    const hashAt = (at + PAYLOAD_HASH) * 4;
    const idAt = (at + HEADER_WORDS) * 4;
    const replyAt = idAt + (words[at] & ID_BYTES_MASK);
    // Plan wrote one of the formats here.
    entry.format = (words[at] >>> FORMAT_SHIFT) as ReplyFormat;
    entry.expiresAtMs = readLong(words, at + EXPIRES_AT);
    entry.position = readLong(words, at + POSITION);
    entry.hash.place(bytes, hashAt, hashAt + PAYLOAD_HASH_BYTES);
    entry.id.place(bytes, idAt, replyAt);
    entry.reply.place(bytes, replyAt, replyAt + words[at + REPLY_BYTES]);
  }

  /** All state as text, the oldest first: the same on every node that applied the same operations. */
  dump(): string[] {
    const lines: string[] = [];
    const entry = new RememberedReply();
    for (let ref = this.#oldest; ref !== 0; ref = this.#get(ref, NEXT)) {
      this.#read(ref, entry);
      const { position, format, expiresAtMs } = entry;
      lines.push(
        `reply ${position} id ${hex(entry.id)} hash ${hex(entry.hash)} until ${expiresAtMs} ${format} ${hex(entry.reply)}`,
      );
    }
    return lines;
  }

  /** Checks list, table and slots against each other; throws where they disagree. For tests: it walks everything. */
  checkInvariants(): void {
    this.#slab.checkInvariants();
    this.#table.checkInvariants();
    let before = 0;
    let count = 0;
    for (let ref = this.#oldest; ref !== 0; ref = this.#get(ref, NEXT)) {
      if (this.#get(ref, BEFORE) !== before) throw new Error("replies are not linked both ways");
      if (before !== 0 && this.#positionOf(before) >= this.#positionOf(ref))
        throw new Error("replies are out of order");
      if (this.#slab.slotBytesOf(ref) !== this.#slab.slotBytesFor(this.#bytesOf(ref)))
        throw new Error("a reply is in a slot of another size");
      before = ref;
      count++;
    }
    if (before !== this.#newest) throw new Error("the newest reply is not the last");
    if (count !== this.count || count !== this.#slab.count)
      throw new Error(`${count} replies are listed, ${this.count} found by id, ${this.#slab.count} kept`);
  }

  #hasId(ref: number, id: ByteRange): boolean {
    const at = ref & 0xfffffe;
    const length = id.end - id.start;
    if ((this.#get(ref, 0) & ID_BYTES_MASK) !== length) return false;
    const bytes = this.#slab.bytes[ref >>> 24];
    const start = (at + HEADER_WORDS) * 4;
    for (let i = 0; i < length; i++) if (bytes[start + i] !== id.bytes[id.start + i]) return false;
    return true;
  }

  /** FNV-1a from a seed, with a finalizer that lets every bit count in the low ones. */
  #hashOf(bytes: Uint8Array, start: number, end: number): number {
    let hash = this.#seed ^ 0x811c_9dc5;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i], 0x0100_0193);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
    return hash ^ (hash >>> 13);
  }

  /** Of the whole entry. */
  #bytesOf(ref: number): number {
    return HEADER_WORDS * 4 + (this.#get(ref, 0) & ID_BYTES_MASK) + this.#get(ref, REPLY_BYTES);
  }

  #positionOf(ref: number): number {
    return readLong(this.#wordsOf(ref), (ref & 0xfffffe) + POSITION);
  }

  #wordsOf(ref: number): Int32Array {
    return this.#slab.words[ref >>> 24];
  }

  #get(ref: number, word: number): number {
    return this.#slab.words[ref >>> 24][(ref & 0xfffffe) + word];
  }

  #set(ref: number, word: number, value: number): void {
    this.#slab.words[ref >>> 24][(ref & 0xfffffe) + word] = value;
  }
}

/** Lets `entry` show the reply of the remember at `at`, in place. */
function readRemember(bytes: Uint8Array, at: number, entry: RememberedReply): void {
  const idAt = at + REMEMBER_HEADER_BYTES;
  const replyAt = idAt + readUint16(bytes, at + 2);
  // Plan wrote one of the formats here.
  entry.format = bytes[at + 1] as ReplyFormat;
  entry.expiresAtMs = readUint48(bytes, at + 12);
  entry.hash.place(bytes, at + 18, at + 18 + PAYLOAD_HASH_BYTES);
  entry.id.place(bytes, idAt, replyAt);
  entry.reply.place(bytes, replyAt, replyAt + readUint32(bytes, at + 4));
}

function hex({ bytes, start, end }: ByteRange): string {
  return Buffer.from(bytes.subarray(start, end)).toString("hex");
}
