/** Records of several commands: each sees what those before it staged, and a failing one leaves nothing. */
import { describe, expect, it } from "vitest";
import { Engine, type Plain } from "../../../test/engine.ts";
import { CommandError } from "../errors.ts";

type Commands = Parameters<Engine["atomic"]>[0];

function messageOf(engine: Engine, options: Record<string, Plain> = {}): { id: number; delivery_id: number } {
  const reply = engine.run("queue.consume", { queue: "q", ...options });
  return (reply as { message: { id: number; delivery_id: number } }).message; // The contract's shape.
}

function statsOf(engine: Engine): Plain {
  return engine.run("queue.stats", { queue: "q" });
}

/** The batch is refused with this code, and nothing has happened. */
function expectRefused(engine: Engine, commands: Commands, code: string): void {
  const before = engine.state.queues.dump();
  const { nextOffset } = engine.log;
  const result = engine.atomic(commands);
  expect(result).toBeInstanceOf(CommandError);
  expect((result as CommandError).code).toBe(code); // As just said.
  expect(engine.state.queues.dump()).toBe(before);
  expect(engine.log.nextOffset).toBe(nextOffset);
}

describe("an atomic batch", () => {
  it("creates a queue, publishes to it by its name, and does not create it again", () => {
    const engine = new Engine();
    const result = engine.atomic([
      ["queue.create", { name: "q", config: { max_depth: 2 } }],
      ["queue.publish", { queue: "q", payload: "a", priority: 3 }],
      ["queue.create", { name: "q", config: { max_depth: 2 } }],
      ["queue.publish", { queue: "q", payload: "b", priority: 3 }],
    ]);
    expect(result).toEqual([
      { success: true, queue: "q", created: true },
      { message_id: 2, position: 0 },
      { success: true, queue: "q", created: false },
      { message_id: 3, position: 1 },
    ]);
    expect(engine.log.nextOffset).toBe(4);
    expectRefused(engine, [["queue.create", { name: "q", config: { max_depth: 3 } }]], "QUEUE_EXISTS");
    engine.state.queues.checkInvariants();
  });

  it("creates a queue that it publishes to first, once", () => {
    const engine = new Engine();
    engine.atomic([
      ["queue.publish", { queue: "q", payload: 1 }],
      ["queue.publish", { queue: "q", payload: 2 }],
      ["queue.publish_batch", { queue: "q", messages: [{ payload: 3 }, { payload: 4 }] }],
    ]);
    expect(engine.state.queues.queues()).toHaveLength(1);
    expect(statsOf(engine)).toMatchObject({ depth: 4 });
  });

  it("stops at max_depth and max_bytes with what it has staged itself", () => {
    const engine = new Engine();
    engine.run("queue.create", { name: "q", config: { max_depth: 3, max_bytes: 10 } });
    engine.run("queue.publish", { queue: "q", payload: "aa" });
    const publish = ["queue.publish", { queue: "q", payload: "b" }] as const;
    expectRefused(engine, [publish, publish, publish], "QUEUE_FULL");
    expectRefused(engine, [publish, ["queue.publish", { queue: "q", payload: "12345678" }]], "QUEUE_FULL");
    expectRefused(
      engine,
      [
        ["queue.create", { name: "n", config: { max_depth: 1 } }],
        ...[1, 2].map((payload) => ["queue.publish", { queue: "n", payload }] as const),
      ],
      "QUEUE_FULL",
    );
    expect(engine.atomic([publish, publish])).toHaveLength(2);
  });

  it("acknowledges and publishes as one, or does neither", () => {
    const engine = new Engine();
    engine.run("queue.publish", { queue: "q", payload: "task" });
    const { id, delivery_id } = messageOf(engine);
    const ack = ["queue.ack", { queue: "q", message_id: id, delivery_id }] as const;
    const publish = ["queue.publish", { queue: "next", payload: "result" }] as const;
    expectRefused(engine, [publish, ["queue.ack", { queue: "q", message_id: id, delivery_id: 999 }]], "STALE_DELIVERY");
    expectRefused(engine, [ack, ["kv.set", { key: "k", value: 1 }], ack], "MESSAGE_NOT_FOUND");
    expect(engine.run("kv.get", { key: "k" })).toBeNull();
    expect(engine.atomic([ack, ["kv.set", { key: "k", value: 1 }], publish])).toHaveLength(3);
    expect(statsOf(engine)).toMatchObject({ pending: 0, acked: 1 });
    expect(engine.run("queue.stats", { queue: "next" })).toMatchObject({ ready: 1 });
  });

  it("knows what it did to a pending message before", () => {
    const engine = new Engine();
    engine.run("queue.create", { name: "q", config: { max_depth: 1, retry_backoff_ms: { initial: 0 } } });
    engine.run("queue.publish", { queue: "q", payload: "x" });
    const { id } = messageOf(engine, { ack_deadline: 1 });
    const nack = ["queue.nack", { queue: "q", message_id: id }] as const;
    const extend = ["queue.extend", { queue: "q", message_id: id, ack_deadline: 60 }] as const;
    expectRefused(engine, [nack, ["queue.ack", { queue: "q", message_id: id }]], "STALE_DELIVERY");
    expectRefused(engine, [nack, ["queue.publish", { queue: "q", payload: "y" }]], "QUEUE_FULL");
    engine.nowMs += 999;
    expect(engine.atomic([extend, extend, nack])).toMatchObject([{}, {}, { action: "requeued" }]);
    // Requeued in its place, and so before what is published after it.
    messageOf(engine);
    const dies = ["queue.nack", { queue: "q", message_id: id, requeue: false }] as const;
    expect(engine.atomic([dies, ["queue.publish", { queue: "q", payload: "y" }]])).toMatchObject([
      { action: "dead_lettered" },
      { position: 0 },
    ]);
  });

  it("cannot acknowledge what it has only published", () => {
    const engine = new Engine();
    engine.run("queue.create", { name: "q" });
    expectRefused(
      engine,
      [
        ["queue.publish", { queue: "q", payload: 1 }],
        ["queue.ack", { queue: "q", message_id: 2 }],
      ],
      "STALE_DELIVERY",
    );
    expectRefused(
      engine,
      [
        ["queue.publish", { queue: "q", payload: 1 }],
        ["queue.ack", { queue: "q", message_id: 3 }],
      ],
      "MESSAGE_NOT_FOUND",
    );
  });

  it("publishes a dedup_id once", () => {
    const engine = new Engine();
    const publish = ["queue.publish", { queue: "q", payload: 1, dedup_id: "d" }] as const;
    const other = ["queue.publish", { queue: "other", payload: 1, dedup_id: "d" }] as const;
    expect(engine.atomic([publish, other, publish])).toEqual([
      { message_id: 2, position: 0 },
      { message_id: 4, position: 0 },
      { message_id: 2, position: 0, duplicate: true },
    ]);
    expect(engine.run("queue.publish", { queue: "q", payload: 1, dedup_id: "d" })).toMatchObject({ duplicate: true });
  });

  it("counts the ready messages of each priority with those it has staged", () => {
    const engine = new Engine();
    const publish = (priority: number, more = {}) =>
      ["queue.publish", { queue: "q", payload: 1, priority, ...more }] as const;
    const result = engine.atomic([publish(5), publish(9), publish(1, { delay_ms: 10 }), publish(1), publish(5)]);
    expect((result as { position: number }[]).map(({ position }) => position)).toEqual([0, 0, 2, 2, 2]);
  });

  it("leaves no trace in the next record", () => {
    const engine = new Engine();
    engine.run("queue.create", { name: "q", config: { max_depth: 1 } });
    const publish = ["queue.publish", { queue: "q", payload: 1, dedup_id: "d" }] as const;
    expectRefused(
      engine,
      [publish, ["kv.incr", { key: "n" }], ["queue.publish", { queue: "q", payload: 2 }]],
      "QUEUE_FULL",
    );
    expect(engine.atomic([publish])).toEqual([{ message_id: 2, position: 0 }]);
  });
});

