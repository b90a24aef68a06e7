import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dump, Engine, emptyState, type Plain } from "../../test/engine.ts";
import { NONE } from "../state/key-store.ts";
import { OP_DEADLINE, OP_EVICT, OP_EXPIRE, OP_FLUSH, OP_PUT, OP_REMOVE, OP_SPLICE } from "../state/operation.ts";
import type { StateMachine } from "../state/state-machine.ts";
import { TAG_TEXT, Value } from "../state/value.ts";
import { rangeOf } from "../structures/byte-range.ts";
import { allCommands } from "./all.ts";
import { CommandError } from "./errors.ts";
import { ApplyFailure, NOBODY } from "./execute.ts";

const lastRecord = (engine: Engine) => {
  const records = engine.operations(Math.max(1, engine.log.nextOffset - 1));
  return records[records.length - 1];
};

/** A second machine, fed from the log from its beginning. */
function replay(engine: Engine): StateMachine {
  const replica = emptyState();
  if (engine.log.nextOffset === 1) return replica;
  const complete = engine.log.read(1, ({ operations, firstOffset }) => {
    replica.apply(operations, operations.length, firstOffset);
    return true;
  });
  if (!complete) throw new Error("the backlog of this test is too small for its log");
  return replica;
}

describe("a write", () => {
  it("is one record, and its version is the offset of its operation", () => {
    const engine = new Engine();
    expect(engine.run("kv.set", { key: "a", value: "1" })).toMatchObject({ version: 1 });
    expect(engine.run("kv.set", { key: "b", value: "1" })).toMatchObject({ version: 2 });
    expect(
      engine.run("kv.mset", {
        pairs: [
          { key: "c", value: 1 },
          { key: "d", value: 1 },
        ],
      }),
    ).toEqual({
      success: true,
      count: 2,
    });
    expect(engine.operations(1).map(({ firstOffset, kinds }) => [firstOffset, kinds])).toEqual([
      [1, [OP_PUT]],
      [2, [OP_PUT]],
      [3, [OP_PUT, OP_PUT]],
    ]);
    expect(engine.run("kv.get", { key: "d", meta: true })).toMatchObject({ version: 4 });
    expect(engine.state.appliedOffset).toBe(4);
  });

  it("that changes nothing, and one that is refused, make no record", () => {
    const engine = new Engine();
    engine.run("kv.set", { key: "text", value: "x" });
    const before = engine.log.nextOffset;
    expect(engine.run("kv.del", { key: "missing" })).toEqual({ deleted: false });
    expect(engine.run("kv.set", { key: "text", value: "y", nx: true })).toEqual({ success: false, reason: "exists" });
    expect(engine.run("kv.incr", { key: "text" })).toBeInstanceOf(CommandError);
    expect(engine.run("kv.persist", { key: "text" })).toEqual({ result: false });
    expect(engine.run("kv.setrange", { key: "text", offset: 9, value: "" })).toEqual({ length: 1 });
    expect(engine.log.nextOffset).toBe(before);
  });

  it("never reuses an offset: a key made anew has a new version, also after a flush", () => {
    const engine = new Engine();
    engine.run("kv.set", { key: "a", value: 1 });
    engine.run("kv.del", { key: "a" });
    expect(engine.run("kv.set", { key: "a", value: 1 })).toMatchObject({ version: 3 });
    engine.run("kv.flushall");
    expect(engine.run("kv.set", { key: "a", value: 1 })).toMatchObject({ version: 5 });
    expect(engine.run("kv.set", { key: "a", value: 2, if_version: 3 })).toEqual({ success: false, reason: "version" });
  });

  it("appends and ranges as deltas, so that a long value is not logged again for a short change", () => {
    const engine = new Engine();
    engine.run("kv.set", { key: "a", value: "x".repeat(10_000) });
    const from = engine.log.nextOffset;
    engine.run("kv.append", { key: "a", value: "tail" });
    engine.run("kv.setrange", { key: "a", offset: 2, value: "mid" });
    expect(engine.operations(from).map(({ kinds }) => kinds)).toEqual([[OP_SPLICE], [OP_SPLICE]]);
    engine.log.read(from, ({ operations }) => {
      expect(operations.length).toBeLessThan(100);
      return true;
    });
  });
});

