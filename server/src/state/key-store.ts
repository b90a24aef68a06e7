/**
 * The keys and their values: a radix tree of records in slabs, the deadlines of those that expire, and the memory limit.
 * Deterministic in all that is state: it reads no clock and no random source, both are given to it.
 *
 * A record is known by a reference, a signed 32-bit integer. References and ranges into records live until the next
 * change of the store: a change may move any record.
 * `KeyStoreMemory` keeps it below its limit, `EvictionPool` says what may go.
 */
import { ByteRange, copyBytes } from "../structures/byte-range.ts";
import { DEADLINE_ENTRY_BYTES, type DeadlineHeap } from "../structures/deadline-heap.ts";
import { scanTree } from "../structures/radix-scan.ts";
import { FIND_MANY_MAX, NONE, type RadixTree } from "../structures/radix-tree.ts";
import * as record from "../structures/record.ts";
import type { SlabAllocator } from "../structures/slab-allocator.ts";
import type { KeyObserver } from "./key-images.ts";
import { AccessClock, type EvictionPolicy, EvictionPool, soonestToExpire } from "./key-store-eviction.ts";
import { KeyStoreMemory, type KeyStoreOptions } from "./key-store-memory.ts";
import { PrimedKeys } from "./key-store-primed.ts";
import type { KeyEntry } from "./key-view.ts";
import type { Value, ValueTag } from "./value.ts";

export { NONE };
/** What was found where nothing was, for `put`: no reference is like it. */
export const ABSENT = -2;

export const PRIME_COUNT_MAX = FIND_MANY_MAX;

export class KeyStore {
  /** The limit as configured; 0 for none. */
  readonly memoryBytesMax: number;
  readonly evictionPolicy: EvictionPolicy;
  /** Its limit, and what is looked at before a change may be planned. */
  readonly memory: KeyStoreMemory;
  readonly #clock: AccessClock;
  #records: SlabAllocator;
  #tree: RadixTree;
  #deadlines: DeadlineHeap;
  pool: EvictionPool;
  /** The record of the last look-up: a change of the same key follows most of them. `ABSENT` where it found none, and nothing changed. */
  #hint = NONE;
  /** The key of the last look-up. */
  readonly #asked = new ByteRange(new Uint8Array(0), 0, 0);
  readonly #primed = new PrimedKeys();
  #observer: KeyObserver | undefined = undefined;

