/**
 * A hash table over records in slabs, which grows and shrinks by one bucket at a time (Litwin: Linear Hashing, VLDB 1980).
 * It holds no record itself: a bucket is the reference of a first record, and each record names the next.
 *
 *     buckets   | ref | 0 | ref | ... | ref |          chunks of 4,096, added at the end
 *                 |                     split: the next bucket to be cut in two
 *     record    | ... | next | hash | ... |  ->  | ... | 0 | hash | ... |
 *
 * With `low` (a power of two) <= buckets < 2 * low, a hash belongs to bucket `hash mod 2 * low`, or where there is none yet,
 * to `hash mod low`. There are as many buckets as records, up to twice as many after removals. So a step costs what one
 * chain costs, and nothing is ever rehashed as a whole.
 */
const CHUNK_SHIFT = 12;
const CHUNK_BUCKETS = 1 << CHUNK_SHIFT;
const CHUNK_MASK = CHUNK_BUCKETS - 1;
const BUCKETS_MIN = 16;
/** Merging two at each removal keeps up with them. */
const MERGES_PER_REMOVAL = 2;

export class HashTable {
  count = 0;
  /** The slabs' chunks: of a record, `ref >>> 24` is the chunk and `ref & 0xfffffe` the first word. */
  readonly #words: readonly Int32Array[];
  /** Word of a record that names the next one; the word behind it keeps the hash. */
  readonly #nextWord: number;
  readonly #chunks: Int32Array[] = [new Int32Array(CHUNK_BUCKETS)];
  #low = BUCKETS_MIN;
  #buckets = BUCKETS_MIN;

  constructor(words: readonly Int32Array[], nextWord: number) {
    this.#words = words;
    this.#nextWord = nextWord;
  }

  get usedBytes(): number {
    return this.count * 4;
  }

  get heldBytes(): number {
    return this.#chunks.length * CHUNK_BUCKETS * 4;
  }

  /** The first record that may have this hash; 0 for none. The owner compares, and goes on with `next`. */
  first(hash: number): number {
    const bucket = this.#bucketOf(hash);
    return this.#chunks[bucket >> CHUNK_SHIFT][bucket & CHUNK_MASK];
  }

  next(ref: number): number {
    return this.#words[ref >>> 24][(ref & 0xfffffe) + this.#nextWord];
  }

  /** Writes the record's two words. */
  add(ref: number, hash: number): void {
    const words = this.#words[ref >>> 24];
    const at = (ref & 0xfffffe) + this.#nextWord;
    const bucket = this.#bucketOf(hash);
    const chunk = this.#chunks[bucket >> CHUNK_SHIFT];
    words[at] = chunk[bucket & CHUNK_MASK];
    words[at + 1] = hash;
    chunk[bucket & CHUNK_MASK] = ref;
    if (++this.count > this.#buckets) this.#split();
  }

  /** The record is in the table. */
  remove(ref: number): void {
    this.#link(ref, this.next(ref));
    this.count--;
    for (let i = 0; i < MERGES_PER_REMOVAL && this.count * 2 < this.#buckets && this.#buckets > BUCKETS_MIN; i++) {
      this.#merge();
    }
  }

  /** `ref` takes the place of `old`, whose words were copied to it. */
  replace(old: number, ref: number): void {
    this.#link(old, ref);
  }

  /** Lets whatever names a record name another one. */
  #link(ref: number, to: number): void {
    const bucket = this.#bucketOf(this.#words[ref >>> 24][(ref & 0xfffffe) + this.#nextWord + 1]);
    const chunk = this.#chunks[bucket >> CHUNK_SHIFT];
    let before = chunk[bucket & CHUNK_MASK];
    if (before === ref) {
      chunk[bucket & CHUNK_MASK] = to;
      return;
    }
    for (;;) {
      if (before === 0) throw new Error("the record is not in the table");
      const next = this.next(before);
      if (next === ref) break;
      before = next;
    }
    this.#words[before >>> 24][(before & 0xfffffe) + this.#nextWord] = to;
  }

  #bucketOf(hash: number): number {
    const bucket = hash & (this.#low * 2 - 1);
    return bucket < this.#buckets ? bucket : bucket - this.#low;
  }

  /** Adds a bucket and moves to it what belongs there out of the one it was cut from. */
  #split(): void {
    const added = this.#buckets++;
    if (added >> CHUNK_SHIFT === this.#chunks.length) this.#chunks.push(new Int32Array(CHUNK_BUCKETS));
    const from = added - this.#low;
    let kept = 0;
    let moved = 0;
    for (let ref = this.#chunks[from >> CHUNK_SHIFT][from & CHUNK_MASK]; ref !== 0; ) {
      const words = this.#words[ref >>> 24];
      const at = (ref & 0xfffffe) + this.#nextWord;
      const next = words[at];
      if ((words[at + 1] & (this.#low * 2 - 1)) === added) {
        words[at] = moved;
        moved = ref;
      } else {
        words[at] = kept;
        kept = ref;
      }
      ref = next;
    }
    this.#chunks[from >> CHUNK_SHIFT][from & CHUNK_MASK] = kept;
    this.#chunks[added >> CHUNK_SHIFT][added & CHUNK_MASK] = moved;
    if (this.#buckets === this.#low * 2) this.#low *= 2;
  }

  /** Takes the last bucket away; what is in it goes back to the one it was cut from. */
  #merge(): void {
    if (this.#buckets === this.#low) this.#low /= 2;
    const last = --this.#buckets;
    const chunk = this.#chunks[last >> CHUNK_SHIFT];
    const first = chunk[last & CHUNK_MASK];
    chunk[last & CHUNK_MASK] = 0;
    const into = last - this.#low;
    const intoChunk = this.#chunks[into >> CHUNK_SHIFT];
    if (first !== 0) {
      let end = first;
      for (let next = this.next(end); next !== 0; next = this.next(end)) end = next;
      this.#words[end >>> 24][(end & 0xfffffe) + this.#nextWord] = intoChunk[into & CHUNK_MASK];
      intoChunk[into & CHUNK_MASK] = first;
    }
    // One spare chunk stays, so that a table at the edge of one does not allocate and drop it in turns.
    if (this.#chunks.length > (this.#buckets >> CHUNK_SHIFT) + 2) this.#chunks.pop();
  }

  /** Checks that every record is where its hash belongs; throws where it is not. For tests. */
  checkInvariants(): void {
    let count = 0;
    for (let bucket = 0; bucket < this.#buckets; bucket++) {
      for (let ref = this.#chunks[bucket >> CHUNK_SHIFT][bucket & CHUNK_MASK]; ref !== 0; ref = this.next(ref)) {
        const hash = this.#words[ref >>> 24][(ref & 0xfffffe) + this.#nextWord + 1];
        if (this.#bucketOf(hash) !== bucket)
          throw new Error(`a record of bucket ${this.#bucketOf(hash)} is in ${bucket}`);
        count++;
      }
    }
    if (count !== this.count) throw new Error(`${count} records are in the table, ${this.count} counted`);
  }
}
