/**
 * Layout of an inner node of the radix tree, in 32-bit words:
 *
 *     0    kind 5 | terminal 1 | children 9 | depth 16      never -1, see slab-allocator.ts
 *     1..  one byte per child, ascending, padded to 4
 *     ..   one reference per child, in the same order, then the terminal's
 *
 * The largest kind has no bytes: its 256 references are indexed by them, 0 where there is no child, and the terminal's is
 * the 257th. A node keeps no bytes of the path above it: `depth` says which byte of the key tells its children apart, and
 * the whole key is compared at the leaf. The terminal is the one key that ends at `depth`; it comes before all children.
 *
 * The ladder is fine because most of a tree's nodes are of a few sizes: random keys make nodes of about the same count at
 * each level. A node takes the smallest kind, or one more after removals.
 */
const CAPACITY = [2, 4, 5, 7, 8, 10, 12, 16, 20, 24, 32, 40, 48, 63, 76, 95, 127, 256] as const;
export const KIND_FULL = CAPACITY.length - 1;
const NODE_BYTES_MAX = 4 + 4 * 257;

/** Children (the terminal is one) that a node of each kind has room for. */
const capacityOf = Int32Array.from(CAPACITY);
/** Offset of the first reference in words, by kind. */
const refsAt = Int32Array.from(CAPACITY, (capacity, kind) => (kind === KIND_FULL ? 1 : 1 + ((capacity + 3) >> 2)));
const bytesOf = Int32Array.from(CAPACITY, (capacity, kind) =>
  kind === KIND_FULL ? NODE_BYTES_MAX : (refsAt[kind] + capacity) * 4,
);
/** A node of a kind becomes the next smaller one with this many children left, a few below its room. */
const shrinkAt = Int32Array.from(CAPACITY, (_, kind) =>
  kind === 0 ? 1 : CAPACITY[kind - 1] - (CAPACITY[kind - 1] >> 3),
);

/**
 * So many bytes are compared without a branch between them: which of them is the one asked for cannot be foreseen, and a wrong
 * guess costs the processor more than all the comparisons. Every node has the words for it, some of them references, which are
 * masked out.
 */
const AT_ONCE = 12;

const DEPTH_MASK = 0xffff;
const CHILDREN_SHIFT = 16;
const ONE_CHILD = 1 << CHILDREN_SHIFT;
const TERMINAL = 1 << 25;
const KIND_SHIFT = 26;

export const nodeBytes = (kind: number): number => bytesOf[kind];
export const depthOf = (header: number): number => header & DEPTH_MASK;
export const kindOf = (header: number): number => header >>> KIND_SHIFT;
export const hasTerminal = (header: number): boolean => (header & TERMINAL) !== 0;
/** Children that have a byte: all but the terminal. */
export const childrenOf = (header: number): number => (header >>> CHILDREN_SHIFT) & 0x1ff;
/** Children, the terminal included. */
export const countOf = (header: number): number => childrenOf(header) + ((header >>> 25) & 1);

/** Whether one more child needs a larger kind. */
export function isFull(header: number): boolean {
  const kind = kindOf(header);
  return kind !== KIND_FULL && countOf(header) === capacityOf[kind];
}

/** Whether the node has become small enough for the kind below. */
export function isSparse(header: number): boolean {
  const kind = kindOf(header);
  return kind > 0 && countOf(header) <= shrinkAt[kind];
}