describe("the memory limit", () => {
  it("refuses publishing and lets consuming, acknowledging and rejecting go on", () => {
    const engine = new Engine({ memoryBytesMax: 8 * 2 ** 20 });
    let published = 0;
    for (;;) {
      const result = engine.run("queue.publish", { queue: "q", payload: "x".repeat(10_000) });
      if (result instanceof CommandError) {
        expect(result.code).toBe("MEMORY_LIMIT_EXCEEDED");
        break;
      }
      published++;
    }
    expect(published).toBeGreaterThan(300);
    for (let i = 0; i < published; i++) {
      const { id } = messageOf(engine);
      const command = i < published / 2 ? "queue.ack" : "queue.nack";
      expect(engine.run(command, { queue: "q", message_id: id })).toMatchObject({ success: true });
    }
    expect(engine.run("queue.publish", { queue: "q", payload: "again" })).toMatchObject({ position: 0 });
  });

  it("evicts keys for messages where it may", () => {
    const engine = new Engine({ memoryBytesMax: 8 * 2 ** 20, evictionPolicy: "lru" });
    for (let i = 0; i < 2000; i++) engine.run("kv.set", { key: `k${i}`, value: "v".repeat(4000) });
    for (let i = 0; i < 100; i++) {
      expect(engine.run("queue.publish", { queue: "q", payload: "x".repeat(10_000) })).toMatchObject({ position: i });
    }
    expect(engine.state.evictedCount).toBeGreaterThan(0);
    expect(engine.state.queues.queues()[0].ready).toBe(100);
  });
});
