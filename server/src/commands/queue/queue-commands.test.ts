import { describe, expect, it } from "vitest";
import { Engine, type Plain } from "../../../test/engine.ts";
import { configFromFlags } from "../../config/load.ts";
import { limitsOf } from "../../limits.ts";
import { CommandError } from "../errors.ts";
import { Wait } from "../wait.ts";

const LIMITS = limitsOf(configFromFlags());

/** Every reply here is an object. */
type Reply = Record<string, Plain>;

class Queues extends Engine {
  ask(name: string, payload: Record<string, Plain> = {}): Reply {
    const reply = this.run(`queue.${name}`, payload);
    if (reply instanceof CommandError) throw new Error(`${reply.code}: ${reply.message}`);
    return reply as Reply; // As said above.
  }

  /** The code of the failure, and its details. */
  failure(name: string, payload: Record<string, Plain>): readonly [string, Reply | undefined] {
    const reply = this.run(`queue.${name}`, payload);
    if (!(reply instanceof CommandError)) throw new Error(`queue.${name} has succeeded`);
    return [reply.code, reply.details];
  }

  publish(payload: Plain, options: Record<string, Plain> = {}): number {
    return Number(this.ask("publish", { queue: "q", payload, ...options }).message_id);
  }

  consume(options: Record<string, Plain> = {}): Reply | null {
    return this.ask("consume", { queue: "q", ...options }).message as Reply | null; // The contract's shape.
  }

  /** What time brings, until nothing is due. */
  pass(ms: number): void {
    this.nowMs += ms;
    while (this.fanout.consumers.runDue(this.nowMs, 100) === 100);
  }
}

describe("queue.create", () => {
  it("creates once, and compares only what is asked for", () => {
    const queues = new Queues();
    expect(queues.ask("create", { name: "q", config: { max_depth: 5, ack_deadline_secs: 7 } })).toEqual({
      success: true,
      queue: "q",
      created: true,
    });
    expect(queues.ask("create", { name: "q" }).created).toBe(false);
    expect(queues.ask("create", { name: "q", config: { max_depth: 5 } }).created).toBe(false);
    const config = { max_depth: 6, ack_deadline_secs: 7, dead_letter: { enabled: false } };
    expect(queues.failure("create", { name: "q", config })).toEqual([
      "QUEUE_EXISTS",
      {
        queue: "q",
        fields: {
          max_depth: { current: 5, requested: 6 },
          "dead_letter.enabled": { current: true, requested: false },
        },
      },
    ]);
  });

  it("takes a fraction as the factor of the backoff, and refuses what is none", () => {
    const queues = new Queues();
    const config = { retry_backoff_ms: { initial: 100, factor: 1.5, max: 1000 } };
    queues.ask("create", { name: "q", config });
    expect(queues.state.queues.queues()[0].config.retryBackoff).toEqual({ initialMs: 100, factor: 1.5, maxMs: 1000 });
    for (const factor of [0.5, "2", true, null, 1001]) {
      const [code, details] = queues.failure("create", { name: "other", config: { retry_backoff_ms: { factor } } });
      expect([code, details?.path]).toEqual(["INVALID_PAYLOAD", "config.retry_backoff_ms.factor"]);
    }
  });

  it("refuses a queue past the limit, also one that a message would create", () => {
    const queues = new Queues({ limits: { queue: { ...LIMITS.queue, queuesMax: 1 } } });
    queues.publish(1);
    for (const refused of [
      queues.failure("create", { name: "other" }),
      queues.failure("publish", { queue: "other", payload: 1 }),
    ]) {
      expect(refused).toEqual(["MEMORY_LIMIT_EXCEEDED", { queues_max: 1 }]);
    }
    queues.publish(2);
  });
});

