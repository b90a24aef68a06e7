/**
 * Slots of fixed sizes in the pages of a heap (page-heap.ts).
 *
 *     span of class 136:  | slot | slot | -1, next | slot | -1, 0 | ......... |
 *                           live   live   free       live   free    never used: not touched yet
 *                                         ^ free list              ^ bump
 *
 * A span serves one size class, or one large object. An empty one gives its pages back to every class and to every other
 * allocator on the heap; one that deletes have left sparse can be emptied (`evacuate`): the owner moves what lives there.
 *
 * References are signed 32-bit integers: the address in units of 8 bytes, shifted left by one. Bit 0 belongs to the owner
 * (the radix tree marks leaves with it) and is ignored here. So `ref >>> 24` is the chunk and `ref & 0xfffffe` the index
 * of the first 32-bit word in it, and one heap addresses 16 GB. 0 is never a reference.
 *
 * Invariant the owner keeps: the first word of a live object is never -1, which marks a free slot. So slots can be walked
 * without any index, for sampling and for moving objects together.
 *
 * Allocate and free cost O(1); now and then they take a span from the heap or give one back.
 */
import { FIRST, OWNED, PAGES, type PageHeap, ROW_SHIFT } from "./page-heap.ts";
import { CLASS_BYTES_MAX, CLASS_COUNT, sizeClassBytes, sizeClassOf } from "./size-class.ts";

/** Objects above this get pages of their own. */
const SPAN_BYTES_MAX = CLASS_BYTES_MAX * 4;
/** At most this part of a span may be too short for another slot. */
const WASTE_PART = 8;
/** The class of spans that hold one large object. */
const LARGE = CLASS_COUNT;
const FREE_MARK = -1;
/** How many spans `sparsestSpan` looks at. */
const SPARSE_PROBES = 512;

// The allocator's part of a span's row in the page table.
const CLASS = OWNED;
const SLOT_WORDS = OWNED + 1;
const SLOTS = OWNED + 2;
/** Slots ever handed out; those from here on have never been touched. */
const BUMP = OWNED + 3;
const LIVE = OWNED + 4;
/** Reference of the first free slot, 0 for none; each free slot's second word names the next. */
const FREE = OWNED + 5;
/** Neighbours among the spans of the class that have room: span id plus 1, 0 for none. */
const NEXT = OWNED + 6;
const PREVIOUS = OWNED + 7;
/** Where the span stands in `spansOf[class]`. */
const POSITION = OWNED + 8;
/** 1 while the span is in the list of those with room. */
const LISTED = OWNED + 9;
/** `LISTED` of a span that is being emptied. */
const CLEARING = 2;
/** Moving an object costs as much as copying so many bytes: its key must be looked up. */
const OBJECT_COST_BYTES = 500;

export class SlabAllocator {
  /** The heap's chunks, at hand. */
  readonly words: Int32Array[];
  readonly bytes: Uint8Array[];
  /** Bytes of the slots in use. */
  usedBytes = 0;
  /** Bytes of the pages that spans have. */
  heldBytes = 0;
  /** Live objects. */
  count = 0;
  /** Bytes of the largest span that has slots of a class. */
  readonly spanBytesMax: number;
  readonly #heap: PageHeap;
  readonly #owner: number;
  readonly #tables: Int32Array[];
  readonly #pageShift: number;
  readonly #pagesPerChunk: number;
  readonly #chunkShift: number;
  readonly #largeBytesMin: number;
  readonly #spanPages = new Int32Array(CLASS_COUNT);
  readonly #spanSlots = new Int32Array(CLASS_COUNT);
  /** First span of each class that has room: id plus 1, 0 for none. */
  readonly #roomy = new Int32Array(CLASS_COUNT);
  /** All spans of each class, large objects last, in no order. */
  readonly #spansOf: number[][] = Array.from({ length: CLASS_COUNT + 1 }, () => []);
  readonly #liveOf = new Int32Array(CLASS_COUNT + 1);
  readonly #slotsOf = new Int32Array(CLASS_COUNT + 1);
  #probe = 0;

