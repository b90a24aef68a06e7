/** What each kind of reply shows, and so up to which offset the log must be released before it may leave. */
import { beforeEach, describe, expect, it } from "vitest";
import { Engine, caller as someCaller } from "../../test/engine.ts";
import { PushConnection } from "../../test/push-connection.ts";
import { allCommands } from "./all.ts";
import type { Command } from "./command.ts";
import { CommandError } from "./errors.ts";

let engine: Engine;

beforeEach(() => {
  engine = new Engine({ firstOffset: 100 });
});

/** Runs one command as a message of its own, and answers with what its reply depends on. */
function offsetOf(name: string, payload: Record<string, unknown> = {}): number {
  engine.run(name, payload);
  return engine.executor.releaseOffset;
}

function applied(): number {
  return engine.executor.appliedOffset;
}

function commandNamed(name: string): Command {
  const command = allCommands.find((each) => each.name === name);
  if (command === undefined) throw new Error(`no command ${name}`);
  return command;
}

/** Keys `a` (100), `b` (101) and `c` (102), a queue (103) and a room (104). */
function fill(): void {
  for (const key of ["a", "b", "c"]) engine.run("kv.set", { key, value: "1" });
  engine.run("queue.create", { name: "q" });
  engine.run("stream.create", { room: "r" });
}

describe("a write", () => {
  it("depends on its own last operation", () => {
    expect(offsetOf("kv.set", { key: "a", value: "1" })).toBe(100);
    expect(
      offsetOf("kv.mset", {
        pairs: [
          ["x", "1"],
          ["y", "2"],
        ].map(([key, value]) => ({ key, value })),
      }),
    ).toBe(102);
  });

  it("that changes nothing depends on all that it may have seen", () => {
    fill();
    expect(offsetOf("kv.del", { key: "missing" })).toBe(applied());
    expect(offsetOf("kv.persist", { key: "a" })).toBe(104);
  });

  it("that the state refuses depends on the state", () => {
    fill();
    engine.run("kv.set", { key: "text", value: "x" });
    expect(offsetOf("kv.incr", { key: "text" })).toBe(105);
    expect(offsetOf("queue.ack", { queue: "none", message_id: "1", delivery_id: 1 })).toBe(105);
  });

  it("that waits has seen the state too", () => {
    fill();
    expect(offsetOf("queue.consume", { queue: "q", wait_ms: 1000 })).toBe(104);
  });

  it("whose reply finds no room has not happened, and depends on nothing that did not", () => {
    fill();
    const { executor } = engine;
    executor.at(engine.nowMs);
    executor.attempt(commandNamed("kv.set"), engine.argumentsFor("kv.set", { key: "z", value: "1" }), someCaller);
    executor.discard();
    expect(executor.releaseOffset).toBe(104);
  });
});

describe("a read of keys", () => {
  it.each([
    ["kv.get", { key: "b" }],
    ["kv.strlen", { key: "b" }],
    ["kv.getrange", { key: "b", start: 0, end: 1 }],
    ["kv.exists", { key: "b" }],
    ["kv.touch", { keys: ["a", "b"] }],
    ["kv.ttl", { key: "b" }],
    ["kv.expiretime", { key: "b" }],
    ["key.type", { key: "b" }],
    ["key.exists", { key: "b" }],
    ["key.object", { key: "b" }],
    ["kv.mget", { keys: ["b", "a"] }],
  ])("by %s depends on the last write of those it found", (name, payload) => {
    fill();
    expect(offsetOf(name, payload)).toBe(101);
  });

  it("depends on all of the state where one is missing", () => {
    fill();
    expect(offsetOf("kv.get", { key: "missing" })).toBe(104);
    expect(offsetOf("kv.mget", { keys: ["a", "missing"] })).toBe(104);
    expect(offsetOf("kv.exists", { keys: ["a", "missing"] })).toBe(104);
  });

  it("depends on all of the state where one is overdue", () => {
    fill();
    engine.run("kv.set", { key: "short", value: "1", ttl_ms: 10 });
    engine.nowMs += 10;
    expect(offsetOf("kv.get", { key: "short" })).toBe(105);
  });

  it.each([
    ["kv.scan", {}],
    ["kv.keys", { pattern: "*" }],
    ["kv.dbsize", {}],
    ["kv.stats", {}],
    ["key.randomkey", {}],
  ])("by %s depends on all of the state", (name, payload) => {
    fill();
    expect(offsetOf(name, payload)).toBe(104);
  });
});

describe("what looks at more than keys", () => {
  it.each([
    ["queue.stats", { queue: "q" }],
    ["queue.list", {}],
    ["queue.peek", { queue: "q" }],
    ["queue.dead.list", { queue: "q" }],
    ["stream.list", {}],
    ["stream.stats", { room: "r" }],
    ["stream.consume", { room: "r" }],
    ["admin.info", {}],
  ])("as %s does, depends on all of the state", (name, payload) => {
    fill();
    engine.run("kv.set", { key: "later", value: "1" });
    expect(offsetOf(name, payload)).toBe(105);
  });

  it("and fails depends on it as well", () => {
    fill();
    expect(engine.run("queue.stats", { queue: "none" })).toBeInstanceOf(CommandError);
    expect(engine.executor.releaseOffset).toBe(104);
  });
});