describe("queue.publish", () => {
  it("creates the queue, answers with growing ids and the position", () => {
    const queues = new Queues();
    const first = queues.ask("publish", { queue: "q", payload: "a" });
    const urgent = queues.ask("publish", { queue: "q", payload: "b", priority: 9 });
    const last = queues.ask("publish", { queue: "q", payload: "c" });
    expect([first.position, urgent.position, last.position]).toEqual([0, 0, 2]);
    expect(Number(urgent.message_id)).toBeGreaterThan(Number(first.message_id));
    expect(queues.consume()?.payload).toBe("b");
  });

  it("refuses what would expire before it may be delivered", () => {
    const queues = new Queues();
    for (const options of [
      { ttl: 1, delay_ms: 1000 },
      { ttl: 1, at_ms: queues.nowMs + 1000 },
    ]) {
      const [code, details] = queues.failure("publish", { queue: "q", payload: 1, ...options });
      expect([code, details?.path]).toEqual(["INVALID_PAYLOAD", "ttl"]);
    }
    queues.publish(1, { ttl: 1, delay_ms: 999 });
  });

  it("refuses headers that are no object, and takes null for none", () => {
    const queues = new Queues();
    for (const headers of [[1], "text", 7, true]) {
      expect(queues.failure("publish", { queue: "q", payload: 1, headers })[0]).toBe("INVALID_PAYLOAD");
    }
    queues.publish(1, { headers: null });
    queues.publish(2, { headers: { a: { b: 1 } } });
    expect(queues.consume()?.headers).toEqual({});
    expect(queues.consume()?.headers).toEqual({ a: { b: 1 } });
  });

  it("refuses a message over its limit and takes one at it", () => {
    const queues = new Queues();
    const limit = 2 * 2 ** 20;
    queues.publish("x".repeat(limit));
    expect(queues.failure("publish", { queue: "q", payload: "x".repeat(limit + 1) })).toEqual([
      "PAYLOAD_TOO_LARGE",
      { path: "payload", limit_bytes: limit, bytes: limit + 1 },
    ]);
    const [code] = queues.failure("publish", { queue: "q", payload: "x".repeat(limit - 1), headers: {} });
    expect(code).toBe("PAYLOAD_TOO_LARGE");
  });

  it("refuses beyond max_depth and max_bytes, while consume and ack go on", () => {
    const queues = new Queues();
    queues.ask("create", { name: "q", config: { max_depth: 2, max_bytes: 10 } });
    queues.publish("12345");
    expect(queues.failure("publish", { queue: "q", payload: "123456" })[1]).toEqual({
      limit: "max_bytes",
      depth: 1,
      max_depth: 2,
      bytes: 5,
      max_bytes: 10,
    });
    queues.publish("x", { delay_ms: 1000 });
    expect(queues.failure("publish", { queue: "q", payload: "" })[1]?.limit).toBe("max_depth");
    const message = queues.consume();
    queues.publish("y");
    expect(queues.failure("publish", { queue: "q", payload: "" })[0]).toBe("QUEUE_FULL");
    expect(queues.ask("ack", { queue: "q", message_id: message?.id })).toEqual({ success: true, acked: 1 });
  });

  it("publishes a dedup_id once within the window, also into a queue that is full", () => {
    const queues = new Queues();
    queues.ask("create", { name: "q", config: { max_depth: 1, dedup_window_secs: 10 } });
    const id = queues.publish("a", { dedup_id: "d" });
    const again = { message_id: id, position: 0, duplicate: true };
    expect(queues.ask("publish", { queue: "q", payload: "b", dedup_id: "d" })).toEqual(again);
    queues.consume();
    queues.pass(9999);
    expect(queues.ask("publish", { queue: "q", payload: "b", dedup_id: "d" })).toEqual(again);
    queues.pass(1);
    expect(queues.publish("c", { dedup_id: "d" })).toBeGreaterThan(id);
  });

  it("publishes a batch whole or not at all, its own duplicates once", () => {
    const queues = new Queues();
    queues.ask("create", { name: "q", config: { max_depth: 3 } });
    const batch = [{ payload: 1, dedup_id: "d" }, { payload: 2 }, { payload: 3, dedup_id: "d" }];
    const { message_ids: ids } = queues.ask("publish_batch", { queue: "q", messages: batch }) as {
      message_ids: number[];
    };
    expect(ids).toEqual([ids[0], ids[0] + 1, ids[0]]);
    const [code] = queues.failure("publish_batch", { queue: "q", messages: [{ payload: 4 }, { payload: 5 }] });
    expect(code).toBe("QUEUE_FULL");
    expect(queues.ask("stats", { queue: "q" }).depth).toBe(2);
  });
});

