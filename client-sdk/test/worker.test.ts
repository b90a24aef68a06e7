/** Workers: acknowledging, giving back, extending, stopping, and lost connections. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { connect, type StandardSchema, type SynapClient, type Worker } from "../src/index.ts";
import { until } from "./condition.ts";
import { FaultProxy } from "./fault-proxy.ts";
import { ServerProcess } from "./server-process.ts";

let server: ServerProcess;
let proxy: FaultProxy;
let synap: SynapClient;
let queue = "";
let testCount = 0;
const workers: Worker<unknown>[] = [];

beforeAll(async () => {
  server = await ServerProcess.start();
});

afterAll(() => server.end());

beforeEach(async () => {
  testCount += 1;
  queue = `w${testCount}`;
  proxy = await FaultProxy.start(server.port);
  synap = await connect(proxy.url, { reconnect: { initialMs: 5, maxMs: 50 } });
  await synap.queue.create(queue, { retryBackoffMs: { initial: 1, max: 1 }, defaultMaxRetries: 2 });
});

afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.stop({ timeoutMs: 100 })));
  await synap.close();
  await proxy.end();
});

async function publish(count: number): Promise<void> {
  await synap.queue.publishBatch(
    queue,
    Array.from({ length: count }, (_, payload) => ({ payload })),
  );
}

function kept<T>(worker: Worker<T>): Worker<T> {
  // Only to be stopped.
  workers.push(worker as Worker<unknown>);
  return worker;
}

it("does every message once, so many at a time", async () => {
  let active = 0;
  let most = 0;
  const done: number[] = [];
  const worker = kept(
    synap.queue.worker<number>(
      queue,
      async ({ payload }) => {
        active += 1;
        most = Math.max(most, active);
        await new Promise((resolve) => setImmediate(resolve));
        active -= 1;
        done.push(payload);
      },
      { concurrency: 4 },
    ),
  );
  await publish(200);
  await until(() => worker.stats.completed === 200);
  expect(most).toBe(4);
  expect([...done].sort((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, i) => i));
  expect(await synap.queue.stats(queue)).toMatchObject({ depth: 0, pending: 0, acked: 200 });
});

it("gives back what its handler throws on, until it is dead", async () => {
  const errors: unknown[] = [];
  const worker = kept(
    synap.queue.worker(queue, ({ retryCount }) => {
      throw new Error(`attempt ${retryCount}`);
    }),
  );
  worker.on("failed", ({ error }) => errors.push((error as Error).message));
  await publish(1);
  await until(async () => (await synap.queue.stats(queue)).dead === 1);
  await until(() => worker.stats.failed === 3);
  expect(errors).toEqual(["attempt 0", "attempt 1", "attempt 2"]);
  expect(worker.stats).toMatchObject({ completed: 0, lost: 0, active: 0 });
});

it("does with it what `retry` decides", async () => {
  const worker = kept(
    synap.queue.worker(
      queue,
      () => {
        throw new Error("hopeless");
      },
      { retry: (error) => ({ requeue: (error as Error).message !== "hopeless" }) },
    ),
  );
  await publish(1);
  await until(async () => (await synap.queue.dead.list(queue)).messages.length === 1);
  expect((await synap.queue.dead.list(queue)).messages[0].reason).toBe("nacked");
  await until(() => worker.stats.failed === 1);
});

it("gives back what its handler throws on, although `retry` throws too, and tells", async () => {
  const errors: unknown[] = [];
  const worker = kept(
    synap.queue.worker(
      queue,
      () => {
        throw new Error("hopeless");
      },
      {
        retry: () => {
          throw new Error("no idea");
        },
      },
    ),
  );
  worker.on("error", ({ error }) => errors.push(error));
  await publish(1);
  await until(async () => (await synap.queue.stats(queue)).dead === 1);
  expect(errors[0]).toMatchObject({ message: "no idea" });
});

it("waits for a queue that is not there yet", async () => {
  const worker = kept(synap.queue.worker(`${queue}-later`, () => undefined));
  const errors: unknown[] = [];
  worker.on("error", ({ error }) => errors.push(error));
  await until(() => errors.length > 1);
  expect(errors[0]).toMatchObject({ code: "QUEUE_NOT_FOUND" });
  await synap.queue.create(`${queue}-later`);
  await worker.ready;
  await synap.queue.publish(`${queue}-later`, 1);
  await until(() => worker.stats.completed === 1);
});

it("keeps a message for longer than its deadline while the handler runs", async () => {
  let finish: () => void = () => {};
  const worker = kept(
    synap.queue.worker(queue, () => new Promise<void>((resolve) => (finish = resolve)), { ackDeadline: 2 }),
  );
  const deadlines: number[] = [];
  worker.on("active", ({ message }) => deadlines.push(message.deadlineAtMs));
  await publish(1);
  await until(() => deadlines.length === 1);
  // By the server's clock, past the first deadline.
  await until(async () => (await synap.kv.time()) > deadlines[0] + 300);
  expect(await synap.queue.stats(queue)).toMatchObject({ pending: 1, timedOut: 0 });
  finish();
  await until(() => worker.stats.completed === 1);
});

it("loses its messages with the connection, says so to the handlers, and goes on", async () => {
  const aborted: unknown[] = [];
  let runs = 0;
  const worker = kept(
    synap.queue.worker(queue, async (_message, signal) => {
      runs += 1;
      if (runs > 1) return;
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      aborted.push(signal.reason);
    }),
  );
  await publish(1);
  await until(() => runs === 1);
  proxy.cut();
  await until(() => worker.stats.completed === 1);
  expect(aborted).toMatchObject([{ code: "STALE_DELIVERY" }]);
  expect(worker.stats).toMatchObject({ lost: 1, completed: 1 });
});

it("stops when what is running is done, and gives the rest back", async () => {
  let finish: () => void = () => {};
  const worker = kept(
    synap.queue.worker(queue, () => new Promise<void>((resolve) => (finish = resolve)), { prefetch: 5 }),
  );
  await publish(10);
  await until(() => worker.stats.active === 1 && worker.stats.waiting === 4);
  const stopped = worker.stop();
  finish();
  await stopped;
  expect(worker.stats).toMatchObject({ completed: 1, active: 0 });
  await until(async () => (await synap.queue.stats(queue)).ready === 9);
  expect(await synap.queue.consume(queue)).toMatchObject({ retryCount: 0 });
});

it("keeps what waits while it stops, however long the running ones take", async () => {
  let finish: () => void = () => {};
  const options = { prefetch: 2, ackDeadline: 1 };
  const worker = kept(synap.queue.worker(queue, () => new Promise<void>((resolve) => (finish = resolve)), options));
  await publish(2);
  await until(() => worker.stats.active === 1 && worker.stats.waiting === 1);
  const stopped = worker.stop();
  const beganAt = await synap.kv.time();
  // By the server's clock, past the deadlines that they were delivered with.
  await until(async () => (await synap.kv.time()) > beganAt + 1_300);
  expect(await synap.queue.stats(queue)).toMatchObject({ pending: 2, timedOut: 0 });
  finish();
  await stopped;
  await until(async () => (await synap.queue.stats(queue)).ready === 1);
  expect(await synap.queue.consume(queue)).toMatchObject({ retryCount: 0 });
});

it.each([
  ["concurrency", { concurrency: 0 }],
  ["ackDeadline", { ackDeadline: Number.NaN }],
  ["prefetch", { prefetch: -1 }],
])("says what is wrong with its options: %s", (name, options) => {
  expect(() => synap.queue.worker(queue, () => undefined, options)).toThrow(new RegExp(`^${name}: .* at least 1`));
});

it("stops waiting after its time, and aborts", async () => {
  const aborted: unknown[] = [];
  const worker = kept(
    synap.queue.worker(queue, (_message, signal) => {
      return new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => {
          aborted.push(signal.reason);
          reject(signal.reason);
        });
      });
    }),
  );
  await publish(1);
  await until(() => worker.stats.active === 1);
  await worker.stop({ timeoutMs: 20 });
  expect(aborted).toMatchObject([{ message: "the worker was stopped" }]);
  await until(async () => (await synap.queue.stats(queue)).ready === 1);
});

it("sends what does not fit its schema to the dead letters, and tells", async () => {
  const even: StandardSchema<number> = {
    "~standard": {
      version: 1,
      vendor: "test",
      validate: (value) => (Number(value) % 2 === 0 ? { value: Number(value) } : { issues: [{ message: "odd" }] }),
    },
  };
  const done: number[] = [];
  const worker = kept(synap.queue.worker(queue, ({ payload }) => done.push(payload), { schema: even }));
  const errors: unknown[] = [];
  worker.on("error", ({ error }) => errors.push(error));
  await publish(4);
  await until(() => worker.stats.completed === 2 && errors.length === 2);
  expect(done).toEqual([0, 2]);
  expect(await synap.queue.stats(queue)).toMatchObject({ dead: 2 });
  expect(errors).toMatchObject([{ code: "SCHEMA_MISMATCH" }, { code: "SCHEMA_MISMATCH" }]);
});

it("two workers of one client share a queue", async () => {
  const done: string[] = [];
  const two = ["a", "b"].map((id) =>
    kept(
      synap.queue.worker(
        queue,
        async () => {
          done.push(id);
          await until(() => new Set(done).size === 2);
        },
        { prefetch: 1 },
      ),
    ),
  );
  await Promise.all(two.map(({ ready }) => ready));
  await publish(6);
  await until(() => two[0].stats.completed + two[1].stats.completed === 6);
  expect(new Set(done)).toEqual(new Set(["a", "b"]));
});
