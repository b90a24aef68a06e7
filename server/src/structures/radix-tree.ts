/**
 * Adaptive radix tree over byte strings (Leis, Kemper, Neumann: The Adaptive Radix Tree, ICDE 2013), laid out in slabs
 * instead of objects. Its leaves are records (record.ts) in an allocator that the owner fills; its nodes (radix-node.ts)
 * are in another, which only the tree uses.
 *
 *     keys "car", "cart", "cat", "dog"            node depth 0
 *                                                  'c' |  | 'd'
 *                                       node depth 2       leaf "dog"
 *                                       'r' |  | 't'
 *                            node depth 3       leaf "cat"
 *                       terminal |  | 't'
 *                        leaf "car"  leaf "cart"
 *
 * Paths are compressed without storing what was left out: a node knows its absolute depth only, and the leaf's key is
 * compared as a whole. So a split writes one new node and one reference, and a merge only a reference.
 *
 * A reference is a signed 32-bit integer: bit 0 set for a leaf; 0 for nothing.
 *
 * Look-ups cost one cache miss or two per level. With a million random keys there are four levels, and `findMany` lets the
 * misses of different keys overlap by stepping all of them down one level at a time.
 */
import {
  addChild,
  addTerminal,
  anyRef,
  checkNode,
  childWord,
  copyInto,
  countOf,
  depthOf,
  firstWord,
  hasTerminal,
  initialize,
  isFull,
  isSparse,
  kindOf,
  nextWord,
  nodeBytes,
  removeChild,
  terminalWord,
} from "./radix-node.ts";
import { keyBytesOf, keyEquals, keyWordOf } from "./record.ts";
import type { SlabAllocator } from "./slab-allocator.ts";

/** What a look-up answers when there is no such key. */
export const NONE = 0;

/** The most keys `findMany` takes. */
export const FIND_MANY_MAX = 64;

/** Several keys to look up together, and what was found. */
export class KeyGroup {
  readonly bytes: Uint8Array[] = new Array(FIND_MANY_MAX).fill(new Uint8Array(0));
  readonly starts = new Int32Array(FIND_MANY_MAX);
  readonly ends = new Int32Array(FIND_MANY_MAX);
  readonly refs = new Int32Array(FIND_MANY_MAX);
  count = 0;
}

export class RadixTree {
  readonly nodes: SlabAllocator;
  readonly records: SlabAllocator;
  root = NONE;
  /** Where a walk has arrived: the word that holds the reference, and its chunk; no chunk for the root. A removal walks too. */
  #slotWords: Int32Array | undefined;
  #slotWord = 0;
  /** Where `locate` has come to, in the slot of `#seek`: the node that has no child for the key, or a record with another one. */
  #end = NONE;
  /** The last node on the way that leaves bytes out (the root if none does), or that record. */
  #gap = NONE;
  /** Keeps the reads of `#touch` from being optimized away. */
  touched = 0;

  /** Both allocators are on the same heap, and each is the tree's own. */
  constructor(nodes: SlabAllocator, records: SlabAllocator) {
    this.nodes = nodes;
    this.records = records;
  }

  /** The record with this key, or `NONE`. */
  find(bytes: Uint8Array, start: number, end: number): number {
    const chunks = this.nodes.words;
    const keyBytes = end - start;
    let ref = this.root;
    while ((ref & 1) === 0) {
      if (ref === NONE) return NONE;
      const words = chunks[ref >>> 24];
      const at = ref & 0xfffffe;
      const header = words[at];
      const depth = depthOf(header);
      if (depth < keyBytes) {
        const word = childWord(words, at, header, bytes[start + depth]);
        if (word < 0) return NONE;
        ref = words[word];
      } else {
        if (depth > keyBytes || !hasTerminal(header)) return NONE;
        ref = words[terminalWord(at, header)];
      }
    }
    return keyEquals(this.records.words[ref >>> 24], ref & 0xfffffe, bytes, start, end) ? ref : NONE;
  }