describe("queue.consume", () => {
  it("gives the highest priority first, in publish order, each message once", () => {
    const queues = new Queues();
    for (const [payload, priority] of [
      ["low", 1],
      ["high 1", 8],
      ["high 2", 8],
      ["top", 9],
    ] as const) {
      queues.publish(payload, { priority });
    }
    const { messages } = queues.ask("consume", { queue: "q", count: 3 }) as { messages: Reply[] };
    expect(messages.map(({ payload }) => payload)).toEqual(["top", "high 1", "high 2"]);
    expect(queues.consume()?.payload).toBe("low");
    expect(queues.consume()).toBeNull();
    expect(queues.ask("consume", { queue: "q", count: 3 })).toEqual({ messages: [] });
  });

  it("waits where it is asked to and there is nothing", () => {
    const queues = new Queues();
    queues.ask("create", { name: "q" });
    for (const [options, waitMs] of [
      [{ wait_ms: 50 }, 50],
      [{ timeout: 2 }, 2000],
    ] as const) {
      const wait = queues.run("queue.consume", { queue: "q", ...options });
      expect(wait).toMatchObject({ waitMs, otherwise: { message: null } });
    }
    expect(queues.run("queue.consume", { queue: "q", wait_ms: 1, count: 2 })).toMatchObject({
      otherwise: { messages: [] },
    });
    expect(queues.failure("consume", { queue: "q", wait_ms: 1, timeout: 1 })[0]).toBe("INVALID_PAYLOAD");
    expect(queues.failure("consume", { queue: "q", wait_ms: 300_001 })[1]?.maximum_ms).toBe(300_000);
    queues.publish("x");
    expect(queues.run("queue.consume", { queue: "q", wait_ms: 1 })).not.toBeInstanceOf(Wait);
  });

  it("passes by what has expired, and buries it", () => {
    const queues = new Queues();
    queues.publish("old", { ttl: 1, priority: 9 });
    queues.publish("new");
    queues.nowMs += 1000;
    expect(queues.ask("peek", { queue: "q", count: 5 })).toMatchObject({ messages: [{ payload: "new" }] });
    expect(queues.consume()?.payload).toBe("new");
    expect(queues.ask("dead.list", { queue: "q" })).toMatchObject({
      messages: [{ payload: "old", reason: "expired", died_at_ms: queues.nowMs }],
    });
  });

  it("answers early rather than bury without end, and gets to the rest the next time", () => {
    const queues = new Queues();
    for (let i = 0; i < 3; i++) {
      queues.ask("publish_batch", {
        queue: "q",
        messages: Array.from({ length: 500 }, () => ({ payload: 1, ttl: 1 })),
      });
    }
    queues.publish("behind");
    queues.nowMs += 1000;
    expect(queues.run("queue.consume", { queue: "q", wait_ms: 1000 })).toEqual({ message: null });
    expect(queues.consume()?.payload).toBe("behind");
  });

  it("gives a page of large messages in parts, which end before what would be too much", () => {
    const queues = new Queues();
    for (let i = 0; i < 5; i++) queues.publish("x".repeat(2 ** 20));
    expect(queues.ask("peek", { queue: "q", count: 10 }).messages).toHaveLength(2);
    expect(queues.ask("consume", { queue: "q", count: 10 }).messages).toHaveLength(2);
    expect(queues.ask("consume", { queue: "q", count: 10 }).messages).toHaveLength(2);
    expect(queues.ask("consume", { queue: "q", count: 10 }).messages).toHaveLength(1);
  });

  it("gives a message that is larger than a page alone, and counts the fields of small ones", () => {
    const queues = new Queues({ limits: { queue: { ...LIMITS.queue, pageBytesMax: 1000 } } });
    for (let i = 0; i < 2; i++) queues.publish("x".repeat(1500));
    for (let i = 0; i < 30; i++) queues.publish("x".repeat(12));
    for (const length of [1, 1, 16, 14]) {
      expect(queues.ask("peek", { queue: "q", count: 100 }).messages).toHaveLength(length);
      expect(queues.ask("consume", { queue: "q", count: 100 }).messages).toHaveLength(length);
    }
  });

  it("passes what has expired, which takes no room of the page", () => {
    const queues = new Queues({ limits: { queue: { ...LIMITS.queue, pageBytesMax: 1000 } } });
    queues.publish("first");
    queues.publish("x".repeat(1500), { ttl: 1 });
    queues.publish("second");
    queues.nowMs += 1000;
    const { messages } = queues.ask("consume", { queue: "q", count: 10 });
    expect(messages).toMatchObject([{ payload: "first" }, { payload: "second" }]);
    expect(queues.ask("stats", { queue: "q" }).expired).toBe(1);
  });
});

