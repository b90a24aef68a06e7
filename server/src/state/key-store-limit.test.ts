import { describe, expect, it } from "vitest";
import { ByteRange } from "../structures/byte-range.ts";
import { KeyStore, NONE } from "./key-store.ts";
import type { EvictionPolicy } from "./key-store-eviction.ts";
import { TAG_BYTES } from "./value.ts";

const MB = 2 ** 20;
const bytes = new Uint8Array(8 * MB);

function xorshift(seed: number): () => number {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) / 0x1_0000_0000;
  };
}

/** Writes as the planner does: evicts until the new value is below what may be used. */
class LimitedStore {
  readonly store: KeyStore;
  readonly random = xorshift(77);
  nowMs = 1_700_000_000_000;
  evicted = 0;
  heldMax = 0;
  residentMax = 0;
  readonly #key = new ByteRange(new Uint8Array(8), 0, 8);
  readonly #victim = new ByteRange(new Uint8Array(0), 0, 0);

  constructor(memoryBytesMax: number, evictionPolicy: EvictionPolicy) {
    this.store = new KeyStore({ memoryBytesMax, evictionPolicy });
  }

  key(i: number): ByteRange {
    const key = this.#key.bytes;
    for (let at = 0, rest = Math.imul(i, 0x9e37_79b1); at < 4; at++, rest >>>= 8) key[at] = rest;
    for (let at = 4, rest = i; at < 8; at++, rest >>>= 8) key[at] = rest;
    return this.#key;
  }

