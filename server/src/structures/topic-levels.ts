/**
 * The levels of patterns, each kept once and named by a small integer, so that the trie compares integers.
 *
 *     level   [ next | hash | uses | length | more | 12 bytes ]     next and hash are those of `HashChains`
 *     more    [ more | 28 bytes ]                                    as long as the level goes on
 *
 * A level goes when its last use does. `find` makes nothing: a topic's level is looked up where it lies. It costs O(bytes).
 */
import { HASH_FIELD, HashChains, type HashKey, hashBytes, NEXT_FIELD, wordAt } from "./topic-hash.ts";
import { IntRecords } from "./topic-records.ts";

const USES = 2;
const LENGTH = 3;
const MORE = 4;
const WIDTH = 8;
const FIRST_WORD = 5;
/** In a continuation `more` is field 0. */
const NEXT_MORE = 0;
const NEXT_FIRST_WORD = 1;

export class TopicLevels {
  readonly #key: HashKey;
  readonly #records = new IntRecords(WIDTH);
  readonly #chains = new HashChains(this.#records);

  constructor(key: HashKey) {
    this.#key = key;
  }

  /** Records in use: one for each level and more for long ones. */
  get recordCount(): number {
    return this.#records.count;
  }

  /** Bytes of the records in use. */
  get usedBytes(): number {
    return this.#records.count * WIDTH * Int32Array.BYTES_PER_ELEMENT;
  }

  get heldBytes(): number {
    return this.#records.heldBytes + this.#chains.heldBytes;
  }

  /** @returns the level of these bytes, or 0 if no pattern has it. */
  find(bytes: Uint8Array, start: number, end: number): number {
    return this.#find(bytes, start, end, hashBytes(this.#key, bytes, start, end));
  }

  /** @returns the level of these bytes, with one use more; it is new at its first. */
  take(bytes: Uint8Array, start: number, end: number): number {
    const hash = hashBytes(this.#key, bytes, start, end);
    let level = this.#find(bytes, start, end, hash);
    if (level === 0) {
      level = this.#records.take();
      this.#records.set(level, LENGTH, end - start);
      this.#store(level, bytes, start, end);
      this.#chains.insert(level, hash);
    }
    this.#records.set(level, USES, this.#records.get(level, USES) + 1);
    return level;
  }

  release(level: number): void {
    const uses = this.#records.get(level, USES) - 1;
    this.#records.set(level, USES, uses);
    if (uses > 0) return;
    this.#chains.remove(level);
    let more = this.#records.get(level, MORE);
    this.#records.release(level);
    while (more !== 0) {
      const next = this.#records.get(more, NEXT_MORE);
      this.#records.release(more);
      more = next;
    }
  }

  lengthOf(level: number): number {
    return this.#records.get(level, LENGTH);
  }

  /** Writes the level's bytes to `into` at `at`. */
  write(level: number, into: Uint8Array, at: number): void {
    const end = at + this.lengthOf(level);
    let record = level;
    let field = FIRST_WORD;
    for (let to = at; to < end; to += 4) {
      if (field === WIDTH) {
        record = this.#records.get(record, record === level ? MORE : NEXT_MORE);
        field = NEXT_FIRST_WORD;
      }
      const word = this.#records.get(record, field++);
      for (let i = 0; i < 4 && to + i < end; i++) into[to + i] = word >>> (i << 3);
    }
  }

  #find(bytes: Uint8Array, start: number, end: number, hash: number): number {
    let level = this.#chains.first(hash);
    while (level !== 0) {
      const chunk = this.#records.chunk(level);
      const offset = this.#records.offset(level);
      if (
        chunk[offset + HASH_FIELD] === hash &&
        chunk[offset + LENGTH] === end - start &&
        this.#equals(level, bytes, start, end)
      ) {
        break;
      }
      level = chunk[offset + NEXT_FIELD];
    }
    return level;
  }

  #equals(level: number, bytes: Uint8Array, start: number, end: number): boolean {
    let chunk = this.#records.chunk(level);
    let offset = this.#records.offset(level);
    let more = chunk[offset + MORE];
    let field = FIRST_WORD;
    for (let at = start; at < end; at += 4) {
      if (field === WIDTH) {
        chunk = this.#records.chunk(more);
        offset = this.#records.offset(more);
        more = chunk[offset + NEXT_MORE];
        field = NEXT_FIRST_WORD;
      }
      if (chunk[offset + field++] !== wordAt(bytes, at, end)) return false;
    }
    return true;
  }

  #store(level: number, bytes: Uint8Array, start: number, end: number): void {
    let record = level;
    let field = FIRST_WORD;
    for (let at = start; at < end; at += 4) {
      if (field === WIDTH) {
        const more = this.#records.take();
        this.#records.set(record, record === level ? MORE : NEXT_MORE, more);
        record = more;
        field = NEXT_FIRST_WORD;
      }
      this.#records.set(record, field++, wordAt(bytes, at, end));
    }
  }
}