describe("a bug in a command", () => {
  it("throws, and nothing of the command has happened or shows", () => {
    const engine = new Engine();
    engine.run("kv.set", { key: "a", value: 1 });
    const { planner } = engine.executor;
    const { put } = planner;
    planner.put = (name, value, deadlineMs) => {
      if (name.toString() === "c") throw new Error("broken");
      return put.call(planner, name, value, deadlineMs);
    };
    const pairs = ["a", "b", "c"].map((name) => ({ key: name, value: 2 }));
    expect(() => engine.run("kv.mset", { pairs })).toThrow("broken");
    expect(engine.run("kv.mget", { keys: ["a", "b", "c"] })).toEqual({ values: [1, null, null] });
    expect(engine.log.nextOffset).toBe(2);
  });
});

it("keeps nothing of a command of a batch that depends on what the next one is read into", () => {
  const { executor } = new Engine();
  const [key, value] = [rangeOf("key"), new Value(TAG_TEXT, Buffer.from("value"), 0, 5)];
  const set = allCommands.find(({ name }) => name === "kv.set");
  if (set === undefined) throw new Error("there is no kv.set");
  executor.begin();
  executor.stage(set, { key, value }, NOBODY);
  key.bytes.fill(0);
  value.bytes.fill(0);
  const { bytes, length } = executor.planner.writer;
  expect(Buffer.from(bytes.subarray(0, length)).toString("latin1")).toContain("keyvalue");
});

describe("a failure to apply", () => {
  it("is not an answer: it ends the process", () => {
    const engine = new Engine();
    engine.state.applyStaged = () => {
      throw new Error("broken");
    };
    expect(() => engine.run("kv.set", { key: "a", value: 1 })).toThrow(ApplyFailure);
  });

  it("appends nothing of a record that was being gathered", () => {
    const engine = new Engine();
    engine.executor.beginRecord();
    engine.run("kv.set", { key: "a", value: 1 });
    engine.state.applyStaged = () => {
      throw new Error("broken");
    };
    expect(() => engine.run("kv.set", { key: "b", value: 1 })).toThrow(ApplyFailure);
    engine.executor.endRecord();
    expect(engine.log.nextOffset).toBe(1);
  });

  it("is also one to append what was applied", () => {
    const engine = new Engine();
    engine.executor.beginRecord();
    engine.run("kv.set", { key: "a", value: 1 });
    engine.log.append = () => {
      throw new Error("broken");
    };
    expect(() => engine.executor.endRecord()).toThrow(ApplyFailure);
  });
});

