/**
 * What a record that is being planned takes of the memory, and what has to go for it.
 *
 *     used  ###########################            now
 *           ###########################.....       with what is staged, less what that frees
 *                                        | usable  past it keys are evicted, in this record and before the write, or it fails
 *
 * Reserving is exact but for the nodes of the tree. Where far more is left than small writes could take, some are let through
 * without a look (`KeyStoreMemory`), and count as more than they are.
 */
import { type KeyStore, NONE } from "../state/key-store.ts";
import type { KeyEntry, KeyView } from "../state/key-view.ts";
import type { OperationWriter } from "../state/operation.ts";
import type { StateMachine } from "../state/state-machine.ts";
import { ByteRange } from "../structures/byte-range.ts";
import { type CommandError, fail } from "./errors.ts";

/** Keys that one record may evict, at about 6 us each. Who needs more is refused, and `evictAhead` makes the room. */
const RECORD_EVICTIONS_MAX = 2000;
/** Parts of the usable memory: with less free than the first, `evictAhead` evicts until the second is. */
const ROOM_PART_LOW = 128;
const ROOM_PART_ENOUGH = 64;
/** Memory is measured, at about a microsecond, when queues and rooms have reserved so much. */
const MEASURE_BYTES = 64 * 1024;
/**
 * Part of the usable memory that deadlines and replies to remember may use beyond it, from the headroom: a full store can
 * still expire keys, and be emptied by commands that run once.
 */
const SPARE_PART = 32;
/** What a new key adds to the tree's nodes, with room to spare: 8 bytes on average, and now and then a larger node. */
const NODE_SLACK_BYTES = 32;
/** With its node, and with a deadline, a record takes no more than so many times its key, its value and `NODE_SLACK_BYTES`. */
const UNSEEN_FACTOR = 3;

export interface RecordMemoryParts {
  readonly state: StateMachine;
  readonly keys: KeyView;
  /** Of the record: evictions go into it. */
  readonly writer: OperationWriter;
  /** Draws from [0, 1). */
  readonly random: () => number;
  /** Makes the view show what is staged. */
  readonly showStaged: () => void;
  /** The record cannot be. */
  readonly refuse: (error: CommandError) => void;
}

export class RecordMemory {
  readonly #parts: RecordMemoryParts;
  readonly #store: KeyStore;
  readonly #victims = new Set<number>();
  readonly #victimKey = new ByteRange(new Uint8Array(0), 0, 0);
  /** The record that the staged operations may not take the memory of. */
  #protectedRef = NONE;
  /** Bytes that the staged operations will add to the store, less what they free, nodes aside. */
  #stagedBytes = 0;
  /** Keys that they will add, less those they remove. */
  #stagedKeys = 0;
  /** Bytes of the records that they will allocate, whatever they free. */
  #takenBytes = 0;
  #evictedBytes = 0;
  #flushed = false;
  /** What queues and rooms have reserved since memory was measured. */
  #unmeasuredBytes = 0;
  /** Bytes that `evictAhead` is to make free. */
  #roomWanted = 0;

  constructor(parts: RecordMemoryParts) {
    this.#parts = parts;
    this.#store = parts.state.keys;
  }

  begin(): void {
    this.#stagedBytes = 0;
    this.#stagedKeys = 0;
    this.#takenBytes = 0;
    this.#evictedBytes = 0;
    this.#flushed = false;
    if (this.#victims.size > 0) this.#victims.clear();
  }

  /** What may be used beyond the usable memory, where a full server would otherwise stay full. */
  get spareBytes(): number {
    return this.#store.memory.usableBytes / SPARE_PART;
  }

  /** A key goes that took so many bytes. */
  frees(bytes: number): void {
    this.#stagedBytes -= bytes;
    this.#stagedKeys--;
  }

  /** All keys go. */
  flushes(): void {
    this.#stagedBytes = -this.#store.usedBytes;
    this.#stagedKeys = 0;
    this.#flushed = true;
  }

  /** What a record takes in the store, nodes aside. */
  slotBytesOf(key: ByteRange, { value, deadlineMs }: KeyEntry): number {
    return this.#store.slotBytesNeeded(key.end - key.start, value.end - value.start, deadlineMs !== 0);
  }

  /** How far the staged operations would take the store above what may be used. */
  #excessBytes(): number {
    const store = this.#store;
    return store.usedBytes + this.#stagedGrowthBytes() - store.memory.usableBytes;
  }

