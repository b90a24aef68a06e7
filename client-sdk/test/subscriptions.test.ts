/** Following rooms, topics, keys and queues: what is promised over lost connections, and to readers that are slow. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import {
  connect,
  type RoomEvent,
  type RoomGap,
  RoomNotFoundError,
  SchemaMismatchError,
  StaleDeliveryError,
  type StandardSchema,
  type Subscription,
  type SynapClient,
} from "../src/index.ts";
import { Backoff } from "../src/transport/backoff.ts";
import { failure, until } from "./condition.ts";
import { FaultProxy } from "./fault-proxy.ts";
import { ServerProcess } from "./server-process.ts";

const quick = { reconnect: { initialMs: 5, maxMs: 50 } };

let server: ServerProcess;
let proxy: FaultProxy;
/** Its connections may break. */
let synap: SynapClient;
/** Its connection does not. */
let direct: SynapClient;
let name = "";
let testCount = 0;

beforeAll(async () => {
  server = await ServerProcess.start();
  direct = await connect(server.url);
});

afterAll(async () => {
  await direct.close();
  await server.end();
});

beforeEach(async () => {
  testCount += 1;
  name = `s${testCount}`;
  proxy = await FaultProxy.start(server.port);
  synap = await connect(proxy.url, quick);
});

afterEach(async () => {
  await synap.close();
  await proxy.end();
});

/** The next `count` things of a subscription. */
async function take<T>(subscription: Subscription<T>, count: number): Promise<T[]> {
  const taken: T[] = [];
  while (taken.length < count) {
    const { done, value } = await subscription.next();
    if (done === true) throw new Error(`it ended after ${taken.length} of ${count}`);
    taken.push(value);
  }
  return taken;
}

function offsets(events: readonly (RoomEvent<unknown> | RoomGap)[]): unknown[] {
  return events.map((event) => (event.type === "event" ? event.offset : event));
}

function numbers(count: number, from = 0): number[] {
  return Array.from({ length: count }, (_, i) => from + i);
}

