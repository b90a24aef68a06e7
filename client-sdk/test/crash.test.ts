/**
 * A server that is killed in the middle of its work and started again from its data directory, round after round, while a
 * client writes without pause. Whatever was in flight at a kill is sent again under its number and has happened once; so every
 * answer of a counter is one more than the one before, over all the crashes.
 *
 *     SYNAP_CRASH_ROUNDS=200 npx vitest run client-sdk/test/crash.test.ts
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type BatchCommand, connect, type SynapClient } from "../src/index.ts";
import { until } from "./condition.ts";
import { FaultProxy } from "./fault-proxy.ts";
import { ServerProcess } from "./server-process.ts";

const ROUNDS = Number(process.env.SYNAP_CRASH_ROUNDS ?? 3);
/** A start takes a second on a busy machine. */
const ROUND_MS_MAX = 5_000;
const COUNTERS = Array.from({ length: 60 }, (_, i) => `counter:${i}`);

let folder: string;
let server: ServerProcess;
/** Where the server is found, whatever its port: each start takes a new one. */
let address: FaultProxy;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "synap-client-"));
  server = await ServerProcess.start({ dataDirectory: folder });
  address = await FaultProxy.start(server.port);
});

afterEach(async () => {
  await Promise.all([server.end(), address.end()]);
  rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
});

async function crash(): Promise<void> {
  await server.end();
  server = await ServerProcess.start({ dataDirectory: folder });
  address.targetPort = server.port;
}

/** Until writes have happened whose answers the client will never see: a kill finds few of them by chance. */
async function withholdAnswers(writers: Writers): Promise<void> {
  address.hold();
  const witness = await connect(server.url);
  await writers.until(async () => {
    const [values, { depth }, { maxOffset }] = await Promise.all([
      witness.kv.mget<number>([...COUNTERS, "batch:true:b", "batch:false:b"]),
      witness.queue.stats("q"),
      witness.stream.stats("r"),
    ]);
    return values.reduce<number>((sum, value) => sum + (value ?? 0), depth + maxOffset + 1) > writers.answeredCount;
  });
  await witness.close();
  address.isRefusing = true;
  address.cut();
  address.release();
}

/** Writes of all kinds, so many at a time; what each of them answers is one more than the last. */
class Writers {
  answeredCount = 0;
  isOver = false;
  readonly published: number[] = [];
  readonly #synap: SynapClient;
  readonly #running: Promise<unknown>;

  constructor(synap: SynapClient) {
    this.#synap = synap;
    const counters = COUNTERS.map((key) => this.#count(key));
    this.#running = Promise.all([
      ...counters,
      this.#batches(false),
      this.#batches(true),
      this.#messages(),
      this.#events(),
    ]);
  }

  /** Fails at once where a writer has. */
  async until(condition: () => boolean | Promise<boolean>): Promise<void> {
    await Promise.race([this.#running, until(condition)]);
  }

  async end(): Promise<void> {
    this.isOver = true;
    await this.#running;
  }

  async #repeat(write: (n: number) => Promise<void>): Promise<number> {
    let n = 0;
    while (!this.isOver) {
      n += 1;
      await write(n);
      this.answeredCount += 1;
    }
    return n;
  }

  async #count(key: string): Promise<void> {
    const sum = await this.#repeat(async (n) => expect(await this.#synap.kv.incr(key)).toBe(n));
    expect(await this.#synap.kv.get(key)).toBe(sum);
  }

  async #batches(atomic: boolean): Promise<void> {
    const commands: readonly BatchCommand[] = ["a", "b"].map((name) => ({
      command: "kv.incr",
      payload: { key: `batch:${atomic}:${name}` },
    }));
    await this.#repeat(async (n) => {
      const results = await this.#synap.batch(commands, { atomic });
      expect(results).toEqual(commands.map(() => ({ success: true, payload: { value: n } })));
    });
  }

  async #messages(): Promise<void> {
    await this.#repeat(async (n) => {
      await this.#synap.queue.publish("q", n);
      this.published.push(n);
    });
  }

  async #events(): Promise<void> {
    await this.#repeat(async (n) => {
      expect((await this.#synap.stream.publish("r", "e", n)).offset).toBe(n - 1);
    });
  }
}

