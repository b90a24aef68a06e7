/**
 * Everything at once, over connections that break at any byte: counters, a room and its follower, a queue and its worker. What
 * the client promises is counted at the end. The seed of a failing run is in the test's name.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect, type SynapClient } from "../src/index.ts";
import { until } from "./condition.ts";
import { FaultProxy } from "./fault-proxy.ts";
import { MessageProxy } from "./message-proxy.ts";
import { ServerProcess } from "./server-process.ts";

let server: ServerProcess;

beforeAll(async () => {
  server = await ServerProcess.start();
});

afterAll(() => server.end());

/** A small generator of its own, so that a seed gives the same faults again. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const ROUNDS = 40;

async function count(synap: SynapClient, draw: () => number): Promise<void> {
  const expected = new Map<string, number>();
  for (let round = 0; round < ROUNDS; round++) {
    const writes = Array.from({ length: 1 + Math.floor(draw() * 60) }, async () => {
      const key = `counter:${Math.floor(draw() * 5)}`;
      const sum = (expected.get(key) ?? 0) + 1;
      expected.set(key, sum);
      // In the order of issue, whatever had to be sent again: each sees the sum of those before it.
      expect(await synap.kv.incr(key)).toBe(sum);
    });
    await Promise.all([...writes, synap.kv.get("counter:0")]);
  }
  for (const [key, sum] of expected) expect(await synap.kv.get(key)).toBe(sum);
}

async function follow(synap: SynapClient): Promise<void> {
  await synap.stream.getOrCreate("chaos");
  const subscription = synap.stream.subscribe<number>("chaos", { fromOffset: 0, bufferSize: 7 });
  const publishing = (async () => {
    for (let n = 0; n < ROUNDS * 5; n += 5) {
      const events = [0, 1, 2, 3, 4].map((each) => ({ event: "n", data: n + each }));
      await synap.stream.publishBatch("chaos", events);
    }
  })();
  for (let n = 0; n < ROUNDS * 5; n++) {
    const { value } = await subscription.next();
    expect(value).toMatchObject({ type: "event", offset: n, data: n });
  }
  await publishing;
  await subscription.close();
}

async function work(synap: SynapClient): Promise<void> {
  const done = new Map<number, number>();
  const worker = synap.queue.worker<number>("chaos", ({ payload }) => done.set(payload, (done.get(payload) ?? 0) + 1), {
    concurrency: 3,
  });
  for (let n = 0; n < ROUNDS; n++) await synap.queue.publish("chaos", n);
  await until(async () => {
    const { depth, pending } = await synap.queue.stats("chaos");
    return depth === 0 && pending === 0;
  });
  // At least once each; more often only where a connection was lost in between.
  expect([...done.keys()].sort((a, b) => a - b)).toEqual(Array.from({ length: ROUNDS }, (_, n) => n));
  await worker.stop();
}

describe.each(["msgpack", "json"] as const)("over %s", (format) => {
  const seeds = [1, 2].map((n) => n * 7_919 + (Date.now() % 1_000_000));

  it.each(seeds)("seed %i", async (seed) => {
    const draw = random(seed);
    const messages = await MessageProxy.start(server.url);
    const faults = await FaultProxy.start(Number(new URL(messages.url).port));
    const synap = await connect(faults.url, { format, timeoutMs: 15_000, reconnect: { initialMs: 1, maxMs: 10 } });
    await synap.kv.flushdb();
    await synap.stream.delete("chaos");
    await synap.queue.delete("chaos");
    await synap.queue.create("chaos", { defaultMaxRetries: 1_000, retryBackoffMs: { initial: 1, max: 1 } });
    let faultCount = 0;
    let isOver = false;
    const breaking = (async () => {
      while (!isOver) {
        const connectionsBefore = faults.connectionCount;
        if (draw() < 0.5) faults.cut();
        else faults.cutWithin(Math.floor(draw() * 200));
        faultCount += 1;
        // Faults that come before anything got through would only test patience.
        await until(() => isOver || faults.connectionCount > connectionsBefore);
        // Drawn once: drawn at each look, the more often a slow machine looks, the less gets through, until one command alone has met
        // three faults, and is given up as the one that connections end with.
        const wanted = messages.requests.length + draw() * 30;
        await until(() => isOver || messages.requests.length > wanted);
      }
    })();
    await Promise.all([count(synap, draw), follow(synap), work(synap)]);
    isOver = true;
    await breaking;
    expect(faultCount).toBeGreaterThan(3);
    expect(messages.repeatedCount).toBeGreaterThan(0);
    await synap.close();
    await faults.end();
    await messages.end();
  });
});
