/**
 * Which patterns match a topic: a trie over levels, followed in all ways at once.
 *
 *     a.*, a.b, #.b        (root) --a--> ( ) --*--> [a.*]          node     [ next | hash | above | level |
 *                             |           `---b--> [a.b]                      one | many | pattern | literals ]
 *                             `--#--> ( ) --b--> [#.b]             pattern  [ node | uses | bytes |
 *                                                                    isWildcard | isCostly ]
 *
 * A node has its child by `*` (one) and by `#` (many) in itself; those by literal levels are found in one hash table of
 * (node, level) for the whole trie. Levels are integers (topic-levels.ts). The root is record 0, so 0 also means "none".
 *
 * `match` keeps the set of nodes that the topic's levels so far lead to. A plain node comes into the set of a level from the
 * node above it alone, so it is there once if that one was. A `#` node, once reached, stays for the rest of the topic,
 * because `#` may take any number of levels; it is marked until the match is over, so it too is there once. So no pattern is
 * found twice, and a topic costs at most its levels x the nodes reached, however many `#` a pattern has. Patterns that have
 * nothing in common with the topic cost nothing; those that follow it for long and then do not match do:
 *
 *     at most two `*` before the last level     all of them together reach at most 32 + 496 + 4,960 nodes of a topic of 32
 *                                               levels, and a last `*` or `#` below each
 *     three or more                             a node for each level of each pattern
 *     a `#` before the last level               the same, and each node up to once for each level of the topic
 *
 * The first kind is bounded by itself. The others are costly (`isCostly`): 2,000 made for it cost milliseconds
 * (server/bench/structures/topics.ts), so their count is there to be limited.
 *
 * add and remove cost O(bytes + levels) expected. 32 bytes for a node and for a level's first 12 bytes, 20 for a pattern.
 */
import { HASH_FIELD, HashChains, type HashKey, hashKeyOf, hashPair, NEXT_FIELD } from "./topic-hash.ts";
import { TopicLevels } from "./topic-levels.ts";
import { DOT, isCostly, MANY, ONE, patternProblem, TOPIC_BYTES_MAX } from "./topic-problem.ts";
import { IntRecords } from "./topic-records.ts";

const ROOT = 0;
/** Of a `#` node, which is in no hash chain: 1 while a match has reached it. */
const REACHED_FIELD = NEXT_FIELD;
const ABOVE_FIELD = 2;
/** The level that leads here from above: a literal one, from 1 up, or one of the two wildcards. */
const LEVEL_FIELD = 3;
const ONE_FIELD = 4;
const MANY_FIELD = 5;
const PATTERN_FIELD = 6;
/** How many children the node has by literal levels. */
const LITERALS_FIELD = 7;
const NODE_FIELDS = 8;

const ONE_LEVEL = -1;
const MANY_LEVEL = -2;

const PATTERN_NODE = 0;
/** 0 in a free record. */
const PATTERN_USES = 1;
const PATTERN_BYTES = 2;
const PATTERN_WILDCARD = 3;
const PATTERN_COSTLY = 4;
const PATTERN_FIELDS = 5;

export interface TopicTrieOptions {
  /** Any safe integer; 53 random bits where clients must not be able to choose levels that collide. */
  readonly seed: number;
}

export class TopicTrie {
  /** What the last `match` found, in `matched[0, count)`, until the next one. A new array when it has to grow. */
  matched = new Int32Array(64);
  /** Different patterns with at least one wildcard. */
  wildcardCount = 0;
  /** Different patterns that are costly to others' topics (`isCostly`): to be limited. */
  costlyCount = 0;
  readonly #key: HashKey;
  readonly #levels: TopicLevels;
  readonly #nodes = new IntRecords(NODE_FIELDS);
  readonly #literals = new HashChains(this.#nodes);
  readonly #patterns = new IntRecords(PATTERN_FIELDS);
  readonly #text = new Uint8Array(TOPIC_BYTES_MAX);
  /** Plain nodes that the levels so far lead to, and those that one level more leads to. */
  #reached = new Int32Array(64);
  #next = new Int32Array(64);
  #nextCount = 0;
  /** `#` nodes reached in this match. */
  #many = new Int32Array(64);
  #manyCount = 0;

  constructor({ seed }: TopicTrieOptions) {
    this.#key = hashKeyOf(seed);
    this.#levels = new TopicLevels(this.#key);
  }