describe("expiry", () => {
  it("hides a key at the instant of its deadline, before the ticker comes", () => {
    const engine = new Engine();
    engine.run("kv.set", { key: "a", value: 1, ttl_ms: 1000 });
    engine.nowMs += 999;
    expect(engine.run("kv.get", { key: "a" })).toBe(1);
    expect(engine.run("kv.ttl", { key: "a" })).toEqual({ ttl: 1, ttl_ms: 1 });
    engine.nowMs += 1;
    for (const [name, hidden] of [
      ["kv.get", null],
      ["kv.exists", { exists: false }],
      ["kv.ttl", { ttl: -2, ttl_ms: -2 }],
      ["key.type", { key: "a", type: "none" }],
      ["kv.strlen", { length: 0 }],
    ] as const) {
      expect(engine.run(name, { key: "a" })).toEqual(hidden);
    }
    expect(engine.run("kv.scan")).toMatchObject({ keys: [] });
    expect(engine.run("key.randomkey")).toEqual({ key: null });
    expect(engine.store.size).toBe(1);
  });

  it("by the ticker removes what is due, and only that, as operations", () => {
    const engine = new Engine();
    for (let i = 0; i < 10; i++) engine.run("kv.set", { key: `k${i}`, value: i, ttl_ms: 100 + i });
    engine.run("kv.set", { key: "stays", value: 1 });
    engine.nowMs += 104;
    expect(engine.executor.expireDue(engine.nowMs, 3)).toBe(3);
    expect(engine.executor.nowMs).toBe(engine.nowMs);
    expect(engine.executor.expireDue(engine.nowMs, 3)).toBe(2);
    expect(engine.executor.expireDue(engine.nowMs, 3)).toBe(0);
    expect(engine.operations(12).map(({ kinds, keys }) => [...kinds, ...keys])).toEqual(
      ["k0", "k1", "k2", "k3", "k4"].map((key) => [OP_EXPIRE, key]),
    );
    expect([engine.store.size, engine.state.expiredCount]).toEqual([6, 5]);
  });

  it("puts the expire of an overdue key before the write of the same record", () => {
    const engine = new Engine();
    engine.run("kv.set", { key: "a", value: 5, ttl_ms: 10 });
    engine.nowMs += 10;
    expect(engine.run("kv.incr", { key: "a" })).toEqual({ value: 1 });
    expect(lastRecord(engine)).toEqual({ firstOffset: 2, kinds: [OP_EXPIRE, OP_PUT], keys: ["a", "a"] });
    expect(engine.run("kv.get", { key: "a", meta: true })).toMatchObject({ value: 1, version: 3, ttl_ms: null });
  });

  it("also where the write then changes nothing", () => {
    const engine = new Engine();
    engine.run("kv.set", { key: "a", value: 5, ttl_ms: 10 });
    engine.nowMs += 10;
    expect(engine.run("kv.del", { key: "a" })).toEqual({ deleted: false });
    expect(lastRecord(engine)).toMatchObject({ kinds: [OP_EXPIRE] });
    expect(engine.state.expiredCount).toBe(1);
  });

  it("at an instant that has come is a removal, not a deadline that lies behind", () => {
    const engine = new Engine();
    for (const when of [{ ttl: 0 }, { ttl_ms: 0 }, { at_ms: engine.nowMs }, { at_ms: 1 }]) {
      engine.run("kv.set", { key: "a", value: 1 });
      expect(engine.run("kv.expire", { key: "a", ...when })).toEqual({ result: true });
      expect(lastRecord(engine).kinds).toEqual([OP_REMOVE]);
      expect(engine.store.size).toBe(0);
    }
  });

  it("is not done by a replica on its own: its state is the master's log and nothing else", () => {
    const engine = new Engine();
    engine.run("kv.set", { key: "a", value: 5, ttl_ms: 10 });
    engine.nowMs += 1_000_000;
    const replica = replay(engine);
    expect(dump(replica.keys)).toEqual(dump(engine.store));
    expect(replica.keys.size).toBe(1);
    engine.executor.expireDue(engine.nowMs, 10);
    expect(replay(engine).keys.size).toBe(0);
  });

  it.each([
    ["kv.append", { key: "a", value: "!" }],
    ["kv.incr", { key: "a" }],
    ["kv.cas", { key: "a", value: "2", expect: "1" }],
    ["kv.setrange", { key: "a", offset: 0, value: "9" }],
    ["kv.set", { key: "a", value: "2", keep_ttl: true }],
  ])("is kept by %s", (name, payload) => {
    const engine = new Engine();
    engine.run("kv.set", { key: "a", value: "1", ttl_ms: 5000 });
    engine.run(name, payload);
    expect(engine.run("kv.ttl", { key: "a" })).toMatchObject({ ttl_ms: 5000 });
  });

  it.each([
    ["kv.set", { key: "a", value: "2" }],
    ["kv.getset", { key: "a", value: "2" }],
    ["kv.mset", { pairs: [{ key: "a", value: "2" }] }],
  ])("is taken away by %s", (name, payload) => {
    const engine = new Engine();
    engine.run("kv.set", { key: "a", value: "1", ttl_ms: 5000 });
    engine.run(name, payload);
    expect(engine.run("kv.ttl", { key: "a" })).toMatchObject({ ttl_ms: null });
  });
});