describe("queue.ack, queue.nack, queue.extend", () => {
  it("know a delivery that is not the current one", () => {
    const queues = new Queues();
    queues.ask("create", { name: "q", config: { retry_backoff_ms: { initial: 0 } } });
    const id = queues.publish("x");
    for (const command of ["ack", "nack"]) {
      expect(queues.failure(command, { queue: "q", message_id: id })[0]).toBe("STALE_DELIVERY");
    }
    const first = queues.consume({ ack_deadline: 1 });
    const ack = { queue: "q", message_id: id, delivery_id: first?.delivery_id };
    // The deadline has passed, though nobody has looked yet.
    queues.nowMs += 1000;
    expect(queues.failure("ack", ack)[0]).toBe("STALE_DELIVERY");
    queues.pass(0);
    expect(queues.failure("ack", ack)[0]).toBe("STALE_DELIVERY");
    const second = queues.consume();
    expect(second).toMatchObject({ id, retry_count: 1 });
    expect(Number(second?.delivery_id)).toBeGreaterThan(Number(first?.delivery_id));
    for (const [command, more] of [
      ["ack", {}],
      ["nack", {}],
      ["extend", { ack_deadline: 5 }],
    ] as const) {
      expect(queues.failure(command, { ...ack, ...more })).toEqual(["STALE_DELIVERY", { message_id: id }]);
    }
    // One that never was: nothing is said of what has become of it.
    expect(queues.run("queue.ack", { ...ack, delivery_id: 2 ** 40 })).toMatchObject({
      message: "this is not the current delivery of the message",
    });
    expect(queues.ask("ack", { ...ack, delivery_id: second?.delivery_id }).acked).toBe(1);
    expect(queues.failure("ack", ack)[0]).toBe("MESSAGE_NOT_FOUND");
  });

  it("know a message of another queue", () => {
    const queues = new Queues();
    const id = queues.publish("x");
    queues.consume();
    queues.ask("create", { name: "other" });
    expect(queues.failure("ack", { queue: "other", message_id: id })[0]).toBe("MESSAGE_NOT_FOUND");
    expect(queues.failure("ack", { queue: "none", message_id: id })[0]).toBe("QUEUE_NOT_FOUND");
  });

  it("acknowledge those of a list that are pending, and name the others", () => {
    const queues = new Queues();
    const ids = [1, 2, 3].map((payload) => queues.publish(payload));
    queues.ask("consume", { queue: "q", count: 2 });
    expect(queues.ask("ack", { queue: "q", message_ids: [...ids, 999, ids[0]] })).toEqual({
      success: true,
      acked: 2,
      failed: [
        { message_id: ids[2], code: "STALE_DELIVERY" },
        { message_id: 999, code: "MESSAGE_NOT_FOUND" },
        { message_id: ids[0], code: "MESSAGE_NOT_FOUND" },
      ],
    });
  });

  it("requeue with backoff, in its place, until the retries are used up", () => {
    const queues = new Queues();
    const config = { default_max_retries: 2, retry_backoff_ms: { initial: 100, factor: 3, max: 10_000 } };
    queues.ask("create", { name: "q", config });
    const id = queues.publish("x");
    queues.publish("y");
    for (const waitMs of [100, 300]) {
      queues.consume();
      expect(queues.ask("nack", { queue: "q", message_id: id }).action).toBe("requeued");
      queues.pass(waitMs - 1);
      expect(queues.ask("peek", { queue: "q" })).toMatchObject({ messages: [{ payload: "y" }] });
      queues.pass(1);
      expect(queues.ask("peek", { queue: "q" })).toMatchObject({ messages: [{ payload: "x" }] });
    }
    queues.consume();
    expect(queues.ask("nack", { queue: "q", message_id: id }).action).toBe("dead_lettered");
    expect(queues.ask("dead.list", { queue: "q" })).toMatchObject({ messages: [{ id, reason: "max_retries" }] });
  });

  it("take a delay of the caller's, let it die at once, or drop it", () => {
    const queues = new Queues();
    queues.ask("create", { name: "q", config: { dead_letter: { enabled: false } } });
    const id = queues.publish("x");
    queues.consume();
    expect(queues.ask("nack", { queue: "q", message_id: id, delay_ms: 0 }).action).toBe("requeued");
    expect(queues.consume()?.id).toBe(id);
    expect(queues.failure("nack", { queue: "q", message_id: id, requeue: false, delay_ms: 1 })[0]).toBe(
      "INVALID_PAYLOAD",
    );
    expect(queues.ask("nack", { queue: "q", message_id: id, requeue: false }).action).toBe("dropped");
    expect(queues.ask("stats", { queue: "q" })).toMatchObject({ pending: 0, dead: 0, dropped: 1, nacked: 2 });
  });

  it("extend counts from now", () => {
    const queues = new Queues();
    const id = queues.publish("x");
    queues.consume({ ack_deadline: 10 });
    queues.pass(9000);
    const { deadline_at_ms: deadlineMs } = queues.ask("extend", { queue: "q", message_id: id, ack_deadline: 5 });
    expect(deadlineMs).toBe(queues.nowMs + 5000);
    queues.pass(4999);
    expect(queues.ask("ack", { queue: "q", message_id: id }).acked).toBe(1);
  });
});

