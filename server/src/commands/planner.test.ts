import { describe, expect, it } from "vitest";
import { dump, Engine, type EngineOptions, emptyState, type Plain, seededRandom } from "../../test/engine.ts";
import { KeyStore, NONE } from "../state/key-store.ts";
import { OP_EVICT, OP_SPLICE } from "../state/operation.ts";
import { rangeOf } from "../structures/byte-range.ts";
import { CommandError } from "./errors.ts";

const MB = 2 ** 20;
const LIMITS = { valueBytesMax: 8 * MB, keysReplyMax: 100 };

function engineWith(options: EngineOptions): Engine {
  return new Engine({ backlogBytesMax: 16 * MB, limits: LIMITS, ...options });
}

function codeOf(result: unknown): string {
  return result instanceof CommandError ? result.code : "";
}

/** Sets keys of 100 bytes, 100 at a time, until the store uses so many bytes or refuses. */
function fill(engine: Engine, prefix: string, usedBytes = Number.POSITIVE_INFINITY): void {
  for (let i = 0; engine.store.usedBytes < usedBytes; i += 100) {
    const pairs = Array.from({ length: 100 }, (_, j) => ({ key: `${prefix}${i + j}`, value: "x".repeat(100) }));
    if (engine.run("kv.mset", { pairs }) instanceof CommandError) return;
  }
}

/** What the worker in the server does each tick; returns how many keys went. */
function evictAhead(engine: Engine, countMax: number): number {
  engine.executor.at(engine.nowMs);
  engine.executor.begin();
  const count = engine.executor.planner.evictAhead(countMax);
  engine.executor.commit();
  return count;
}

describe("the memory of a record being planned", () => {
  it.each(["none", "lru"] as const)("is there again after a flush, with policy %s", (evictionPolicy) => {
    const engine = engineWith({ memoryBytesMax: 4 * MB, evictionPolicy });
    fill(engine, "before", 3.4 * MB);
    engine.run("kv.flushall");
    for (let i = 0; i < 60; i++) {
      expect(codeOf(engine.run("kv.set", { key: `large${i}`, value: "x".repeat(25_000) }))).toBe("");
    }
    while (engine.store.freeDetached(1));
    expect(engine.store.size).toBe(60);
    expect(engine.store.memory.usableBytes).toBeGreaterThan(3.4 * MB);
    fill(engine, "after", 3.4 * MB);
    expect(engine.store.usedBytes).toBeGreaterThan(3.4 * MB);
  });

  it("has what the record removes before it writes", () => {
    const engine = engineWith({ memoryBytesMax: 16 * MB });
    for (const key of ["a", "b"]) engine.run("kv.set", { key, value: "x".repeat(7 * MB) });
    expect(codeOf(engine.run("kv.set", { key: "c", value: "x".repeat(7 * MB) }))).toBe("MEMORY_LIMIT_EXCEEDED");
    expect(engine.run("key.rename", { source: "a", destination: "c" })).toMatchObject({ success: true });
    const batch = engine.atomic([
      ["kv.del", { key: "b" }],
      ["kv.set", { key: "d", value: "x".repeat(7 * MB) }],
    ]);
    expect(batch).not.toBeInstanceOf(CommandError);
    expect(engine.store.size).toBe(2);
    const afterFlush = engine.atomic([
      ["kv.flushall", {}],
      ["kv.set", { key: "e", value: "x".repeat(7 * MB) }],
      ["kv.set", { key: "f", value: "x".repeat(7 * MB) }],
    ]);
    expect(afterFlush).not.toBeInstanceOf(CommandError);
    expect(engine.store.size).toBe(2);
  });

  it("has what the record replaces by less before it writes more, also where small writes are planned without a look", () => {
    const engine = engineWith({ memoryBytesMax: 16 * MB });
    for (const key of ["a", "b"]) engine.run("kv.set", { key, value: "x".repeat(6 * MB) });
    for (const value of ["1", "2"]) engine.run("kv.set", { key: "small", value });
    const batch = engine.atomic([
      ["kv.set", { key: "a", value: "x" }],
      ["kv.set", { key: "c", value: "x".repeat(7 * MB) }],
    ]);
    expect(codeOf(batch)).toBe("");
    expect(engine.store.usedBytes).toBeLessThan(14 * MB);
  });

  it("has what was overdue", () => {
    const engine = engineWith({ memoryBytesMax: 16 * MB });
    for (const key of ["a", "b"]) engine.run("kv.set", { key, value: "x".repeat(7 * MB), ttl: 1 });
    engine.nowMs += 1000;
    expect(codeOf(engine.run("kv.set", { key: "a", value: "x".repeat(7 * MB) }))).toBe("");
    expect(
      codeOf(
        engine.atomic([
          ["kv.incr", { key: "b" }],
          ["kv.set", { key: "c", value: "x".repeat(6 * MB) }],
        ]),
      ),
    ).toBe("");
  });

  it("looks again once others have what was left, also where it has planned many writes without a look", () => {
    let elsewhere = 0;
    const store = new KeyStore({ memoryBytesMax: 16 * MB, evictionPolicy: "none", bytesElsewhere: () => elsewhere });
    store.memory.planned(8 * MB);
    expect(store.memory.takesUnseen(100)).toBe(true);
    expect(store.memory.takesUnseen(100_000)).toBe(false);
    elsewhere = 16 * MB;
    store.memory.measure();
    expect(store.memory.takesUnseen(100)).toBe(false);
    store.memory.planned(8 * MB);
    for (let i = 0; store.memory.takesUnseen(100); i++) expect(i).toBeLessThan(1000);
    store.memory.planned(100_000);
    expect(store.memory.takesUnseen(100)).toBe(false);
    store.memory.planned(8 * MB);
    store.flush();
    expect(store.memory.takesUnseen(100)).toBe(false);
  });

  it("evicts nothing for a rename", () => {
    const engine = engineWith({ memoryBytesMax: 16 * MB, evictionPolicy: "lru" });
    engine.run("kv.set", { key: "large", value: "x".repeat(7 * MB) });
    fill(engine, "small", 14.9 * MB);
    const { size } = engine.store;
    expect(engine.run("key.rename", { source: "large", destination: "moved" })).toMatchObject({ success: true });
    expect([engine.store.size, engine.state.evictedCount]).toEqual([size, 0]);
  });

  it("lets keys of a full store get a deadline", () => {
    const engine = engineWith({ memoryBytesMax: 4 * MB });
    fill(engine, "k");
    for (let i = 0; i < 1000; i++) expect(engine.run("kv.expire", { key: `k${i}`, ttl: 10 })).toEqual({ result: true });
    expect(engine.run("key.rename", { source: "k0", destination: "n0" })).toMatchObject({ success: true });
    expect(engine.store.heldBytes).toBeLessThanOrEqual(4 * MB);
  });

  it("is refused where there are no addresses for it", () => {
    const engine = engineWith({});
    engine.store.canTake = (bytes) => bytes < MB;
    expect(codeOf(engine.run("kv.set", { key: "a", value: "x".repeat(MB) }))).toBe("MEMORY_LIMIT_EXCEEDED");
    expect(codeOf(engine.run("kv.set", { key: "a", value: "x" }))).toBe("");
  });
});

