/**
 * The order of a lane: a treap (Seidel, Aragon: Randomized Search Trees, 1996) whose links are in the messages themselves.
 * Keys are message ids, or turns where the lane is by turn; the tree is a heap by a hash of the key.
 *
 *     first = 3                      11 (hash 99)
 *     last  = 14                   /    \
 *                        5 (hash 70)     14 (hash 81)
 *                        /    \           /
 *           3 (hash 12)   8 (hash 50)   12 (hash 7)
 *
 * The hash makes the tree about as deep as if keys had come in random order, whatever the order they come in, and the same
 * keys give the same tree. Most messages are put behind the last and taken from the front, which costs a step or two; to
 * insert and find anywhere costs O(log n), to remove anywhere O(1) on average. Nothing is allocated.
 */
import type { Lane } from "./queue.ts";
import { ID, LEFT, mixLong, PARENT, RIGHT, readLong, TURN } from "./queue-record.ts";

export class QueueOrder {
  readonly #chunks: readonly Int32Array[];
  /** Where `#attach` puts the next subtree: below this message (0 for the root), on this side. */
  #hook = 0;
  #hookSide = LEFT;

  /** @param chunks the words of the slabs. */
  constructor(chunks: readonly Int32Array[]) {
    this.#chunks = chunks;
  }

  keyOf(lane: Lane, ref: number): number {
    return readLong(this.#chunks[ref >>> 24], (ref & 0xfffffe) + (lane.byTurn ? TURN : ID));
  }

  /** The message after this one; 0 behind the last. */
  next(ref: number): number {
    return this.#neighbour(ref, RIGHT, LEFT);
  }

  #neighbour(ref: number, side: number, other: number): number {
    let found = this.#get(ref, side);
    if (found !== 0) {
      for (let down = this.#get(found, other); down !== 0; down = this.#get(found, other)) found = down;
      return found;
    }
    let below = ref;
    found = this.#get(ref, PARENT);
    while (found !== 0 && this.#get(found, side) === below) {
      below = found;
      found = this.#get(found, PARENT);
    }
    return found;
  }

  /** The first message whose key is above `key`; 0 for none. */
  firstAfter(lane: Lane, key: number): number {
    let found = 0;
    for (let ref = lane.root; ref !== 0; ) {
      if (this.keyOf(lane, ref) > key) {
        found = ref;
        ref = this.#get(ref, LEFT);
      } else {
        ref = this.#get(ref, RIGHT);
      }
    }
    return found;
  }

  /** Does not count it. */
  insert(lane: Lane, ref: number): void {
    const key = this.keyOf(lane, ref);
    const rank = this.#rankOf(lane, ref);
    if (lane.last === 0 || this.keyOf(lane, lane.last) < key) {
      this.#append(lane, ref, rank);
      return;
    }
    this.#hook = 0;
    let at = lane.root;
    while (at !== 0 && this.#rankOf(lane, at) >= rank) {
      this.#hook = at;
      this.#hookSide = key < this.keyOf(lane, at) ? LEFT : RIGHT;
      at = this.#get(at, this.#hookSide);
    }
    this.#attach(lane, ref);
    this.#split(lane, at, key, ref);
    if (key < this.keyOf(lane, lane.first)) lane.first = ref;
  }

  /** Puts a message behind the last: below the first on the right edge that outranks it, and above those it has passed. */
  #append(lane: Lane, ref: number, rank: number): void {
    let above = lane.last;
    let below = 0;
    while (above !== 0 && this.#rankOf(lane, above) < rank) {
      below = above;
      above = this.#get(above, PARENT);
    }
    this.#set(ref, LEFT, below);
    this.#set(ref, RIGHT, 0);
    if (below !== 0) this.#set(below, PARENT, ref);
    this.#hook = above;
    this.#hookSide = RIGHT;
    this.#attach(lane, ref);
    if (lane.last === 0) lane.first = ref;
    lane.last = ref;
  }

