/**
 * The memory of the key store: the heap of pages with the records and the tree's nodes in it, the deadlines, and the limit.
 *
 * The limit counts pages (`heldBytes`), and those that were in use once and stay with the process, so it holds for what the
 * process really takes. The caller keeps `usedBytes` below `usableBytes` by evicting. A change that needs a page beyond the
 * limit first empties a sparse span by moving what is in it, so that space left behind by values of other sizes is not lost.
 * One that needs a run of pages, where free ones are scattered, clears the run that costs least. Each object moved costs
 * about a microsecond; a span has at most 1 MB. Large objects are not moved, so where values of many pages and of many sizes
 * come and go, no run may be long enough: then the process takes more than the limit, seen up to twice as much.
 */
import { DEADLINE_GROWTH_BYTES, DeadlineHeap } from "../structures/deadline-heap.ts";
import { ADDRESSABLE_BYTES, PAGE_BYTES_DEFAULT, PageHeap } from "../structures/page-heap.ts";
import { RadixTree } from "../structures/radix-tree.ts";
import * as record from "../structures/record.ts";
import { SlabAllocator } from "../structures/slab-allocator.ts";
import type { EvictionPolicy } from "./key-store-eviction.ts";

/** Of the limit, what is kept free so that sparse spans can be emptied before it is reached: one part in 16. */
const HEADROOM_PART = 16;
/** No span may be larger than this part of the limit. */
const SPAN_PART = 256;
/** Stores with a limit below this get smaller pages, so that a page per size class stays a small part of them. */
const FULL_PAGES_LIMIT_BYTES = 2 ** 26;
const PAGE_BYTES_MIN = 2 ** 12;
/** Bytes of the largest span of nodes, whatever the page size. */
const NODE_SPAN_BYTES_MAX = 2 ** 16;

export interface KeyStoreOptions {
  /** 0 for none but what can be addressed, 16 GB. */
  readonly memoryBytesMax: number;
  readonly evictionPolicy: EvictionPolicy;
  /** Bytes of the limit that others hold: queues, rooms, outboxes. `measure` asks. */
  readonly bytesElsewhere?: () => number;
}

const RECORDS = 0;
const NODES = 1;

/**
 * So many small changes are made without a look at the memory, where much more is left than they could take: each may need a
 * span of records and one of nodes.
 */
const UNSEEN_CHANGES = 64;
const UNSEEN_BYTES_MAX = 4096;
const PLENTY_FOR_CHANGES_BYTES = 2 ** 27;
/** What they could add to `usedBytes`, with room to spare. */
const PLENTY_FOR_PLANS_BYTES = 2 ** 20;

export class KeyStoreMemory {
  /** What is left of the limit for keys. */
  limitBytes: number;
  heap: PageHeap;
  records: SlabAllocator;
  tree: RadixTree;
  deadlines = new DeadlineHeap();
  readonly #pageBytes: number;
  readonly #spanBytesMax: number;
  /** The pages that one change may take beside what it needs itself. */
  readonly #growthBytesMax: number;
  /** Called before a record is freed because it was moved. */
  readonly #onMoved: (oldRef: number) => void;
  readonly #moveRecord = (slot: number): void => this.#moveOneRecord(slot | 1);
  readonly #moveNode = (ref: number): void => this.tree.moveNode(ref);
  /** Left behind by `detach`, to be dropped piece by piece. */
  readonly #detached: PageHeap[] = [];
  #detachedBytes = 0;
  /** Left behind by `detach` for a snapshot, which walks on in it. */
  #kept: PageHeap | undefined = undefined;
  /** Bytes that were neither used nor could be given back when `measure` last looked. */
  #pinnedBytes = 0;
  readonly #bytesElsewhere: () => number;
  readonly #limitBytesMax: number;
  /** Small changes that may still be made, and planned, without a look. */
  #unseenChanges = 0;
  #unseenPlans = 0;

