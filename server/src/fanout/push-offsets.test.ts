/** What pushes show, and so up to which offset the log must be released before they may leave. */
import { beforeEach, describe, expect, it } from "vitest";
import { Engine } from "../../test/engine.ts";
import { PushConnection } from "../../test/push-connection.ts";
import { allCommands } from "../commands/all.ts";
import { CommandError } from "../commands/errors.ts";
import { rangeOf } from "../structures/byte-range.ts";

let engine: Engine;
let client: PushConnection;

beforeEach(() => {
  engine = new Engine({ firstOffset: 100 });
  client = new PushConnection(2);
});

/** Runs a command for the client. */
function subscribe(name: string, payload: Record<string, unknown>): void {
  const command = allCommands.find((each) => each.name === name);
  if (command === undefined) throw new Error(`no command ${name}`);
  engine.executor.at(engine.nowMs);
  const result = engine.executor.run(command, engine.argumentsFor(name, payload), client.caller);
  if (result instanceof CommandError) throw new Error(result.message);
}

/** The offsets of what the client was pushed since it was last asked, turns ended. */
function offsets(): number[] {
  engine.endTurn();
  return client.releaseOffsets.splice(0);
}

describe("what is in the log", () => {
  it("a change of a key waits for its whole record", () => {
    subscribe("kv.watch", { pattern: "*" });
    engine.run("kv.set", { key: "a", value: "1" });
    expect(offsets()).toEqual([100]);
    engine.run("kv.mset", { pairs: ["x", "y", "z"].map((key) => ({ key, value: "1" })) });
    expect(offsets()).toEqual([103, 103, 103]);
    engine.run("kv.flushdb");
    expect(offsets()).toEqual([104]);
  });

  it("a keyspace event waits for its record", () => {
    engine.run("admin.config.set", { key: "pubsub.notify_keyspace_events", value: "KA" });
    engine.fanout.channels.subscribe(client.session, client.outbox, rangeOf("__key*"), true);
    engine.run("kv.set", { key: "a", value: "1" });
    expect(offsets()).toEqual([100]);
  });

  it("a room's event waits for its record, whatever is applied by the time it is pushed", () => {
    engine.run("stream.create", { room: "r" });
    subscribe("stream.subscribe", { room: "r" });
    engine.endTurn();
    engine.run("stream.publish", { room: "r", event: "e", data: "1" });
    engine.run("kv.set", { key: "a", value: "1" });
    const [first] = offsets();
    expect(first).toBe(101);
  });

  it("a room's history and its gaps wait for all that is applied", () => {
    engine.run("stream.create", { room: "r", max_events: 2 });
    for (let i = 0; i < 4; i++) engine.run("stream.publish", { room: "r", event: "e", data: String(i) });
    const applied = engine.executor.appliedOffset;
    subscribe("stream.subscribe", { room: "r", from_offset: 0 });
    const pushed = offsets();
    expect(pushed.length).toBeGreaterThan(2);
    expect(new Set(pushed)).toEqual(new Set([applied]));
  });

  it("a delivery waits for its own record", () => {
    engine.run("queue.create", { name: "q" });
    subscribe("queue.subscribe", { queue: "q" });
    engine.endTurn();
    engine.run("queue.publish", { queue: "q", payload: "x" });
    // 101 is the message.
    expect(offsets()).toEqual([102]);
  });
});

describe("what is not in the log", () => {
  it("a message of a topic waits for nothing", () => {
    subscribe("pubsub.subscribe", { topics: ["t"] });
    engine.run("kv.set", { key: "a", value: "1" });
    engine.run("pubsub.publish", { topic: "t", payload: "x" });
    expect(offsets()).toEqual([0]);
  });

  it("a message of a channel waits for nothing, though keyspace events went before it", () => {
    engine.run("admin.config.set", { key: "pubsub.notify_keyspace_events", value: "KA" });
    engine.fanout.channels.subscribe(client.session, client.outbox, rangeOf("*"), true);
    engine.run("kv.set", { key: "a", value: "1" });
    engine.run("pubsub.publish", { channel: rangeOf("ch"), payload: "x" });
    expect(offsets()).toEqual([100, 0]);
  });
});

it("keeps its offset where it is one of too many for a turn", () => {
  const watchers = Array.from({ length: 30 }, (_, id) => new PushConnection(id + 10));
  for (const watcher of watchers) {
    client = watcher;
    subscribe("kv.watch", { pattern: "*" });
  }
  for (let i = 0; i < 500; i++) engine.run("kv.set", { key: "a", value: String(i) });
  engine.endTurn();
  for (const { releaseOffsets } of watchers) {
    expect(releaseOffsets).toEqual(Array.from({ length: 500 }, (_, i) => 100 + i));
  }
});
