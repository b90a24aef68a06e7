import { describe, expect, it } from "vitest";
import { Engine } from "../../test/engine.ts";
import { PushConnection, pushEncoder } from "../../test/push-connection.ts";
import { CommandError } from "../commands/errors.ts";
import { TurnEnd } from "../runtime/turn-end.ts";
import { KeyStore } from "../state/key-store.ts";
import { rangeOf } from "../structures/byte-range.ts";
import { KeyWatches, type WatchMode } from "./key-watches.ts";
import { SubscriptionCount } from "./subscription-count.ts";
import { SubscriptionIds } from "./subscription-ids.ts";
import { SubscriptionNames } from "./subscription-names.ts";

const keysOf = (text: string, isPattern: boolean) => ({ isPattern, text: rangeOf(text) });

/** @returns the subscription's id. */
function watch(
  watches: KeyWatches,
  { session, outbox }: PushConnection,
  text: string,
  { isPattern = true, mode = "value" as WatchMode } = {},
): number {
  const id = watches.watch(session, outbox, keysOf(text, isPattern), mode);
  if (id instanceof CommandError) throw new Error(id.message);
  return id;
}

/** An engine with one connection that watches a pattern; `changes` says what came, without the subscription's id. */
function watched(pattern = "*", options: ConstructorParameters<typeof Engine>[0] = {}, mode: WatchMode = "value") {
  const engine = new Engine(options);
  const connection = new PushConnection(1);
  watch(engine.fanout.watches, connection, pattern, { mode });
  const changes = () => connection.take().map(({ type, subscription_id, ...rest }) => rest);
  return { engine, connection, changes };
}