  constructor(options: KeyStoreOptions) {
    this.memoryBytesMax = options.memoryBytesMax;
    this.evictionPolicy = options.evictionPolicy;
    this.#clock = new AccessClock(options.evictionPolicy);
    const { memoryBytesMax, bytesElsewhere } = options;
    this.memory = new KeyStoreMemory(memoryBytesMax, (oldRef) => this.pool.forget(oldRef), bytesElsewhere);
    this.#records = this.memory.records;
    this.#tree = this.memory.tree;
    this.#deadlines = this.memory.deadlines;
    this.pool = new EvictionPool(this.#records, this.#clock);
  }

  /** Keys, with those whose deadline has passed and that were not removed yet. */
  get size(): number {
    return this.#records.count;
  }

  /** Bytes of records, nodes and deadlines: exact, and back at 0 when all keys are removed. */
  get usedBytes(): number {
    return this.memory.usedBytes;
  }

  /** Bytes of the pages these are in, and of all that `flush` left and `freeDetached` has not dropped yet. */
  get heldBytes(): number {
    return this.memory.heldBytes;
  }

  /** Whether there are addresses for new records of so many bytes; what they replace goes only afterwards. */
  canTake(slotBytes: number): boolean {
    return this.memory.heap.canTake(slotBytes);
  }

  /** What a record adds to `usedBytes`: exact, but for the tree's nodes. */
  slotBytesNeeded(keyBytes: number, valueBytes: number, hasDeadline: boolean): number {
    const slotBytes = this.#records.slotBytesFor(record.recordBytes(keyBytes, valueBytes, hasDeadline));
    return slotBytes + (hasDeadline ? DEADLINE_ENTRY_BYTES : 0);
  }

  /** What removing a record takes from `usedBytes`, nodes aside. */
  recordBytesOf(ref: number): number {
    const deadline = record.hasDeadline(this.#records.words[ref >>> 24], ref & 0xfffffe) ? DEADLINE_ENTRY_BYTES : 0;
    return this.#records.slotBytesOf(ref) + deadline;
  }

  /** The record of a key, or `NONE`. */
  find(key: ByteRange): number {
    const { bytes, start, end } = key;
    const tree = this.#tree;
    const isPrimed = this.#primed.count !== 0;
    const ref = isPrimed ? this.#primed.find(tree, bytes, start, end) : tree.locate(bytes, start, end);
    this.#hint = ref === NONE && !isPrimed ? ABSENT : ref;
    this.#asked.place(bytes, start, end);
    return ref;
  }

  /**
   * Looks up to `PRIME_COUNT_MAX` keys up together, at less than half the cost of one by one. `find` of these ranges has
   * the answer as long as no change made it void. Their bytes must stay as they are until `unprime`, which has to follow.
   */
  prime(ranges: readonly ByteRange[], count: number): void {
    this.#primed.fill(this.#tree, ranges, count);
  }

  /** The buffers of primed ranges may be used again. */
  unprime(): void {
    this.#primed.clear();
  }

  /** References may be void from here on. */
  #forgetRefs(): void {
    this.#hint = NONE;
    this.#primed.forget();
  }

  // Records by reference. All but `versionOf` need a record, not `NONE`.

  tagOf(ref: number): ValueTag {
    // Only `put` and `splice` write tags, and they are given one of the four.
    return record.tagOf(this.#records.words[ref >>> 24], ref & 0xfffffe) as ValueTag;
  }

  /** 0 for `NONE`, as the contract has it for missing keys. */
  versionOf(ref: number): number {
    return ref === NONE ? 0 : record.versionOf(this.#records.words[ref >>> 24], ref & 0xfffffe);
  }

  /** 0 for none. */
  deadlineMsOf(ref: number): number {
    return record.deadlineMsOf(this.#records.words[ref >>> 24], ref & 0xfffffe);
  }

  /** Lets `into` show the record's value, in place. */
  readValue(ref: number, into: Value): void {
    const words = this.#records.words[ref >>> 24];
    const at = ref & 0xfffffe;
    const start = record.keyWordOf(words, at) * 4 + record.keyBytesOf(words, at);
    into.tag = record.tagOf(words, at) as ValueTag; // As in `tagOf`.
    into.bytes = this.#records.bytes[ref >>> 24];
    into.start = start;
    into.end = start + record.valueBytesOf(words, at);
  }

  /** Lets `into` show the record, its value in place. */
  readEntry(ref: number, into: KeyEntry): void {
    const words = this.#records.words[ref >>> 24];
    const at = ref & 0xfffffe;
    this.readValue(ref, into.value);
    into.version = record.versionOf(words, at);
    into.deadlineMs = record.deadlineMsOf(words, at);
    into.ref = ref;
  }

  /** Lets `into` show the record's key, in place. */
  readKey(ref: number, into: ByteRange): void {
    const words = this.#records.words[ref >>> 24];
    const at = ref & 0xfffffe;
    const start = record.keyWordOf(words, at) * 4;
    into.bytes = this.#records.bytes[ref >>> 24];
    into.start = start;
    into.end = start + record.keyBytesOf(words, at);
  }

  /** Counts an access for the eviction policy. */
  touch(ref: number, nowMs: number): void {
    if (this.evictionPolicy !== "lru" && this.evictionPolicy !== "lfu") return;
    this.#clock.setNow(nowMs);
    const words = this.#records.words[ref >>> 24];
    const at = ref & 0xfffffe;
    record.setClock(words, at, this.#clock.touched(record.clockOf(words, at)));
  }

  /**
   * Sets a key's whole value.
   * @param deadlineMs the instant it expires; 0 for never.
   * @param found the record that a look-up of the key has just found, or `ABSENT`, if the caller knows: it is not looked for again.
   */
  put(
    key: ByteRange,
    tag: ValueTag,
    bytes: Uint8Array,
    start: number,
    end: number,
    deadlineMs: number,
    version: number,
    found = NONE,
  ): void {
    const keyBytes = key.end - key.start;
    const valueBytes = end - start;
    const expires = deadlineMs !== 0;
    const needed = record.recordBytes(keyBytes, valueBytes, expires);
    this.#makeRoom(needed, expires);
    const old = this.#locate(key, found);
    if (old !== NONE) this.#observer?.beforeChange(old);
    if (old !== NONE && this.#fits(old, needed, expires)) {
      const words = this.#records.words[old >>> 24];
      const at = old & 0xfffffe;
      record.writeHeader(words, at, tag, expires, keyBytes, valueBytes, version);
      copyBytes(bytes, start, end, this.#records.bytes[old >>> 24], record.keyWordOf(words, at) * 4 + keyBytes);
      if (expires) this.#changeDeadline(words, at, deadlineMs);
      return;
    }
    const ref = this.#records.allocate(needed) | 1;
    const words = this.#records.words[ref >>> 24];
    const at = ref & 0xfffffe;
    record.writeHeader(words, at, tag, expires, keyBytes, valueBytes, version);
    const keyAt = record.keyWordOf(words, at) * 4;
    copyBytes(key.bytes, key.start, key.end, this.#records.bytes[ref >>> 24], keyAt);
    copyBytes(bytes, start, end, this.#records.bytes[ref >>> 24], keyAt + keyBytes);
    this.#setNewDeadline(ref, old, deadlineMs);
    if (old === NONE) this.#add(key, ref);
    else this.#replace(old, ref);
  }

  /** The record to change, found without another walk where `find` has just had it; the tree is prepared for `#add` then. */
  #locate(key: ByteRange, found = NONE): number {
    const hint = this.#hint;
    const { bytes, start, end } = key;
    if (found === hint && (found & 1) !== 0) return found;
    // It is the same for every key, so it has to be the one that was asked for. The tree knows where that goes.
    if (found === ABSENT && hint === ABSENT && this.#asked.isPlaced(bytes, start, end)) return NONE;
    const chunks = this.#records.words;
    if ((hint & 1) !== 0 && record.keyEquals(chunks[hint >>> 24], hint & 0xfffffe, bytes, start, end)) return hint;
    this.#hint = this.#tree.locate(bytes, start, end);
    return this.#hint;
  }

  /** Whether a record can be rewritten where it is. Its slot is always that of its length, so the page table is not asked. */
  #fits(ref: number, needed: number, expires: boolean): boolean {
    const words = this.#records.words[ref >>> 24];
    const at = ref & 0xfffffe;
    if (record.hasDeadline(words, at) !== expires) return false;
    const bytes = record.recordBytes(record.keyBytesOf(words, at), record.valueBytesOf(words, at), expires);
    return bytes === needed || this.#records.slotBytesFor(bytes) === this.#records.slotBytesFor(needed);
  }

  #add(key: ByteRange, ref: number): void {
    record.setClock(this.#records.words[ref >>> 24], ref & 0xfffffe, this.#clock.initial());
    this.#tree.insert(key.bytes, key.start, key.end, ref);
    this.#primed.added(key.bytes, key.start, key.end);
    this.#hint = ref;
  }

  #replace(old: number, ref: number): void {
    const clock = record.clockOf(this.#records.words[old >>> 24], old & 0xfffffe);
    record.setClock(this.#records.words[ref >>> 24], ref & 0xfffffe, clock);
    this.#tree.replace(old, ref);
    this.pool.forget(old);
    this.#records.free(old);
    this.#primed.replaced(old, ref);
    this.#hint = ref;
  }

  #changeDeadline(words: Int32Array, at: number, deadlineMs: number): void {
    const handle = record.deadlineHandleOf(words, at);
    this.#deadlines.change(handle, deadlineMs);
    record.setDeadline(words, at, deadlineMs, handle);
  }

  /** Gives a new record the deadline, taking over the old record's place in the heap where there is one. */
  #setNewDeadline(ref: number, old: number, deadlineMs: number): void {
    const handle = old === NONE ? -1 : this.#handleOf(old);
    if (deadlineMs === 0) {
      if (handle >= 0) this.#deadlines.remove(handle);
      return;
    }
    if (handle >= 0) {
      this.#deadlines.change(handle, deadlineMs);
      this.#deadlines.setOwner(handle, ref);
    }
    const words = this.#records.words[ref >>> 24];
    record.setDeadline(words, ref & 0xfffffe, deadlineMs, handle >= 0 ? handle : this.#deadlines.add(deadlineMs, ref));
  }

  /** -1 for none. */
  #handleOf(ref: number): number {
    const words = this.#records.words[ref >>> 24];
    return record.hasDeadline(words, ref & 0xfffffe) ? record.deadlineHandleOf(words, ref & 0xfffffe) : -1;
  }

  /**
   * Overwrites a value from byte `offset` on, zero-filled up to there where it was shorter. Keeps the deadline and what
   * lies behind. Throws if there is no such key.
   */
  splice(
    key: ByteRange,
    tag: ValueTag,
    offset: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    version: number,
  ): void {
    let old = this.#locate(key);
    if (old === NONE) throw new Error(`no key to splice: ${key}`);
    const deadlineMs = this.deadlineMsOf(old);
    const newBytes = Math.max(this.#valueBytesOf(old), offset + end - start);
    const needed = record.recordBytes(key.end - key.start, newBytes, deadlineMs !== 0);
    if (this.#makeRoom(needed, false)) old = this.#locate(key);
    const oldBytes = this.#valueBytesOf(old);
    const ref = this.#resized(old, newBytes, tag, deadlineMs, version);
    const words = this.#records.words[ref >>> 24];
    const at = ref & 0xfffffe;
    const chunk = this.#records.bytes[ref >>> 24];
    const valueAt = record.keyWordOf(words, at) * 4 + record.keyBytesOf(words, at);
    if (offset > oldBytes) chunk.fill(0, valueAt + oldBytes, valueAt + offset);
    copyBytes(bytes, start, end, chunk, valueAt + offset);
  }

  #valueBytesOf(ref: number): number {
    return record.valueBytesOf(this.#records.words[ref >>> 24], ref & 0xfffffe);
  }

  /** The same key and value in a record of another length, or with another deadline. What is added at the end is undefined. */
  #resized(old: number, valueBytes: number, tag: ValueTag, deadlineMs: number, version: number): number {
    this.#observer?.beforeChange(old);
    const oldWords = this.#records.words[old >>> 24];
    const oldAt = old & 0xfffffe;
    const keyBytes = record.keyBytesOf(oldWords, oldAt);
    const expires = deadlineMs !== 0;
    const needed = record.recordBytes(keyBytes, valueBytes, expires);
    if (this.#fits(old, needed, expires)) {
      record.writeHeader(oldWords, oldAt, tag, expires, keyBytes, valueBytes, version);
      if (expires) this.#changeDeadline(oldWords, oldAt, deadlineMs);
      return old;
    }
    const oldKeyAt = record.keyWordOf(oldWords, oldAt) * 4;
    const kept = keyBytes + Math.min(valueBytes, record.valueBytesOf(oldWords, oldAt));
    const ref = this.#records.allocate(needed) | 1;
    const words = this.#records.words[ref >>> 24];
    const at = ref & 0xfffffe;
    record.writeHeader(words, at, tag, expires, keyBytes, valueBytes, version);
    const keyAt = record.keyWordOf(words, at) * 4;
    copyBytes(this.#records.bytes[old >>> 24], oldKeyAt, oldKeyAt + kept, this.#records.bytes[ref >>> 24], keyAt);
    this.#setNewDeadline(ref, old, deadlineMs);
    this.#replace(old, ref);
    return ref;
  }

  /** Returns whether there was such a key. */
  remove(key: ByteRange): boolean {
    this.#hint = NONE;
    const ref = this.#tree.remove(key.bytes, key.start, key.end);
    if (ref === NONE) return false;
    this.#observer?.beforeChange(ref);
    const handle = this.#handleOf(ref);
    if (handle >= 0) this.#deadlines.remove(handle);
    this.pool.forget(ref);
    this.#records.free(ref);
    if (this.#records.count === 0) this.memory.measure();
    this.#primed.replaced(ref, NONE);
    return true;
  }

  /**
   * @param deadlineMs 0 takes the deadline away.
   * @returns whether there was such a key.
   */
  setDeadline(key: ByteRange, deadlineMs: number, version: number): boolean {
    let ref = this.#locate(key);
    if (ref === NONE) return false;
    const valueBytes = this.#valueBytesOf(ref);
    const needed = record.recordBytes(key.end - key.start, valueBytes, deadlineMs !== 0);
    if (this.#makeRoom(needed, deadlineMs !== 0)) ref = this.#locate(key);
    this.#resized(ref, valueBytes, this.tagOf(ref), deadlineMs, version);
    return true;
  }

  /** Removes every key in O(1). The memory goes with `freeDetached`. */
  flush(): void {
    this.memory.detach(this.#observer?.beforeFlush() === true);
    this.#records = this.memory.records;
    this.#tree = this.memory.tree;
    this.#deadlines = this.memory.deadlines;
    this.pool = new EvictionPool(this.#records, this.#clock);
    this.#forgetRefs();
  }

  /**
   * Drops what `flush` left behind, up to `chunks` pieces, of 64 MB at most; the collector unmaps them off the main thread.
   * @returns whether there is more.
   */
  freeDetached(chunks: number): boolean {
    return this.memory.freeDetached(chunks);
  }

  /**
   * Visits records in unsigned byte order of their keys, strictly after `after` and under `prefix`, until `visit` answers
   * false. The store must not change meanwhile.
   */
  scan(after: ByteRange | undefined, prefix: ByteRange | undefined, visit: (ref: number) => boolean): void {
    scanTree(this.#tree, after, prefix, visit);
  }

  /** A record whose deadline has passed, the longest overdue first; `NONE` if there is none. */
  nextDueRef(nowMs: number): number {
    this.#clock.setNow(nowMs);
    return this.#deadlines.nextDeadlineMs <= nowMs ? this.#deadlines.ownerOf(this.#deadlines.nextHandle) : NONE;
  }

  /** The earliest deadline; `Infinity` if there is none. */
  get nextDeadlineMs(): number {
    return this.#deadlines.nextDeadlineMs;
  }

  /** A record, each with about the same chance; `NONE` if there is none. `random` draws from [0, 1). */
  randomRef(random: () => number): number {
    const slot = this.#records.randomRef(random);
    return slot === 0 ? NONE : slot | 1;
  }

  /**
   * The record that the eviction policy gives up next, leaving out those that `skip` is true of; `NONE` if none may go.
   * The same record is not proposed again soon: evict it, or keep it in `skip`.
   * @param random draws from [0, 1).
   */
  evictionVictim(random: () => number, skip: (ref: number) => boolean, nowMs: number): number {
    if (this.evictionPolicy === "none") return NONE;
    if (this.evictionPolicy === "ttl") return soonestToExpire(this.#deadlines, random, skip);
    this.#clock.setNow(nowMs);
    return this.pool.victim(random, skip);
  }

  /** Makes sure that a change can take memory below the limit. Returns whether records were moved for it. */
  #makeRoom(needed: number, expires: boolean): boolean {
    const moved = this.memory.makeRoom(needed, expires);
    if (moved) this.#forgetRefs();
    return moved;
  }

  /** Shows a snapshot every record before it changes, until this is called with undefined; answers with where they are. */
  observe(observer: KeyObserver | undefined): KeyStoreMemory {
    this.#observer = observer;
    return this.memory;
  }

  /** Checks the structures against each other; throws where they disagree. For tests: it walks everything. */
  checkInvariants(): void {
    this.memory.checkInvariants();
  }
}
