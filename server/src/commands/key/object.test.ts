/** key.object beyond what the conformance cases can see: accesses, as the eviction policy counts them. */
import { describe, expect, it } from "vitest";
import { Engine } from "../../../test/engine.ts";

const ofKey = { type: "text", encoding: "embstr", bytes: 1, memory_bytes: expect.any(Number) as number };

/** The ticker, which lets the store know the time, has run. */
function engineWith(evictionPolicy: "lru" | "lfu"): Engine {
  const engine = new Engine({ evictionPolicy });
  engine.executor.expireDue(engine.nowMs, 1);
  return engine;
}

describe("key.object", () => {
  it("tells with lru how long ago a key was accessed, and is no access itself", () => {
    const engine = engineWith("lru");
    engine.run("kv.set", { key: "a", value: "x" });
    engine.nowMs += 12_345;
    for (let i = 0; i < 2; i++) {
      expect(engine.run("key.object", { key: "a" })).toEqual({ ...ofKey, idle_ms: 12_340, frequency: null });
    }
    engine.run("kv.touch", { keys: ["a"] });
    expect(engine.run("key.object", { key: "a" })).toEqual({ ...ofKey, idle_ms: 0, frequency: null });
  });

  it("tells with lfu how often it was, less for each minute since", () => {
    const engine = engineWith("lfu");
    engine.run("kv.set", { key: "a", value: "x" });
    expect(engine.run("key.object", { key: "a" })).toEqual({ ...ofKey, idle_ms: null, frequency: 5 });
    for (let i = 0; i < 100; i++) engine.run("kv.get", { key: "a" });
    const { frequency } = engine.run("key.object", { key: "a" }) as { readonly frequency: number }; // As declared.
    expect(frequency).toBeGreaterThan(5);
    engine.nowMs += 2 * 60_000;
    expect(engine.run("key.object", { key: "a" })).toEqual({ ...ofKey, idle_ms: null, frequency: frequency - 2 });
  });

  it("tells the memory of key and value", () => {
    const engine = new Engine();
    engine.run("kv.set", { key: "a", value: "x" });
    engine.run("kv.set", { key: "b", value: "x".repeat(1_000) });
    const small = engine.run("key.object", { key: "a" }) as { readonly memory_bytes: number }; // As declared.
    const large = engine.run("key.object", { key: "b" }) as { readonly memory_bytes: number }; // As declared.
    expect(small.memory_bytes).toBeGreaterThan(2);
    expect(large.memory_bytes - small.memory_bytes).toBeGreaterThan(900);
  });
});
