/**
 * Keys looked up together before they are asked for one by one, so that their cache misses overlap. Answers are found by
 * identity: the same buffer at the same place. Buffers are used again with other bytes in them, so the answers are only
 * for the step that asked, from `fill` to `clear`. That nobody writes to one meanwhile is checked by the last four bytes of the
 * key: whole keys were compared when they were found.
 *
 * A burst of writes changes the tree while its own keys are primed. A key that was not found stays so unless it is added:
 * those added since are remembered by a fingerprint, and only an equal one makes the tree be asked again. A record that is
 * replaced or removed is put right in the group. So a hundred new keys cost one look-up each, not two.
 */
import type { ByteRange } from "../structures/byte-range.ts";
import { FIND_MANY_MAX, KeyGroup, NONE, type RadixTree } from "../structures/radix-tree.ts";

const ADDED_MAX = 64;
const NO_BYTES = new Uint8Array(0);

export class PrimedKeys {
  readonly #group = new KeyGroup();
  /** The next that will likely be asked for. */
  #next = 0;
  /** Fingerprints of the keys added since: one that was not found may be there now. */
  readonly #added = new Int32Array(ADDED_MAX);
  /** More than `ADDED_MAX`: any miss may be void. */
  #addedCount = 0;
  readonly #tails = new Int32Array(FIND_MANY_MAX);
  /** How many buffers the group holds; `forget` does not let go of them. */
  #filled = 0;

  fill(tree: RadixTree, ranges: readonly ByteRange[], count: number): void {
    this.clear();
    const group = this.#group;
    for (let i = 0; i < count; i++) {
      const range = ranges[i];
      group.bytes[i] = range.bytes;
      group.starts[i] = range.start;
      group.ends[i] = range.end;
      this.#tails[i] = tailOf(range.bytes, range.start, range.end);
    }
    group.count = count;
    this.#filled = count;
    tree.findMany(group);
    this.#next = 0;
    this.#addedCount = 0;
  }

  get count(): number {
    return this.#group.count;
  }

  added(bytes: Uint8Array, start: number, end: number): void {
    if (this.#group.count === 0) return;
    if (this.#addedCount < ADDED_MAX) this.#added[this.#addedCount] = fingerprintOf(bytes, start, end);
    this.#addedCount++;
  }

  /** A record has another place, or none (`NONE`). */
  replaced(old: number, ref: number): void {
    const { refs, count } = this.#group;
    for (let i = 0; i < count; i++) if (refs[i] === old) refs[i] = ref;
  }

  /** Records may have been moved. */
  forget(): void {
    this.#group.count = 0;
  }

  /** The bytes asked for may change from here on. Lets go of their buffers. */
  clear(): void {
    const group = this.#group;
    for (let i = 0; i < this.#filled; i++) group.bytes[i] = NO_BYTES;
    this.#filled = 0;
    group.count = 0;
  }

  find(tree: RadixTree, bytes: Uint8Array, start: number, end: number): number {
    const group = this.#group;
    // Most keys are asked for in order, some twice in a row.
    for (let i = this.#next; i < group.count; i++) {
      if (group.starts[i] !== start || group.bytes[i] !== bytes || group.ends[i] !== end) continue;
      this.#next = i;
      const ref = group.refs[i];
      const holds =
        this.#tails[i] === tailOf(bytes, start, end) && (ref !== NONE || !this.#mayBeAdded(bytes, start, end));
      if (holds) return ref;
      break;
    }
    return tree.find(bytes, start, end);
  }

  #mayBeAdded(bytes: Uint8Array, start: number, end: number): boolean {
    const count = this.#addedCount;
    if (count === 0) return false;
    if (count > ADDED_MAX) return true;
    const fingerprint = fingerprintOf(bytes, start, end);
    const added = this.#added;
    for (let i = 0; i < count; i++) if (added[i] === fingerprint) return true;
    return false;
  }
}

/** The last bytes of a key, four at the most. */
function tailOf(bytes: Uint8Array, start: number, end: number): number {
  if (end - start >= 4) return bytes[end - 4] | (bytes[end - 3] << 8) | (bytes[end - 2] << 16) | (bytes[end - 1] << 24);
  let tail = 0;
  for (let i = start; i < end; i++) tail = (tail << 8) | bytes[i];
  return tail;
}

/** The length and the last bytes, where keys of a kind differ. */
function fingerprintOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = end - start;
  for (let i = end - start > 8 ? end - 8 : start; i < end; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return hash | 0;
}
