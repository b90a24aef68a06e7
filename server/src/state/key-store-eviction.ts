/**
 * Which key goes when memory is full, as Redis does it: a few keys are drawn at random, the best of them stay in a pool
 * of candidates between evictions, and the best of the pool goes. The access clocks this looks at are not part of the
 * state: only the node that plans has to agree with itself.
 *
 *     lru   32 bits: instant of the last access in units of 10 ms, wrapping after 497 days
 *     lfu   24 bits: minute of the last access | 8 bits: logarithmic count of accesses
 *
 * The count grows with a probability that falls with it, so that 255 steps reach about 32,000 accesses, and falls by one
 * for each minute without access. A new key starts at 5 so that it lives long enough to be counted.
 */
import type { DeadlineHeap } from "../structures/deadline-heap.ts";
import { NONE } from "../structures/radix-tree.ts";
import { clockOf } from "../structures/record.ts";
import type { SlabAllocator } from "../structures/slab-allocator.ts";

export type EvictionPolicy = "none" | "lru" | "lfu" | "ttl";

const LRU_UNIT_MS = 10;
const MINUTE_MS = 60_000;
const LFU_COUNT_NEW = 5;
const LFU_COUNT_MAX = 255;
const POOL_SIZE = 16;
const SAMPLES = 5;
/** Draws of samples before every record is looked at, where all that were drawn must be kept. */
const DRAWS_MAX = 16;

/** Reads and makes the access clocks of records. */
export class AccessClock {
  readonly #policy: EvictionPolicy;
  #nowMs = 0;
  /** Now in units of 10 ms, or in minutes. */
  #tick = 0;
  #random = 0x2545_f491;

  constructor(policy: EvictionPolicy) {
    this.#policy = policy;
  }

