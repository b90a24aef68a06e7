/**
 * Keys looked up together before they are asked for one by one, so that their cache misses overlap. Answers are by
 * identity: the same buffer at the same place, whose bytes must not have changed meanwhile.
 */
import type { ByteRange } from "../structures/byte-range.ts";
import { KeyGroup, NONE, type RadixTree } from "../structures/radix-tree.ts";

const NO_BYTES = new Uint8Array(0);

export class PrimedKeys {
  readonly #group = new KeyGroup();
  /** The next that will likely be asked for. */
  #next = 0;
  /** Whether a key was added since, so that one that was not found may be there now. */
  #missesVoid = false;

  fill(tree: RadixTree, ranges: readonly ByteRange[], count: number): void {
    const group = this.#group;
    // Buffers of the last group are let go.
    for (let i = count; i < group.count; i++) group.bytes[i] = NO_BYTES;
    for (let i = 0; i < count; i++) {
      const range = ranges[i];
      group.bytes[i] = range.bytes;
      group.starts[i] = range.start;
      group.ends[i] = range.end;
    }
    group.count = count;
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

  find(tree: RadixTree, bytes: Uint8Array, start: number, end: number): number {
    const group = this.#group;
    // Most keys are asked for in order, some twice in a row.
    for (let i = this.#next; i < group.count; i++) {
      if (group.starts[i] !== start || group.bytes[i] !== bytes || group.ends[i] !== end) continue;
      this.#next = i;
      const ref = group.refs[i];
      if (ref === NONE && this.#missesVoid) break;
      return ref;
    }
    return tree.find(bytes, start, end);
  }
}
