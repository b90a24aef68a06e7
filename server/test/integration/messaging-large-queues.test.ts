/** What is done to very many messages at once is done in slices: other connections are answered all the while. */
import { afterEach, beforeEach, expect, it } from "vitest";
import { type Fields, numbers, ServerProcess, type SocketClient, until } from "./messaging-server.ts";

const MESSAGES = 200_000;
const BATCH = 1000;
/** The loop's own rule is 5 ms a step; a turn has several, and this has no room for any of these commands in one. */
const TURN_CPU_MS_MAX = 30;
/** Of this the machine has its part: it may have other things to do. */
const REPLY_MS_MAX = 2000;

/** In the server: the most processor time that a turn of its loop took, since it was asked last. */
const TURN_METER = `
  let longestMs = 0;
  let before = process.cpuUsage();
  const turn = () => {
    const { user, system } = process.cpuUsage(before);
    longestMs = Math.max(longestMs, (user + system) / 1000);
    before = process.cpuUsage();
    setImmediate(turn);
  };
  turn();
  process.on("message", () => {
    process.send(longestMs);
    longestMs = 0;
  });
`;

let server: ServerProcess;
let publisher: SocketClient;
let probe: Probe;

/** Asks one small thing after the other on a connection of its own. */
class Probe {
  readonly #client: SocketClient;
  #longestMs = 0;
  #isOver = false;
  readonly #done: Promise<void>;

  constructor(client: SocketClient) {
    this.#client = client;
    this.#done = this.#run();
  }

  /** How long the slowest reply took since the last call. */
  takeLongestMs(): number {
    const longestMs = this.#longestMs;
    this.#longestMs = 0;
    return longestMs;
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#done;
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      const startedAtMs = performance.now();
      await this.#client.send("kv.exists", { key: "a" });
      this.#longestMs = Math.max(this.#longestMs, performance.now() - startedAtMs);
    }
  }
}

beforeEach(async () => {
  server = await ServerProcess.startWith(TURN_METER);
  publisher = await server.connect();
  probe = new Probe(await server.connect());
});
afterEach(async () => {
  await probe.stop();
  await server.end();
});

async function fill(queue: string, count: number, fields: object): Promise<void> {
  await server.send("queue.create", {
    name: queue,
    config: { max_depth: 0, dead_letter: { enabled: true, max_depth: 0 } },
  });
  const messages = numbers(BATCH).map((payload) => ({ payload, ...fields }));
  for (let i = 0; i < count; i += BATCH) await publisher.send("queue.publish_batch", { queue, messages });
}

function stats(queue: string): Promise<Fields> {
  return server.send("queue.stats", { queue });
}

async function usedBytes(): Promise<number> {
  // The reply of admin.info.
  const { memory } = (await server.send("admin.info", {})) as { memory: { used_bytes: number } };
  return memory.used_bytes;
}

/** Sends a command and waits until all of what it asks for has happened; meanwhile nobody else may wait long. */
async function meanwhileAnswered(
  command: string,
  payload: object,
  reply: Fields,
  isDone: () => Promise<boolean>,
): Promise<void> {
  probe.takeLongestMs();
  await server.ask("longest turn");
  expect(await server.send(command, payload)).toEqual(reply);
  await until(isDone);
  expect(await server.ask("longest turn"), `the longest turn in ms of ${command}`).toBeLessThan(TURN_CPU_MS_MAX);
  expect(probe.takeLongestMs(), `the slowest reply in ms during ${command}`).toBeLessThan(REPLY_MS_MAX);
}

it("purges, retries and deletes in slices", { timeout: 60_000 }, async () => {
  const emptyBytes = await usedBytes();
  // 1 MB is what may stay of queues that are empty or gone.
  const isFreed = async (bytes: number) => (await usedBytes()) < bytes + 2 ** 20;
  await fill("dead", MESSAGES / 2, { ttl: 1 });
  await until(async () => (await stats("dead")).dead === MESSAGES / 2);
  const deadBytes = await usedBytes();
  await fill("retried", MESSAGES, { ttl: 1 });
  await until(async () => (await stats("retried")).dead === MESSAGES);
  const retriedBytes = await usedBytes();
  await fill("ready", MESSAGES, {});
  await meanwhileAnswered("queue.purge", { queue: "ready" }, { purged: MESSAGES }, () => isFreed(retriedBytes));
  const retry = { queue: "retried", all: true };
  await meanwhileAnswered("queue.dead.retry", retry, { retried: MESSAGES }, async () => {
    return (await stats("retried")).ready === MESSAGES;
  });
  await meanwhileAnswered("queue.delete", { queue: "retried" }, { deleted: true }, () => isFreed(deadBytes));
  const purged = { purged: MESSAGES / 2 };
  await meanwhileAnswered("queue.dead.purge", { queue: "dead" }, purged, () => isFreed(emptyBytes));
  for (const queue of ["ready", "dead"]) expect(await stats(queue)).toMatchObject({ depth: 0, pending: 0, dead: 0 });
});