describe("dead letters", () => {
  function withDead(count: number): Queues {
    const queues = new Queues();
    for (let i = 0; i < count; i++) {
      const id = queues.publish(i);
      queues.consume();
      queues.ask("nack", { queue: "q", message_id: id, requeue: false });
    }
    return queues;
  }

  it("are listed page by page", () => {
    const queues = withDead(5);
    const seen: Plain[] = [];
    for (let cursor: Plain; cursor !== null; ) {
      const page = queues.ask("dead.list", { queue: "q", limit: 2, ...(cursor === undefined ? {} : { cursor }) });
      seen.push(...(page.messages as Reply[]).map(({ payload }) => payload));
      expect(page.has_more).toBe(page.cursor !== null);
      ({ cursor } = page);
    }
    expect(seen).toEqual([0, 1, 2, 3, 4]);
    for (const cursor of ["", "x1", "d", "d-1", "d01"]) {
      expect(queues.failure("dead.list", { queue: "q", cursor })[0]).toBe("INVALID_PAYLOAD");
    }
  });

  it("are retried one by one or all, and then count as new", () => {
    const queues = withDead(300);
    const [first] = queues.ask("dead.list", { queue: "q", limit: 1 }).messages as Reply[];
    expect(queues.ask("dead.retry", { queue: "q", message_ids: [first.id, first.id, 999_999] })).toEqual({
      retried: 1,
      failed: [{ message_id: 999_999, code: "MESSAGE_NOT_FOUND" }],
    });
    expect(queues.consume()).toMatchObject({ payload: 0, retry_count: 0 });
    expect(queues.ask("dead.retry", { queue: "q", all: true })).toEqual({ retried: 299 });
    queues.pass(0);
    expect(queues.ask("stats", { queue: "q" })).toMatchObject({ dead: 0, ready: 299 });
    expect(queues.failure("dead.retry", { queue: "q" })[0]).toBe("INVALID_PAYLOAD");
    expect(queues.failure("dead.retry", { queue: "q", all: true, message_ids: [1] })[0]).toBe("INVALID_PAYLOAD");
  });

  it("are purged without the others, and the others without them", () => {
    const queues = withDead(3);
    queues.publish("ready");
    queues.publish("delayed", { delay_ms: 10 });
    queues.publish("pending", { priority: 9 });
    queues.consume();
    expect(queues.ask("dead.purge", { queue: "q" })).toEqual({ purged: 3 });
    expect(queues.ask("stats", { queue: "q" })).toMatchObject({ ready: 1, delayed: 1, pending: 1, dead: 0 });
    expect(queues.ask("purge", { queue: "q" })).toEqual({ purged: 2 });
    expect(queues.ask("purge", { queue: "q" })).toEqual({ purged: 0 });
    expect(queues.ask("stats", { queue: "q" })).toMatchObject({ depth: 0, pending: 1 });
  });
});

