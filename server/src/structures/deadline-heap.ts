/**
 * Deadlines in order: an indexed 4-ary min-heap in typed arrays.
 *
 *     by position   deadlines, handles     the heap: children of p are 4p + 1 .. 4p + 4, none earlier than p
 *     by handle     positions, owners      where a deadline stands, and whose it is
 *
 * A handle names a deadline from `add` to `remove`, wherever it moves. The arrays come in chunks of 4,096 entries:
 * growing adds a chunk and never copies what is there, which at five million entries would stall the loop.
 *
 * add, remove and change cost O(log n); the rest O(1).
 */
const CHUNK_SHIFT = 12;
const CHUNK_ENTRIES = 1 << CHUNK_SHIFT;
const CHUNK_MASK = CHUNK_ENTRIES - 1;
const POSITION_BYTES = 12;
const HANDLE_BYTES = 8;

/** What one deadline adds to `usedBytes`. */
export const DEADLINE_ENTRY_BYTES = POSITION_BYTES + HANDLE_BYTES;
/** The most that one `add` adds to `heldBytes`. */
export const DEADLINE_GROWTH_BYTES = DEADLINE_ENTRY_BYTES * CHUNK_ENTRIES;

export class DeadlineHeap {
  count = 0;
  readonly #deadlines: Float64Array[] = [];
  readonly #handles: Int32Array[] = [];
  /** By handle; of a free handle, the next free one, or -1. */
  readonly #positions: Int32Array[] = [];
  readonly #owners: Int32Array[] = [];
  #freeHandle = -1;
  /** Handles ever given out. */
  #handleCount = 0;

  get usedBytes(): number {
    return this.count * DEADLINE_ENTRY_BYTES;
  }

  get heldBytes(): number {
    return (this.#deadlines.length * POSITION_BYTES + this.#positions.length * HANDLE_BYTES) * CHUNK_ENTRIES;
  }

  /** What the next `add` will add to `heldBytes`. */
  get growthBytes(): number {
    const full = this.count >> CHUNK_SHIFT === this.#deadlines.length;
    const handlesFull = this.#freeHandle < 0 && this.#handleCount >> CHUNK_SHIFT === this.#positions.length;
    return ((full ? POSITION_BYTES : 0) + (handlesFull ? HANDLE_BYTES : 0)) * CHUNK_ENTRIES;
  }

  /**
   * @param owner any signed 32-bit integer.
   * @returns the handle, from 0 up.
   */
  add(deadlineMs: number, owner: number): number {
    const handle = this.#takeHandle();
    this.#owners[handle >> CHUNK_SHIFT][handle & CHUNK_MASK] = owner;
    if (this.count >> CHUNK_SHIFT === this.#deadlines.length) {
      this.#deadlines.push(new Float64Array(CHUNK_ENTRIES));
      this.#handles.push(new Int32Array(CHUNK_ENTRIES));
    }
    this.#siftUp(this.count++, deadlineMs, handle);
    return handle;
  }

  remove(handle: number): void {
    const position = this.#positions[handle >> CHUNK_SHIFT][handle & CHUNK_MASK];
    const last = --this.count;
    if (position !== last) {
      const lastDeadlineMs = this.#deadlines[last >> CHUNK_SHIFT][last & CHUNK_MASK];
      const lastHandle = this.#handles[last >> CHUNK_SHIFT][last & CHUNK_MASK];
      this.#place(position, lastDeadlineMs, lastHandle);
    }
    this.#positions[handle >> CHUNK_SHIFT][handle & CHUNK_MASK] = this.#freeHandle;
    this.#freeHandle = handle;
    this.#shrink();
  }

  change(handle: number, deadlineMs: number): void {
    this.#place(this.#positions[handle >> CHUNK_SHIFT][handle & CHUNK_MASK], deadlineMs, handle);
  }

  setOwner(handle: number, owner: number): void {
    this.#owners[handle >> CHUNK_SHIFT][handle & CHUNK_MASK] = owner;
  }

  ownerOf(handle: number): number {
    return this.#owners[handle >> CHUNK_SHIFT][handle & CHUNK_MASK];
  }

  deadlineMsOf(handle: number): number {
    return this.#deadlineAt(this.#positions[handle >> CHUNK_SHIFT][handle & CHUNK_MASK]);
  }

  /** The earliest deadline; `Infinity` if there is none. */
  get nextDeadlineMs(): number {
    return this.count === 0 ? Number.POSITIVE_INFINITY : this.#deadlines[0][0];
  }

  /** Handle of the earliest deadline. The heap is not empty. */
  get nextHandle(): number {
    return this.#handles[0][0];
  }

  /** Handle at a place of the heap, from 0 to `count` - 1: for drawing samples. */
  handleAt(position: number): number {
    return this.#handles[position >> CHUNK_SHIFT][position & CHUNK_MASK];
  }

  /**
   * Fills `into` with the handles of up to `limit` deadlines that are not after `nowMs`, the earliest first and the others
   * in no order but that of the heap: below one that is later, all are.
   */
  collectDue(nowMs: number, limit: number, into: number[]): void {
    into.length = 0;
    if (limit <= 0 || this.nextDeadlineMs > nowMs) return;
    into.push(0);
    for (let i = 0; i < into.length && into.length < limit; i++) {
      const end = Math.min(into[i] * 4 + 5, this.count);
      for (let child = into[i] * 4 + 1; child < end && into.length < limit; child++) {
        if (this.#deadlineAt(child) <= nowMs) into.push(child);
      }
    }
    for (let i = 0; i < into.length; i++) into[i] = this.handleAt(into[i]);
  }

  #takeHandle(): number {
    const handle = this.#freeHandle;
    if (handle >= 0) {
      this.#freeHandle = this.#positions[handle >> CHUNK_SHIFT][handle & CHUNK_MASK];
      return handle;
    }
    if (this.#handleCount >> CHUNK_SHIFT === this.#positions.length) {
      this.#positions.push(new Int32Array(CHUNK_ENTRIES));
      this.#owners.push(new Int32Array(CHUNK_ENTRIES));
    }
    return this.#handleCount++;
  }

  /** Gives chunks back, all but one spare; those by handle only when no handle is in use. */
  #shrink(): void {
    const chunks = ((this.count + CHUNK_MASK) >> CHUNK_SHIFT) + 1;
    if (this.#deadlines.length > chunks) {
      this.#deadlines.pop();
      this.#handles.pop();
    }
    if (this.count > 0) return;
    this.#positions.length = Math.min(this.#positions.length, 1);
    this.#owners.length = this.#positions.length;
    this.#handleCount = 0;
    this.#freeHandle = -1;
  }