  /**
   * `find` for each key of a group; fills `group.refs`. A key that is not there is followed to the record nearest to it, with which
   * `insert` compares it where the node before it leaves bytes out: then that record is in the cache.
   */
  findMany(group: KeyGroup): void {
    const chunks = this.nodes.words;
    const { refs, bytes, starts, ends, count } = group;
    for (let i = 0; i < count; i++) refs[i] = this.root;
    while (this.#touch(group)) {
      for (let i = 0; i < count; i++) {
        const ref = refs[i];
        if ((ref & 1) !== 0 || ref === NONE) continue;
        const words = chunks[ref >>> 24];
        const at = ref & 0xfffffe;
        const header = words[at];
        const depth = depthOf(header);
        const start = starts[i];
        let word = -1;
        if (start + depth < ends[i]) word = childWord(words, at, header, bytes[i][start + depth]);
        else if (start + depth === ends[i] && hasTerminal(header)) word = terminalWord(at, header);
        refs[i] = word < 0 ? anyRef(words, at) : words[word];
      }
    }
    const records = this.records.words;
    for (let i = 0; i < count; i++) {
      const ref = refs[i];
      if (ref === NONE) continue;
      if (!keyEquals(records[ref >>> 24], ref & 0xfffffe, bytes[i], starts[i], ends[i])) refs[i] = NONE;
    }
  }