  /** Whether there was room. */
  put(i: number, valueBytes: number, deadlineMs = 0): boolean {
    const { store } = this;
    const needed = store.slotBytesNeeded(8, valueBytes, deadlineMs !== 0);
    while (store.usedBytes + needed > store.memory.usableBytes) {
      const ref = store.evictionVictim(this.random, () => false, this.nowMs);
      if (ref === NONE) return false;
      store.readKey(ref, this.#victim);
      store.remove(this.#victim);
      this.evicted++;
    }
    store.put(this.key(i), TAG_BYTES, bytes, 0, valueBytes, deadlineMs, 1);
    this.heldMax = Math.max(this.heldMax, store.heldBytes);
    this.residentMax = Math.max(this.residentMax, store.memory.residentBytes);
    return true;
  }

  /** Whether it was a hit. */
  get(i: number): boolean {
    const ref = this.store.find(this.key(i));
    if (ref !== NONE) this.store.touch(ref, this.nowMs);
    return ref !== NONE;
  }
}

describe("the memory limit", () => {
  it("holds where most changes are made without a look at the memory", () => {
    const limitMb = 160;
    const limited = new LimitedStore(limitMb * MB, "lru");
    for (let i = 0; limited.evicted < 2000; i++) limited.put(i, [3900, 10, 700][i % 3]);
    expect(limited.residentMax).toBeLessThanOrEqual(limitMb * MB);
    expect(limited.store.usedBytes).toBeGreaterThan(0.9 * limitMb * MB);
    limited.store.checkInvariants();
  });

  it("holds where memory was plenty, and is left scattered by values of another size", () => {
    const limited = new LimitedStore(160 * MB, "lru");
    let i = 0;
    while (limited.evicted < 1000) limited.put(i++, 100);
    for (let step = 0; step < 4_000; step++) limited.put(i++, 3900);
    limited.store.checkInvariants();
    expect(limited.heldMax).toBeLessThanOrEqual(160 * MB);
    expect(limited.residentMax).toBeLessThanOrEqual(160 * MB);
  });

  it("holds when values grow from 100 bytes to 4 KB and shrink again", () => {
    const limited = new LimitedStore(24 * MB, "lru");
    const { store } = limited;
    let i = 0;
    while (limited.evicted < 1000) limited.put(i++, 100);
    expect(store.size).toBeGreaterThan(150_000);
    for (let step = 0; step < 10_000; step++) limited.put(i++, 4096);
    expect(store.size).toBeLessThan(8_000);
    expect(store.usedBytes).toBeGreaterThan(20 * MB);
    store.checkInvariants();
    for (let step = 0; step < 150_000; step++) limited.put(i++, 100);
    expect(store.usedBytes).toBeGreaterThan(20 * MB);
    store.checkInvariants();
    expect(limited.heldMax).toBeLessThanOrEqual(24 * MB);
    expect(limited.residentMax).toBeLessThanOrEqual(24 * MB * 1.1);
  });

  it.each([1, 8, 200])("holds at %i MB with values of all sizes and deadlines", (megabytes) => {
    const limited = new LimitedStore(megabytes * MB, "lru");
    const random = xorshift(5);
    for (let i = 0; i < 15_000; i++) {
      const sizeMax = (megabytes * MB) / 40;
      limited.put(
        Math.floor(random() * 20_000),
        Math.floor(random() ** 8 * sizeMax),
        random() < 0.3 ? limited.nowMs + i : 0,
      );
      if (i % 7000 === 0) limited.store.checkInvariants();
    }
    expect(limited.store.size).toBeGreaterThan(100);
    limited.store.checkInvariants();
    expect(limited.heldMax).toBeLessThanOrEqual(megabytes * MB);
    // Runs of free pages for large values cannot always be made.
    expect(limited.residentMax).toBeLessThanOrEqual(megabytes * MB * 1.5);
  });

  it("refuses without a policy, and takes up again after a flush", () => {
    const limited = new LimitedStore(2 * MB, "none");
    let i = 0;
    while (limited.put(i++, 1000));
    expect(i).toBeGreaterThan(1500);
    limited.store.flush();
    expect(limited.put(i, 1000)).toBe(true);
    while (limited.put(i++, 1000));
    expect(limited.heldMax).toBeLessThanOrEqual(2 * MB);
  });
});

describe("eviction", () => {
  it("by ttl takes what expires soonest, and never what does not expire", () => {
    const limited = new LimitedStore(MB, "ttl");
    const { store } = limited;
    for (let i = 0; i < 100; i++) limited.put(i, 10, 1000 + ((i * 37) % 100));
    for (let i = 100; i < 200; i++) limited.put(i, 10);
    const order: number[] = [];
    for (let i = 0; i < 100; i++) {
      const ref = store.evictionVictim(limited.random, () => false, 0);
      order.push(store.deadlineMsOf(ref));
      const key = new ByteRange(bytes, 0, 0);
      store.readKey(ref, key);
      store.remove(key);
    }
    expect(order).toEqual([...order].sort((a, b) => a - b));
    expect(store.evictionVictim(limited.random, () => false, 0)).toBe(NONE);
    expect(store.size).toBe(100);
  });

  it.each(["lru", "lfu", "ttl"] as const)("by %s leaves out what it is told to, down to the last key", (policy) => {
    const limited = new LimitedStore(MB, policy);
    const { store } = limited;
    for (let i = 0; i < 500; i++) limited.put(i, 10, 1000 + i);
    const kept = store.find(limited.key(250));
    const taken = new Set<number>();
    for (let i = 0; i < 499; i++) {
      const ref = store.evictionVictim(limited.random, (candidate) => candidate === kept || taken.has(candidate), 2000);
      expect(ref).not.toBe(NONE);
      expect(taken.has(ref) || ref === kept).toBe(false);
      taken.add(ref);
    }
    const all = (candidate: number): boolean => candidate === kept || taken.has(candidate);
    expect(store.evictionVictim(limited.random, all, 2000)).toBe(NONE);
  });

  it("draws keys evenly, whatever their size and however sparse their pages", () => {
    const limited = new LimitedStore(0, "none");
    const { store } = limited;
    for (let i = 0; i < 20_000; i++) limited.put(i, i % 2 === 0 ? 10 : 3000);
    for (let i = 0; i < 20_000; i++) if (i % 100 > 1) store.remove(limited.key(i));
    let small = 0;
    const key = new ByteRange(bytes, 0, 0);
    for (let i = 0; i < 20_000; i++) {
      store.readKey(store.randomRef(limited.random), key);
      if ((key.bytes[key.start + 4] & 1) === 0) small++;
    }
    expect(small).toBeGreaterThan(9500);
    expect(small).toBeLessThan(10_500);
  });

  /** Ranks with the Zipf law of exponent 0.99, as YCSB draws them. */
  function zipf(count: number, random: () => number): () => number {
    const cumulative = new Float64Array(count);
    let sum = 0;
    for (let i = 0; i < count; i++) cumulative[i] = sum += 1 / (i + 1) ** 0.99;
    return () => {
      const wanted = random() * sum;
      let low = 0;
      let high = count - 1;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (cumulative[middle] < wanted) low = middle + 1;
        else high = middle;
      }
      return low;
    };
  }

  const KEYS = 20_000;
  const ACCESSES = 400_000;

  function hitRate(policy: "lru" | "lfu"): { rate: number; size: number } {
    const limited = new LimitedStore(MB, policy);
    const draw = zipf(KEYS, xorshift(99));
    let hits = 0;
    for (let i = 0; i < ACCESSES; i++) {
      limited.nowMs += 1;
      const key = draw();
      const hit = limited.get(key);
      if (!hit) limited.put(key, 200);
      if (i >= ACCESSES / 4 && hit) hits++;
    }
    return { rate: hits / (ACCESSES * 0.75), size: limited.store.size };
  }

  it("by lru hits within 3 points of exact LRU", () => {
    const { rate, size } = hitRate("lru");
    const draw = zipf(KEYS, xorshift(99));
    const exact = new Set<number>();
    let hits = 0;
    for (let i = 0; i < ACCESSES; i++) {
      const key = draw();
      if (exact.delete(key)) hits += i >= ACCESSES / 4 ? 1 : 0;
      else if (exact.size >= size) for (const oldest of exact) if (exact.delete(oldest)) break;
      exact.add(key);
    }
    expect(rate).toBeGreaterThan(hits / (ACCESSES * 0.75) - 0.03);
  });

  it("by lfu hits within 3 points of exact LFU", () => {
    const { rate, size } = hitRate("lfu");
    const draw = zipf(KEYS, xorshift(99));
    // Exact LFU in O(1): keys by count, in order of arrival.
    const countOf = new Map<number, number>();
    const byCount = new Map<number, Set<number>>();
    const place = (key: number, count: number): void => {
      countOf.set(key, count);
      const keys = byCount.get(count);
      if (keys === undefined) byCount.set(count, new Set([key]));
      else keys.add(key);
    };
    let hits = 0;
    let least = 1;
    for (let i = 0; i < ACCESSES; i++) {
      const key = draw();
      const count = countOf.get(key);
      if (count !== undefined) {
        hits += i >= ACCESSES / 4 ? 1 : 0;
        byCount.get(count)?.delete(key);
        place(key, count + 1);
        continue;
      }
      if (countOf.size >= size) {
        while ((byCount.get(least)?.size ?? 0) === 0) least++;
        for (const victim of byCount.get(least) ?? []) {
          byCount.get(least)?.delete(victim);
          countOf.delete(victim);
          break;
        }
      }
      place(key, 1);
      least = 1;
    }
    expect(rate).toBeGreaterThan(hits / (ACCESSES * 0.75) - 0.03);
  });
});