describe("KeyWatches", () => {
  it("tells what became of a key, in the order of the log", () => {
    const { engine, changes } = watched("k*");
    engine.run("kv.set", { key: "k1", value: { a: 1 } });
    engine.run("kv.set", { key: "other", value: 1 });
    engine.run("kv.incr", { key: "k2" });
    engine.run("kv.expire", { key: "k1", ttl: 5 });
    engine.run("kv.append", { key: "k3", value: "abc" });
    engine.run("kv.append", { key: "k3", value: "def" });
    engine.run("kv.persist", { key: "k1" });
    engine.run("kv.del", { key: "k1" });
    engine.run("key.rename", { source: "k2", destination: "k4" });
    expect(changes()).toEqual([
      { key: "k1", event: "set", version: 1, value: { a: 1 } },
      { key: "k2", event: "set", version: 3, value: 1 },
      { key: "k1", event: "expire", version: 4 },
      { key: "k3", event: "set", version: 5, value: "abc" },
      { key: "k3", event: "set", version: 6, value: "abcdef" },
      { key: "k1", event: "expire", version: 7 },
      { key: "k1", event: "del", version: 8 },
      ...[
        { key: "k2", event: "del" },
        { key: "k4", event: "set", value: 1 },
      ].map((change) => ({ ...change, version: expect.any(Number) })),
    ]);
  });

  it("has the fields and the order of the contract", () => {
    const engine = new Engine();
    const connection = new PushConnection(1);
    const id = watch(engine.fanout.watches, connection, "k", { isPattern: false });
    engine.run("kv.set", { key: "k", value: "v" });
    const text = `{"type":"watch","subscription_id":${id},"key":"k","event":"set","version":1,"value":"v"}`;
    expect(Buffer.from(connection.frames[0]).toString()).toBe(text);
  });

  it("leaves values out in mode notify", () => {
    const { engine, changes } = watched("*", {}, "notify");
    engine.run("kv.set", { key: "k", value: "v" });
    expect(changes()).toEqual([{ key: "k", event: "set", version: 1 }]);
  });

  it("tells of keys that expire, by the ticker and by the write that meets them", () => {
    const { engine, changes } = watched();
    engine.run("kv.set", { key: "a", value: 1, ttl_ms: 10 });
    engine.run("kv.set", { key: "b", value: 1, ttl_ms: 10 });
    changes();
    engine.nowMs += 11;
    engine.run("kv.set", { key: "a", value: 2 });
    expect(changes()).toEqual([
      { key: "a", event: "expired", version: 3 },
      { key: "a", event: "set", version: 4, value: 2 },
    ]);
    expect(engine.executor.expireDue(engine.nowMs, 10)).toBe(1);
    expect(changes()).toEqual([{ key: "b", event: "expired", version: 5 }]);
  });

  it("tells of keys that make room", () => {
    const { engine, changes } = watched("k*", { memoryBytesMax: 4 * 2 ** 20, evictionPolicy: "lru" }, "notify");
    for (let i = 0; i < 200; i++) engine.run("kv.set", { key: `k${i}`, value: "x".repeat(60_000) });
    const evicted = changes().filter(({ event }) => event === "evicted");
    expect(evicted.length).toBeGreaterThan(100);
    expect(engine.state.evictedCount).toBe(evicted.length);
  });

  it("tells of every key of a record, and of queues and rooms in it not at all", () => {
    const { engine, changes } = watched();
    engine.run("kv.mset", {
      pairs: [
        { key: "a", value: 1 },
        { key: "b", value: 2 },
      ],
    });
    engine.atomic([
      ["kv.set", { key: "c", value: 3 }],
      ["queue.publish", { queue: "q", payload: "p", headers: { h: 1 }, dedup_id: "d" }],
      ["kv.set", { key: "d", value: 4 }],
      ["stream.publish", { room: "r", event: "e", data: "d" }],
      ["kv.set", { key: "e", value: 5 }],
    ]);
    expect(changes().map(({ key, value }) => [key, value])).toEqual([
      ["a", 1],
      ["b", 2],
      ["c", 3],
      ["d", 4],
      ["e", 5],
    ]);
    expect(engine.bugs).toEqual([]);
  });

  it("leaves the value of a part out where the same record changes the key again", () => {
    const { engine, changes } = watched();
    engine.run("kv.set", { key: "k", value: "abc" });
    changes();
    engine.atomic([
      ["kv.setrange", { key: "k", offset: 1, value: "X" }],
      ["kv.del", { key: "k" }],
    ]);
    expect(changes()).toEqual([
      { key: "k", event: "set", version: 2 },
      { key: "k", event: "del", version: 3 },
    ]);
  });

  it("says nothing of a batch that came to nothing", () => {
    const { engine, changes } = watched();
    engine.atomic([
      ["kv.set", { key: "k", value: "abc" }],
      ["kv.incr", { key: "k" }],
    ]);
    expect(changes()).toEqual([]);
  });

  it("tells of a flush once for each watch", () => {
    const { engine, connection, changes } = watched("a*");
    watch(engine.fanout.watches, connection, "b*");
    for (const key of ["a1", "a2", "b1"]) engine.run("kv.set", { key, value: 1 });
    changes();
    engine.run("kv.flushall");
    const flush = { key: null, event: "flush", version: 4 };
    expect(changes()).toEqual([flush, flush]);
  });

  it("shares the id and the frames of those who watch the same", () => {
    const engine = new Engine();
    const { watches } = engine.fanout;
    const connections = (["json", "json", "msgpack", "sse"] as const).map(
      (format, id) => new PushConnection(id, format),
    );
    const ids = connections.map((connection) => watch(watches, connection, "k"));
    expect(new Set(ids).size).toBe(1);
    expect(watch(watches, connections[0], "k")).toBe(ids[0]);
    expect(watch(watches, connections[0], "k", { isPattern: false })).not.toBe(ids[0]);
    expect(watch(watches, connections[0], "k", { mode: "notify" })).not.toBe(ids[0]);
    engine.run("kv.set", { key: "k", value: [1] });
    expect(connections.map(({ frames }) => frames.length)).toEqual([3, 1, 1, 1]);
    expect(connections[0].frames).toContain(connections[1].frames[0]);
    for (const connection of connections.slice(1)) expect(connection.take()[0]).toMatchObject({ key: "k", value: [1] });
  });

  it("ends a watch by its id, by what it watches, or with its connection", () => {
    const engine = new Engine();
    const { watches } = engine.fanout;
    const connection = new PushConnection(1);
    const { session } = connection;
    const id = watch(watches, connection, "a*");
    for (const mode of ["value", "notify"] as const) watch(watches, connection, "a*", { mode });
    watch(watches, connection, "a*", { isPattern: false });
    expect(watches.isWatched).toBe(true);
    expect([watches.unwatchById(session, id), watches.unwatchById(session, id)]).toEqual([1, 0]);
    watch(watches, connection, "a*");
    expect(watches.unwatch(session, keysOf("a*", true), "notify")).toBe(1);
    expect(watches.unwatch(session, keysOf("a*", true), undefined)).toBe(1);
    expect(watches.unwatch(session, keysOf("b*", true), undefined)).toBe(0);
    expect(watches.subscriptionCount).toBe(1);
    for (const text of ["a", "b?", "c*"]) watch(watches, connection, text);
    connection.close();
    watches.checkEmpty();
    engine.run("kv.set", { key: "a", value: 1 });
    expect(connection.frames).toEqual([]);
  });

  it("goes on with the others when one is cut off in the middle", () => {
    const engine = new Engine();
    const connections = [1, 2, 3].map((id) => new PushConnection(id));
    for (const connection of connections)
      for (const text of ["k", "k*", "?"]) watch(engine.fanout.watches, connection, text);
    connections[1].framesMax = 1;
    engine.run("kv.mset", {
      pairs: [
        { key: "k", value: 1 },
        { key: "k", value: 2 },
      ],
    });
    engine.run("kv.flushall");
    expect(connections.map(({ frames }) => frames.length)).toEqual([9, 1, 9]);
    connections[0].framesMax = 10;
    connections[2].framesMax = 10;
    engine.run("kv.set", { key: "k", value: 1 });
    engine.run("kv.flushall");
    engine.fanout.watches.checkEmpty();
  });

  it("leaves out the value of a push that would be too large, in the format in which it is", () => {
    const engine = new Engine();
    const watches = new KeyWatches({
      keys: engine.store,
      encoder: pushEncoder(70_000),
      ids: new SubscriptionIds(),
      subscriptions: new SubscriptionCount(Number.POSITIVE_INFINITY),
      subscribedNames: new SubscriptionNames(Number.POSITIVE_INFINITY),
      turnEnd: new TurnEnd(),
      seed: 1,
      limits: { watchesPerConnectionMax: 10, watchesMax: 10, globsMax: 10 },
    });
    const [text, binary] = (["json", "msgpack"] as const).map((format, id) => new PushConnection(id, format));
    for (const connection of [text, binary]) watch(watches, connection, "k");
    engine.run("kv.set", { key: "k", value: "\u0001".repeat(60_000) });
    engine.log.read(1, ({ firstOffset, count, operations }) => {
      watches.committed(operations, operations.length, firstOffset, firstOffset + count - 1);
      return true;
    });
    expect(text.take()).toEqual([{ type: "watch", subscription_id: 1, key: "k", event: "set", version: 1 }]);
    expect(binary.take()[0]).toHaveProperty("value");
  });
});