  /** Different patterns. */
  get count(): number {
    return this.#patterns.count;
  }

  /** Bytes in typed arrays. */
  get heldBytes(): number {
    const scratch = this.matched.length + this.#reached.length + this.#next.length + this.#many.length;
    return (
      this.#nodes.heldBytes +
      this.#patterns.heldBytes +
      this.#levels.heldBytes +
      this.#literals.heldBytes +
      scratch * Int32Array.BYTES_PER_ELEMENT
    );
  }

  /** Bytes of what is in use, of `heldBytes`. */
  get usedBytes(): number {
    const records = this.#nodes.count * NODE_FIELDS + this.#patterns.count * PATTERN_FIELDS;
    return records * Int32Array.BYTES_PER_ELEMENT + this.#levels.usedBytes;
  }

  /**
   * Adds a use of the pattern, which each `remove` takes away again.
   * @returns its id, from 1 up and small: that of the same pattern if it is here, else one that was freed, else a new one.
   * @throws where `patternProblem` finds something; ask it first about what comes from outside.
   */
  add(bytes: Uint8Array, start: number, end: number): number {
    const problem = patternProblem(bytes, start, end);
    if (problem !== undefined) throw new Error(problem);
    let node = ROOT;
    let isWildcard = 0;
    for (let at = start; at < end; ) {
      const levelEnd = endOfLevel(bytes, at, end);
      const wildcard = wildcardLevel(bytes, at, levelEnd);
      if (wildcard !== 0) isWildcard = 1;
      node = wildcard === 0 ? this.#takeLiteral(node, bytes, at, levelEnd) : this.#takeWildcard(node, wildcard);
      at = levelEnd + 1;
    }
    let pattern = this.#nodes.get(node, PATTERN_FIELD);
    if (pattern === 0) {
      pattern = this.#patterns.take();
      this.#nodes.set(node, PATTERN_FIELD, pattern);
      this.#patterns.set(pattern, PATTERN_NODE, node);
      this.#patterns.set(pattern, PATTERN_BYTES, end - start);
      this.#patterns.set(pattern, PATTERN_WILDCARD, isWildcard);
      this.#patterns.set(pattern, PATTERN_COSTLY, isCostly(bytes, start, end) ? 1 : 0);
      this.#countWildcards(pattern, 1);
    }
    this.#patterns.set(pattern, PATTERN_USES, this.#patterns.get(pattern, PATTERN_USES) + 1);
    return pattern;
  }

  /**
   * Takes away a use of the pattern. Its id is free after the last.
   * @returns whether this was the last.
   */
  remove(id: number): boolean {
    const uses = this.usesOf(id);
    if (uses === 0) throw new Error(`pattern ${id} is not in the trie`);
    this.#patterns.set(id, PATTERN_USES, uses - 1);
    if (uses > 1) return false;
    this.#countWildcards(id, -1);
    const node = this.#patterns.get(id, PATTERN_NODE);
    this.#patterns.release(id);
    this.#nodes.set(node, PATTERN_FIELD, 0);
    this.#prune(node);
    return true;
  }

  /** @returns the id of exactly this pattern, wildcards taken as they are written, or 0 if it is not here. */
  find(bytes: Uint8Array, start: number, end: number): number {
    let node = ROOT;
    for (let at = start; at < end; ) {
      const levelEnd = endOfLevel(bytes, at, end);
      const wildcard = wildcardLevel(bytes, at, levelEnd);
      if (wildcard === 0) node = this.#literalChild(node, this.#levels.find(bytes, at, levelEnd));
      else node = this.#nodes.get(node, wildcard === ONE_LEVEL ? ONE_FIELD : MANY_FIELD);
      if (node === 0) return 0;
      at = levelEnd + 1;
    }
    return this.#nodes.get(node, PATTERN_FIELD);
  }

  /**
   * Finds the patterns that match a topic, in which `topicProblem` finds nothing: their ids in `matched`, each once, in an
   * order that depends on what was added and removed alone. Nothing is allocated but room for more matches than ever before.
   * @returns how many there are.
   */
  match(bytes: Uint8Array, start: number, end: number): number {
    this.#manyCount = 0;
    this.#nextCount = 0;
    this.#reach(ROOT);
    for (let at = start; at <= end && this.#nextCount + this.#manyCount > 0; ) {
      const levelEnd = endOfLevel(bytes, at, end);
      this.#step(this.#levels.find(bytes, at, levelEnd));
      at = levelEnd + 1;
    }
    return this.#collect();
  }