describe("the memory limit", () => {
  /** Small enough to fill quickly, large enough that the store's own growth is small beside it. */
  const MEMORY_BYTES_MAX = 8 * 1024 * 1024;
  const full = (evictionPolicy: "none" | "lru" | "ttl") => {
    const engine = new Engine({
      memoryBytesMax: MEMORY_BYTES_MAX,
      evictionPolicy,
      limits: { valueBytesMax: 2 * MEMORY_BYTES_MAX },
    });
    const value = "x".repeat(1000);
    let written = 0;
    while (written < 10_000) {
      const result = engine.run("kv.set", { key: `key:${written}`, value });
      if (result instanceof CommandError || engine.state.evictedCount > 0) break;
      written++;
    }
    return { engine, value, written };
  };

  it("with no policy refuses writes that need room and nothing else", () => {
    const { engine, value, written } = full("none");
    expect(written).toBeGreaterThan(500);
    expect(written).toBeLessThan(10_000);
    const before = [engine.log.nextOffset, dump(engine.store)];
    const refused = engine.run("kv.set", { key: "one more", value });
    expect(refused).toMatchObject({ code: "MEMORY_LIMIT_EXCEEDED", details: { limit_bytes: MEMORY_BYTES_MAX } });
    expect([engine.log.nextOffset, dump(engine.store)]).toEqual(before);
    expect(engine.run("kv.set", { key: "key:0", value: "y".repeat(1000) })).toMatchObject({ success: true });
    expect(engine.run("kv.get", { key: "key:1" })).toBe(value);
    expect(engine.run("kv.del", { keys: ["key:1", "key:2", "key:3"] })).toEqual({ deleted: 3 });
    expect(engine.run("kv.set", { key: "one more", value })).toMatchObject({ success: true });
  });

  it("with a policy evicts before the write, in the same record", () => {
    const { engine, value } = full("lru");
    expect(engine.run("kv.set", { key: "one more", value })).toMatchObject({ success: true });
    const { kinds, keys } = lastRecord(engine);
    expect(kinds.at(-1)).toBe(OP_PUT);
    expect(kinds.slice(0, -1).every((kind) => kind === OP_EVICT)).toBe(true);
    expect(keys.at(-1)).toBe("one more");
    expect(engine.store.heldBytes).toBeLessThanOrEqual(MEMORY_BYTES_MAX);
  });

  it("never evicts a key of the record that makes the room", () => {
    const { engine, value } = full("lru");
    for (let round = 0; round < 50; round++) {
      const names = Array.from({ length: 20 }, (_, index) => `key:${round * 7 + index}`);
      engine.run("kv.mset", { pairs: names.map((key) => ({ key, value: `${value}${"y".repeat(round)}` })) });
      const { kinds, keys } = lastRecord(engine);
      const evicted = keys.filter((_, index) => kinds[index] === OP_EVICT);
      const put = keys.filter((_, index) => kinds[index] === OP_PUT);
      expect(put).toEqual(names);
      for (const [index, key] of keys.entries()) {
        if (kinds[index] === OP_EVICT) expect(keys.slice(0, index)).not.toContain(key);
      }
      expect(new Set(evicted).size).toBe(evicted.length);
      expect(engine.run("kv.mget", { keys: names })).toEqual({
        values: names.map(() => `${value}${"y".repeat(round)}`),
      });
      expect(engine.store.heldBytes).toBeLessThanOrEqual(MEMORY_BYTES_MAX);
    }
  });

  it("never evicts what the record has touched, even where the policy would choose it first", () => {
    const { engine, value } = full("lru");
    engine.store.evictionVictim = (_, skip) => {
      let victim = NONE;
      engine.store.scan(undefined, undefined, (ref) => {
        if (!skip(ref)) victim = ref;
        return victim === NONE;
      });
      return victim;
    };
    // A single write that needs the room of several keys takes each of them once.
    expect(engine.run("kv.set", { key: "wide", value: value.repeat(5) })).toMatchObject({ success: true });
    expect(lastRecord(engine).kinds.length).toBeGreaterThan(3);
    expect(new Set(lastRecord(engine).keys).size).toBe(lastRecord(engine).keys.length);
    // The first keys in the store's order that are left.
    const { keys: names } = engine.run("kv.scan", { limit: 4 }) as { readonly keys: readonly string[] };
    const results = engine.atomic([
      ["kv.append", { key: names[0], value: "!" }],
      ["kv.expire", { key: names[1], ttl: 100 }],
      ["kv.mset", { pairs: names.slice(2).map((name) => ({ key: name, value })) }],
      ["kv.mset", { pairs: Array.from({ length: 50 }, (_, index) => ({ key: `new:${index}`, value })) }],
      ["kv.mget", { keys: names }],
    ]);
    expect(results).toMatchObject({ 4: { values: [`${value}!`, value, value, value] } });
    const { kinds, keys } = lastRecord(engine);
    const evicted = keys.filter((_, index) => kinds[index] === OP_EVICT);
    expect(evicted.length).toBeGreaterThan(0);
    expect(evicted.filter((name) => names.includes(name))).toEqual([]);
  });

  it("that cannot be met discards the whole record, evictions too", () => {
    const { engine, value } = full("lru");
    const before = [engine.log.nextOffset, engine.state.evictedCount, dump(engine.store)];
    const results = engine.atomic([
      ["kv.set", { key: "first", value }],
      ["kv.set", { key: "huge", value: "z".repeat(MEMORY_BYTES_MAX) }],
    ]);
    expect(results).toMatchObject({ code: "MEMORY_LIMIT_EXCEEDED" });
    expect([engine.log.nextOffset, engine.state.evictedCount, dump(engine.store)]).toEqual(before);
    expect(engine.run("kv.set", { key: "first", value })).toMatchObject({ success: true });
  });

  it("leaves nothing behind of a write that it refused half way: reads see what was there before", () => {
    const { engine, value } = full("none");
    const size = engine.store.size;
    const pairs = [
      { key: "small", value: "s" },
      { key: "key:0", value: "t" },
      { key: "large", value: value.repeat(100) },
    ];
    expect(engine.run("kv.mset", { pairs })).toMatchObject({ code: "MEMORY_LIMIT_EXCEEDED" });
    expect(engine.run("kv.mget", { keys: ["small", "key:0", "large"] })).toEqual({ values: [null, value, null] });
    expect(engine.run("kv.dbsize")).toEqual({ size });
  });

  it("of policy ttl takes only keys that have a deadline", () => {
    const { engine, value } = full("ttl");
    expect(engine.run("kv.set", { key: "one more", value })).toMatchObject({ code: "MEMORY_LIMIT_EXCEEDED" });
    engine.run("kv.expire", { key: "key:7", ttl: 100 });
    const result = engine.run("kv.set", { key: "one more", value: "small" });
    expect(result).toMatchObject({ success: true });
  });

  it("gives a replica the same state, evictions and all", () => {
    const { engine, value } = full("lru");
    for (let i = 0; i < 100; i++) engine.run("kv.set", { key: `late:${i}`, value });
    expect(dump(replay(engine).keys)).toEqual(dump(engine.store));
  });
});