/** Index of the word with the child for `byte`; -1 if there is none. */
export function childWord(words: Int32Array, at: number, header: number, byte: number): number {
  const kind = header >>> KIND_SHIFT;
  if (kind === KIND_FULL) return words[at + 1 + byte] === 0 ? -1 : at + 1 + byte;
  const children = (header >>> CHILDREN_SHIFT) & 0x1ff;
  const pattern = Math.imul(byte, 0x0101_0101);
  if (children <= AT_ONCE) {
    const lower = zeroBytes(words[at + 1] ^ pattern) | (zeroBytes(words[at + 2] ^ pattern) << 4);
    const found = (lower | (zeroBytes(words[at + 3] ^ pattern) << 8)) & ((1 << children) - 1);
    return found === 0 ? -1 : at + refsAt[kind] + 31 - Math.clz32(found & -found);
  }
  const end = at + 1 + ((children + 3) >> 2);
  for (let word = at + 1; word < end; word++) {
    const found = zeroBytes(words[word] ^ pattern);
    if (found !== 0) {
      const index = ((word - at - 1) << 2) + 31 - Math.clz32(found & -found);
      return index < children ? at + refsAt[kind] + index : -1;
    }
  }
  return -1;
}

/** One bit per byte, the lowest first: set where the byte is 0, and perhaps above the lowest such. */
function zeroBytes(word: number): number {
  return Math.imul((((word - 0x0101_0101) & ~word) >>> 7) & 0x0101_0101, 0x1020_4080) >>> 28;
}

/** Index of the word with the terminal's reference; only where there is one. */
export function terminalWord(at: number, header: number): number {
  const kind = header >>> KIND_SHIFT;
  return kind === KIND_FULL ? at + 257 : at + refsAt[kind] + childrenOf(header);
}

/** Index of the word with the first child of a byte of at least `byte`; -1 if there is none. */
export function childWordFrom(words: Int32Array, at: number, header: number, byte: number): number {
  const kind = header >>> KIND_SHIFT;
  if (kind === KIND_FULL) {
    for (let word = at + 1 + byte; word < at + 257; word++) if (words[word] !== 0) return word;
    return -1;
  }
  const index = rankOf(words, at, childrenOf(header), byte);
  return index < childrenOf(header) ? at + refsAt[kind] + index : -1;
}

/** Index of the word with the first reference in key order: the terminal's, else the first child's. */
export function firstWord(words: Int32Array, at: number, header: number): number {
  return hasTerminal(header) ? terminalWord(at, header) : childWordFrom(words, at, header, 0);
}

/** Index of the word with the next reference in key order; -1 after the last. */
export function nextWord(words: Int32Array, at: number, header: number, word: number): number {
  if (hasTerminal(header) && word === terminalWord(at, header)) return childWordFrom(words, at, header, 0);
  const kind = header >>> KIND_SHIFT;
  if (kind === KIND_FULL) {
    for (let next = word + 1; next < at + 257; next++) if (words[next] !== 0) return next;
    return -1;
  }
  return word + 1 < at + refsAt[kind] + childrenOf(header) ? word + 1 : -1;
}

/** How many children have a byte below `byte`. */
function rankOf(words: Int32Array, at: number, children: number, byte: number): number {
  let index = 0;
  while (index < children && keyByte(words, at, index) < byte) index++;
  return index;
}

function keyByte(words: Int32Array, at: number, index: number): number {
  return (words[at + 1 + (index >> 2)] >>> ((index & 3) << 3)) & 0xff;
}

function setKeyByte(words: Int32Array, at: number, index: number, byte: number): void {
  const word = at + 1 + (index >> 2);
  const shift = (index & 3) << 3;
  words[word] = (words[word] & ~(0xff << shift)) | (byte << shift);
}

export function initialize(words: Int32Array, at: number, kind: number, depth: number): void {
  words[at] = (kind << KIND_SHIFT) | depth;
  const end = kind === KIND_FULL ? at + 258 : at + refsAt[kind];
  for (let word = at + 1; word < end; word++) words[word] = 0;
}

export function addTerminal(words: Int32Array, at: number, ref: number): void {
  words[terminalWord(at, words[at])] = ref;
  words[at] |= TERMINAL;
}

