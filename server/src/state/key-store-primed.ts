/**
 * Keys looked up together before they are asked for one by one, so that their cache misses overlap. Answers are found by
 * identity: the same buffer at the same place. Buffers are used again with other bytes in them, so the answers are only
 * for the step that asked, from `fill` to `clear`; and a record found is compared with the bytes asked for, which costs
 * little because the look-up has just brought it into the cache.
 */
import type { ByteRange } from "../structures/byte-range.ts";
import { KeyGroup, NONE, type RadixTree } from "../structures/radix-tree.ts";
import { keyEquals } from "../structures/record.ts";

const NO_BYTES = new Uint8Array(0);

export class PrimedKeys {
  readonly #group = new KeyGroup();
  /** The next that will likely be asked for. */
  #next = 0;
  /** Whether a key was added since, so that one that was not found may be there now. */
  #missesVoid = false;
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
    }
    group.count = count;
    this.#filled = count;
    tree.findMany(group);
    this.#next = 0;
    this.#missesVoid = false;
  }

  get count(): number {
    return this.#group.count;
  }

  /** A key was added. */
  forgetMisses(): void {
    this.#missesVoid = true;
  }

  /** A record was moved or removed. */
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
        ref === NONE ? !this.#missesVoid : keyEquals(tree.records.words[ref >>> 24], ref & 0xfffffe, bytes, start, end);
      if (holds) return ref;
      break;
    }
    return tree.find(bytes, start, end);
  }
}