describe("eviction", () => {
  it("of too many keys for one write is refused, and done ahead of the next", () => {
    const engine = engineWith({ memoryBytesMax: 8 * MB, evictionPolicy: "lru" });
    fill(engine, "k", 7.4 * MB);
    const { size } = engine.store;
    const value = "x".repeat(MB);
    expect(engine.run("kv.set", { key: "large", value })).toMatchObject({ code: "MEMORY_LIMIT_EXCEEDED" });
    expect(engine.store.size).toBe(size);
    while (evictAhead(engine, 500) === 500);
    expect(engine.state.evictedCount).toBeGreaterThan(2000);
    expect(codeOf(engine.run("kv.set", { key: "large", value }))).toBe("");
    while (evictAhead(engine, 500) === 500);
    expect(engine.store.usedBytes).toBeGreaterThan(6 * MB);
    expect(evictAhead(engine, 500)).toBe(0);
    const last = engine.operations(engine.log.nextOffset - 1);
    expect(last.every(({ kinds }) => kinds.every((kind) => kind === OP_EVICT))).toBe(true);
  });

  it("never goes ahead without a policy", () => {
    const engine = engineWith({ memoryBytesMax: 4 * MB });
    fill(engine, "k");
    expect(evictAhead(engine, 500)).toBe(0);
  });

  it("takes a write of a whole value for an access", () => {
    const engine = engineWith({ memoryBytesMax: 4 * MB, evictionPolicy: "lru" });
    fill(engine, "k", 3.6 * MB);
    engine.nowMs += 100_000;
    const pairs = Array.from({ length: 1000 }, (_, i) => ({ key: `k${i}`, value: "y".repeat(100) }));
    engine.run("kv.mset", { pairs });
    engine.nowMs += 1000;
    for (let i = 0; i < 10_000; i++) engine.run("kv.set", { key: `n${i}`, value: "x".repeat(100) });
    const there = (key: string): boolean => engine.store.find(rangeOf(key)) !== NONE;
    const keptOf = (from: number): number =>
      Array.from({ length: 1000 }, (_, i) => there(`k${from + i}`)).filter(Boolean).length;
    expect(keptOf(0)).toBeGreaterThan(990);
    expect(keptOf(5000)).toBeLessThan(900);
  });
});