  /**
   * @param limitBytes 0 for none but what can be addressed.
   * @param bytesElsewhere what others hold of the limit now; `measure` asks.
   */
  constructor(limitBytes: number, onMoved: (oldRef: number) => void, bytesElsewhere: () => number = () => 0) {
    this.#bytesElsewhere = bytesElsewhere;
    this.#limitBytesMax = limitBytes === 0 ? Number.MAX_SAFE_INTEGER : limitBytes;
    this.limitBytes = Math.min(limitBytes === 0 ? ADDRESSABLE_BYTES : limitBytes, ADDRESSABLE_BYTES);
    this.#pageBytes = pageBytesFor(this.limitBytes);
    this.#spanBytesMax = this.limitBytes / SPAN_PART;
    this.#onMoved = onMoved;
    this.heap = new PageHeap(this.#pageBytes);
    this.records = new SlabAllocator(this.heap, RECORDS, this.#spanBytesMax);
    this.tree = new RadixTree(new SlabAllocator(this.heap, NODES, this.#spanBytesMax), this.records);
    this.#growthBytesMax = this.records.spanBytesMax + NODE_SPAN_BYTES_MAX + DEADLINE_GROWTH_BYTES;
    this.measure();
  }

  get usedBytes(): number {
    return this.records.usedBytes + this.tree.nodes.usedBytes + this.deadlines.usedBytes;
  }

  get heldBytes(): number {
    return this.heap.heldBytes + this.deadlines.heldBytes + this.#leftBytes;
  }

  /** What the process has: `heldBytes` and pages that are free now. */
  get residentBytes(): number {
    return this.heap.residentBytes + this.deadlines.heldBytes + this.#leftBytes;
  }

  get #leftBytes(): number {
    return this.#detachedBytes + this.keptBytes;
  }

  /** Bytes that a flush has left and a snapshot keeps. */
  get keptBytes(): number {
    return this.#kept?.residentBytes ?? 0;
  }

  /**
   * What `usedBytes` may become. What `detach` has left does not count: it goes when its room is needed. What a snapshot
   * keeps does: the limit holds, and writes that find no room in what is left of it are refused until the snapshot ends.
   */
  get usableBytes(): number {
    const unusable = this.#pinnedBytes + this.#growthBytesMax;
    const reserved = Math.max(this.limitBytes / HEADROOM_PART, unusable) + this.keptBytes;
    return this.limitBytes - Math.min(this.limitBytes, reserved);
  }

  /** Looks again at what others hold and at what is lost between records; `usableBytes` follows. */
  measure(): void {
    this.limitBytes = Math.min(Math.max(0, this.#limitBytesMax - this.#bytesElsewhere()), ADDRESSABLE_BYTES);
    const reclaimable = this.records.reclaimableBytes + this.tree.nodes.reclaimableBytes;
    const held = this.heap.heldBytes + this.deadlines.heldBytes;
    this.#pinnedBytes = Math.max(0, held - this.usedBytes - reclaimable);
    this.#unseenChanges = 0;
    this.#unseenPlans = 0;
  }

  /**
   * Whether a change of so many bytes of key and value is small, and may be planned whatever it takes. Where not, the planner
   * looks, and tells `planned` what it has found.
   */
  takesUnseen(bytes: number): boolean {
    if (this.#unseenPlans === 0 || bytes > UNSEEN_BYTES_MAX) return false;
    this.#unseenPlans--;
    return true;
  }

  /** @param freeBytes of `usableBytes`, those that are left with what is planned. */
  planned(freeBytes: number): void {
    const isPlenty = freeBytes > PLENTY_FOR_PLANS_BYTES && this.heap.canTake(PLENTY_FOR_PLANS_BYTES);
    this.#unseenPlans = isPlenty ? UNSEEN_CHANGES : 0;
  }

  /**
   * Leaves everything behind and begins anew, in O(1).
   * @param keep leaves it as it is until `releaseKept`, for the one who asked for it; nothing is kept already.
   */
  detach(keep: boolean): void {
    if (keep) this.#kept = this.heap;
    else this.#leave(this.heap);
    this.heap = new PageHeap(this.#pageBytes);
    this.records = new SlabAllocator(this.heap, RECORDS, this.#spanBytesMax);
    this.tree = new RadixTree(new SlabAllocator(this.heap, NODES, this.#spanBytesMax), this.records);
    this.deadlines = new DeadlineHeap();
    this.#pinnedBytes = 0;
    this.#unseenChanges = 0;
    this.#unseenPlans = 0;
  }

  #leave(heap: PageHeap): void {
    this.#detached.push(heap);
    this.#detachedBytes += heap.residentBytes;
  }

  /** What is kept may go with `freeDetached`. */
  releaseKept(): void {
    if (this.#kept !== undefined) this.#leave(this.#kept);
    this.#kept = undefined;
  }

  /** Drops up to `chunks` pieces, of 64 MB at most, of what `detach` has left; returns whether there is more. */
  freeDetached(chunks: number): boolean {
    for (let i = 0; i < chunks; i++) {
      const heap = this.#detached.at(-1);
      if (heap === undefined) return false;
      const { residentBytes } = heap;
      if (!heap.dropNextChunk()) this.#detached.pop();
      this.#detachedBytes -= residentBytes - heap.residentBytes;
    }
    this.measure();
    return this.#detached.length > 0;
  }

  /**
   * Makes sure that a change can take pages below the limit.
   * @param needed bytes of the record that it writes.
   * @param expires whether it may add a deadline.
   * @returns whether anything was moved for it.
   */
  makeRoom(needed: number, expires: boolean): boolean {
    if (this.#unseenChanges > 0 && needed <= UNSEEN_BYTES_MAX) {
      this.#unseenChanges--;
      return false;
    }
    const freeBytes = this.limitBytes - this.residentBytes - this.#growthBytesMax;
    this.#unseenChanges = freeBytes > PLENTY_FOR_CHANGES_BYTES ? UNSEEN_CHANGES : 0;
    return freeBytes < needed && this.#reclaim(needed, expires);
  }

  #reclaim(needed: number, expires: boolean): boolean {
    let moved = false;
    for (;;) {
      const pages = this.records.pagesFor(needed);
      const growth = this.#growthFor(pages) + (expires ? this.deadlines.growthBytes : 0);
      const held = this.heldBytes + pages * this.#pageBytes + NODE_SPAN_BYTES_MAX;
      if (held <= this.limitBytes && (growth === 0 || this.residentBytes + growth <= this.limitBytes)) break;
      if (this.#detached.length > 0) {
        this.freeDetached(1);
        continue;
      }
      if (!this.#gainPages(pages)) break;
      moved = true;
    }
    this.measure();
    return moved;
  }

  /** Bytes that the process must get for a span of so many pages and one of nodes. */
  #growthFor(pages: number): number {
    const nodeBytes = this.heap.freePages >= pages + NODE_SPAN_BYTES_MAX / this.#pageBytes ? 0 : NODE_SPAN_BYTES_MAX;
    return this.heap.growthFor(pages) + nodeBytes;
  }

  /** Makes free pages, or of scattered free pages a run; returns whether it could. */
  #gainPages(pages: number): boolean {
    // What is moved out of the run goes to other free pages, of which there must be enough.
    if (pages > 1 && this.heap.freePages >= 2 * pages + 2 && this.heap.growthFor(pages) > 0 && this.#clearRun(pages))
      return true;
    const { records } = this;
    const { nodes } = this.tree;
    if (records.heldBytes - records.usedBytes >= nodes.heldBytes - nodes.usedBytes) {
      return records.evacuate(this.#moveRecord) || nodes.evacuate(this.#moveNode);
    }
    return nodes.evacuate(this.#moveNode) || records.evacuate(this.#moveRecord);
  }

  #clearRun(pages: number): boolean {
    const window = this.heap.cheapestWindow(pages, (owner, table, row) =>
      (owner === RECORDS ? this.records : this.tree.nodes).clearingCost(table, row),
    );
    if (window < 0) return false;
    this.heap.clearWindow(window, pages, (owner, span) => {
      if (owner === RECORDS) this.records.clearSpan(span, this.#moveRecord);
      else this.tree.nodes.clearSpan(span, this.#moveNode);
    });
    return true;
  }

  #moveOneRecord(old: number): void {
    const { records } = this;
    const from = records.words[old >>> 24];
    const fromAt = old & 0xfffffe;
    const expires = record.hasDeadline(from, fromAt);
    const bytes = record.recordBytes(record.keyBytesOf(from, fromAt), record.valueBytesOf(from, fromAt), expires);
    const ref = records.allocate(bytes) | 1;
    const to = records.words[ref >>> 24];
    const toAt = ref & 0xfffffe;
    const wordCount = (bytes + 3) >> 2;
    if (wordCount > 256) to.set(from.subarray(fromAt, fromAt + wordCount), toAt);
    else for (let i = 0; i < wordCount; i++) to[toAt + i] = from[fromAt + i];
    if (expires) this.deadlines.setOwner(record.deadlineHandleOf(to, toAt), ref);
    this.tree.replace(old, ref);
    this.#onMoved(old);
    records.free(old);
  }

  /** Checks the structures against each other; throws where they disagree. For tests: it walks everything. */
  checkInvariants(): void {
    this.records.checkInvariants();
    this.tree.nodes.checkInvariants();
    this.tree.checkInvariants();
    this.deadlines.checkInvariants();
    if (this.records.heldBytes + this.tree.nodes.heldBytes !== this.heap.heldBytes) throw new Error("pages are lost");
    if (this.heap.heldBytes > this.heap.residentBytes) throw new Error("pages in use were never touched");
    let expiring = 0;
    this.records.walk((slot) => {
      const words = this.records.words[slot >>> 24];
      const at = slot & 0xfffffe;
      const hasDeadline = record.hasDeadline(words, at);
      const bytes = record.recordBytes(record.keyBytesOf(words, at), record.valueBytesOf(words, at), hasDeadline);
      if (this.records.slotBytesOf(slot) !== this.records.slotBytesFor(bytes)) {
        throw new Error("a record has another slot than its length wants");
      }
      if (!hasDeadline) return true;
      expiring++;
      const handle = record.deadlineHandleOf(words, at);
      if (this.deadlines.ownerOf(handle) !== (slot | 1)) throw new Error("a deadline has another owner");
      if (this.deadlines.deadlineMsOf(handle) !== record.deadlineMsOf(words, at)) throw new Error("a deadline differs");
      return true;
    });
    if (expiring !== this.deadlines.count) throw new Error(`${this.deadlines.count} deadlines for ${expiring} keys`);
  }
}

function pageBytesFor(limitBytes: number): number {
  if (limitBytes >= FULL_PAGES_LIMIT_BYTES) return PAGE_BYTES_DEFAULT;
  return Math.max(PAGE_BYTES_MIN, PAGE_BYTES_DEFAULT / 2 ** Math.ceil(Math.log2(FULL_PAGES_LIMIT_BYTES / limitBytes)));
}
