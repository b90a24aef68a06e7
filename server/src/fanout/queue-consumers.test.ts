import { describe, expect, it } from "vitest";
import { ConsumerConnection } from "../../test/consumer-connection.ts";
import { Engine, type Plain } from "../../test/engine.ts";
import { JsonCodec } from "../codecs/json/json-codec.ts";
import { MessagePackCodec } from "../codecs/msgpack/message-pack-codec.ts";
import { CommandError, fail } from "../commands/errors.ts";
import { TurnEnd } from "../runtime/turn-end.ts";
import { rangeOf } from "../structures/byte-range.ts";
import { PushEncoder } from "./push-encoder.ts";
import { QueueConsumers, type QueueWaiter } from "./queue-consumers.ts";
import { UNREAD_BYTES_MAX } from "./queue-subscription.ts";
import { SubscriptionCount } from "./subscription-count.ts";
import { SubscriptionIds } from "./subscription-ids.ts";

const CODEC_LIMITS = { batchCommandsMax: 10, valueBytesMax: 1024 };
const CODECS = { json: new JsonCodec(CODEC_LIMITS), msgpack: new MessagePackCodec(CODEC_LIMITS) };

class Consumed extends Engine {
  readonly consumers: QueueConsumers = this.fanout.consumers;

  constructor() {
    super();
    this.run("queue.create", { name: "q", config: { retry_backoff_ms: { initial: 0 } } });
  }

  publish(...payloads: readonly Plain[]): void {
    for (const payload of payloads) this.run("queue.publish", { queue: "q", payload });
  }

  publishMany(count: number): void {
    for (let i = 0; i < count; i += 1000) {
      const messages = Array.from({ length: Math.min(1000, count - i) }, (_, index) => ({ payload: i + index }));
      this.run("queue.publish_batch", { queue: "q", messages });
    }
  }

  ack(messageId: number): void {
    expect(this.run("queue.ack", { queue: "q", message_id: messageId })).toMatchObject({ acked: 1 });
  }

  subscribe(connection: ConsumerConnection, prefetch = 10, name = "q", ackDeadlineMs?: number) {
    const queue = this.state.queues.find(rangeOf(name));
    if (queue === undefined) throw new Error(`no queue ${name}`);
    const subscription = this.consumers.subscribe(connection.session, queue, { prefetch, ackDeadlineMs });
    this.endTurn();
    return subscription;
  }

  stats(): Record<string, number> {
    return this.run("queue.stats", { queue: "q" }) as Record<string, number>; // The contract's shape.
  }

  pass(ms: number): void {
    this.nowMs += ms;
    while (this.consumers.runDue(this.nowMs, 100) === 100);
  }

  /** A command that waits, and what it got. */
  wait(name = "q"): Waiter {
    const waiter = new Waiter(this, this.state.queues.find(rangeOf(name))?.id ?? 0, name);
    this.consumers.wait(waiter);
    return waiter;
  }
}

class Waiter implements QueueWaiter {
  readonly queueId: number;
  reply: Plain;
  readonly #engine: Consumed;
  readonly #name: string;

  constructor(engine: Consumed, queueId: number, name: string) {
    this.#engine = engine;
    this.queueId = queueId;
    this.#name = name;
  }

  attempt(): boolean {
    const reply = this.#engine.run("queue.consume", { queue: this.#name, wait_ms: 1000 });
    if (reply instanceof Object && "waitMs" in reply) return false;
    this.reply = reply;
    return true;
  }

  get payload(): Plain {
    return (this.reply as { message: { payload: Plain } } | undefined)?.message.payload; // As the contract says.
  }
}

