/**
 * The dedup ids that queues remember, in slab slots of their own: they outlive their messages.
 *
 *      0      bytes of the id
 *      1  2   next in the hash chain, hash
 *      3  4   neighbours among the ids of the queue: the one after it, the one before it
 *      5  6   message id
 *      7  8   untilMs
 *      9      slot of the queue
 *     10 ...  the id
 *
 * A queue's ids are a list, the oldest first. Its window never changes, so the oldest is forgotten first.
 */
import { ByteRange, copyBytes } from "../structures/byte-range.ts";
import { HashTable } from "../structures/hash-table.ts";
import type { PageHeap } from "../structures/page-heap.ts";
import { SlabAllocator } from "../structures/slab-allocator.ts";
import type { Queue } from "./queue.ts";
import type { QueueObserver } from "./queue-observer.ts";
import { readLong, writeLong } from "./queue-record.ts";

const HASH_NEXT = 1;
const HASH = 2;
const NEXT = 3;
const BEFORE = 4;
const MESSAGE_ID = 5;
const UNTIL = 7;
const QUEUE_SLOT = 9;
const HEADER_WORDS = 10;

/** What is remembered of one id, in place. */
export interface DedupEntry {
  readonly id: ByteRange;
  readonly messageId: number;
  readonly untilMs: number;
}

export class QueueDuplicates {
  readonly slab: SlabAllocator;
  readonly #table: HashTable;
  readonly #seed: number;
  observer: QueueObserver | undefined = undefined;
  /** The observer's place in the list of a queue, 0 for none: it stays on its id where that is moved. */
  bookmark = 0;

  constructor(heap: PageHeap, owner: number, spanBytesMax: number, seed: number) {
    this.slab = new SlabAllocator(heap, owner, spanBytesMax);
    this.#table = new HashTable(this.slab.words, HASH_NEXT);
    this.#seed = seed;
  }

  get usedBytes(): number {
    return this.slab.usedBytes + this.#table.usedBytes;
  }

  /** Outside the heap's pages. */
  get heldBytes(): number {
    return this.#table.heldBytes;
  }

  /** What an id adds to `usedBytes`. */
  bytesNeeded(idBytes: number): number {
    return this.slab.slotBytesFor(HEADER_WORDS * 4 + idBytes) + 4;
  }

