/**
 * Records of a fixed number of 32-bit integers, named by small integers: what lists, hash chains and tries are made of.
 *
 *     chunks    [ record 0 | record 1 | ... | record 1,023 ] [ record 1,024 | ... ] ...
 *     record    [ field 0 | field 1 | ... | field width - 1 ]      of a free record, field 0 is the next free one, or 0
 *
 * Growing adds a chunk and never copies. Ids are given out from 1, freed ones first, so that 0 can mean "none"; record 0
 * exists and is its owner's. An owner whose records are named by ids of others uses `reach` instead of `take`.
 *
 * All operations cost O(1); what is held is given back when the last record is released.
 */
const CHUNK_SHIFT = 10;
const CHUNK_RECORDS = 1 << CHUNK_SHIFT;
const CHUNK_MASK = CHUNK_RECORDS - 1;

export class IntRecords {
  /** Records taken and not released. */
  count = 0;
  readonly #width: number;
  readonly #chunks: Int32Array[] = [];
  #free = 0;
  /** Above every id given out. */
  #end = 1;

  constructor(width: number) {
    this.#width = width;
    this.reach(0);
  }

  get heldBytes(): number {
    return this.#chunks.length * CHUNK_RECORDS * this.#width * 4;
  }

  /** Above every id that `take` has given out since there was none. */
  get end(): number {
    return this.#end;
  }

  /** Id of a record of zeros. */
  take(): number {
    let id = this.#free;
    if (id > 0) this.#free = this.get(id, 0);
    else {
      id = this.#end++;
      this.reach(id);
    }
    const offset = this.offset(id);
    this.chunk(id).fill(0, offset, offset + this.#width);
    this.count++;
    return id;
  }

  /** Only field 0 changes, so an owner can leave a sign of freedom in another. */
  release(id: number): void {
    this.set(id, 0, this.#free);
    this.#free = id;
    if (--this.count === 0) this.reset();
  }

  /** Makes record `id` exist; new ones are zeros. */
  reach(id: number): void {
    while (id >> CHUNK_SHIFT >= this.#chunks.length) {
      this.#chunks.push(new Int32Array(CHUNK_RECORDS * this.#width));
    }
  }

  has(id: number): boolean {
    return id >> CHUNK_SHIFT < this.#chunks.length;
  }

  /** Gives back the chunks that hold no record below `end`, but the first. */
  cut(end: number): void {
    const chunks = Math.max(1, (end + CHUNK_MASK) >> CHUNK_SHIFT);
    if (chunks < this.#chunks.length) this.#chunks.length = chunks;
  }

  /** Forgets which records are taken and gives back all chunks but the first, whose contents stay. */
  reset(): void {
    this.#chunks.length = 1;
    this.#free = 0;
    this.#end = 1;
  }

  /** The record is `chunk(id)[offset(id)]` and what follows: for loops over several fields. */
  chunk(id: number): Int32Array {
    return this.#chunks[id >> CHUNK_SHIFT];
  }

  offset(id: number): number {
    return (id & CHUNK_MASK) * this.#width;
  }

  get(id: number, field: number): number {
    return this.#chunks[id >> CHUNK_SHIFT][(id & CHUNK_MASK) * this.#width + field];
  }

  set(id: number, field: number, value: number): void {
    this.#chunks[id >> CHUNK_SHIFT][(id & CHUNK_MASK) * this.#width + field] = value;
  }
}