describe("a room", () => {
  async function publish(count: number): Promise<void> {
    await direct.stream.publishBatch(
      name,
      numbers(count).map((n) => ({ event: "n", data: n })),
    );
  }

  it("gives history, then what is new", async () => {
    await publish(3);
    const events: unknown[] = [];
    for await (const event of synap.stream.subscribe<number>(name, { fromOffset: -2 })) {
      if (event.type !== "event") throw new Error("nothing is missing");
      events.push([event.offset, event.data, event.event]);
      if (events.length === 2) await publish(1);
      if (events.length === 3) break;
    }
    expect(events).toEqual([
      [1, 1, "n"],
      [2, 2, "n"],
      [3, 0, "n"],
    ]);
    await until(async () => (await synap.stream.stats(name)).subscriberCount === 0);
  });

  it("that is not there is an error", async () => {
    const subscription = synap.stream.subscribe(name);
    expect(await failure(subscription.next())).toBeInstanceOf(RoomNotFoundError);
    expect(await failure(synap.stream.subscribe(name).ready)).toBeInstanceOf(RoomNotFoundError);
    expect((await subscription.next()).done).toBe(true);
  });

  it("goes on where it was, however often the connection breaks", async () => {
    await publish(5);
    const subscription = synap.stream.subscribe(name, { fromOffset: 0 });
    const seen = offsets(await take(subscription, 3));
    for (let round = 0; round < 5; round++) {
      proxy.cut();
      await publish(20);
      seen.push(...offsets(await take(subscription, 20)));
    }
    seen.push(...offsets(await take(subscription, 2)));
    expect(seen).toEqual(numbers(105));
  });

  it("goes on from before its first event, too", async () => {
    await publish(2);
    const subscription = synap.stream.subscribe(name);
    await subscription.ready;
    proxy.isRefusing = true;
    proxy.cut();
    await direct.stream.publish(name, "n", 1);
    proxy.isRefusing = false;
    expect(offsets(await take(subscription, 1))).toEqual([2]);
  });

  it("names what is gone, in its place", async () => {
    await synap.stream.create(name, { maxEvents: 5 });
    await publish(3);
    const subscription = synap.stream.subscribe(name, { fromOffset: 0 });
    expect(offsets(await take(subscription, 3))).toEqual([0, 1, 2]);
    proxy.isRefusing = true;
    proxy.cut();
    await direct.stream.publishBatch(
      name,
      numbers(20).map((n) => ({ event: "n", data: n })),
    );
    proxy.isRefusing = false;
    expect(offsets(await take(subscription, 6))).toEqual([
      { type: "gap", room: name, fromOffset: 3, toOffset: 17, reason: "retention" },
      18,
      19,
      20,
      21,
      22,
    ]);
  });

  it("waits for the room to come back after a restart, and says that it is another", async () => {
    const first = await ServerProcess.start();
    proxy.targetPort = first.port;
    proxy.cut();
    await synap.kv.get("anything");
    await synap.stream.publish(name, "n", "old");
    const subscription = synap.stream.subscribe<string>(name, { fromOffset: 0 });
    expect(offsets(await take(subscription, 1))).toEqual([0]);
    await first.end();
    const second = await ServerProcess.start();
    proxy.targetPort = second.port;
    await synap.kv.get("anything");
    await synap.stream.publish(name, "n", "new");
    expect(await take(subscription, 2)).toMatchObject([
      { type: "gap", reason: "recreated", fromOffset: 1 },
      { type: "event", offset: 0, data: "new" },
    ]);
    await second.end();
  });

  it("followed twice is one subscription of the server, for new events", async () => {
    await publish(1);
    const two = [synap.stream.subscribe(name), synap.stream.subscribe(name)];
    await Promise.all(two.map(({ ready }) => ready));
    expect((await synap.stream.stats(name)).subscriberCount).toBe(1);
    await publish(1);
    expect(offsets(await take(two[0], 1))).toEqual([1]);
    expect(offsets(await take(two[1], 1))).toEqual([1]);
    await two[0].close();
    await publish(1);
    expect(offsets(await take(two[1], 1))).toEqual([2]);
  });

  it("followed from two places gives each its own", async () => {
    await publish(4);
    const [all, last] = [
      synap.stream.subscribe(name, { fromOffset: 0 }),
      synap.stream.subscribe(name, { fromOffset: -1 }),
    ];
    expect(offsets(await take(all, 4))).toEqual([0, 1, 2, 3]);
    expect(offsets(await take(last, 1))).toEqual([3]);
  });

  it("loses nothing to a reader that stops, and holds no more than its buffer", async () => {
    await publish(1);
    const subscription = synap.stream.subscribe(name, { fromOffset: 0, bufferSize: 50 });
    expect(offsets(await take(subscription, 1))).toEqual([0]);
    for (let i = 0; i < 10; i++) await publish(200);
    await until(() => subscription.bufferedCount === 50);
    await until(async () => (await synap.stream.stats(name)).subscriberCount === 0);
    expect(offsets(await take(subscription, 2_000))).toEqual(numbers(2_000, 1));
    expect(subscription.droppedCount).toBe(0);
  });

  it("goes on after a reader that stopped finds its server gone, and back", async () => {
    await publish(1);
    const subscription = synap.stream.subscribe(name, { fromOffset: 0, bufferSize: 10 });
    expect(offsets(await take(subscription, 1))).toEqual([0]);
    await publish(100);
    await until(() => subscription.bufferedCount === 10);
    await until(async () => (await direct.stream.stats(name)).subscriberCount === 0);
    proxy.isRefusing = true;
    proxy.cut();
    const events = take(subscription, 100);
    await until(() => subscription.bufferedCount === 0);
    proxy.isRefusing = false;
    expect(offsets(await events)).toEqual(numbers(100, 1));
  });

  it("keeps no process alive while it waits to come back to a room that is gone", async () => {
    await publish(1);
    const subscription = synap.stream.subscribe(name, { fromOffset: 0, bufferSize: 10 });
    expect(offsets(await take(subscription, 1))).toEqual([0]);
    await publish(100);
    await until(() => subscription.bufferedCount === 10);
    await until(async () => (await direct.stream.stats(name)).subscriberCount === 0);
    await direct.stream.delete(name);
    const nextMs = vi.spyOn(Backoff.prototype, "nextMs").mockReturnValue(60_000);
    const timers = vi.spyOn(globalThis, "setTimeout");
    onTestFinished(() => void vi.restoreAllMocks());
    await take(subscription, 10);
    await until(() => nextMs.mock.calls.length > 0);
    const waiting = timers.mock.results.filter((_made, index) => timers.mock.calls[index][1] === 60_000);
    expect(waiting.map(({ value }) => value.hasRef())).toEqual([false]);
  });

  it.each([0, -1, Number.NaN])("refuses a buffer of %d", (bufferSize) => {
    expect(() => synap.stream.subscribe(name, { bufferSize })).toThrow(/^bufferSize: .* at least 1/);
  });

  it("loses nothing with a schema that takes its time, either", async () => {
    const late: StandardSchema<number> = {
      "~standard": { version: 1, vendor: "test", validate: async (value) => ({ value: Number(value) * 2 }) },
    };
    await publish(300);
    const subscription = synap.stream.subscribe(name, { fromOffset: 0, bufferSize: 10, schema: late });
    const events = await take(subscription, 300);
    expect(events.map((event) => event.type === "event" && [event.offset, event.data])).toEqual(
      numbers(300).map((n) => [n, n * 2]),
    );
  });

  it("ends by its signal, by leaving the loop, by `await using`", async () => {
    await publish(1);
    const controller = new AbortController();
    const subscription = synap.stream.subscribe(name, { signal: controller.signal });
    const next = subscription.next();
    controller.abort();
    expect((await next).done).toBe(true);
    {
      await using scoped = synap.stream.subscribe(name);
      await scoped.ready;
    }
    expect((await synap.stream.subscribe(name, { signal: AbortSignal.abort() }).next()).done).toBe(true);
    await until(async () => (await synap.stream.stats(name)).subscriberCount === 0);
  });

  it("ends with the client, without an error, and cannot be followed after", async () => {
    await publish(1);
    const subscription = synap.stream.subscribe(name);
    await subscription.ready;
    const next = subscription.next();
    await synap.close();
    expect((await next).done).toBe(true);
    expect(await failure(synap.stream.subscribe(name).next())).toMatchObject({ code: "CLIENT_CLOSED" });
  });

  it("calls back, and tells what the callback throws", async () => {
    await publish(1);
    const seen: unknown[] = [];
    const errors: unknown[] = [];
    const subscription = synap.stream.subscribe(name, {
      fromOffset: 0,
      onEvent(event) {
        seen.push(event.type);
        if (seen.length === 1) throw new Error("once");
      },
      onError: (error) => errors.push(error),
    });
    await subscription.ready;
    await publish(2);
    await until(() => seen.length === 3);
    expect(errors).toMatchObject([{ message: "once" }]);
  });
});