describe("an atomic batch", () => {
  it("shows each command what those before it staged", () => {
    const engine = new Engine();
    engine.run("kv.set", { key: "old", value: "x" });
    expect(
      engine.atomic([
        ["kv.set", { key: "a", value: 1 }],
        ["kv.get", { key: "a" }],
        ["kv.incr", { key: "a" }],
        ["kv.incr", { key: "a" }],
        ["kv.dbsize", {}],
        ["kv.del", { key: "old" }],
        ["kv.exists", { key: "old" }],
        ["kv.scan", {}],
        ["kv.set", { key: "old", value: "y", nx: true }],
        ["kv.append", { key: "old", value: "z" }],
        ["kv.mget", { keys: ["old", "a", "none"] }],
      ]),
    ).toEqual([
      { success: true, key: "a", version: 2 },
      1,
      { value: 2 },
      { value: 3 },
      { size: 2 },
      { deleted: true },
      { exists: false },
      { keys: ["a"], cursor: null, has_more: false, count: 1 },
      { success: true, key: "old", version: 6 },
      { length: 2 },
      { values: ["yz", 3, null] },
    ]);
    expect(engine.operations(2)).toHaveLength(1);
    expect(engine.run("kv.get", { key: "old", meta: true })).toMatchObject({ value: "yz", version: 7 });
  });

  it("that fails leaves nothing, in state, log or view", () => {
    const engine = new Engine();
    engine.run("kv.set", { key: "text", value: "x" });
    const before = [engine.log.nextOffset, dump(engine.store)];
    expect(
      engine.atomic([
        ["kv.set", { key: "new", value: 1 }],
        ["kv.del", { key: "text" }],
        ["kv.incr", { key: "text" }],
        ["kv.incr", { key: "text", amount: 2n ** 63n }],
      ]),
    ).toBeInstanceOf(CommandError);
    expect([engine.log.nextOffset, dump(engine.store)]).toEqual(before);
    expect(engine.run("kv.get", { key: "text" })).toBe("x");
    expect(engine.run("kv.dbsize")).toEqual({ size: 1 });
  });

  it("expires an overdue key once, and reads it as gone from then on", () => {
    const engine = new Engine();
    engine.run("kv.set", { key: "a", value: 1, ttl_ms: 5 });
    engine.nowMs += 5;
    engine.atomic([
      ["kv.get", { key: "a" }],
      ["kv.set", { key: "a", value: 2, xx: true }],
      ["kv.set", { key: "a", value: 3, nx: true }],
      ["kv.del", { key: "a" }],
    ]);
    expect(lastRecord(engine).kinds).toEqual([OP_EXPIRE, OP_PUT, OP_REMOVE]);
    expect(engine.store.size).toBe(0);
  });

  it("stages deadlines and parts of values that the store still has whole", () => {
    const engine = new Engine();
    engine.run("kv.set", { key: "a", value: "hello" });
    engine.run("kv.set", { key: "b", value: "hello", ttl_ms: 77 });
    expect(
      engine.atomic([
        ["kv.expire", { key: "a", ttl_ms: 500 }],
        ["kv.ttl", { key: "a" }],
        ["kv.append", { key: "a", value: " world" }],
        ["kv.get", { key: "a" }],
        ["kv.ttl", { key: "a" }],
      ]),
    ).toEqual([{ result: true }, { ttl: 1, ttl_ms: 500 }, { length: 11 }, "hello world", { ttl: 1, ttl_ms: 500 }]);
    expect(
      engine.atomic([
        ["kv.append", { key: "b", value: "!" }],
        ["kv.get", { key: "b" }],
        ["kv.persist", { key: "b" }],
        ["kv.ttl", { key: "b" }],
        ["key.rename", { source: "b", destination: "c" }],
        ["kv.mget", { keys: ["b", "c"] }],
      ]),
    ).toEqual([
      { length: 6 },
      "hello!",
      { result: true },
      { ttl: null, ttl_ms: null },
      { success: true, source: "b", destination: "c" },
      { values: [null, "hello!"] },
    ]);
    expect(lastRecord(engine).kinds).toEqual([OP_SPLICE, OP_DEADLINE, OP_REMOVE, OP_PUT]);
    expect(dump(replay(engine).keys)).toEqual(dump(engine.store));
  });

  it("equals a Map on random commands, and does nothing at all where one of them fails", () => {
    const pair = () => ({
      engine: new Engine(),
      follower: emptyState(),
    });
    // One pair for all runs, since a store reserves memory by the chunk; a new one after a failure, so that what shrinks
    // is the failure itself and not what it left behind.
    let current = pair();
    const check = (batches: readonly (readonly Step[])[]) => {
      const { engine, follower } = current;
      for (const [name] of contents(engine)) engine.run("kv.del", { key: name });
      let model: Model = new Map();
      for (const batch of batches) {
        const staged: Model = new Map(model);
        const expected = batch.map((each) => runOnModel(staged, each));
        const before = engine.log.nextOffset;
        const results = engine.atomic(batch.map(toCommand));
        if (expected.includes(FAILED)) {
          expect(results).toBeInstanceOf(CommandError);
          expect(engine.log.nextOffset).toBe(before);
        } else {
          expect(results).toEqual(expected);
          model = staged;
        }
        expect(contents(engine)).toEqual([...model].sort(([a], [b]) => (a < b ? -1 : 1)));
      }
      engine.log.read(follower.appliedOffset + 1, ({ operations, firstOffset }) => {
        follower.apply(operations, operations.length, firstOffset);
        return true;
      });
      expect(dump(follower.keys)).toEqual(dump(engine.store));
    };
    fc.assert(
      fc.property(fc.array(fc.array(step, { minLength: 1, maxLength: 12 }), { maxLength: 12 }), (batches) => {
        try {
          check(batches);
        } catch (error) {
          current = pair();
          throw error;
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("a flush", () => {
  it("is one operation however many keys there are, and none on an empty store", () => {
    const engine = new Engine();
    expect(engine.run("kv.flushall")).toEqual({ flushed: 0 });
    for (let i = 0; i < 100; i++) engine.run("kv.set", { key: `k${i}`, value: i });
    expect(engine.run("kv.flushdb")).toEqual({ flushed: 100 });
    expect(lastRecord(engine).kinds).toEqual([OP_FLUSH]);
    expect(engine.run("kv.dbsize")).toEqual({ size: 0 });
  });
});

/** The commands of the property above, over so few keys that they meet. */
type Step =
  | readonly ["set", string, number | string]
  | readonly ["get" | "del" | "incr", string]
  | readonly ["append", string, string]
  | readonly ["rename", string, string]
  | readonly ["scan" | "dbsize"];
type Model = Map<string, number | string>;

const FAILED = Symbol("failed");
const key = fc.constantFrom("a", "ab", "abc", "b", "c");
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(fc.constant("set" as const), key, fc.oneof(fc.integer(), fc.constantFrom("x", "7"))),
  fc.tuple(fc.constantFrom("get" as const, "del" as const, "incr" as const), key),
  fc.tuple(fc.constant("append" as const), key, fc.constantFrom("1", "2", "z")),
  fc.tuple(fc.constant("rename" as const), key, key),
  fc.tuple(fc.constantFrom("scan" as const, "dbsize" as const)),
);

function toCommand(each: Step): readonly [string, Record<string, Plain>] {
  switch (each[0]) {
    case "set":
    case "append":
      return [`kv.${each[0]}`, { key: each[1], value: each[2] }];
    case "rename":
      return ["key.rename", { source: each[1], destination: each[2] }];
    case "scan":
    case "dbsize":
      return [`kv.${each[0]}`, {}];
    default:
      return [`kv.${each[0]}`, { key: each[1] }];
  }
}

/** What a batch answers; versions are checked elsewhere. */
function runOnModel(model: Model, each: Step): unknown {
  switch (each[0]) {
    case "set":
      model.set(each[1], each[2]);
      return { success: true, key: each[1], version: expect.any(Number) };
    case "get":
      return model.get(each[1]) ?? null;
    case "del":
      return { deleted: model.delete(each[1]) };
    case "incr": {
      const base = model.get(each[1]) ?? 0;
      if (!/^(0|-?[1-9][0-9]{0,14})$/.test(String(base))) return FAILED;
      model.set(each[1], Number(base) + 1);
      return { value: Number(base) + 1 };
    }
    case "append": {
      const whole = `${model.get(each[1]) ?? ""}${each[2]}`;
      model.set(each[1], whole);
      return { length: whole.length };
    }
    case "rename": {
      const value = model.get(each[1]);
      if (value === undefined) return FAILED;
      model.delete(each[1]);
      model.set(each[2], value);
      return { success: true, source: each[1], destination: each[2] };
    }
    case "scan": {
      const keys = [...model.keys()].sort();
      return { keys, cursor: null, has_more: false, count: keys.length };
    }
    default:
      return { size: model.size };
  }
}

/** Keys and values as the engine shows them, in key order. */
function contents(engine: Engine): [string, Plain][] {
  const { keys, values } = engine.run("kv.scan", { values: true }) as { keys: string[]; values: Plain[] };
  return keys.map((name, index) => [name, values[index]]);
}