/** The node must have room, and no child for `byte`. */
export function addChild(words: Int32Array, at: number, byte: number, ref: number): void {
  const header = words[at];
  const kind = kindOf(header);
  words[at] = header + ONE_CHILD;
  if (kind === KIND_FULL) {
    words[at + 1 + byte] = ref;
    return;
  }
  const children = childrenOf(header);
  const index = rankOf(words, at, children, byte);
  for (let i = children; i > index; i--) setKeyByte(words, at, i, keyByte(words, at, i - 1));
  setKeyByte(words, at, index, byte);
  // The terminal's reference, if any, is behind the children's and moves with them.
  const refs = at + refsAt[kind];
  for (let i = countOf(header); i > index; i--) words[refs + i] = words[refs + i - 1];
  words[refs + index] = ref;
}

/** Takes out the child, or the terminal, whose reference is in `word`. */
export function removeChild(words: Int32Array, at: number, word: number): void {
  const header = words[at];
  const kind = kindOf(header);
  if (hasTerminal(header) && word === terminalWord(at, header)) {
    words[at] = header & ~TERMINAL;
    return;
  }
  words[at] = header - ONE_CHILD;
  if (kind === KIND_FULL) {
    words[word] = 0;
    return;
  }
  const children = childrenOf(header);
  const refs = at + refsAt[kind];
  const index = word - refs;
  for (let i = index; i < children - 1; i++) setKeyByte(words, at, i, keyByte(words, at, i + 1));
  const last = countOf(header) - 1;
  for (let i = index; i < last; i++) words[refs + i] = words[refs + i + 1];
}

/** Any one reference of the node; the only one if it has one. */
export function anyRef(words: Int32Array, at: number): number {
  return words[firstWord(words, at, words[at])];
}

/** Fills a new node of `kind` with the children of another. */
export function copyInto(from: Int32Array, fromAt: number, to: Int32Array, toAt: number, kind: number): void {
  const header = from[fromAt];
  const fromKind = kindOf(header);
  if (fromKind === kind) {
    for (let i = 0; i < bytesOf[kind] >> 2; i++) to[toAt + i] = from[fromAt + i];
    return;
  }
  initialize(to, toAt, kind, depthOf(header));
  to[toAt] |= header & ((0x1ff << CHILDREN_SHIFT) | TERMINAL);
  if (hasTerminal(header)) to[terminalWord(toAt, to[toAt])] = from[terminalWord(fromAt, header)];
  if (fromKind === KIND_FULL) {
    let index = 0;
    for (let byte = 0; byte < 256; byte++) {
      const ref = from[fromAt + 1 + byte];
      if (ref === 0) continue;
      setKeyByte(to, toAt, index, byte);
      to[toAt + refsAt[kind] + index++] = ref;
    }
    return;
  }
  const children = childrenOf(header);
  const refs = fromAt + refsAt[fromKind];
  if (kind === KIND_FULL) {
    for (let i = 0; i < children; i++) to[toAt + 1 + keyByte(from, fromAt, i)] = from[refs + i];
    return;
  }
  for (let i = 0; i < (children + 3) >> 2; i++) to[toAt + 1 + i] = from[fromAt + 1 + i];
  for (let i = 0; i < children; i++) to[toAt + refsAt[kind] + i] = from[refs + i];
}

/** Checks order and counts; throws where they are wrong. For tests. */
export function checkNode(words: Int32Array, at: number): void {
  const header = words[at];
  const children = childrenOf(header);
  if (countOf(header) < 2) throw new Error("a node has fewer than two children");
  if (kindOf(header) === KIND_FULL) {
    let found = 0;
    for (let byte = 0; byte < 256; byte++) if (words[at + 1 + byte] !== 0) found++;
    if (found !== children) throw new Error(`a full node has ${found} children, not ${children}`);
    return;
  }
  if (countOf(header) > capacityOf[kindOf(header)]) throw new Error("a node has more children than room");
  for (let i = 1; i < children; i++) {
    if (keyByte(words, at, i - 1) >= keyByte(words, at, i)) throw new Error("the children of a node are out of order");
  }
}