  #deadlineAt(position: number): number {
    return this.#deadlines[position >> CHUNK_SHIFT][position & CHUNK_MASK];
  }

  #set(position: number, deadlineMs: number, handle: number): void {
    const chunk = position >> CHUNK_SHIFT;
    this.#deadlines[chunk][position & CHUNK_MASK] = deadlineMs;
    this.#handles[chunk][position & CHUNK_MASK] = handle;
    this.#positions[handle >> CHUNK_SHIFT][handle & CHUNK_MASK] = position;
  }

  /** Puts an entry where another was, then up or down to where it belongs. */
  #place(position: number, deadlineMs: number, handle: number): void {
    if (position > 0 && deadlineMs < this.#deadlineAt((position - 1) >> 2)) this.#siftUp(position, deadlineMs, handle);
    else this.#siftDown(position, deadlineMs, handle);
  }

  #siftUp(position: number, deadlineMs: number, handle: number): void {
    while (position > 0) {
      const parent = (position - 1) >> 2;
      const parentDeadlineMs = this.#deadlineAt(parent);
      if (parentDeadlineMs <= deadlineMs) break;
      this.#set(position, parentDeadlineMs, this.handleAt(parent));
      position = parent;
    }
    this.#set(position, deadlineMs, handle);
  }

  #siftDown(position: number, deadlineMs: number, handle: number): void {
    for (;;) {
      const firstChild = position * 4 + 1;
      if (firstChild >= this.count) break;
      let earliest = firstChild;
      let earliestMs = this.#deadlineAt(firstChild);
      const end = Math.min(firstChild + 4, this.count);
      for (let child = firstChild + 1; child < end; child++) {
        const childMs = this.#deadlineAt(child);
        if (childMs < earliestMs) {
          earliest = child;
          earliestMs = childMs;
        }
      }
      if (earliestMs >= deadlineMs) break;
      this.#set(position, earliestMs, this.handleAt(earliest));
      position = earliest;
    }
    this.#set(position, deadlineMs, handle);
  }

  /** Checks order and cross references; throws where they are wrong. For tests. */
  checkInvariants(): void {
    for (let position = 0; position < this.count; position++) {
      const handle = this.handleAt(position);
      if (this.#positions[handle >> CHUNK_SHIFT][handle & CHUNK_MASK] !== position)
        throw new Error("a handle is misplaced");
      if (position > 0 && this.#deadlineAt((position - 1) >> 2) > this.#deadlineAt(position)) {
        throw new Error("a deadline is earlier than the one above it");
      }
    }
  }
}