describe("waiters", () => {
  it("get messages in the order in which they came", () => {
    const consumed = new Consumed();
    const waiters = [consumed.wait(), consumed.wait(), consumed.wait()];
    expect(consumed.stats().consumers).toBe(3);
    consumed.publish("a");
    expect(waiters.map(({ payload }) => payload)).toEqual(["a", undefined, undefined]);
    consumed.publish("b", "c", "d");
    expect(waiters.map(({ payload }) => payload)).toEqual(["a", "b", "c"]);
    expect(consumed.stats()).toMatchObject({ ready: 1, pending: 3, consumers: 0 });
    expect(consumed.consumers.count).toBe(0);
  });

  it("get what one batch brings, and what becomes ready by time", () => {
    const consumed = new Consumed();
    const waiters = Array.from({ length: 5 }, () => consumed.wait());
    consumed.run("queue.publish_batch", { queue: "q", messages: [{ payload: 1 }, { payload: 2 }] });
    consumed.run("queue.publish", { queue: "q", payload: 3, delay_ms: 100 });
    expect(waiters.map(({ payload }) => payload)).toEqual([1, 2, undefined, undefined, undefined]);
    consumed.pass(100);
    expect(waiters[2].payload).toBe(3);
    // Nobody acknowledged the first two.
    consumed.pass(30_000);
    expect(waiters.map(({ payload }) => payload)).toEqual([1, 2, 3, 1, 2]);
  });

  it("are forgotten, the one in the middle too", () => {
    const consumed = new Consumed();
    const [first, second, third] = [consumed.wait(), consumed.wait(), consumed.wait()];
    consumed.consumers.forget(second);
    consumed.consumers.forget(second);
    consumed.publish("a", "b");
    expect([first.payload, second.payload, third.payload]).toEqual(["a", undefined, "b"]);
    expect(consumed.stats()).toMatchObject({ ready: 0, consumers: 0 });
  });

  it("are told when their queue is deleted, and only they", () => {
    const consumed = new Consumed();
    consumed.run("queue.create", { name: "other" });
    const [here, there] = [consumed.wait(), consumed.wait("other")];
    consumed.run("queue.delete", { queue: "q" });
    expect((here.reply as CommandError).code).toBe("QUEUE_NOT_FOUND"); // It is none other.
    expect(there.reply).toBeUndefined();
    consumed.consumers.forget(there);
    expect(consumed.consumers.count).toBe(0);
  });

  it("are not kept waiting by a subscription before them that has fallen behind", () => {
    const consumed = new Consumed();
    const [slow, quick] = [new ConsumerConnection(), new ConsumerConnection()];
    consumed.subscribe(slow);
    const waiter = consumed.wait();
    consumed.subscribe(quick);
    slow.unread = UNREAD_BYTES_MAX;
    consumed.publish("a");
    expect(waiter.payload).toBe("a");
    consumed.publish("b");
    expect([slow.payloads, quick.payloads]).toEqual([[], ["b"]]);
  });

  it("do not starve a round: the rest is served at the end of the turn", () => {
    const consumed = new Consumed();
    const waiters = Array.from({ length: 700 }, () => consumed.wait());
    consumed.publishMany(700);
    expect(waiters.filter(({ reply }) => reply !== undefined)).toHaveLength(256);
    consumed.endTurn();
    expect(waiters.map(({ payload }) => payload)).toEqual(Array.from({ length: 700 }, (_, i) => i));
  });
});