  /** Divides the subtree at `at` by `key` and hangs the halves below `ref`. */
  #split(lane: Lane, at: number, key: number, ref: number): void {
    // Each half is hung below the last message of its own that was passed; the very first below `ref`.
    let left = ref;
    let leftSide = LEFT;
    let right = ref;
    let rightSide = RIGHT;
    while (at !== 0) {
      if (this.keyOf(lane, at) < key) {
        this.#set(left, leftSide, at);
        this.#set(at, PARENT, left);
        left = at;
        leftSide = RIGHT;
        at = this.#get(at, RIGHT);
      } else {
        this.#set(right, rightSide, at);
        this.#set(at, PARENT, right);
        right = at;
        rightSide = LEFT;
        at = this.#get(at, LEFT);
      }
    }
    this.#set(left, leftSide, 0);
    this.#set(right, rightSide, 0);
  }

  /** Does not count it. */
  remove(lane: Lane, ref: number): void {
    if (lane.first === ref) lane.first = this.#neighbour(ref, RIGHT, LEFT);
    if (lane.last === ref) lane.last = this.#neighbour(ref, LEFT, RIGHT);
    let left = this.#get(ref, LEFT);
    let right = this.#get(ref, RIGHT);
    this.#hookAt(ref);
    while (left !== 0 && right !== 0) {
      if (this.#rankOf(lane, left) >= this.#rankOf(lane, right)) {
        this.#attach(lane, left);
        this.#hook = left;
        this.#hookSide = RIGHT;
        left = this.#get(left, RIGHT);
      } else {
        this.#attach(lane, right);
        this.#hook = right;
        this.#hookSide = LEFT;
        right = this.#get(right, LEFT);
      }
    }
    this.#attach(lane, left !== 0 ? left : right);
  }

  /** `ref` takes the place of `old`, whose words were copied to it. */
  replace(lane: Lane, old: number, ref: number): void {
    this.#hookAt(old);
    this.#attach(lane, ref);
    const left = this.#get(ref, LEFT);
    const right = this.#get(ref, RIGHT);
    if (left !== 0) this.#set(left, PARENT, ref);
    if (right !== 0) this.#set(right, PARENT, ref);
    if (lane.first === old) lane.first = ref;
    if (lane.last === old) lane.last = ref;
  }

  #hookAt(ref: number): void {
    this.#hook = this.#get(ref, PARENT);
    if (this.#hook !== 0) this.#hookSide = this.#get(this.#hook, LEFT) === ref ? LEFT : RIGHT;
  }

  #attach(lane: Lane, ref: number): void {
    if (this.#hook === 0) lane.root = ref;
    else this.#set(this.#hook, this.#hookSide, ref);
    if (ref !== 0) this.#set(ref, PARENT, this.#hook);
  }

  #rankOf(lane: Lane, ref: number): number {
    const words = this.#chunks[ref >>> 24];
    const at = (ref & 0xfffffe) + (lane.byTurn ? TURN : ID);
    return mixLong(words[at], words[at + 1]);
  }

  #get(ref: number, link: number): number {
    return this.#chunks[ref >>> 24][(ref & 0xfffffe) + link];
  }

  #set(ref: number, link: number, to: number): void {
    this.#chunks[ref >>> 24][(ref & 0xfffffe) + link] = to;
  }

  /** Visits a lane's messages in order and checks the tree; throws where it is wrong. For tests. */
  checkInvariants(lane: Lane): void {
    let count = 0;
    let before = -1;
    let last = 0;
    for (let ref = lane.first; ref !== 0; ref = this.next(ref)) {
      const key = this.keyOf(lane, ref);
      if (key <= before) throw new Error(`${key} comes after ${before} in a lane`);
      const parent = this.#get(ref, PARENT);
      if (parent === 0 ? lane.root !== ref : this.#rankOf(lane, parent) < this.#rankOf(lane, ref))
        throw new Error(`${key} is in the wrong place of the tree`);
      if (parent !== 0 && this.#get(parent, LEFT) !== ref && this.#get(parent, RIGHT) !== ref)
        throw new Error(`${key} is no child of its parent`);
      before = key;
      last = ref;
      count++;
    }
    if (count !== lane.count) throw new Error(`${count} messages are in a lane, ${lane.count} counted`);
    if (last !== lane.last) throw new Error("the last message of a lane is not the last");
  }
}