it(
  "a server that is killed has done each write once",
  async () => {
    const synap = await connect(address.url, { timeoutMs: 60_000, reconnect: { initialMs: 5, maxMs: 20 } });
    await Promise.all([synap.stream.create("r"), synap.queue.create("q")]);
    const writers = new Writers(synap);
    for (let round = 0; round < ROUNDS; round++) {
      const before = writers.answeredCount;
      const enough = Math.random() * 500;
      await writers.until(() => writers.answeredCount > before + enough);
      if (round % 3 < 2) await withholdAnswers(writers);
      await crash();
      address.isRefusing = false;
    }
    await writers.end();
    const { depth } = await synap.queue.stats("q");
    expect(depth).toBe(writers.published.length);
    const messages: unknown[] = [];
    while (messages.length < depth) {
      messages.push(...(await synap.queue.consumeMany("q", 1_000)).map(({ payload }) => payload));
    }
    expect(messages).toEqual(writers.published);
    await synap.close();
  },
  ROUNDS * ROUND_MS_MAX + 20_000,
);

it(
  "rooms and workers go on after each crash, and miss nothing",
  async () => {
    const synap = await connect(address.url, { reconnect: { initialMs: 5, maxMs: 20 } });
    await synap.stream.create("r");
    await synap.queue.create("q", { defaultMaxRetries: 1_000 });
    const room = synap.stream.subscribe<number>("r", { fromOffset: 0, bufferSize: 20 });
    const done = new Set<number>();
    const worker = synap.queue.worker<number>("q", ({ payload }) => done.add(payload), {
      concurrency: 3,
      // What was pushed and never came comes again after it.
      ackDeadline: 2,
    });
    await Promise.all([room.ready, worker.ready]);
    const count = ROUNDS * 100;
    let publishedCount = 0;
    const publishing = (async () => {
      while (publishedCount < count) {
        await Promise.all([synap.stream.publish("r", "e", publishedCount), synap.queue.publish("q", publishedCount)]);
        publishedCount += 1;
      }
    })();
    const reading = (async () => {
      for (let n = 0; n < count; n++) {
        expect((await room.next()).value).toMatchObject({ type: "event", offset: n, data: n });
      }
    })();
    for (let round = 1; round < ROUNDS; round++) {
      await until(() => publishedCount > round * 100 - 50);
      await crash();
    }
    await Promise.all([publishing, reading]);
    await until(() => done.size === count);
    await until(async () => {
      const { depth, pending } = await synap.queue.stats("q");
      return depth === 0 && pending === 0;
    });
    expect([...done].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, n) => n));
    await room.close();
    await worker.stop();
    await synap.close();
  },
  ROUNDS * ROUND_MS_MAX + 20_000,
);

it("a worker keeps what it held over a crash: nobody else has got it", async () => {
  const synap = await connect(address.url, { reconnect: { initialMs: 5, maxMs: 20 } });
  await synap.queue.publishBatch("q", [{ payload: "running" }, { payload: "waiting" }]);
  const ended: unknown[] = [];
  let crashed: () => void = () => {};
  const whenCrashed = new Promise<void>((resolve) => {
    crashed = resolve;
  });
  // Its deadline of 30 s is longer than this test may take.
  const worker = synap.queue.worker("q", () => whenCrashed, { concurrency: 1, prefetch: 2 });
  worker.on("completed", ({ message }) => ended.push(message.payload));
  await until(() => worker.stats.active + worker.stats.waiting === 2);
  await crash();
  crashed();
  await until(() => ended.length === 2);
  expect(ended).toEqual(["running", "waiting"]);
  expect(worker.stats).toMatchObject({ completed: 2, lost: 0 });
  expect(await synap.queue.stats("q")).toMatchObject({ depth: 0, pending: 0, acked: 2 });
  await worker.stop();
  await synap.close();
});

it("a room that has dropped events before its reader is back says which", async () => {
  const reader = await connect(address.url, { reconnect: { initialMs: 5, maxMs: 20 } });
  await reader.stream.create("r", { maxEvents: 5 });
  const room = reader.stream.subscribe<number>("r", { fromOffset: 0 });
  await reader.stream.publish("r", "e", 0);
  expect((await room.next()).value).toMatchObject({ type: "event", offset: 0 });
  address.isRefusing = true;
  address.cut();
  const writer = await connect(server.url);
  for (let n = 1; n < 20; n++) await writer.stream.publish("r", "e", n);
  await writer.close();
  await crash();
  address.isRefusing = false;
  expect((await room.next()).value).toMatchObject({ type: "gap", fromOffset: 1, toOffset: 14, reason: "retention" });
  expect((await room.next()).value).toMatchObject({ type: "event", offset: 15, data: 15 });
  await reader.close();
});