  /** How often the pattern was added and not removed; 0 if it is not here. */
  usesOf(id: number): number {
    return id > 0 && id < this.#patterns.end ? this.#patterns.get(id, PATTERN_USES) : 0;
  }

  isWildcard(id: number): boolean {
    return this.#patterns.get(id, PATTERN_WILDCARD) === 1;
  }

  /** As the function `isCostly` says of its bytes. */
  isCostly(id: number): boolean {
    return this.#patterns.get(id, PATTERN_COSTLY) === 1;
  }

  /** About what a pattern would take that had nothing in common with others: its bytes, a node and a record for each level. */
  bytesAloneOf(id: number): number {
    let bytes = this.#patterns.get(id, PATTERN_BYTES) + PATTERN_FIELDS * Int32Array.BYTES_PER_ELEMENT;
    for (let node = this.#patterns.get(id, PATTERN_NODE); node !== ROOT; node = this.#nodes.get(node, ABOVE_FIELD)) {
      bytes += 2 * NODE_FIELDS * Int32Array.BYTES_PER_ELEMENT;
    }
    return bytes;
  }

  /**
   * Writes the pattern's bytes, at most 255, to `into` at `at`.
   * @returns where they end.
   */
  writePattern(id: number, into: Uint8Array, at: number): number {
    const end = at + this.#patterns.get(id, PATTERN_BYTES);
    let node = this.#patterns.get(id, PATTERN_NODE);
    for (let levelEnd = end; levelEnd > at; levelEnd--) {
      const level = this.#nodes.get(node, LEVEL_FIELD);
      if (level > 0) {
        levelEnd -= this.#levels.lengthOf(level);
        this.#levels.write(level, into, levelEnd);
      } else into[--levelEnd] = level === ONE_LEVEL ? ONE : MANY;
      if (levelEnd > at) into[levelEnd - 1] = DOT;
      node = this.#nodes.get(node, ABOVE_FIELD);
    }
    return end;
  }

  /** Makes a string; `writePattern` does not. */
  patternOf(id: number): string {
    return textDecoder.decode(this.#text.subarray(0, this.writePattern(id, this.#text, 0)));
  }

  /** The lowest id in use above `id`, or 0: for going through all in slices, from 0, while patterns come and go. */
  idAfter(id: number): number {
    for (let next = id + 1; next < this.#patterns.end; next++) if (this.usesOf(next) > 0) return next;
    return 0;
  }

  #countWildcards(id: number, change: number): void {
    this.wildcardCount += this.#patterns.get(id, PATTERN_WILDCARD) * change;
    this.costlyCount += this.#patterns.get(id, PATTERN_COSTLY) * change;
  }

  #literalChild(node: number, level: number): number {
    if (level === 0) return 0;
    const hash = hashPair(this.#key, node, level);
    let child = this.#literals.first(hash);
    while (child !== 0) {
      const chunk = this.#nodes.chunk(child);
      const offset = this.#nodes.offset(child);
      if (
        chunk[offset + HASH_FIELD] === hash &&
        chunk[offset + ABOVE_FIELD] === node &&
        chunk[offset + LEVEL_FIELD] === level
      ) {
        break;
      }
      child = chunk[offset + NEXT_FIELD];
    }
    return child;
  }

  #takeLiteral(above: number, bytes: Uint8Array, start: number, end: number): number {
    const known = this.#literalChild(above, this.#levels.find(bytes, start, end));
    if (known !== 0) return known;
    const level = this.#levels.take(bytes, start, end);
    const node = this.#takeNode(above, level);
    this.#literals.insert(node, hashPair(this.#key, above, level));
    this.#nodes.set(above, LITERALS_FIELD, this.#nodes.get(above, LITERALS_FIELD) + 1);
    return node;
  }

