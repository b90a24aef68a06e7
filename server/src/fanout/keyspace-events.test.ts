import { describe, expect, it } from "vitest";
import { Engine } from "../../test/engine.ts";
import { PushConnection } from "../../test/push-connection.ts";
import { rangeOf } from "../structures/byte-range.ts";

/** An engine with one connection that is told of all events; `events` says which came, as `channel message`. */
function listening(flags: string, options: ConstructorParameters<typeof Engine>[0] = {}) {
  const engine = new Engine(options);
  const { session, outbox, frames } = new PushConnection(1, "resp2");
  engine.fanout.channels.subscribe(session, outbox, rangeOf("__key*"), true);
  engine.fanout.keyspace.setFlags(flags);
  const events = (): string[] =>
    frames.splice(0).map((frame) => {
      const words = Buffer.from(frame).toString().split("\r\n");
      return `${words[6]} ${words[8]}`.replace("__key", "").replace("@0__", "");
    });
  return { engine, events };
}

describe("KeyspaceEvents", () => {
  it("are shown as Redis shows them", () => {
    const { keyspace } = new Engine().fanout;
    for (const [given, shown] of [
      ["", ""],
      ["KEA", "AKE"],
      ["Kg$lshzxetd", "AK"],
      ["xE$", "$xE"],
      ["Amn", "Amn"],
    ]) {
      expect(keyspace.setFlags(given)).toBe(true);
      expect(keyspace.flags).toBe(shown);
    }
    expect(keyspace.setFlags("Kq")).toBe(false);
    expect(keyspace.flags).toBe("Amn");
  });

  it.each(["", "A", "KE", "Km", "E"])("are off with the flags %j", (flags) => {
    const { engine, events } = listening(flags);
    engine.run("kv.set", { key: "k", value: 1 });
    expect(engine.fanout.keyspace.isOn).toBe(false);
    expect(events()).toEqual([]);
  });

  it("tell what the flags ask for", () => {
    const { engine, events } = listening("Eg");
    engine.run("kv.set", { key: "k", value: 1 });
    engine.run("kv.expire", { key: "k", ttl: 5 });
    engine.run("kv.del", { key: "k" });
    expect(events()).toEqual(["event:expire k", "event:del k"]);
    engine.fanout.keyspace.setFlags("K$");
    engine.run("kv.set", { key: "k", value: 1 });
    engine.run("kv.del", { key: "k" });
    expect(events()).toEqual(["space:k set"]);
  });

  it("are named after the command that wrote each operation, in a batch too", () => {
    const { engine, events } = listening("KA");
    engine.atomic([
      ["kv.set", { key: "a", value: 1 }],
      ["kv.incr", { key: "a" }],
      ["kv.get", { key: "a" }],
      ["queue.publish", { queue: "q", payload: 1 }],
      ["kv.append", { key: "b", value: "x" }],
      ["key.rename", { source: "a", destination: "b" }],
      ["kv.mset", { pairs: [{ key: "c", value: 1 }] }],
    ]);
    expect(events()).toEqual([
      "space:a set",
      "space:a incrby",
      "space:b append",
      "space:a rename_from",
      "space:b rename_to",
      "space:c set",
    ]);
    engine.atomic([
      ["kv.incr", { key: "n" }],
      ["kv.append", { key: "n", value: "x" }],
      ["kv.incr", { key: "n" }],
    ]);
    expect(events()).toEqual([]);
    engine.run("kv.set", { key: "plain", value: 1 });
    expect(events()).toEqual(["space:plain set"]);
  });

  it("are named after their own commands where a later one of a transaction turns them on", () => {
    const { engine, events } = listening("");
    engine.executor.beginRecord();
    engine.run("kv.set", { key: "a", value: 1 });
    engine.fanout.keyspace.setFlags("KA");
    engine.run("kv.incr", { key: "b" });
    engine.executor.endRecord();
    expect(events()).toEqual(["space:a set", "space:b incrby"]);
  });

  it("tell of keys that expire and are evicted", () => {
    const { engine, events } = listening("EA", { memoryBytesMax: 2 * 2 ** 20, evictionPolicy: "lru" });
    engine.run("kv.set", { key: "k", value: 1, ttl_ms: 5 });
    engine.nowMs += 5;
    engine.executor.expireDue(engine.nowMs, 10);
    expect(events()).toEqual(["event:set k", "event:expire k", "event:expired k"]);
    for (let i = 0; i < 100; i++) engine.run("kv.set", { key: `large${i}`, value: "x".repeat(40_000) });
    expect(events()).toContainEqual(expect.stringMatching(/^event:evicted large\d+$/));
  });
});
