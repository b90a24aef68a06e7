/**
 * Pages of memory outside the JavaScript heap, handed out in runs, without a copy when it grows.
 *
 *     chunk   64 MB ArrayBuffer, the first one 2 MB, added when needed, dropped when wholly free
 *       page  64 KB (less in small stores)
 *       span  a run of pages of one chunk, taken and given back as a whole
 *
 *     chunk   | span 0  | free | span 3      | free | span 7 | never touched ...
 *     page      0    1    2      3   4    5    6      7        8
 *
 * The page table of a chunk has one row of 16 words per page. A span's first row describes it, its other rows only name the
 * first; what is in the row beyond that belongs to the slab allocator that has taken the span.
 *
 * The first chunk is small since the garbage collector counts what an `ArrayBuffer` could hold, not what was touched of it: it
 * would run for nearly every store that is made. Its addresses are as far apart as those of the others.
 *
 * Pages that were touched once stay with the process until their chunk is dropped. So runs are first looked for among
 * those, and `residentBytes` says what the process really has, as `heldBytes` what is in use.
 */
export const CHUNK_BYTES = 2 ** 26;
const FIRST_CHUNK_BYTES = 2 ** 21;
/** What the 8 bits for the chunk in a reference can tell apart. */
const CHUNKS_MAX = 256;
export const ADDRESSABLE_BYTES = CHUNK_BYTES * CHUNKS_MAX;
export const PAGE_BYTES_DEFAULT = 2 ** 16;

export const ROW_SHIFT = 4;
/** First page of this page's span, plus 1; 0 where the page is free. */
export const FIRST = 0;
export const PAGES = 1;
/** Number of the allocator that has the span. */
export const OWNER = 2;
/** First word of a row that is the allocator's. */
export const OWNED = 3;

/** Pages that must be left for small spans where the address space runs out. */
const SPARE_PAGES = 48;
/** Owner of the page that nobody may have. */
const NOBODY = -1;
const NO_WORDS = new Int32Array(0);
const NO_BYTES = new Uint8Array(0);

export class PageHeap {
  /** The chunks as 32-bit words and as bytes, and their page tables, by chunk. Empty where a chunk was dropped. */
  readonly words: Int32Array[] = [];
  readonly bytes: Uint8Array[] = [];
  readonly tables: Int32Array[] = [];
  readonly pageBytes: number;
  readonly pageShift: number;
  /** Of each chunk but the first, and what the addresses of all are made for. */
  readonly pagesPerChunk: number;
  /** A span's id is its chunk shifted by this, plus its first page. */
  readonly chunkShift: number;
  /** Bytes of the pages in use. */
  heldBytes = 0;
  /** Bytes of the pages that were ever touched, in the chunks that are left. */
  residentBytes = 0;
  #chunkCount = 0;
  readonly #freePages: number[] = [];
  /** No touched page of the chunk is from here on. */
  readonly #touchedEnd: number[] = [];
  /** No run of free touched pages in the chunk is longer; an upper bound, made exact by failed searches. */
  readonly #runPagesMax: number[] = [];
  /** No page of the chunk below this one is free. */
  readonly #firstFreePage: number[] = [];
  /** First page of the run that was found last. */
  #foundPage = 0;
  /** A window being cleared, where no page is handed out: ids of its first page and of the one behind it. */
  #windowStart = -1;
  #windowEnd = -1;

  /** @param pageBytes a power of two from 4 KB to 64 KB. */
  constructor(pageBytes = PAGE_BYTES_DEFAULT) {
    this.pageBytes = pageBytes;
    this.pageShift = 31 - Math.clz32(pageBytes);
    this.pagesPerChunk = CHUNK_BYTES / pageBytes;
    this.chunkShift = 26 - this.pageShift;
  }

  /** Pages that were touched and are free. */
  get freePages(): number {
    return (this.residentBytes - this.heldBytes) / this.pageBytes;
  }