describe("topics", () => {
  it("give messages with the pattern that matched", async () => {
    const subscription = synap.pubsub.subscribe<{ id: number }>([`${name}.*.created`, `${name}.#`]);
    await subscription.ready;
    await synap.pubsub.publish(`${name}.eu.created`, { id: 7 }, { headers: { from: "x" } });
    const messages = await take(subscription, 2);
    expect(messages.map((message) => message.type === "message" && message.pattern).sort()).toEqual([
      `${name}.#`,
      `${name}.*.created`,
    ]);
    expect(messages[0]).toMatchObject({ topic: `${name}.eu.created`, data: { id: 7 }, headers: { from: "x" } });
  });

  it("come back after a lost connection, with a notice", async () => {
    const subscription = synap.pubsub.subscribe(name);
    await subscription.ready;
    proxy.cut();
    expect(await take(subscription, 1)).toEqual([{ type: "resubscribed" }]);
    await direct.pubsub.publish(name, "after");
    expect(await take(subscription, 1)).toMatchObject([{ type: "message", data: "after" }]);
  });

  it("drop what a slow reader has no room for, the oldest or the newest, and count it", async () => {
    const oldest = synap.pubsub.subscribe<number>(name, { bufferSize: 10 });
    const newest = synap.pubsub.subscribe<number>(name, { bufferSize: 10, overflow: "drop-newest" });
    await Promise.all([oldest.ready, newest.ready]);
    for (const n of numbers(30)) await synap.pubsub.publish(name, n);
    await until(() => oldest.droppedCount === 20 && newest.droppedCount === 20);
    const data = async (subscription: typeof oldest): Promise<unknown[]> =>
      (await take(subscription, 10)).map((message) => message.type === "message" && message.data);
    expect(await data(oldest)).toEqual(numbers(10, 20));
    expect(await data(newest)).toEqual(numbers(10));
  });

  it("a malformed pattern is an error", async () => {
    expect(await failure(synap.pubsub.subscribe("a..b").ready)).toMatchObject({ code: "INVALID_PAYLOAD" });
  });

  it("that do not fit the schema end the subscription with the reason", async () => {
    const never: StandardSchema<never> = {
      "~standard": { version: 1, vendor: "test", validate: () => ({ issues: [{ message: "no" }] }) },
    };
    const subscription = synap.pubsub.subscribe(name, { schema: never });
    await subscription.ready;
    await synap.pubsub.publish(name, 1);
    expect(await failure(subscription.next())).toBeInstanceOf(SchemaMismatchError);
  });

  it("ten thousand in one connection", async () => {
    const subscriptions = numbers(9_000).map((n) => synap.pubsub.subscribe(`${name}.${n}`));
    await Promise.all(subscriptions.map(({ ready }) => ready));
    expect(proxy.openCount).toBe(2);
    await synap.pubsub.publish(`${name}.4711`, 1);
    expect(await take(subscriptions[4711], 1)).toMatchObject([{ topic: `${name}.4711` }]);
  });
});