  #stagedGrowthBytes(): number {
    return this.#stagedBytes + Math.max(0, this.#stagedKeys) * NODE_SLACK_BYTES;
  }

  /**
   * Makes sure that the store can take a record where it now has `current`: evicts, in this record and before the write,
   * or fails.
   * @param spareBytes what may be used beyond what is usable.
   */
  reserve(
    key: ByteRange,
    current: KeyEntry | undefined,
    valueBytes: number,
    expires: boolean,
    spareBytes = 0,
  ): boolean {
    const store = this.#store;
    const bytes = key.end - key.start + valueBytes;
    if (this.#parts.writer.count === 0 && store.memory.takesUnseen(bytes)) {
      const neededBytes = UNSEEN_FACTOR * (bytes + NODE_SLACK_BYTES);
      this.#takenBytes += neededBytes;
      // A later write of the record may need what this one frees.
      this.#stagedBytes += neededBytes - (current === undefined ? 0 : current.value.end - current.value.start);
      return true;
    }
    const neededBytes = store.slotBytesNeeded(key.end - key.start, valueBytes, expires);
    const oldBytes = current === undefined ? 0 : this.slotBytesOf(key, current);
    this.#stagedBytes += neededBytes - oldBytes;
    if (current === undefined) this.#stagedKeys++;
    this.#takenBytes += neededBytes;
    if (!store.canTake(this.#takenBytes)) return this.#refuse("the address space of the store is in use", neededBytes);
    const excessBytes = this.#excessBytes();
    store.memory.planned(-excessBytes);
    if (neededBytes <= oldBytes || this.#stagedGrowthBytes() <= 0 || excessBytes <= spareBytes) return true;
    this.#protectedRef = current === undefined ? NONE : current.ref;
    store.memory.measure();
    return this.#makeRoom(neededBytes, spareBytes);
  }

  /**
   * Makes sure that a queue or a room can take so many bytes more. See `Planner.reserveBytes`.
   * @param store the one that takes them; it has addresses of its own.
   */
  reserveElsewhere(neededBytes: number, store: { canTake(bytes: number): boolean }, spareBytes: number): boolean {
    this.#takenBytes += neededBytes;
    if (!store.canTake(this.#takenBytes)) return this.#refuse("the address space of the store is in use", neededBytes);
    this.#stagedBytes += neededBytes;
    this.#unmeasuredBytes += neededBytes;
    if (this.#excessBytes() <= spareBytes && this.#unmeasuredBytes < MEASURE_BYTES) return true;
    this.#unmeasuredBytes = 0;
    this.#store.memory.measure();
    if (this.#excessBytes() <= spareBytes) return true;
    this.#protectedRef = NONE;
    this.#parts.showStaged();
    return this.#makeRoom(neededBytes, spareBytes);
  }

  /** Whether so many bytes more fit as it is. Of the record under way nothing is staged yet. */
  hasRoomFor(neededBytes: number, spareBytes: number): boolean {
    return this.#store.usedBytes + neededBytes <= this.#store.memory.usableBytes + spareBytes;
  }

  #makeRoom(neededBytes: number, spareBytes: number): boolean {
    const store = this.#store;
    const canEvict = neededBytes <= store.memory.usableBytes && !this.#flushed && store.evictionPolicy !== "none";
    // Where keys of the usual size will not do by far, nothing is drawn in vain.
    const evictableBytes = ((2 * store.usedBytes) / store.size) * RECORD_EVICTIONS_MAX;
    if (canEvict && this.#excessBytes() > evictableBytes) return this.#refuseForNow(neededBytes);
    while (this.#excessBytes() > spareBytes) {
      if (this.#victims.size >= RECORD_EVICTIONS_MAX) return this.#refuseForNow(neededBytes);
      const ref = canEvict ? this.#victim() : NONE;
      if (ref === NONE) return this.#refuse("the memory limit is reached and nothing can be evicted", neededBytes);
      this.#evict(ref);
    }
    return true;
  }

  /** Leaves the room to `evictAhead`. */
  #refuseForNow(neededBytes: number): boolean {
    this.#roomWanted = Math.max(this.#roomWanted, this.#stagedGrowthBytes() + this.#evictedBytes);
    return this.#refuse("too many keys would have to go at once; they go one by one now, so try again", neededBytes);
  }

  #refuse(message: string, neededBytes: number): boolean {
    const { state, refuse } = this.#parts;
    refuse(
      fail("MEMORY_LIMIT_EXCEEDED", message, {
        limit_bytes: this.#store.memoryBytesMax,
        used_bytes: state.usedBytes,
        needed_bytes: neededBytes,
      }),
    );
    return false;
  }

  /** What to evict next, of what the staged operations leave alone; `NONE` where nothing may go. */
  #victim(): number {
    return this.#store.evictionVictim(this.#parts.random, this.#mustStay, this.#parts.keys.nowMs);
  }

  readonly #mustStay = (ref: number): boolean =>
    ref === this.#protectedRef || this.#victims.has(ref) || this.#isStaged(ref);

  #evict(ref: number): void {
    this.#victims.add(ref);
    this.#store.readKey(ref, this.#victimKey);
    this.#parts.writer.evict(this.#victimKey);
    this.#parts.keys.stageRemove(this.#victimKey);
    const freedBytes = this.#store.recordBytesOf(ref);
    this.#stagedBytes -= freedBytes;
    this.#evictedBytes += freedBytes;
    this.#stagedKeys--;
  }

  /**
   * Stages the eviction of up to `countMax` keys, in a record of their own, where little room is left or a write was refused
   * because making room took too long. Returns how many; less than `countMax` means that there is room enough for now.
   */
  evictAhead(countMax: number): number {
    const store = this.#store;
    if (store.evictionPolicy === "none") return 0;
    store.memory.measure();
    const usable = store.memory.usableBytes;
    if (usable - store.usedBytes < usable / ROOM_PART_LOW) {
      this.#roomWanted = Math.max(this.#roomWanted, usable / ROOM_PART_ENOUGH);
    }
    this.#protectedRef = NONE;
    for (let count = 0; count < countMax; count++) {
      const ref = this.#excessBytes() + this.#roomWanted > 0 ? this.#victim() : NONE;
      if (ref === NONE) {
        this.#roomWanted = 0;
        return count;
      }
      this.#evict(ref);
    }
    return countMax;
  }

  /** Whether the record being planned has touched this key already: what it wrote must not be evicted by it. */
  #isStaged(ref: number): boolean {
    if (!this.#parts.keys.staging) return false;
    this.#store.readKey(ref, this.#victimKey);
    return this.#parts.keys.isStaged(this.#victimKey);
  }
}