  /**
   * @param owner number of this allocator, for whom a span of the heap belongs to.
   * @param spanBytesMax objects above this get pages of their own, and the spans of smaller ones are not larger.
   */
  constructor(heap: PageHeap, owner: number, spanBytesMax = SPAN_BYTES_MAX) {
    this.#heap = heap;
    this.#owner = owner;
    this.words = heap.words;
    this.bytes = heap.bytes;
    this.#tables = heap.tables;
    this.#pageShift = heap.pageShift;
    this.#pagesPerChunk = heap.pagesPerChunk;
    this.#chunkShift = heap.chunkShift;
    this.spanBytesMax = Math.max(Math.min(spanBytesMax, SPAN_BYTES_MAX), heap.pageBytes);
    this.#largeBytesMin = Math.min(CLASS_BYTES_MAX, this.spanBytesMax) + 1;
    for (let sizeClass = 0; sizeClass < CLASS_COUNT; sizeClass++) {
      const slotBytes = sizeClassBytes(sizeClass);
      const pages = spanPagesFor(slotBytes, heap.pageBytes);
      this.#spanPages[sizeClass] = pages;
      this.#spanSlots[sizeClass] = Math.floor((pages * heap.pageBytes) / slotBytes);
    }
  }

  /** Bytes that an object of `bytes` takes in `usedBytes`. */
  slotBytesFor(bytes: number): number {
    if (bytes < this.#largeBytesMin) return sizeClassBytes(sizeClassOf(bytes));
    return Math.ceil(bytes / this.#heap.pageBytes) * this.#heap.pageBytes;
  }

  /** Pages of the span that allocating an object of `bytes` would take now; 0 where there is a free slot. */
  pagesFor(bytes: number): number {
    if (bytes >= this.#largeBytesMin) return Math.ceil(bytes / this.#heap.pageBytes);
    const sizeClass = sizeClassOf(bytes);
    return this.#roomy[sizeClass] === 0 ? this.#spanPages[sizeClass] : 0;
  }

  /**
   * A slot for `bytes` bytes, from 1 to what a chunk holds. Its content is undefined; the caller writes the first word
   * before it allocates or frees again.
   */
  allocate(bytes: number): number {
    if (bytes >= this.#largeBytesMin) return this.#allocateLarge(bytes);
    const sizeClass = sizeClassOf(bytes);
    let span = this.#roomy[sizeClass] - 1;
    if (span < 0) span = this.#addSpan(sizeClass);
    const chunk = span >> this.#chunkShift;
    const table = this.#tables[chunk];
    const row = (span & (this.#pagesPerChunk - 1)) << ROW_SHIFT;
    const slotWords = table[row + SLOT_WORDS];
    let ref = table[row + FREE];
    if (ref !== 0) {
      table[row + FREE] = this.words[chunk][(ref & 0xfffffe) + 1];
    } else {
      const slot = table[row + BUMP]++;
      ref = (chunk << 24) | ((((row >> ROW_SHIFT) << this.#pageShift) >> 2) + slot * slotWords);
    }
    if (++table[row + LIVE] === table[row + SLOTS]) this.#unlist(table, row, sizeClass);
    this.#liveOf[sizeClass]++;
    this.count++;
    this.usedBytes += slotWords * 4;
    return ref;
  }

  free(ref: number): void {
    const chunk = ref >>> 24;
    const word = ref & 0xfffffe;
    const table = this.#tables[chunk];
    const first = table[((word >>> (this.#pageShift - 2)) << ROW_SHIFT) + FIRST] - 1;
    const row = first << ROW_SHIFT;
    const sizeClass = table[row + CLASS];
    const words = this.words[chunk];
    words[word] = FREE_MARK;
    words[word + 1] = table[row + FREE];
    table[row + FREE] = ref & ~1;
    this.#liveOf[sizeClass]--;
    this.count--;
    this.usedBytes -= table[row + SLOT_WORDS] * 4;
    const live = --table[row + LIVE];
    if (live === 0) this.#removeSpan(chunk, first);
    else if (live === table[row + SLOTS] - 1 && table[row + LISTED] === 0)
      this.#list(table, row, sizeClass, (chunk << this.#chunkShift) + first);
  }

  /** Bytes of the slot that a live object has. */
  slotBytesOf(ref: number): number {
    const table = this.#tables[ref >>> 24];
    const first = table[(((ref & 0xfffffe) >>> (this.#pageShift - 2)) << ROW_SHIFT) + FIRST] - 1;
    return table[(first << ROW_SHIFT) + SLOT_WORDS] * 4;
  }

  #allocateLarge(bytes: number): number {
    const span = this.#takePages(LARGE, Math.ceil(bytes / this.#heap.pageBytes), 1);
    const chunk = span >> this.#chunkShift;
    const table = this.#tables[chunk];
    const page = span & (this.#pagesPerChunk - 1);
    const row = page << ROW_SHIFT;
    table[row + BUMP] = 1;
    table[row + LIVE] = 1;
    this.#liveOf[LARGE]++;
    this.count++;
    this.usedBytes += table[row + SLOT_WORDS] * 4;
    return (chunk << 24) | ((page << this.#pageShift) >> 2);
  }

  #addSpan(sizeClass: number): number {
    const span = this.#takePages(sizeClass, this.#spanPages[sizeClass], this.#spanSlots[sizeClass]);
    const row = (span & (this.#pagesPerChunk - 1)) << ROW_SHIFT;
    this.#list(this.#tables[span >> this.#chunkShift], row, sizeClass, span);
    return span;
  }

  /** Makes a span with room for nothing yet, and returns its id. */
  #takePages(sizeClass: number, pages: number, slots: number): number {
    const span = this.#heap.take(pages, this.#owner);
    const table = this.#tables[span >> this.#chunkShift];
    const row = (span & (this.#pagesPerChunk - 1)) << ROW_SHIFT;
    table[row + CLASS] = sizeClass;
    table[row + SLOT_WORDS] = (sizeClass === LARGE ? pages * this.#heap.pageBytes : sizeClassBytes(sizeClass)) >> 2;
    table[row + SLOTS] = slots;
    table[row + BUMP] = 0;
    table[row + LIVE] = 0;
    table[row + FREE] = 0;
    table[row + LISTED] = 0;
    table[row + POSITION] = this.#spansOf[sizeClass].length;
    this.#spansOf[sizeClass].push(span);
    this.#slotsOf[sizeClass] += slots;
    this.heldBytes += pages * this.#heap.pageBytes;
    return span;
  }

  #removeSpan(chunk: number, page: number): void {
    const table = this.#tables[chunk];
    const row = page << ROW_SHIFT;
    const sizeClass = table[row + CLASS];
    if (table[row + LISTED] === 1) this.#unlist(table, row, sizeClass);
    const spans = this.#spansOf[sizeClass];
    const last = spans.pop()!; // The span itself is still in there.
    const position = table[row + POSITION];
    if (position < spans.length) {
      spans[position] = last;
      this.#tables[last >> this.#chunkShift][((last & (this.#pagesPerChunk - 1)) << ROW_SHIFT) + POSITION] = position;
    }
    this.#slotsOf[sizeClass] -= table[row + SLOTS];
    this.heldBytes -= table[row + PAGES] * this.#heap.pageBytes;
    this.#heap.give(chunk, page);
  }

  /** Puts a span at the head of those with room. */
  #list(table: Int32Array, row: number, sizeClass: number, span: number): void {
    const head = this.#roomy[sizeClass];
    table[row + NEXT] = head;
    table[row + PREVIOUS] = 0;
    table[row + LISTED] = 1;
    if (head !== 0) this.#setRow(head, PREVIOUS, span + 1);
    this.#roomy[sizeClass] = span + 1;
  }

  #unlist(table: Int32Array, row: number, sizeClass: number): void {
    const next = table[row + NEXT];
    const previous = table[row + PREVIOUS];
    table[row + LISTED] = 0;
    if (next !== 0) this.#setRow(next, PREVIOUS, previous);
    if (previous !== 0) this.#setRow(previous, NEXT, next);
    else this.#roomy[sizeClass] = next;
  }

  #setRow(link: number, field: number, value: number): void {
    const span = link - 1;
    this.#tables[span >> this.#chunkShift][((span & (this.#pagesPerChunk - 1)) << ROW_SHIFT) + field] = value;
  }

  /** Bytes that `evacuate` can give back by emptying sparse spans. */
  get reclaimableBytes(): number {
    let bytes = 0;
    for (let sizeClass = 0; sizeClass < CLASS_COUNT; sizeClass++) {
      const free = this.#slotsOf[sizeClass] - this.#liveOf[sizeClass];
      const spans = Math.floor(free / this.#spanSlots[sizeClass]);
      bytes += spans * this.#spanPages[sizeClass] * this.#heap.pageBytes;
    }
    return bytes;
  }

  /**
   * Empties a sparse span of the class that strands most bytes, so that its pages serve any class.
   * @param move moves one object: allocates, copies, lets everything that knows the old reference know the new one, frees
   * the old slot. The other spans of the class have room for it.
   * @returns whether there was such a span.
   */
  evacuate(move: (ref: number) => void): boolean {
    const span = this.#sparsestSpan();
    if (span >= 0) this.clearSpan(span, move);
    return span >= 0;
  }

  /** Empties one span, as `evacuate` does; where the class has no room elsewhere, another span is taken. */
  clearSpan(span: number, move: (ref: number) => void): void {
    const chunk = span >> this.#chunkShift;
    const table = this.#tables[chunk];
    const words = this.words[chunk];
    const page = span & (this.#pagesPerChunk - 1);
    const row = page << ROW_SHIFT;
    const slotWords = table[row + SLOT_WORDS];
    let live = table[row + LIVE];
    // While it is being emptied, the span counts as listed but is not in the list: nothing is allocated from it.
    if (table[row + LISTED] === 1) this.#unlist(table, row, table[row + CLASS]);
    table[row + LISTED] = CLEARING;
    for (let word = (page << this.#pageShift) >> 2; live > 0; word += slotWords) {
      if (words[word] === FREE_MARK) continue;
      move((chunk << 24) | word);
      live--;
    }
  }

  /**
   * What it costs to empty one page of a span, in bytes to move. `Infinity` where that would need another run of pages: for a
   * large object, and for a span of several pages whose class has no room elsewhere.
   */
  clearingCost(table: Int32Array, row: number): number {
    const sizeClass = table[row + CLASS];
    const live = table[row + LIVE];
    const roomElsewhere = this.#slotsOf[sizeClass] - this.#liveOf[sizeClass] - (table[row + SLOTS] - live);
    if (sizeClass === LARGE || (table[row + PAGES] > 1 && roomElsewhere < live)) return Number.POSITIVE_INFINITY;
    return (live * (table[row + SLOT_WORDS] * 4 + OBJECT_COST_BYTES)) / table[row + PAGES];
  }

  /** The sparsest of a few spans of the class with most stranded bytes; -1 if no class can spare a span. */
  #sparsestSpan(): number {
    let strandedMax = 0;
    let strandedClass = -1;
    for (let sizeClass = 0; sizeClass < CLASS_COUNT; sizeClass++) {
      const free = this.#slotsOf[sizeClass] - this.#liveOf[sizeClass];
      if (free < this.#spanSlots[sizeClass]) continue;
      const stranded = free * sizeClassBytes(sizeClass);
      if (stranded > strandedMax) {
        strandedMax = stranded;
        strandedClass = sizeClass;
      }
    }
    if (strandedClass < 0) return -1;
    const spans = this.#spansOf[strandedClass];
    // A full span is no use; the class has others.
    let liveMin = this.#spanSlots[strandedClass];
    let sparsest = -1;
    for (let i = 0; i < spans.length && (i < SPARSE_PROBES || sparsest < 0); i++) {
      this.#probe = this.#probe + 1 < spans.length ? this.#probe + 1 : 0;
      const span = spans[this.#probe];
      const live = this.#tables[span >> this.#chunkShift][((span & (this.#pagesPerChunk - 1)) << ROW_SHIFT) + LIVE];
      if (live < liveMin) {
        liveMin = live;
        sparsest = span;
      }
    }
    return sparsest;
  }

  /**
   * A live object, each with the same chance; 0 if there is none.
   * @param random draws from [0, 1).
   */
  randomRef(random: () => number): number {
    if (this.count === 0) return 0;
    let rank = Math.floor(random() * this.count);
    let sizeClass = 0;
    while (rank >= this.#liveOf[sizeClass]) rank -= this.#liveOf[sizeClass++];
    const spans = this.#spansOf[sizeClass];
    for (let attempt = 0; attempt < 64; attempt++) {
      const span = spans[Math.floor(random() * spans.length)];
      const ref = this.#liveSlot(span, random(), false);
      if (ref !== 0) return ref;
    }
    // Nearly empty spans: give up the exact uniformity, not the bound.
    for (let i = 0, at = Math.floor(random() * spans.length); i < spans.length; i++) {
      const ref = this.#liveSlot(spans[(at + i) % spans.length], random(), true);
      if (ref !== 0) return ref;
    }
    return 0;
  }

  /** The object in the slot at `fraction` of the span, or with `nearest` the next one after it; 0 if there is none. */
  #liveSlot(span: number, fraction: number, nearest: boolean): number {
    const chunk = span >> this.#chunkShift;
    const table = this.#tables[chunk];
    const page = span & (this.#pagesPerChunk - 1);
    const row = page << ROW_SHIFT;
    const slots = table[row + SLOTS];
    const bump = table[row + BUMP];
    const slotWords = table[row + SLOT_WORDS];
    const firstWord = (page << this.#pageShift) >> 2;
    let slot = Math.floor(fraction * slots);
    for (let tries = nearest ? slots : 1; tries > 0; tries--) {
      const word = firstWord + slot * slotWords;
      if (slot < bump && this.words[chunk][word] !== FREE_MARK) return (chunk << 24) | word;
      slot = slot + 1 < slots ? slot + 1 : 0;
    }
    return 0;
  }

  /** Visits live objects until `visit` answers false. Nothing may be allocated or freed meanwhile. */
  walk(visit: (ref: number) => boolean): void {
    for (const spans of this.#spansOf) {
      for (const span of spans) {
        const chunk = span >> this.#chunkShift;
        const table = this.#tables[chunk];
        const page = span & (this.#pagesPerChunk - 1);
        const row = page << ROW_SHIFT;
        let word = (page << this.#pageShift) >> 2;
        for (let slot = 0; slot < table[row + BUMP]; slot++, word += table[row + SLOT_WORDS]) {
          if (this.words[chunk][word] !== FREE_MARK && !visit((chunk << 24) | word)) return;
        }
      }
    }
  }

  /** Checks the tables against each other and against the slots; throws where they disagree. For tests. */
  checkInvariants(): void {
    let used = 0;
    let held = 0;
    let count = 0;
    for (let sizeClass = 0; sizeClass <= CLASS_COUNT; sizeClass++) {
      let live = 0;
      for (const [position, span] of this.#spansOf[sizeClass].entries()) {
        live += this.#checkSpan(span, sizeClass, position);
        const table = this.#tables[span >> this.#chunkShift];
        const row = (span & (this.#pagesPerChunk - 1)) << ROW_SHIFT;
        held += table[row + PAGES] * this.#heap.pageBytes;
        used += table[row + LIVE] * table[row + SLOT_WORDS] * 4;
      }
      if (live !== this.#liveOf[sizeClass])
        throw new Error(`class ${sizeClass}: ${live} live, ${this.#liveOf[sizeClass]} counted`);
      count += live;
    }
    if (used !== this.usedBytes) throw new Error(`${used} bytes are used, ${this.usedBytes} counted`);
    if (held !== this.heldBytes) throw new Error(`${held} bytes are held, ${this.heldBytes} counted`);
    if (count !== this.count) throw new Error(`${count} objects live, ${this.count} counted`);
  }

  #checkSpan(span: number, sizeClass: number, position: number): number {
    const chunk = span >> this.#chunkShift;
    const table = this.#tables[chunk];
    const page = span & (this.#pagesPerChunk - 1);
    const row = page << ROW_SHIFT;
    if (table[row + CLASS] !== sizeClass || table[row + POSITION] !== position || table[row + FIRST] !== page + 1) {
      throw new Error(`span ${span} is not where it should be`);
    }
    let free = 0;
    for (let ref = table[row + FREE]; ref !== 0; ref = this.words[chunk][(ref & 0xfffffe) + 1]) {
      if (this.words[chunk][ref & 0xfffffe] !== FREE_MARK)
        throw new Error(`a slot on the free list of span ${span} is in use`);
      free++;
    }
    let live = 0;
    for (let slot = 0; slot < table[row + BUMP]; slot++) {
      const word = ((page << this.#pageShift) >> 2) + slot * table[row + SLOT_WORDS];
      if (this.words[chunk][word] !== FREE_MARK) live++;
    }
    if (live !== table[row + LIVE] || live + free !== table[row + BUMP]) throw new Error(`span ${span} has lost slots`);
    if ((table[row + LISTED] === 1) !== live < table[row + SLOTS]) throw new Error(`span ${span} is in the wrong list`);
    return live;
  }
}

/** The fewest pages that waste little at the end: short spans find a place among others more easily. */
function spanPagesFor(slotBytes: number, pageBytes: number): number {
  let pages = Math.ceil(slotBytes / pageBytes);
  while (((pages * pageBytes) % slotBytes) * WASTE_PART > pages * pageBytes) pages++;
  return pages;
}