  #takeWildcard(above: number, level: number): number {
    const field = level === ONE_LEVEL ? ONE_FIELD : MANY_FIELD;
    const known = this.#nodes.get(above, field);
    if (known !== 0) return known;
    const node = this.#takeNode(above, level);
    this.#nodes.set(above, field, node);
    return node;
  }

  #takeNode(above: number, level: number): number {
    const node = this.#nodes.take();
    this.#nodes.set(node, ABOVE_FIELD, above);
    this.#nodes.set(node, LEVEL_FIELD, level);
    return node;
  }

  /** Frees a node and those above it, as far up as nothing else needs them. */
  #prune(from: number): void {
    let node = from;
    while (node !== ROOT) {
      const chunk = this.#nodes.chunk(node);
      const offset = this.#nodes.offset(node);
      const needed =
        chunk[offset + PATTERN_FIELD] |
        chunk[offset + ONE_FIELD] |
        chunk[offset + MANY_FIELD] |
        chunk[offset + LITERALS_FIELD];
      if (needed !== 0) return;
      const above = chunk[offset + ABOVE_FIELD];
      const level = chunk[offset + LEVEL_FIELD];
      if (level > 0) {
        this.#literals.remove(node);
        this.#levels.release(level);
        this.#nodes.set(above, LITERALS_FIELD, this.#nodes.get(above, LITERALS_FIELD) - 1);
      } else this.#nodes.set(above, level === ONE_LEVEL ? ONE_FIELD : MANY_FIELD, 0);
      this.#nodes.release(node);
      node = above;
    }
  }

  /** From the nodes reached to those that one level more reaches; `level` is 0 if no pattern has it. */
  #step(level: number): void {
    const nodes = this.#next;
    const count = this.#nextCount;
    this.#next = this.#reached;
    this.#reached = nodes;
    this.#nextCount = 0;
    // Those reached from here on begin with the level after this one.
    const manyCount = this.#manyCount;
    for (let i = 0; i < count; i++) this.#stepFrom(nodes[i], level);
    for (let i = 0; i < manyCount; i++) this.#stepFrom(this.#many[i], level);
  }

  #stepFrom(node: number, level: number): void {
    const chunk = this.#nodes.chunk(node);
    const offset = this.#nodes.offset(node);
    const one = chunk[offset + ONE_FIELD];
    if (one !== 0) this.#reach(one);
    if (level === 0 || chunk[offset + LITERALS_FIELD] === 0) return;
    const literal = this.#literalChild(node, level);
    if (literal !== 0) this.#reach(literal);
  }

  /** Adds a plain node to the next ones, and the `#` nodes right below it, as `#` may be no level at all. */
  #reach(node: number): void {
    if (this.#nextCount === this.#next.length) this.#next = grown(this.#next);
    this.#next[this.#nextCount++] = node;
    let many = this.#nodes.get(node, MANY_FIELD);
    while (many !== 0 && this.#nodes.get(many, REACHED_FIELD) === 0) {
      this.#nodes.set(many, REACHED_FIELD, 1);
      if (this.#manyCount === this.#many.length) this.#many = grown(this.#many);
      this.#many[this.#manyCount++] = many;
      many = this.#nodes.get(many, MANY_FIELD);
    }
  }

  /** The patterns that end at the nodes reached; unmarks the `#` nodes. */
  #collect(): number {
    let count = 0;
    while (this.matched.length < this.#nextCount + this.#manyCount) this.matched = grown(this.matched);
    for (let i = 0; i < this.#nextCount; i++) {
      const pattern = this.#nodes.get(this.#next[i], PATTERN_FIELD);
      if (pattern !== 0) this.matched[count++] = pattern;
    }
    for (let i = 0; i < this.#manyCount; i++) {
      const node = this.#many[i];
      this.#nodes.set(node, REACHED_FIELD, 0);
      const pattern = this.#nodes.get(node, PATTERN_FIELD);
      if (pattern !== 0) this.matched[count++] = pattern;
    }
    return count;
  }

  /** Checks that nothing is left over where nothing is in use; throws where something is. For tests. */
  checkEmpty(): void {
    if (
      this.count +
        this.wildcardCount +
        this.costlyCount +
        this.#nodes.count +
        this.#levels.recordCount +
        this.#literals.count >
      0
    ) {
      throw new Error("nodes or levels are left over");
    }
    for (let field = 0; field < NODE_FIELDS; field++) {
      if (this.#nodes.get(ROOT, field) !== 0) throw new Error("the root is not empty");
    }
  }
}

const textDecoder = new TextDecoder();

function grown(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(array.length * 2);
  larger.set(array);
  return larger;
}

function endOfLevel(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] !== DOT) at++;
  return at;
}

/** Which wildcard the level is, or 0. */
function wildcardLevel(bytes: Uint8Array, start: number, end: number): number {
  if (end - start !== 1) return 0;
  if (bytes[start] === ONE) return ONE_LEVEL;
  return bytes[start] === MANY ? MANY_LEVEL : 0;
}