describe("what shows nothing of the state", () => {
  it.each([
    ["pubsub.publish", { topic: "t", payload: "x" }],
    ["pubsub.topics", {}],
    ["pubsub.stats", {}],
    ["admin.commands", {}],
    ["admin.config", {}],
    ["admin.clients", {}],
    ["admin.slowlog.get", {}],
    ["kv.time", {}],
  ])("as %s, depends on nothing", (name, payload) => {
    fill();
    expect(offsetOf(name, payload)).toBe(0);
  });

  it("is declared by every command of which that is true, and by no other that reads", () => {
    const nothing = allCommands.filter(({ plan, shows }) => plan === undefined && shows === "nothing");
    expect(nothing.map(({ name }) => name).sort()).toEqual([
      "admin.clients",
      "admin.commands",
      "admin.config",
      "admin.config.set",
      "admin.promote",
      "admin.slowlog.get",
      "admin.slowlog.reset",
      "admin.snapshot",
      "admin.tokens.create",
      "admin.tokens.list",
      "admin.tokens.revoke",
      "admin.wait",
      "auth",
      "kv.time",
      "pubsub.channels",
      "pubsub.info",
      "pubsub.numsub",
      "pubsub.publish",
      "pubsub.stats",
      "pubsub.subscribe",
      "pubsub.topics",
      "pubsub.unsubscribe",
    ]);
  });
});

describe("a command of this node", () => {
  it("depends on all of the state where it follows some of it", () => {
    fill();
    const { caller } = new PushConnection(2);
    const { executor } = engine;
    for (const [name, payload] of [
      ["stream.subscribe", { room: "r" }],
      ["queue.subscribe", { queue: "q" }],
      ["kv.watch", { pattern: "a" }],
    ] as const) {
      executor.at(engine.nowMs);
      const result = executor.run(commandNamed(name), engine.argumentsFor(name, payload), caller);
      expect([name, result instanceof CommandError, executor.releaseOffset]).toEqual([name, false, 104]);
    }
  });
});

describe("one message of many commands", () => {
  it("depends on what any of them does", () => {
    fill();
    const { executor } = engine;
    executor.at(engine.nowMs);
    for (const key of ["c", "a"]) {
      executor.run(commandNamed("kv.get"), engine.argumentsFor("kv.get", { key }), someCaller);
    }
    expect(executor.releaseOffset).toBe(102);
    executor.run(commandNamed("pubsub.stats"), {}, someCaller);
    expect(executor.releaseOffset).toBe(102);
  });

  it("begins anew with the next one", () => {
    fill();
    expect(offsetOf("admin.commands")).toBe(0);
  });

  it("as one record depends on the last operation of the record, also where it reads what it has written", () => {
    fill();
    const results = engine.atomic([
      ["kv.set", { key: "n", value: "1" }],
      ["kv.get", { key: "n" }],
      ["kv.set", { key: "m", value: "2" }],
      ["kv.get", { key: "a" }],
    ]);
    expect(results).toHaveLength(4);
    expect(applied()).toBe(106);
    expect(engine.executor.releaseOffset).toBe(106);
  });

  it("as one record that only reads depends on what it found", () => {
    fill();
    engine.atomic([["kv.get", { key: "a" }]]);
    expect(engine.executor.releaseOffset).toBe(100);
  });

  it("as one record that is refused depends on nothing that has not happened", () => {
    fill();
    const refused = engine.atomic([
      ["kv.set", { key: "n", value: "1" }],
      ["kv.get", { key: "n" }],
      ["kv.set", { key: "text", value: "x" }],
      ["kv.incr", { key: "text" }],
    ]);
    expect(refused).toBeInstanceOf(CommandError);
    expect(applied()).toBe(104);
    expect(engine.executor.releaseOffset).toBe(104);
  });

  it("as a transaction depends on the last operation of its record, though only its reads came last", () => {
    fill();
    engine.run("transaction.multi", { client_id: "me" });
    const { executor } = engine;
    const queue = (name: string, payload: Record<string, unknown>): void => {
      const client = engine.argumentsFor("transaction.multi", { client_id: "me" }).client_id;
      // As the codec made it.
      executor.transactions.queue(
        client as never,
        commandNamed(name),
        engine.argumentsFor(name, payload),
        engine.nowMs,
      );
    };
    queue("kv.set", { key: "n", value: "1" });
    queue("kv.del", { key: "missing" });
    expect(offsetOf("transaction.exec", { client_id: "me" })).toBe(105);
    expect(engine.log.nextOffset).toBe(106);
  });

  it("as a transaction that is aborted depends on what aborted it", () => {
    fill();
    engine.run("transaction.watch", { client_id: "me", keys: ["a"] });
    engine.run("transaction.multi", { client_id: "me" });
    engine.run("kv.set", { key: "a", value: "2" });
    expect(engine.run("transaction.exec", { client_id: "me" })).toMatchObject({ aborted: true });
    expect(engine.executor.releaseOffset).toBe(105);
  });
});

describe("a write that others hear of", () => {
  it("does not depend on the records that are made because of it", () => {
    fill();
    const { caller, frames } = new PushConnection(2);
    const { executor } = engine;
    executor.run(commandNamed("queue.subscribe"), engine.argumentsFor("queue.subscribe", { queue: "q" }), caller);
    engine.endTurn();
    expect(offsetOf("queue.publish", { queue: "q", payload: "x" })).toBe(105);
    expect(frames).toHaveLength(1);
    // The delivery.
    expect(applied()).toBe(106);
  });
});