describe("watched keys", () => {
  it("give changes, with the value or without, and come back with a notice", async () => {
    const values = synap.kv.watch<{ n: number }>({ prefix: `${name}:` });
    const notices = synap.kv.watch(`${name}:*`, { mode: "notify" });
    await Promise.all([values.ready, notices.ready]);
    await synap.kv.set(`${name}:a`, { n: 1 });
    await synap.kv.del(`${name}:a`);
    expect(await take(values, 2)).toMatchObject([
      { type: "watch", key: `${name}:a`, event: "set", value: { n: 1 } },
      { type: "watch", key: `${name}:a`, event: "del" },
    ]);
    expect((await take(notices, 1))[0]).not.toHaveProperty("value");
    proxy.cut();
    expect(await take(values, 1)).toEqual([{ type: "resubscribed" }]);
  });
});

describe("a queue", () => {
  it("pushes deliveries, and no more than prefetch", async () => {
    await synap.queue.create(name);
    const subscription = synap.queue.subscribe<number>(name, { prefetch: 3 });
    await synap.queue.publishBatch(
      name,
      numbers(10).map((payload) => ({ payload })),
    );
    const seen: number[] = [];
    for await (const delivery of subscription) {
      expect(subscription.bufferedCount).toBeLessThan(3);
      seen.push(delivery.payload);
      await delivery.ack();
      if (seen.length === 10) break;
    }
    expect(seen).toEqual(numbers(10));
    expect(await synap.queue.stats(name)).toMatchObject({ depth: 0, pending: 0, acked: 10 });
  });

  it("takes deliveries away with their connection, and pushes them anew", async () => {
    await synap.queue.create(name);
    await synap.queue.publish(name, "once");
    const subscription = synap.queue.subscribe(name);
    const [first] = await take(subscription, 1);
    proxy.cut();
    const [second] = await take(subscription, 1);
    expect(second).toMatchObject({ id: first.id, payload: "once", retryCount: 0 });
    expect(second.deliveryId).toBeGreaterThan(first.deliveryId);
    expect(first.signal.aborted).toBe(true);
    expect(await failure(first.ack())).toBeInstanceOf(StaleDeliveryError);
    await second.ack();
  });

  it("has what was not acknowledged back when the subscription ends", async () => {
    await synap.queue.create(name);
    await synap.queue.publish(name, 1);
    const subscription = synap.queue.subscribe(name);
    const [delivery] = await take(subscription, 1);
    await subscription.close();
    expect(delivery.signal.aborted).toBe(true);
    expect(await synap.queue.consume(name, { waitMs: 2_000 })).toMatchObject({ payload: 1, retryCount: 0 });
  });
});