  /** Takes a span and returns its id. */
  take(pages: number, owner: number): number {
    let chunk = this.#chunkWithTouchedRun(pages);
    if (chunk < 0) chunk = this.#chunkWithRun(pages);
    const page = this.#foundPage;
    const table = this.tables[chunk];
    for (let i = page; i < page + pages; i++) table[(i << ROW_SHIFT) + FIRST] = page + 1;
    table[(page << ROW_SHIFT) + PAGES] = pages;
    table[(page << ROW_SHIFT) + OWNER] = owner;
    // A single page is the first free one there is, unless a window was passed over.
    if (page === this.#firstFreePage[chunk] || (pages === 1 && this.#windowStart < 0)) {
      this.#firstFreePage[chunk] = page + pages;
    }
    if (page + pages > this.#touchedEnd[chunk]) {
      this.residentBytes += (page + pages - this.#touchedEnd[chunk]) * this.pageBytes;
      this.#touchedEnd[chunk] = page + pages;
    }
    this.#freePages[chunk] -= pages;
    this.heldBytes += pages * this.pageBytes;
    return (chunk << this.chunkShift) + page;
  }

  give(chunk: number, page: number): void {
    const table = this.tables[chunk];
    const pages = table[(page << ROW_SHIFT) + PAGES];
    for (let i = page; i < page + pages; i++) table[(i << ROW_SHIFT) + FIRST] = 0;
    this.#freePages[chunk] += pages;
    this.#runPagesMax[chunk] = this.#pagesOf(chunk);
    if (page < this.#firstFreePage[chunk]) this.#firstFreePage[chunk] = page;
    this.heldBytes -= pages * this.pageBytes;
    if (this.#freePages[chunk] === this.#usablePages(chunk)) this.#dropSpareChunks(chunk);
  }

  /** Bytes that `residentBytes` would grow by, were so many pages taken now. */
  growthFor(pages: number): number {
    return pages === 0 || this.#chunkWithTouchedRun(pages) >= 0 ? 0 : pages * this.pageBytes;
  }

  /**
   * Whether spans of so many bytes altogether surely find addresses. Empty chunks are filled to one half at least, whatever
   * the spans; without enough of them, one run must be long enough for all, and for a span of two size classes more.
   */
  canTake(bytes: number): boolean {
    const largeChunks = CHUNKS_MAX - this.#chunkCount - (this.#hasChunk(0) ? 0 : 1);
    if (bytes * 2 + CHUNK_BYTES <= largeChunks * CHUNK_BYTES) return true;
    const pages = Math.ceil(bytes / this.pageBytes) + SPARE_PAGES;
    for (let chunk = 0; chunk < this.tables.length; chunk++) {
      if (this.#freePages[chunk] >= pages && this.#findRun(chunk, pages, this.#pagesOf(chunk))) return true;
    }
    return largeChunks > 0 && pages < this.pagesPerChunk;
  }

  #chunkWithTouchedRun(pages: number): number {
    for (let chunk = 0; chunk < this.tables.length; chunk++) {
      if (this.#runPagesMax[chunk] < pages) continue;
      if (this.#findRun(chunk, pages, this.#touchedEnd[chunk])) return chunk;
      // What the search passed over in a window will be free again.
      if (this.#windowStart < 0) this.#runPagesMax[chunk] = pages - 1;
    }
    return -1;
  }

  #chunkWithRun(pages: number): number {
    for (let chunk = 0; chunk < this.tables.length; chunk++) {
      if (this.#touchedEnd[chunk] === this.#pagesOf(chunk) || this.#freePages[chunk] < pages) continue;
      if (this.#findRun(chunk, pages, this.#pagesOf(chunk))) return chunk;
    }
    const chunk = this.#addChunk(pages);
    if (!this.#findRun(chunk, pages, this.#pagesOf(chunk)))
      throw new RangeError(`${pages} pages do not fit into a chunk`);
    return chunk;
  }

  #findRun(chunk: number, pages: number, end: number): boolean {
    const table = this.tables[chunk];
    const base = chunk << this.chunkShift;
    let run = 0;
    for (let page = this.#firstFreePage[chunk]; page < end; ) {
      const first = table[(page << ROW_SHIFT) + FIRST];
      if (first !== 0) {
        run = 0;
        page = first - 1 + table[((first - 1) << ROW_SHIFT) + PAGES];
      } else if (base + page >= this.#windowStart && base + page < this.#windowEnd) {
        run = 0;
        page++;
      } else {
        page++;
        if (++run < pages) continue;
        this.#foundPage = page - pages;
        return true;
      }
    }
    return false;
  }

  /** Adds a chunk that has room for so many pages: the first one, if that is not there and is large enough. */
  #addChunk(pages: number): number {
    if (this.words.length === 0) this.#setDropped(0);
    const fitsFirst = pages <= this.#usablePages(0);
    let chunk = this.words.indexOf(NO_WORDS, fitsFirst ? 0 : 1);
    if (chunk < 0) chunk = this.words.length;
    if (chunk === CHUNKS_MAX) throw new RangeError("all of the address space is in use");
    this.#chunkCount++;
    const buffer = new ArrayBuffer(this.#pagesOf(chunk) * this.pageBytes);
    this.words[chunk] = new Int32Array(buffer);
    this.bytes[chunk] = new Uint8Array(buffer);
    this.tables[chunk] = new Int32Array(this.#pagesOf(chunk) << ROW_SHIFT);
    this.#freePages[chunk] = this.#usablePages(chunk);
    this.#runPagesMax[chunk] = this.#pagesOf(chunk);
    // Page 0 of chunk 0 stays unused, so that no reference is 0.
    if (chunk === 0) {
      this.tables[0][FIRST] = 1;
      this.tables[0][PAGES] = 1;
      this.tables[0][OWNER] = NOBODY;
    }
    this.#touchedEnd[chunk] = chunk === 0 ? 1 : 0;
    this.#firstFreePage[chunk] = chunk === 0 ? 1 : 0;
    return chunk;
  }

  #hasChunk(chunk: number): boolean {
    return chunk < this.words.length && this.words[chunk] !== NO_WORDS;
  }

  #pagesOf(chunk: number): number {
    return chunk === 0 ? FIRST_CHUNK_BYTES / this.pageBytes : this.pagesPerChunk;
  }

  #usablePages(chunk: number): number {
    return chunk === 0 ? this.#pagesOf(chunk) - 1 : this.#pagesOf(chunk);
  }

  /**
   * Keeps one empty chunk of 64 MB, so that a store at the edge of a chunk does not allocate and drop it in turns; the first chunk
   * stays, and is none for that, or a store that is full of large things and empty in turns would do the same.
   */
  #dropSpareChunks(emptied: number): void {
    if (emptied === 0) return;
    for (let chunk = 1; chunk < this.words.length; chunk++) {
      if (chunk === emptied || !this.#hasChunk(chunk)) continue;
      if (this.#freePages[chunk] !== this.#usablePages(chunk)) continue;
      this.#dropChunk(Math.max(chunk, emptied));
      return;
    }
  }

  #dropChunk(chunk: number): void {
    const reserved = chunk === 0 ? 1 : 0;
    this.#chunkCount--;
    this.heldBytes -= (this.#usablePages(chunk) - this.#freePages[chunk]) * this.pageBytes;
    this.residentBytes -= (this.#touchedEnd[chunk] - reserved) * this.pageBytes;
    this.#setDropped(chunk);
  }

  /** Has nothing at a place, so that nothing is looked for there. */
  #setDropped(chunk: number): void {
    this.words[chunk] = NO_WORDS;
    this.bytes[chunk] = NO_BYTES;
    this.tables[chunk] = NO_WORDS;
    this.#freePages[chunk] = 0;
    this.#touchedEnd[chunk] = this.#pagesOf(chunk);
    this.#runPagesMax[chunk] = 0;
    this.#firstFreePage[chunk] = 0;
  }

  /** Drops one chunk with all that is in it and returns whether there is another. For owners that are done with all of it. */
  dropNextChunk(): boolean {
    const chunk = this.words.findLastIndex((_, index) => this.#hasChunk(index));
    if (chunk >= 0) this.#dropChunk(chunk);
    return this.#chunkCount > 0;
  }

  /**
   * The run of touched pages that costs least to clear, free ones among them; its first page's id, -1 if there is none.
   * @param cost what one page of the span at a row costs; `Infinity` where the span cannot be moved.
   */
  cheapestWindow(pages: number, cost: (owner: number, table: Int32Array, row: number) => number): number {
    let cheapest = -1;
    let costMin = Number.POSITIVE_INFINITY;
    const costs = new Float64Array(this.pagesPerChunk);
    for (let chunk = 0; chunk < this.tables.length; chunk++) {
      if (!this.#hasChunk(chunk)) continue;
      const table = this.tables[chunk];
      let start = 0;
      let sum = 0;
      for (let page = 0; page < this.#touchedEnd[chunk]; page++) {
        const first = table[(page << ROW_SHIFT) + FIRST];
        costs[page] = first === 0 ? 0 : this.#costOf(table, (first - 1) << ROW_SHIFT, cost);
        if (costs[page] === Number.POSITIVE_INFINITY) {
          start = page + 1;
          sum = 0;
          continue;
        }
        sum += costs[page];
        if (page - start >= pages) sum -= costs[start++];
        if (page - start + 1 < pages || sum >= costMin) continue;
        costMin = sum;
        cheapest = (chunk << this.chunkShift) + start;
      }
    }
    return cheapest;
  }

  #costOf(table: Int32Array, row: number, cost: (owner: number, table: Int32Array, row: number) => number): number {
    const owner = table[row + OWNER];
    return owner === NOBODY ? Number.POSITIVE_INFINITY : cost(owner, table, row);
  }

  /** Calls `clear` for each span that reaches into a window; meanwhile no page of it is handed out. */
  clearWindow(window: number, pages: number, clear: (owner: number, span: number) => void): void {
    this.#windowStart = window;
    this.#windowEnd = window + pages;
    const base = window & ~(this.pagesPerChunk - 1);
    const table = this.tables[window >> this.chunkShift];
    for (let page = window - base; page < window - base + pages; page++) {
      const first = table[(page << ROW_SHIFT) + FIRST] - 1;
      if (first >= 0) clear(table[(first << ROW_SHIFT) + OWNER], base + first);
    }
    this.#windowStart = -1;
    this.#windowEnd = -1;
  }
}