  /** Lets the clock know the time. */
  setNow(nowMs: number): void {
    if (nowMs === this.#nowMs) return;
    this.#nowMs = nowMs;
    // Both wrap as 32-bit or 24-bit numbers; differences stay right.
    this.#tick =
      this.#policy === "lru" ? Math.floor(nowMs / LRU_UNIT_MS) | 0 : Math.floor(nowMs / MINUTE_MS) & 0xff_ffff;
  }

  /** For a new record. */
  initial(): number {
    return this.#policy === "lfu" ? (this.#tick << 8) | LFU_COUNT_NEW : this.#tick;
  }

  /** For a record that is accessed now. */
  touched(clock: number): number {
    if (this.#policy !== "lfu") return this.#tick;
    let count = this.#count(clock);
    if (count < LFU_COUNT_MAX && this.#draw() * (Math.max(0, count - LFU_COUNT_NEW) + 1) < 1) count++;
    return (this.#tick << 8) | count;
  }

  /** How well the record may go: units since its last access, or how seldom it is accessed. */
  score(clock: number): number {
    return this.#policy === "lfu" ? LFU_COUNT_MAX - this.#count(clock) : (this.#tick - clock) >>> 0;
  }

  /** Milliseconds since the last access, in steps of 10; `undefined` where the policy is not lru. */
  idleMs(clock: number): number | undefined {
    return this.#policy === "lru" ? ((this.#tick - clock) >>> 0) * LRU_UNIT_MS : undefined;
  }

  /** The logarithmic count of accesses, 0 to 255; `undefined` where the policy is not lfu. */
  frequency(clock: number): number | undefined {
    return this.#policy === "lfu" ? this.#count(clock) : undefined;
  }

  /** The count of accesses, less a step for each minute since the last. */
  #count(clock: number): number {
    const minutes = (this.#tick - (clock >>> 8)) & 0xff_ffff;
    return Math.max(0, (clock & 0xff) - minutes);
  }

  /** From [0, 1), by xorshift: decides nothing that other nodes must agree with. */
  #draw(): number {
    let x = this.#random;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#random = x;
    return (x >>> 0) / 0x1_0000_0000;
  }
}

/** Draws keys to evict from a store. */
export class EvictionPool {
  readonly #records: SlabAllocator;
  readonly #clock: AccessClock;
  readonly #refs = new Int32Array(POOL_SIZE);
  readonly #scores = new Float64Array(POOL_SIZE);
  #count = 0;

  constructor(records: SlabAllocator, clock: AccessClock) {
    this.#records = records;
    this.#clock = clock;
  }

  /** A record that may go; `NONE` when `skip` is true of all. */
  victim(random: () => number, skip: (ref: number) => boolean): number {
    for (let draw = 0; draw < DRAWS_MAX; draw++) {
      for (let i = 0; i < SAMPLES; i++) {
        const slot = this.#records.randomRef(random);
        if (slot === 0) return NONE;
        if (!skip(slot | 1)) this.#offer(slot | 1);
      }
      const best = this.#takeBest(skip);
      if (best !== NONE) return best;
    }
    let found = NONE;
    this.#records.walk((slot) => {
      if (!skip(slot | 1)) found = slot | 1;
      return found === NONE;
    });
    return found;
  }

  #offer(ref: number): void {
    const score = this.#scoreOf(ref);
    let worst = 0;
    for (let i = 0; i < this.#count; i++) {
      if (this.#refs[i] === ref) return;
      if (this.#scores[i] < this.#scores[worst]) worst = i;
    }
    if (this.#count < POOL_SIZE) worst = this.#count++;
    else if (score <= this.#scores[worst]) return;
    this.#refs[worst] = ref;
    this.#scores[worst] = score;
  }

  /** Takes the best candidate out, after a second look: it may have been accessed since it was drawn. */
  #takeBest(skip: (ref: number) => boolean): number {
    for (let i = 0; i < this.#count; i++) this.#scores[i] = this.#scoreOf(this.#refs[i]);
    for (;;) {
      let best = -1;
      for (let i = 0; i < this.#count; i++) if (best < 0 || this.#scores[i] > this.#scores[best]) best = i;
      if (best < 0) return NONE;
      const ref = this.#refs[best];
      this.#removeAt(best);
      if (!skip(ref)) return ref;
    }
  }

  #scoreOf(ref: number): number {
    return this.#clock.score(this.#clockOf(ref));
  }

  /** How long ago a record was last accessed, or how often it is; see `AccessClock`. */
  accessOf(ref: number, nowMs: number): { idleMs: number | undefined; frequency: number | undefined } {
    this.#clock.setNow(nowMs);
    const clock = this.#clockOf(ref);
    return { idleMs: this.#clock.idleMs(clock), frequency: this.#clock.frequency(clock) };
  }

  #clockOf(ref: number): number {
    return clockOf(this.#records.words[ref >>> 24], ref & 0xfffffe);
  }

  #removeAt(index: number): void {
    const last = --this.#count;
    this.#refs[index] = this.#refs[last];
    this.#scores[index] = this.#scores[last];
  }

  /** A record is about to be freed. */
  forget(ref: number): void {
    for (let i = 0; i < this.#count; i++) {
      if (this.#refs[i] !== ref) continue;
      this.#removeAt(i);
      return;
    }
  }
}

/** The key that expires soonest, or nearly so where that one must stay; `NONE` if no key that expires may go. */
export function soonestToExpire(deadlines: DeadlineHeap, random: () => number, skip: (ref: number) => boolean): number {
  if (deadlines.count === 0) return NONE;
  const soonest = deadlines.ownerOf(deadlines.nextHandle);
  if (!skip(soonest)) return soonest;
  let best = NONE;
  let bestMs = Number.POSITIVE_INFINITY;
  for (let i = 0; i < SAMPLES * DRAWS_MAX && (best === NONE || i < SAMPLES); i++) {
    const handle = deadlines.handleAt(Math.floor(random() * deadlines.count));
    const owner = deadlines.ownerOf(handle);
    const deadlineMs = deadlines.deadlineMsOf(handle);
    if (deadlineMs >= bestMs || skip(owner)) continue;
    best = owner;
    bestMs = deadlineMs;
  }
  for (let position = 0; best === NONE && position < deadlines.count; position++) {
    const owner = deadlines.ownerOf(deadlines.handleAt(position));
    if (!skip(owner)) best = owner;
  }
  return best;
}