describe("queue.stats, queue.list, queue.delete", () => {
  it("list queues in pages, which go on where they ended though that queue is gone", () => {
    const queues = new Queues();
    const namesOf = ({ queues: listed }: Reply) => (listed as Reply[]).map(({ name }) => name);
    for (const name of ["d", "b", "\u{1f600}", "a", "c"]) queues.ask("create", { name });
    const first = queues.ask("list", { limit: 2 });
    expect(first).toMatchObject({ count: 2, total: 5, has_more: true });
    expect(namesOf(first)).toEqual(["a", "b"]);
    queues.ask("delete", { queue: "b" });
    const second = queues.ask("list", { limit: 2, cursor: first.cursor });
    expect(namesOf(second)).toEqual(["c", "d"]);
    const last = queues.ask("list", { limit: 2, cursor: second.cursor });
    expect(last).toMatchObject({ count: 1, total: 4, cursor: null, has_more: false });
    expect(namesOf(last)).toEqual(["\u{1f600}"]);
    expect(queues.failure("list", { cursor: "no cursor" })).toEqual(["INVALID_PAYLOAD", { path: "cursor" }]);
  });

  it("count the dedup ids that are remembered", () => {
    const queues = new Queues();
    queues.publish(1, { dedup_id: "a" });
    queues.publish(1, { dedup_id: "a" });
    queues.publish(2, { dedup_id: "b" });
    expect(queues.ask("stats", { queue: "q" }).dedup_ids).toBe(2);
    queues.pass(300_000);
    expect(queues.ask("stats", { queue: "q" }).dedup_ids).toBe(0);
  });

  it("show what has happened", () => {
    const queues = new Queues();
    queues.publish("a");
    queues.publish("b", { delay_ms: 60_000 });
    queues.pass(1500);
    queues.consume();
    expect(queues.ask("stats", { queue: "q" })).toEqual({
      depth: 1,
      ready: 0,
      delayed: 1,
      pending: 1,
      dead: 0,
      consumers: 0,
      published: 2,
      consumed: 1,
      acked: 0,
      nacked: 0,
      timed_out: 0,
      released: 0,
      dead_lettered: 0,
      dropped: 0,
      expired: 0,
      dedup_ids: 0,
      oldest_message_age_secs: 1.5,
      avg_wait_ms: 1500,
    });
    queues.ask("create", { name: "a" });
    expect(queues.ask("list")).toEqual({
      queues: [
        { name: "a", depth: 0, pending: 0, dead: 0, consumers: 0 },
        { name: "q", depth: 1, pending: 1, dead: 0, consumers: 0 },
      ],
      count: 2,
      total: 2,
      cursor: null,
      has_more: false,
    });
    expect(queues.ask("delete", { queue: "q" })).toEqual({ deleted: true });
    expect(queues.ask("delete", { queue: "q" })).toEqual({ deleted: false });
    for (const command of ["stats", "peek", "consume", "purge", "dead.list", "dead.purge"]) {
      expect(queues.failure(command, { queue: "q" })).toEqual(["QUEUE_NOT_FOUND", { queue: "q" }]);
    }
  });
});