  /**
   * Reads the first words of what every reference of a group leads to, with no branch that depends on them: so all misses
   * are under way before the first is waited for. Returns whether any leads to a node.
   */
  #touch(group: KeyGroup): boolean {
    // Nodes and records share their chunks.
    const chunks = this.nodes.words;
    const { refs, count } = group;
    let sum = 0;
    let descending = false;
    for (let i = 0; i < count; i++) {
      const ref = refs[i];
      if (ref === NONE) continue;
      const words = chunks[ref >>> 24];
      const at = ref & 0xfffffe;
      // A word of the next cache line, too; at the end of a chunk that is one of the first.
      sum ^= words[at] ^ words[(at + 16) & 0xffffff];
      if ((ref & 1) === 0) descending = true;
    }
    this.touched = sum;
    return descending;
  }

  /**
   * `find` that remembers, where it finds nothing, what `insert` needs to know. Of bytes that nodes leave out it is not known yet
   * whether they are the key's; any record below the last node that leaves some out tells of all of them:
   *
   *     key "cast"      node depth 0 -c-> node depth 2 -s-> node depth 3, which has no child 't'
   *                                     ^ leaves out 'a', which all records below have
   *
   * Where keys are dense that node is near the root, and its first record in the cache; the nearest one would not be.
   */
  locate(bytes: Uint8Array, start: number, end: number): number {
    const chunks = this.nodes.words;
    const keyBytes = end - start;
    let ref = this.root;
    let gap = ref;
    let depthMin = 0;
    let slotWords: Int32Array | undefined;
    let slotWord = 0;
    while ((ref & 1) === 0 && ref !== NONE) {
      const words = chunks[ref >>> 24];
      const at = ref & 0xfffffe;
      const header = words[at];
      const depth = depthOf(header);
      if (depth > depthMin) gap = ref;
      depthMin = depth + 1;
      let word = -1;
      if (depth < keyBytes) word = childWord(words, at, header, bytes[start + depth]);
      else if (depth === keyBytes && hasTerminal(header)) word = terminalWord(at, header);
      if (word < 0) break;
      slotWords = words;
      slotWord = word;
      ref = words[word];
    }
    if ((ref & 1) !== 0) {
      if (keyEquals(this.records.words[ref >>> 24], ref & 0xfffffe, bytes, start, end)) return ref;
      gap = ref;
    }
    this.#end = ref;
    this.#gap = gap;
    this.#slotWords = slotWords;
    this.#slotWord = slotWord;
    return NONE;
  }

  /**
   * Adds a record whose key, these bytes, is not in the tree, as `locate` has just found; nothing was changed since.
   * Allocates at most one node.
   */
  insert(bytes: Uint8Array, start: number, end: number, leaf: number): void {
    let ref = this.#end;
    if (ref === NONE) {
      this.root = leaf;
      return;
    }
    const gap = this.#gap;
    const near = this.#firstLeaf(gap);
    let depth = this.sharedBytes(near, bytes, start, end);
    // All that was left out on the way is the key's: it ends at the node that has no child for it.
    if ((ref & 1) === 0 && depth >= this.#depthOf(gap)) depth = this.#depthOf(ref);
    else {
      this.#seek(bytes, start, depth);
      ref = this.#slotRef();
    }
    const byte = depth < end - start ? bytes[start + depth] : -1;
    if ((ref & 1) === 0 && this.#depthOf(ref) === depth) this.#addTo(ref, byte, leaf);
    else this.#split(ref, near, depth, byte, leaf);
  }

  #depthOf(node: number): number {
    return depthOf(this.nodes.words[node >>> 24][node & 0xfffffe]);
  }

  /** A new node above `ref`, whose keys all have `near`'s byte at `depth`. */
  #split(ref: number, near: number, depth: number, byte: number, leaf: number): void {
    const node = this.nodes.allocate(nodeBytes(0));
    const words = this.nodes.words[node >>> 24];
    const at = node & 0xfffffe;
    initialize(words, at, 0, depth);
    const nearWords = this.records.words[near >>> 24];
    const nearAt = near & 0xfffffe;
    if (depth === keyBytesOf(nearWords, nearAt)) addTerminal(words, at, ref);
    else addChild(words, at, this.records.bytes[near >>> 24][keyWordOf(nearWords, nearAt) * 4 + depth], ref);
    if (byte < 0) addTerminal(words, at, leaf);
    else addChild(words, at, byte, leaf);
    this.#setSlotRef(node);
  }

  #addTo(ref: number, byte: number, leaf: number): void {
    let words = this.nodes.words[ref >>> 24];
    let at = ref & 0xfffffe;
    if (isFull(words[at])) {
      const grown = this.#remake(ref, words, at, kindOf(words[at]) + 1);
      words = this.nodes.words[grown >>> 24];
      at = grown & 0xfffffe;
    }
    if (byte < 0) addTerminal(words, at, leaf);
    else addChild(words, at, byte, leaf);
  }

  /** Moves a node, which `#seek` has arrived at, into one of another kind. */
  #remake(ref: number, words: Int32Array, at: number, kind: number): number {
    const node = this.nodes.allocate(nodeBytes(kind));
    copyInto(words, at, this.nodes.words[node >>> 24], node & 0xfffffe, kind);
    this.#setSlotRef(node);
    this.nodes.free(ref);
    return node;
  }

  /** Takes the record with this key out of the tree and returns it, `NONE` if there is none. The caller frees it. */
  remove(bytes: Uint8Array, start: number, end: number): number {
    const chunks = this.nodes.words;
    const keyBytes = end - start;
    let ref = this.root;
    let node = NONE;
    let nodeWords: Int32Array | undefined;
    let word = 0;
    this.#slotWords = undefined;
    while ((ref & 1) === 0) {
      if (ref === NONE) return NONE;
      // Once at the leaf, the slot is the one that holds its node.
      if (node !== NONE) {
        this.#slotWords = nodeWords;
        this.#slotWord = word;
      }
      node = ref;
      nodeWords = chunks[ref >>> 24];
      const at = ref & 0xfffffe;
      const header = nodeWords[at];
      const depth = depthOf(header);
      if (depth < keyBytes) {
        word = childWord(nodeWords, at, header, bytes[start + depth]);
        if (word < 0) return NONE;
      } else {
        if (depth > keyBytes || !hasTerminal(header)) return NONE;
        word = terminalWord(at, header);
      }
      ref = nodeWords[word];
    }
    if (!keyEquals(this.records.words[ref >>> 24], ref & 0xfffffe, bytes, start, end)) return NONE;
    if (node === NONE || nodeWords === undefined) this.root = NONE;
    else this.#removeFrom(node, nodeWords, word);
    return ref;
  }

  #removeFrom(node: number, words: Int32Array, word: number): void {
    const at = node & 0xfffffe;
    removeChild(words, at, word);
    const header = words[at];
    if (countOf(header) === 1) {
      this.#setSlotRef(anyRef(words, at));
      this.nodes.free(node);
    } else if (isSparse(header)) {
      this.#remake(node, words, at, kindOf(header) - 1);
    }
  }

  /** Puts another record with the same key in the place of one. Its key is read from the old one. */
  replace(oldLeaf: number, newLeaf: number): void {
    this.#seekRef(oldLeaf, oldLeaf);
    this.#setSlotRef(newLeaf);
  }

  /** Moves a node into another slot of its size. */
  moveNode(ref: number): void {
    const words = this.nodes.words[ref >>> 24];
    this.#seekRef(this.#firstLeaf(ref), ref);
    this.#remake(ref, words, ref & 0xfffffe, kindOf(words[ref & 0xfffffe]));
  }

  /** The record that shares the longest run of first bytes with the key; the tree is not empty. */
  nearestLeaf(bytes: Uint8Array, start: number, end: number): number {
    const chunks = this.nodes.words;
    const keyBytes = end - start;
    let ref = this.root;
    while ((ref & 1) === 0) {
      const words = chunks[ref >>> 24];
      const at = ref & 0xfffffe;
      const header = words[at];
      const depth = depthOf(header);
      let word = -1;
      if (depth < keyBytes) word = childWord(words, at, header, bytes[start + depth]);
      else if (depth === keyBytes && hasTerminal(header)) word = terminalWord(at, header);
      ref = word < 0 ? anyRef(words, at) : words[word];
    }
    return ref;
  }

  #firstLeaf(ref: number): number {
    let leaf = ref;
    while ((leaf & 1) === 0) leaf = anyRef(this.nodes.words[leaf >>> 24], leaf & 0xfffffe);
    return leaf;
  }

  /** How many first bytes a record's key and these bytes have in common. */
  sharedBytes(leaf: number, bytes: Uint8Array, start: number, end: number): number {
    const words = this.records.words[leaf >>> 24];
    const at = leaf & 0xfffffe;
    const keyBytes = keyBytesOf(words, at);
    const length = keyBytes < end - start ? keyBytes : end - start;
    let word = keyWordOf(words, at);
    let shared = 0;
    for (const last = length - 4; shared <= last; shared += 4, word++) {
      const i = start + shared;
      const different = (bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24)) ^ words[word];
      // The lowest byte is the first.
      if (different !== 0) return shared + ((31 - Math.clz32(different & -different)) >> 3);
    }
    const recordBytes = this.records.bytes[leaf >>> 24];
    const keyAt = keyWordOf(words, at) * 4;
    while (shared < length && recordBytes[keyAt + shared] === bytes[start + shared]) shared++;
    return shared;
  }

  /** Goes down to the first reference that is a leaf or a node of at least `depth`. The bytes up to there are in the tree. */
  #seek(bytes: Uint8Array, start: number, depth: number): void {
    const chunks = this.nodes.words;
    this.#slotWords = undefined;
    let ref = this.root;
    while ((ref & 1) === 0) {
      const words = chunks[ref >>> 24];
      const header = words[ref & 0xfffffe];
      if (depthOf(header) >= depth) return;
      const word = childWord(words, ref & 0xfffffe, header, bytes[start + depthOf(header)]);
      this.#slotWords = words;
      this.#slotWord = word;
      ref = words[word];
    }
  }

  /** Goes down towards a record until the reference is `wanted`. */
  #seekRef(leaf: number, wanted: number): void {
    const chunks = this.nodes.words;
    const leafWords = this.records.words[leaf >>> 24];
    const leafAt = leaf & 0xfffffe;
    const bytes = this.records.bytes[leaf >>> 24];
    const start = keyWordOf(leafWords, leafAt) * 4;
    const keyBytes = keyBytesOf(leafWords, leafAt);
    this.#slotWords = undefined;
    let ref = this.root;
    while (ref !== wanted) {
      const words = chunks[ref >>> 24];
      const at = ref & 0xfffffe;
      const header = words[at];
      const depth = depthOf(header);
      const word = depth < keyBytes ? childWord(words, at, header, bytes[start + depth]) : terminalWord(at, header);
      if ((ref & 1) !== 0 || word < 0) throw new Error("a record is not where its key leads to");
      this.#slotWords = words;
      this.#slotWord = word;
      ref = words[word];
    }
  }

  #slotRef(): number {
    return this.#slotWords === undefined ? this.root : this.#slotWords[this.#slotWord];
  }

  #setSlotRef(ref: number): void {
    if (this.#slotWords === undefined) this.root = ref;
    else this.#slotWords[this.#slotWord] = ref;
  }

  /** Checks every node and that every record is found by its key; throws otherwise. Returns the number of records. For tests. */
  checkInvariants(): number {
    let leaves = 0;
    let nodes = 0;
    const pending = this.root === NONE ? [] : [this.root];
    for (let ref = pending.pop(); ref !== undefined; ref = pending.pop()) {
      if ((ref & 1) !== 0) {
        const words = this.records.words[ref >>> 24];
        const keyAt = keyWordOf(words, ref & 0xfffffe) * 4;
        const found = this.find(this.records.bytes[ref >>> 24], keyAt, keyAt + keyBytesOf(words, ref & 0xfffffe));
        if (found !== ref) throw new Error("a record is not found by its key");
        leaves++;
        continue;
      }
      nodes++;
      const words = this.nodes.words[ref >>> 24];
      const at = ref & 0xfffffe;
      checkNode(words, at);
      const header = words[at];
      for (let word = firstWord(words, at, header); word >= 0; word = nextWord(words, at, header, word)) {
        const child = words[word];
        if ((child & 1) === 0 && depthOf(this.nodes.words[child >>> 24][child & 0xfffffe]) <= depthOf(header)) {
          throw new Error("a node is not deeper than the one above it");
        }
        pending.push(child);
      }
    }
    if (nodes !== this.nodes.count) throw new Error(`${nodes} nodes are reached, ${this.nodes.count} allocated`);
    if (leaves !== this.records.count)
      throw new Error(`${leaves} records are reached, ${this.records.count} allocated`);
    return leaves;
  }
}