describe("limits of KeyWatches", () => {
  const newWatches = (
    limits: Partial<ConstructorParameters<typeof KeyWatches>[0]["limits"]>,
    subscriptions = new SubscriptionCount(Number.POSITIVE_INFINITY),
    subscribedNames = new SubscriptionNames(Number.POSITIVE_INFINITY),
  ) =>
    new KeyWatches({
      keys: new KeyStore({ memoryBytesMax: 0, evictionPolicy: "none" }),
      encoder: pushEncoder(),
      ids: new SubscriptionIds(),
      subscriptions,
      subscribedNames,
      turnEnd: new TurnEnd(),
      seed: 1,
      limits: { watchesPerConnectionMax: 10, watchesMax: 10, globsMax: 10, ...limits },
    });

  it.each([
    ["watches of a connection", { watchesPerConnectionMax: 2 }, ["a", "b"], "c", "INVALID_REQUEST", { watches_max: 2 }],
    ["different watches", { watchesMax: 2 }, ["a", "b"], "c", "SERVICE_UNAVAILABLE", { watches_max: 2 }],
    ["globs", { globsMax: 1 }, ["a", "b", "a?b"], "?", "SERVICE_UNAVAILABLE", { globs_max: 1 }],
  ])("refuses one %s more than there may be", (_, limits, texts, more, code, details) => {
    const watches = newWatches(limits);
    const connection = new PushConnection(1);
    for (const text of [...texts, ...texts]) watch(watches, connection, text);
    const refused = watches.watch(connection.session, connection.outbox, keysOf(more, true), "value");
    expect(refused).toMatchObject({ code, details });
    expect(watches.unwatch(connection.session, keysOf(texts[texts.length - 1], true), undefined)).toBe(1);
    watch(watches, connection, more);
    connection.close();
    watches.checkEmpty();
  });

  it("lets a connection watch a tenth of the globs", () => {
    const watches = newWatches({ globsMax: 200, watchesMax: 1000, watchesPerConnectionMax: 1000 });
    const [connection, other] = [1, 2].map((id) => new PushConnection(id));
    for (let i = 0; i < 20; i++) {
      watch(watches, connection, `?${i}`);
      watch(watches, connection, `?${i}`);
      watch(watches, connection, `${i}*`);
    }
    const tryWatch = () => watches.watch(connection.session, connection.outbox, keysOf("a?", true), "value");
    const refused = { code: "INVALID_REQUEST", details: { globs_max: 20 } };
    expect(tryWatch()).toMatchObject(refused);
    watch(watches, other, "a?");
    expect(tryWatch()).toMatchObject(refused);
    watch(watches, connection, "a*");
    watches.unwatch(connection.session, keysOf("?3", true), undefined);
    expect(tryWatch()).toEqual(expect.any(Number));
  });

  it("has names of so many bytes in all, and a connection a tenth of it", () => {
    const names = new SubscriptionNames(2400);
    const watches = newWatches({ watchesMax: 100 }, undefined, names);
    const connections = Array.from({ length: 12 }, (_, i) => new PushConnection(i));
    // `value:pattern:` and 106 letters, twice: a tenth.
    const tryWatch = (i: number, letters: number) =>
      watches.watch(
        connections[i].session,
        connections[i].outbox,
        keysOf(String.fromCharCode(97 + i).repeat(letters), true),
        "value",
      );
    expect(tryWatch(0, 107)).toMatchObject({ code: "INVALID_REQUEST", details: { name_bytes_max: 240 } });
    for (let i = 0; i < 10; i++) expect(tryWatch(i, 106)).toEqual(expect.any(Number));
    expect(names.bytes).toBe(2400);
    expect(tryWatch(10, 1)).toMatchObject({ code: "SERVICE_UNAVAILABLE", details: { name_bytes_max: 2400 } });
    connections[3].close();
    expect(tryWatch(10, 1)).toEqual(expect.any(Number));
    for (const connection of connections) if (connection !== connections[3]) connection.close();
    expect(names.bytes).toBe(0);
    watches.checkEmpty();
  });

  it("counts with the subscriptions of all kinds, and gives back what ends", () => {
    const subscriptions = new SubscriptionCount(2);
    const watches = newWatches({}, subscriptions);
    const connection = new PushConnection(1);
    watch(watches, connection, "a");
    watch(watches, connection, "b");
    watch(watches, connection, "b");
    expect(watches.watch(connection.session, connection.outbox, keysOf("c", true), "value")).toMatchObject({
      code: "SERVICE_UNAVAILABLE",
      details: { subscriptions_max: 2 },
    });
    watches.unwatch(connection.session, keysOf("b", true), undefined);
    watch(watches, connection, "c");
    connection.close();
    expect(subscriptions.count).toBe(0);
    watches.checkEmpty();
  });

  it("keeps nothing of 10,000 watches that came and went on one connection", () => {
    const watches = newWatches({});
    const connection = new PushConnection(1);
    for (let i = 0; i < 10_000; i++) {
      const text = `k${i}${["", "*", "*x"][i % 3]}`;
      watch(watches, connection, text);
      expect(watches.unwatch(connection.session, keysOf(text, true), undefined)).toBe(1);
    }
    watches.checkEmpty();
    expect(connection.session.partCount).toBe(0);
  });
});