describe("subscriptions", () => {
  it("get what is there and what comes, never more than prefetch unacknowledged", () => {
    const consumed = new Consumed();
    consumed.publish("a", "b", "c");
    const connection = new ConsumerConnection();
    consumed.subscribe(connection, 2);
    expect(connection.pushes).toEqual(
      ["a", "b"].map((payload, index) => ({
        type: "delivery",
        subscription_id: 1,
        queue: "q",
        message: {
          id: 2 + index,
          delivery_id: 5 + index,
          payload,
          priority: 5,
          retry_count: 0,
          max_retries: 3,
          headers: {},
          published_at_ms: consumed.nowMs,
          deadline_at_ms: consumed.nowMs + 30_000,
        },
      })),
    );
    consumed.publish("d");
    expect(connection.payloads).toEqual(["a", "b"]);
    consumed.ack(2);
    expect(connection.payloads).toEqual(["a", "b", "c"]);
    consumed.run("queue.nack", { queue: "q", message_id: 3, requeue: false });
    expect(connection.payloads).toEqual(["a", "b", "c", "d"]);
    expect(consumed.consumers.pushedCount).toBe(4);
  });

  it("count every end of a delivery: a time-out, an ack by another, a purge of the queue's name", () => {
    const consumed = new Consumed();
    const connection = new ConsumerConnection();
    consumed.subscribe(connection, 1, "q", 1000);
    consumed.publish("a", "b");
    const [first] = connection.takeMessages();
    consumed.pass(1000);
    const [again] = connection.takeMessages();
    expect(again).toMatchObject({ id: first.id, payload: "a", retry_count: 1 });
    expect(again.delivery_id).toBeGreaterThan(first.delivery_id);
    consumed.ack(again.id);
    expect(connection.payloads).toEqual(["b"]);
    consumed.run("queue.delete", { queue: "q" });
    connection.takeMessages();
    consumed.run("queue.publish", { queue: "q", payload: "anew" });
    expect(connection.payloads).toEqual(["anew"]);
  });

  it("take turns, with waiters in their place", () => {
    const consumed = new Consumed();
    const [a, b] = [new ConsumerConnection(), new ConsumerConnection("msgpack")];
    consumed.subscribe(a, 10);
    consumed.subscribe(b, 10);
    const waiter = consumed.wait();
    consumed.publish(1, 2, 3, 4, 5);
    expect([a.payloads, b.payloads, waiter.payload]).toEqual([[1, 4], [2, 5], 3]);
  });

  it("share a batch evenly", () => {
    const consumed = new Consumed();
    const connections = Array.from({ length: 4 }, () => new ConsumerConnection());
    for (const connection of connections) consumed.subscribe(connection, 100);
    consumed.publishMany(200);
    expect(connections.map(({ pushes }) => pushes.length)).toEqual([50, 50, 50, 50]);
  });

  it("are changed by a second call, and keep their id", () => {
    const consumed = new Consumed();
    const connection = new ConsumerConnection();
    const first = consumed.subscribe(connection, 1);
    consumed.publish("a", "b", "c");
    expect(connection.payloads).toEqual(["a"]);
    expect(consumed.subscribe(connection, 3)).toBe(first);
    expect(connection.payloads).toEqual(["a", "b", "c"]);
    expect(consumed.consumers.count).toBe(1);
    consumed.subscribe(connection, 1);
    const [, message] = connection.takeMessages();
    consumed.publish("d");
    consumed.ack(message.id);
    expect(connection.payloads).toEqual([]);
  });

  it("are pushed in the format of the last call", () => {
    const consumed = new Consumed();
    const connection = new ConsumerConnection("json");
    const kinds: boolean[] = [];
    const { outbox } = connection.caller;
    if (outbox === undefined) throw new Error("it has an outbox");
    const push = outbox.push.bind(outbox);
    outbox.push = (frame, isBinary, offset) => kinds.push(isBinary) > 0 && push(frame, isBinary, offset);
    consumed.subscribe(connection);
    consumed.publish("a");
    connection.caller.pushFormat = "msgpack";
    consumed.subscribe(connection);
    consumed.publish("b");
    expect([kinds, connection.payloads]).toEqual([
      [false, true],
      ["a", "b"],
    ]);
  });

  it("get nothing more once their prefetch is lowered to what they have", () => {
    const consumed = new Consumed();
    const connection = new ConsumerConnection();
    consumed.subscribe(connection, 10);
    consumed.publish("a", "b", "c");
    consumed.subscribe(connection, 2);
    const [first, second] = connection.takeMessages();
    consumed.publish("d");
    expect(connection.payloads).toEqual([]);
    for (const { id } of [first, second]) consumed.ack(id);
    expect(connection.payloads).toEqual(["d"]);
  });

  it("give everything back at once when their connection closes, without a retry", () => {
    const consumed = new Consumed();
    const [a, b] = [new ConsumerConnection(), new ConsumerConnection()];
    consumed.subscribe(a, 3);
    consumed.publish("a", "b", "c", "d");
    const taken = consumed.run("queue.consume", { queue: "q" });
    expect(taken).toMatchObject({ message: { payload: "d" } });
    const [first] = a.takeMessages();
    a.session.closed();
    consumed.endTurn();
    // What was taken by queue.consume stays.
    expect(consumed.stats()).toMatchObject({ ready: 3, pending: 1, released: 3, consumers: 0 });
    expect(consumed.run("queue.ack", { queue: "q", message_id: first.id })).toMatchObject({ code: "STALE_DELIVERY" });
    consumed.subscribe(b, 10);
    expect(b.pushes.map(({ message }) => message)).toMatchObject([
      { payload: "a", retry_count: 0 },
      { payload: "b", retry_count: 0 },
      { payload: "c", retry_count: 0 },
    ]);
    expect(b.pushes[0].message.delivery_id).toBeGreaterThan(first.delivery_id);
    expect(
      consumed.run("queue.ack", { queue: "q", message_id: first.id, delivery_id: first.delivery_id }),
    ).toMatchObject({ code: "STALE_DELIVERY" });
  });

  it("give back in bounded records what is a lot", () => {
    const consumed = new Consumed();
    const connection = new ConsumerConnection();
    consumed.publishMany(2500);
    consumed.subscribe(connection, 5000);
    expect(connection.pushes).toHaveLength(2500);
    const { nextOffset } = consumed.log;
    connection.session.closed();
    consumed.endTurn();
    expect(consumed.stats()).toMatchObject({ ready: 2500, pending: 0 });
    const counts: number[] = [];
    consumed.log.read(nextOffset, ({ count }) => counts.push(count) > 0);
    expect(counts).toEqual(Array.from({ length: 10 }, () => 250));
    consumed.state.queues.checkInvariants();
  });

  it("give back nothing of a queue that was deleted meanwhile", () => {
    const consumed = new Consumed();
    const connection = new ConsumerConnection();
    consumed.subscribe(connection);
    consumed.publish("a", "b");
    connection.session.closed();
    consumed.run("queue.delete", { queue: "q" });
    consumed.endTurn();
    expect(consumed.bugs).toEqual([]);
    expect(consumed.run("queue.list")).toMatchObject({ queues: [] });
  });

  it("end by unsubscribing, by id or by name, only those of the same connection", () => {
    const consumed = new Consumed();
    const [a, b] = [new ConsumerConnection(), new ConsumerConnection()];
    const subscription = consumed.subscribe(a);
    if (subscription instanceof CommandError) throw new Error(subscription.message);
    consumed.publish("a");
    expect(consumed.consumers.find(b.session, subscription.id)).toBeUndefined();
    expect(consumed.consumers.find(b.session, "q")).toBeUndefined();
    expect(consumed.consumers.find(a.session, subscription.id)).toBe(subscription);
    expect(consumed.consumers.find(a.session, "q")).toBe(subscription);
    consumed.consumers.unsubscribe(subscription);
    consumed.endTurn();
    expect(a.session.partCount).toBe(0);
    expect(consumed.stats()).toMatchObject({ ready: 1, released: 1, consumers: 0 });
    expect(consumed.consumers.find(a.session, "q")).toBeUndefined();
  });

  it("get nothing while they do not read, and go on when they have", () => {
    const consumed = new Consumed();
    const [slow, quick] = [new ConsumerConnection(), new ConsumerConnection()];
    consumed.subscribe(slow, 1000);
    slow.unread = UNREAD_BYTES_MAX;
    consumed.publish("a", "b");
    expect(slow.payloads).toEqual([]);
    consumed.subscribe(quick, 1);
    expect(quick.payloads).toEqual(["a"]);
    slow.read();
    consumed.endTurn();
    expect(slow.payloads).toEqual(["b"]);
    consumed.publish("c");
    expect(slow.payloads).toEqual(["b", "c"]);
  });

  it("are stopped by what they were pushed in one round", () => {
    const consumed = new Consumed();
    const connection = new ConsumerConnection();
    const large = "x".repeat(200_000);
    consumed.publish(...Array.from({ length: 20 }, () => large));
    consumed.subscribe(connection, 1000);
    // The pushes of a record leave together, after it: one record may go beyond the mark.
    expect(connection.unread).toBeGreaterThanOrEqual(UNREAD_BYTES_MAX);
    expect(connection.unread).toBeLessThan(2 * UNREAD_BYTES_MAX);
    for (let rounds = 0; connection.pushes.length < 20 && rounds < 20; rounds++) {
      connection.read();
      consumed.endTurn();
    }
    expect(connection.pushes).toHaveLength(20);
  });

  it("get what is behind thousands of expired messages, which are buried a part in each round", () => {
    const consumed = new Consumed();
    const messages = Array.from({ length: 1000 }, () => ({ payload: "old", ttl: 1 }));
    for (let i = 0; i < 3; i++) consumed.run("queue.publish_batch", { queue: "q", messages });
    consumed.publish("new");
    consumed.nowMs += 1000;
    const connection = new ConsumerConnection();
    const { nextOffset } = consumed.log;
    consumed.subscribe(connection);
    expect(connection.payloads).toEqual(["new"]);
    const counts: number[] = [];
    consumed.log.read(nextOffset, ({ count }) => counts.push(count) > 0);
    expect(counts).toEqual([1000, 1000, 1000, 1]);
    expect(consumed.stats()).toMatchObject({ expired: 3000, dead: 3000, pending: 1 });
  });

  it("get later, and once, what could not be delivered because of a bug", () => {
    const consumed = new Consumed();
    const [a, b] = [new ConsumerConnection(), new ConsumerConnection()];
    consumed.subscribe(a, 1);
    consumed.subscribe(b, 1);
    const { log } = consumed;
    const append = log.append.bind(log);
    let appends = 0;
    log.append = (writer) => {
      if (++appends === 2) throw new Error("no delivery today");
      return append(writer);
    };
    const messages = [{ payload: "a" }, { payload: "b" }];
    consumed.run("queue.publish_batch", { queue: "q", messages });
    expect(consumed.bugs).toHaveLength(1);
    expect([a.payloads, b.payloads]).toEqual([[], []]);
    expect(consumed.stats()).toMatchObject({ ready: 2, pending: 0 });
    consumed.publish("c");
    expect([a.payloads, b.payloads]).toEqual([["a"], ["b"]]);
    expect(consumed.stats()).toMatchObject({ ready: 1, pending: 2 });
    consumed.state.queues.checkInvariants();
  });

  it("are counted with all other subscriptions, and refused past the limit of all", () => {
    const consumed = new Consumed();
    consumed.run("queue.create", { name: "other" });
    const subscriptions = new SubscriptionCount(1);
    const consumers = new QueueConsumers({
      store: consumed.state.queues,
      encoder: new PushEncoder(CODECS, 2 ** 20),
      turnEnd: new TurnEnd(() => {}),
      ids: new SubscriptionIds(),
      subscriptions,
      clock: { nowMs: () => consumed.nowMs },
      consumersMax: 100,
      prefetchMax: 100,
    });
    consumers.attach(consumed.executor);
    const { session } = new ConsumerConnection();
    const subscribe = (name: string) => {
      const queue = consumed.state.queues.find(rangeOf(name));
      if (queue === undefined) throw new Error(`no queue ${name}`);
      return consumers.subscribe(session, queue, { prefetch: 1, ackDeadlineMs: undefined });
    };
    expect(subscribe("q")).toMatchObject({ id: 1 });
    expect(subscribe("q")).toMatchObject({ id: 1 });
    expect(subscribe("other")).toMatchObject({ code: "SERVICE_UNAVAILABLE", details: { subscriptions_max: 1 } });
    expect(consumers.heldBytes).toBeGreaterThan(0);
    session.closed();
    expect([subscriptions.count, consumers.count, consumers.heldBytes]).toEqual([0, 0, 0]);
  });

  it("are given nothing while writes are refused, and give nothing back; then all goes on", () => {
    const consumed = new Consumed();
    const [first, second] = [new ConsumerConnection(), new ConsumerConnection()];
    consumed.subscribe(first, 2);
    consumed.publish("a", "b", "c");
    consumed.executor.writeRefusal = fail("SERVICE_UNAVAILABLE", "no replicas");
    const { nextOffset } = consumed.log;
    consumed.subscribe(second);
    first.session.closed();
    consumed.endTurn();
    expect([first.payloads, second.payloads, consumed.log.nextOffset]).toEqual([["a", "b"], [], nextOffset]);
    consumed.executor.writeRefusal = undefined;
    consumed.pass(0);
    consumed.endTurn();
    expect([...second.payloads].sort()).toEqual(["a", "b", "c"]);
  });

  it("are refused past the limits, and where nothing can be pushed", () => {
    const consumed = new Consumed();
    const connection = new ConsumerConnection();
    expect(consumed.subscribe(connection, 10_001)).toMatchObject({ code: "INVALID_PAYLOAD" });
    expect(consumed.subscribe(connection, 10_000)).toMatchObject({ prefetch: 10_000 });
    expect(consumed.run("queue.subscribe", { queue: "q" })).toMatchObject({ code: "INVALID_REQUEST" });
    expect(consumed.run("queue.subscribe", { queue: "none" })).toMatchObject({ code: "QUEUE_NOT_FOUND" });
  });
});
