/**
 * Records of a radix tree in unsigned byte order of their keys, from any key on, whether or not that key is there.
 *
 * Keeps the path from the root as a stack: each node with the word of the reference to visit next. The tree must not
 * change between `seek` and the last `next`; a scan over several pages seeks again from its last key. Seeking costs as
 * much as a look-up, each further record O(1) amortized.
 */
import { type ByteRange, compareRanges } from "./byte-range.ts";
import {
  childrenOf,
  childWord,
  childWordFrom,
  countOf,
  depthOf,
  firstWord,
  hasTerminal,
  KIND_FULL,
  kindOf,
  nextWord,
} from "./radix-node.ts";
import { NONE, type RadixTree } from "./radix-tree.ts";
import { keyBytesOf, keyWordOf } from "./record.ts";

const NO_BYTES = new Uint8Array(0);
/** Fullest node whose records are touched ahead. */
const TOUCH_MAX = 48;

class RadixScan {
  readonly #tree: RadixTree;
  readonly #nodes: number[] = [];
  /** Of each node in the stack, the word to visit next; -1 when all were. */
  readonly #next: number[] = [];
  /** A record to visit before the stack. */
  #first = NONE;
  /** Keeps the reads of `#touch` from being optimized away. */
  touched = 0;

  constructor(tree: RadixTree) {
    this.#tree = tree;
  }

  /** Goes to the first record whose key is above these bytes, or equal to them if `inclusive`. */
  seek(bytes: Uint8Array, start: number, end: number, inclusive: boolean): void {
    const tree = this.#tree;
    this.#nodes.length = 0;
    this.#next.length = 0;
    this.#first = NONE;
    if (tree.root === NONE) return;
    const near = tree.nearestLeaf(bytes, start, end);
    const shared = tree.sharedBytes(near, bytes, start, end);
    const ref = this.#descend(bytes, start, shared);
    if ((ref & 1) === 0) this.#enter(ref, near, bytes, start, end, shared, inclusive);
    else if (this.#follows(near, bytes, start, end, shared, inclusive)) this.#first = ref;
  }

  /** Follows the bytes that the tree shares with the key, remembering what comes after them at each node. */
  #descend(bytes: Uint8Array, start: number, shared: number): number {
    const chunks = this.#tree.nodes.words;
    let ref = this.#tree.root;
    while ((ref & 1) === 0) {
      const words = chunks[ref >>> 24];
      const at = ref & 0xfffffe;
      const header = words[at];
      if (depthOf(header) >= shared) break;
      const word = childWord(words, at, header, bytes[start + depthOf(header)]);
      this.#nodes.push(ref);
      this.#next.push(nextWord(words, at, header, word));
      ref = words[word];
    }
    return ref;
  }

  /** Begins inside the node at which the key and the tree part. */
  #enter(
    ref: number,
    near: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    shared: number,
    inclusive: boolean,
  ): void {
    const words = this.#tree.nodes.words[ref >>> 24];
    const at = ref & 0xfffffe;
    const header = words[at];
    let word = -1;
    if (depthOf(header) === shared && start + shared < end)
      word = childWordFrom(words, at, header, bytes[start + shared]);
    else if (depthOf(header) === shared && hasTerminal(header) && !inclusive)
      word = childWordFrom(words, at, header, 0);
    else if (this.#follows(near, bytes, start, end, shared, true)) word = firstWord(words, at, header);
    this.#nodes.push(ref);
    this.#next.push(word);
  }

  /** Whether a record comes after these bytes, with which it shares the first `shared`. */
  #follows(leaf: number, bytes: Uint8Array, start: number, end: number, shared: number, inclusive: boolean): boolean {
    const words = this.#tree.records.words[leaf >>> 24];
    const at = leaf & 0xfffffe;
    const keyBytes = keyBytesOf(words, at);
    if (start + shared === end) return keyBytes > shared || inclusive;
    if (keyBytes === shared) return false;
    return this.#tree.records.bytes[leaf >>> 24][keyWordOf(words, at) * 4 + shared] > bytes[start + shared];
  }

  /** The next record, `NONE` after the last. */
  next(): number {
    if (this.#first !== NONE) {
      const first = this.#first;
      this.#first = NONE;
      return first;
    }
    const chunks = this.#tree.nodes.words;
    for (let top = this.#nodes.length - 1; top >= 0; ) {
      const node = this.#nodes[top];
      const word = this.#next[top];
      if (word < 0) {
        this.#nodes.pop();
        this.#next.pop();
        top--;
        continue;
      }
      const words = chunks[node >>> 24];
      const at = node & 0xfffffe;
      this.#next[top] = nextWord(words, at, words[at], word);
      const ref = words[word];
      if ((ref & 1) !== 0) return ref;
      const childWords = chunks[ref >>> 24];
      const childAt = ref & 0xfffffe;
      const header = childWords[childAt];
      const first = firstWord(childWords, childAt, header);
      this.#touch(childWords, header, first);
      this.#nodes.push(ref);
      this.#next.push(first);
      top++;
    }
    return NONE;
  }

  /** Reads a word of each record below a node, so that their cache misses overlap instead of following each other. */
  #touch(words: Int32Array, header: number, first: number): void {
    if (kindOf(header) === KIND_FULL || childrenOf(header) > TOUCH_MAX) return;
    const records = this.#tree.records.words;
    let sum = 0;
    const begin = hasTerminal(header) ? first - childrenOf(header) : first;
    for (let word = begin, end = begin + countOf(header); word < end; word++) {
      const ref = words[word];
      if ((ref & 1) !== 0) sum += records[ref >>> 24][ref & 0xfffffe] & 1;
    }
    this.touched += sum;
  }
}

/**
 * Visits records in unsigned byte order of their keys, strictly after `after` and under `prefix`, until `visit` answers
 * false. The tree must not change meanwhile.
 */
export function scanTree(
  tree: RadixTree,
  after: ByteRange | undefined,
  prefix: ByteRange | undefined,
  visit: (ref: number) => boolean,
): void {
  const scan = new RadixScan(tree);
  if (after !== undefined && (prefix === undefined || compareRanges(after, prefix) >= 0)) {
    scan.seek(after.bytes, after.start, after.end, false);
  } else if (prefix !== undefined) {
    scan.seek(prefix.bytes, prefix.start, prefix.end, true);
  } else {
    scan.seek(NO_BYTES, 0, 0, true);
  }
  for (let ref = scan.next(); ref !== NONE; ref = scan.next()) {
    if (prefix !== undefined && !hasPrefix(tree, ref, prefix)) return;
    if (!visit(ref)) return;
  }
}

function hasPrefix(tree: RadixTree, ref: number, prefix: ByteRange): boolean {
  return tree.sharedBytes(ref, prefix.bytes, prefix.start, prefix.end) === prefix.end - prefix.start;
}