describe("a record", () => {
  it("has a change of part of a value as that part, in a batch too", () => {
    const engine = engineWith({});
    engine.run("kv.set", { key: "k", value: "q".repeat(MB) });
    const first = engine.log.nextOffset;
    const batch = engine.atomic([
      ...Array.from({ length: 50 }, (_, i) => ["kv.append", { key: "k", value: String(i % 10) }] as const),
      ["kv.setrange", { key: "k", offset: 2, value: "zz" }],
      ["kv.strlen", { key: "k" }],
    ]);
    expect(batch).not.toBeInstanceOf(CommandError);
    const [{ kinds }] = engine.operations(first);
    expect(kinds).toEqual(Array.from({ length: 51 }, () => OP_SPLICE));
    expect(engine.executor.planner.writer.length).toBeLessThan(10_000);
    const expected = `qqzz${"q".repeat(MB - 4)}${"0123456789".repeat(5)}`;
    expect(engine.run("kv.get", { key: "k" }) === expected).toBe(true);
  });

  it("is refused when it holds too many operations, and nothing of it happens", () => {
    const engine = engineWith({});
    const batch = engine.atomic(
      Array.from({ length: 101 }, () => [
        "kv.mset",
        { pairs: Array.from({ length: 1000 }, (_, i) => ({ key: `k${i}`, value: 1 })) },
      ]),
    );
    expect(codeOf(batch)).toBe("PAYLOAD_TOO_LARGE");
    expect(engine.store.size).toBe(0);
  });

  it("is refused when it holds too many bytes", () => {
    const engine = engineWith({});
    const batch = engine.atomic(
      Array.from({ length: 9 }, () => ["kv.set", { key: "k", value: "x".repeat(8 * MB - 10) }]),
    );
    expect(codeOf(batch)).toBe("PAYLOAD_TOO_LARGE");
    expect(engine.store.size).toBe(0);
  });
});

const SIZES = [10, 1000, 60_000, 500_000];
/** The values that are drawn are parts of it. As text, more time would go into their encoding than into the planner. */
const LONGEST = new Uint8Array(Math.max(...SIZES)).fill("v".charCodeAt(0));

/** A command at random, of those that take, free or move memory. */
function draw(random: () => number, sizeMax: number): [name: string, payload: Record<string, Plain>] {
  const below = (count: number): number => Math.floor(random() * count);
  const key = (): string => `k${below(1500)}`;
  const value = (): Uint8Array => LONGEST.subarray(0, below(sizeMax) + 1);
  const expiry = random() < 0.3 ? { ttl_ms: 1 + below(5000) } : {};
  switch (below(10)) {
    case 0:
      return ["kv.del", { key: key() }];
    case 1:
      return ["kv.append", { key: key(), value: "x".repeat(below(200)) }];
    case 2:
      return ["key.rename", { source: key(), destination: key() }];
    case 3:
      return ["key.copy", { source: key(), destination: key(), replace: true }];
    case 4:
      return ["kv.expire", { key: key(), ttl_ms: 1 + below(3000) }];
    case 5:
      return ["kv.mset", { pairs: Array.from({ length: 1 + below(20) }, () => ({ key: key(), value: value() })) }];
    default:
      return ["kv.set", { key: key(), value: value(), ...expiry }];
  }
}

describe("random commands with flushes under a small limit", () => {
  const cases = (["none", "lru", "lfu", "ttl"] as const).flatMap((policy) =>
    [1, 2].map((seed) => [policy, seed] as const),
  );

  it.each(cases)("apply, replay and never wedge: %s, seed %i", (evictionPolicy, seed) => {
    const random = seededRandom(seed);
    const limit = 2 * MB;
    const engine = engineWith({ memoryBytesMax: limit, evictionPolicy, seed, backlogBytesMax: 256 * MB });
    const { store } = engine;
    for (let i = 0, sizeMax = 1000; i < 1200; i++) {
      if (i % 150 === 0) sizeMax = SIZES[Math.floor(random() * SIZES.length)];
      engine.nowMs += Math.floor(random() * 20);
      const kind = random();
      if (kind < 0.004) engine.run("kv.flushall");
      else if (kind < 0.01) store.freeDetached(1);
      else if (kind < 0.1) engine.executor.expireDue(engine.nowMs, 20);
      else if (kind < 0.13) evictAhead(engine, 50);
      else if (kind < 0.2)
        engine.atomic(Array.from({ length: 1 + Math.floor(random() * 8) }, () => draw(random, sizeMax)));
      else engine.run(...draw(random, sizeMax));
      expect(store.usedBytes).toBeLessThanOrEqual(limit);
      expect(store.memory.residentBytes).toBeLessThanOrEqual(limit * 2);
    }
    store.checkInvariants();
    const copy = emptyState();
    engine.log.read(1, ({ operations, firstOffset }) => {
      copy.apply(operations, operations.length, firstOffset);
      return true;
    });
    expect(copy.appliedOffset).toBe(engine.state.appliedOffset);
    expect(dump(copy.keys)).toEqual(dump(store));
    for (let i = 0; i < 1500; i++) engine.run("kv.del", { key: `k${i}` });
    while (engine.executor.expireDue(engine.nowMs + 10_000, 100) === 100);
    expect([store.size, store.usedBytes]).toEqual([0, 0]);
    expect(store.memory.usableBytes).toBeGreaterThan(limit * 0.8);
    expect(codeOf(engine.run("kv.set", { key: "probe", value: "x".repeat(limit / 2) }))).toBe("");
  });
});