  /** The message that was published with this id and is remembered at `nowMs`; 0 for none. */
  find(queue: Queue, id: ByteRange, nowMs: number): number {
    const hash = this.#hashOf(id.bytes, id.start, id.end, queue.slot);
    for (let ref = this.#table.first(hash); ref !== 0; ref = this.#table.next(ref)) {
      const words = this.slab.words[ref >>> 24];
      const at = ref & 0xfffffe;
      if (words[at + HASH] !== hash || words[at + QUEUE_SLOT] !== queue.slot) continue;
      if (readLong(words, at + UNTIL) > nowMs && this.#equals(ref, id)) return readLong(words, at + MESSAGE_ID);
    }
    return 0;
  }

  add(queue: Queue, bytes: Uint8Array, start: number, end: number, messageId: number, untilMs: number): void {
    const ref = this.slab.allocate(HEADER_WORDS * 4 + end - start);
    const words = this.slab.words[ref >>> 24];
    const at = ref & 0xfffffe;
    words[at] = end - start;
    words[at + NEXT] = 0;
    words[at + BEFORE] = queue.dedupLast;
    words[at + QUEUE_SLOT] = queue.slot;
    writeLong(words, at + MESSAGE_ID, messageId);
    writeLong(words, at + UNTIL, untilMs);
    copyBytes(bytes, start, end, this.slab.bytes[ref >>> 24], (at + HEADER_WORDS) * 4);
    this.#table.add(ref, this.#hashOf(bytes, start, end, queue.slot));
    if (queue.dedupLast === 0) queue.dedupFirst = ref;
    else this.#set(queue.dedupLast, NEXT, ref);
    queue.dedupLast = ref;
    queue.dedupCount++;
  }

  /** Until when the oldest id of a queue is remembered; the queue has one. */
  firstUntilMs(queue: Queue): number {
    const ref = queue.dedupFirst;
    return readLong(this.slab.words[ref >>> 24], (ref & 0xfffffe) + UNTIL);
  }

  /** How many of the oldest ids have had their time, up to `limit`. */
  countDue(queue: Queue, nowMs: number, limit: number): number {
    let count = 0;
    for (let ref = queue.dedupFirst; ref !== 0 && count < limit; ref = this.#get(ref, NEXT)) {
      if (readLong(this.slab.words[ref >>> 24], (ref & 0xfffffe) + UNTIL) > nowMs) break;
      count++;
    }
    return count;
  }

  /** Forgets the oldest id of a queue, which has one. */
  removeFirst(queue: Queue): void {
    const ref = queue.dedupFirst;
    this.observer?.beforeForget(queue, ref);
    queue.dedupFirst = this.#get(ref, NEXT);
    if (queue.dedupFirst === 0) queue.dedupLast = 0;
    else this.#set(queue.dedupFirst, BEFORE, 0);
    queue.dedupCount--;
    this.#table.remove(ref);
    this.slab.free(ref);
  }

  /** Moves an id to another slot, as `SlabAllocator#evacuate` asks for. */
  move(old: number, queue: Queue): void {
    const ref = this.slab.allocate(HEADER_WORDS * 4 + this.#get(old, 0));
    copyWords(this.slab, old, ref, HEADER_WORDS + ((this.#get(old, 0) + 3) >> 2));
    this.#table.replace(old, ref);
    const next = this.#get(ref, NEXT);
    const before = this.#get(ref, BEFORE);
    if (next !== 0) this.#set(next, BEFORE, ref);
    else queue.dedupLast = ref;
    if (before !== 0) this.#set(before, NEXT, ref);
    else queue.dedupFirst = ref;
    if (this.bookmark === old) this.bookmark = ref;
    this.slab.free(old);
  }

  /** The id that came after this one; 0 behind the last. */
  next(ref: number): number {
    return this.#get(ref, NEXT);
  }

  entry(ref: number): DedupEntry {
    const words = this.slab.words[ref >>> 24];
    const at = ref & 0xfffffe;
    const start = (at + HEADER_WORDS) * 4;
    const id = new ByteRange(this.slab.bytes[ref >>> 24], start, start + words[at]);
    return { id, messageId: readLong(words, at + MESSAGE_ID), untilMs: readLong(words, at + UNTIL) };
  }

  queueSlotOf(ref: number): number {
    return this.#get(ref, QUEUE_SLOT);
  }

  /** One line for each id of a queue, the oldest first. */
  dump(queue: Queue): string[] {
    const lines: string[] = [];
    for (let ref = queue.dedupFirst; ref !== 0; ref = this.#get(ref, NEXT)) {
      const { id, messageId, untilMs } = this.entry(ref);
      const hex = Buffer.from(id.bytes.subarray(id.start, id.end)).toString("hex");
      lines.push(`dedup ${hex} message ${messageId} until ${untilMs}`);
    }
    return lines;
  }

  /** Throws where a queue's list is wrong; returns how long it is. For tests. */
  checkQueue(queue: Queue): number {
    let count = 0;
    let before = 0;
    for (let ref = queue.dedupFirst; ref !== 0; ref = this.#get(ref, NEXT)) {
      if (this.#get(ref, BEFORE) !== before) throw new Error("dedup ids are not linked both ways");
      if (this.#get(ref, QUEUE_SLOT) !== queue.slot) throw new Error("a dedup id is in the list of another queue");
      before = ref;
      count++;
    }
    if (before !== queue.dedupLast) throw new Error("the last dedup id is not the last");
    if (count !== queue.dedupCount) throw new Error(`${count} dedup ids are listed, ${queue.dedupCount} counted`);
    return count;
  }

  checkInvariants(): void {
    this.slab.checkInvariants();
    this.#table.checkInvariants();
    if (this.slab.count !== this.#table.count) throw new Error("dedup ids are lost");
  }

  #equals(ref: number, id: ByteRange): boolean {
    const at = ref & 0xfffffe;
    const length = id.end - id.start;
    if (this.slab.words[ref >>> 24][at] !== length) return false;
    const bytes = this.slab.bytes[ref >>> 24];
    const start = (at + HEADER_WORDS) * 4;
    for (let i = 0; i < length; i++) if (bytes[start + i] !== id.bytes[id.start + i]) return false;
    return true;
  }

  /** FNV-1a from a seed, with a finalizer: ids are the clients' choice, and should not choose their chains. */
  #hashOf(bytes: Uint8Array, start: number, end: number, queueSlot: number): number {
    let hash = this.#seed ^ Math.imul(queueSlot, 0x9e37_79b1);
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i], 0x0100_0193);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
    return hash ^ (hash >>> 13);
  }

  #get(ref: number, word: number): number {
    return this.slab.words[ref >>> 24][(ref & 0xfffffe) + word];
  }

  #set(ref: number, word: number, value: number): void {
    this.slab.words[ref >>> 24][(ref & 0xfffffe) + word] = value;
  }
}

/** Copies the first words of one slot to another. */
export function copyWords(slab: SlabAllocator, from: number, to: number, count: number): void {
  const start = from & 0xfffffe;
  slab.words[to >>> 24].set(slab.words[from >>> 24].subarray(start, start + count), to & 0xfffffe);
}
