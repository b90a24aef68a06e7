/**
 * Commands per second of this client beside ioredis doing the same with Redis, in one run: `npm run bench -w client-sdk`.
 *
 * Each row is measured in turns, one client after the other, and shows the median of its rounds, so that what else the
 * machine does falls on both. Keys and values are those of redis-benchmark -r 100000 -d 100. Neither has persistence.
 */

import { connect, type SynapClient } from "@synap/client";
import { Redis } from "ioredis";
import { ServerProcess } from "../test/server-process.ts";
import { RawSocket } from "./raw-socket.ts";
import { RedisProcess } from "./redis-process.ts";

const KEY_COUNT = 100_000;
const VALUE = "x".repeat(100);
const ROUND_COUNT = 25;
const ROUND_MS = 120;

interface Client {
  get(key: string): Promise<unknown>;
  set(key: string, value: string): Promise<unknown>;
  /** `count` reads in one round trip. */
  batch(keys: readonly string[]): Promise<unknown>;
}

type Load = (client: Client, untilMs: number) => Promise<number>;

/** One at a time. */
const awaitGet: Load = async (client, untilMs) => {
  let count = 0;
  while (performance.now() < untilMs) {
    await client.get(randomKey());
    count++;
  }
  return count;
};

const awaitSet: Load = async (client, untilMs) => {
  let count = 0;
  while (performance.now() < untilMs) {
    await client.set(randomKey(), VALUE);
    count++;
  }
  return count;
};

/** A hundred callers, each one at a time. */
function inFlight(one: Load): Load {
  return async (client, untilMs) => {
    const counts = await Promise.all(Array.from({ length: 100 }, () => one(client, untilMs)));
    return counts.reduce((sum, count) => sum + count, 0);
  };
}

const batchOf100: Load = async (client, untilMs) => {
  let count = 0;
  while (performance.now() < untilMs) {
    await client.batch(Array.from({ length: 100 }, randomKey));
    count += 100;
  }
  return count;
};

const LOADS: readonly { readonly name: string; readonly load: Load }[] = [
  { name: "GET, awaited one by one", load: awaitGet },
  { name: "SET, awaited one by one", load: awaitSet },
  { name: "GET, 100 in flight", load: inFlight(awaitGet) },
  { name: "SET, 100 in flight", load: inFlight(awaitSet) },
  { name: "GET, batches of 100", load: batchOf100 },
];

function randomKey(): string {
  return `key:${Math.floor(Math.random() * KEY_COUNT)
    .toString()
    .padStart(12, "0")}`;
}

function synapClient(synap: SynapClient): Client {
  return {
    get: (key) => synap.kv.get(key),
    set: (key, value) => synap.kv.set(key, value),
    batch: (keys) => synap.batch(keys.map((key) => ({ command: "kv.get", payload: { key } }) as const)),
  };
}

function redisClient(redis: Redis): Client {
  return {
    get: (key) => redis.get(key),
    set: (key, value) => redis.set(key, value),
    batch: (keys) => {
      const pipeline = redis.pipeline();
      for (const key of keys) pipeline.get(key);
      return pipeline.exec();
    },
  };
}

async function rate(load: Load, client: Client): Promise<number> {
  const startedAt = performance.now();
  const count = await load(client, startedAt + ROUND_MS);
  return (count * 1_000) / (performance.now() - startedAt);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}

async function compare(clients: Readonly<Record<string, Client>>): Promise<void> {
  const names = Object.keys(clients);
  console.log(`| commands/s, median of ${ROUND_COUNT} | ${names.join(" | ")} | ${names[0]} / ${names[1]} |`);
  console.log(`| --- | ${names.map(() => "---").join(" | ")} | --- |`);
  for (const { name, load } of LOADS) {
    const rates = new Map<string, number[]>(names.map((client) => [client, []]));
    for (const client of Object.values(clients)) await rate(load, client);
    for (let round = 0; round < ROUND_COUNT; round++) {
      for (const client of names) rates.get(client)?.push(await rate(load, clients[client]));
    }
    const medians = names.map((client) => median(rates.get(client) ?? []));
    const shown = medians.map((value) => Math.round(value).toLocaleString("en"));
    console.log(`| ${name} | ${shown.join(" | ")} | ${(medians[0] / medians[1]).toFixed(2)} |`);
  }
}

/** Microseconds of this process for a command, beside the same frames on a bare socket. */
async function overhead(synap: SynapClient, raw: RawSocket): Promise<void> {
  const client = synapClient(synap);
  const commandCount = 200_000;
  const cost = async (batch: () => Promise<unknown>): Promise<number> => {
    for (let i = 0; i < 200; i++) await batch();
    const before = process.cpuUsage();
    for (let i = 0; i < commandCount / 100; i++) await batch();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / commandCount;
  };
  const keys = Array.from({ length: 100 }, randomKey);
  const bare = await cost(() => raw.batch());
  const full = await cost(() => Promise.all(keys.map((key) => client.get(key))));
  const text = `${full.toFixed(2)} us of CPU for a kv.get of 100 in a frame; the bare socket with the same frames ${bare.toFixed(2)} us`;
  console.log(`\nOverhead: ${text}`);
}

/** Heap of one more subscription to a topic of its own, with the server's confirmation. */
async function memory(synap: SynapClient): Promise<void> {
  const count = 10_000;
  const used = (): number => {
    globalThis.gc?.();
    return process.memoryUsage().heapUsed;
  };
  const before = used();
  const subscriptions = Array.from({ length: count }, (_, i) => synap.pubsub.subscribe(`topic.${i}`));
  await Promise.all(subscriptions.map(({ ready }) => ready));
  const bytes = (used() - before) / count;
  console.log(
    `\nMemory: ${Math.round(bytes)} bytes of heap for a subscription${globalThis.gc ? "" : " (run with --expose-gc)"}`,
  );
  await Promise.all(subscriptions.map((subscription) => subscription.close()));
}

const server = await ServerProcess.start();
const redis = await RedisProcess.start();
try {
  const synap = await connect(server.url);
  const ioredis = new Redis({ port: redis.port, host: "127.0.0.1" });
  const pipelined = new Redis({ port: redis.port, host: "127.0.0.1", enableAutoPipelining: true });
  for (let i = 0; i < KEY_COUNT; i += 500) {
    const keys = Array.from({ length: 500 }, (_, j) => `key:${(i + j).toString().padStart(12, "0")}`);
    await Promise.all([
      synap.kv.mset(keys.map((key) => ({ key, value: VALUE }))),
      ioredis.mset(new Map(keys.map((key) => [key, VALUE]))),
    ]);
  }
  const raw = await RawSocket.open(server.url, Array.from({ length: 100 }, randomKey), VALUE);
  await compare({
    synap: synapClient(synap),
    ioredis: redisClient(ioredis),
    "ioredis, auto-pipelining": redisClient(pipelined),
    "bare socket to Synap": raw,
  });
  await overhead(synap, raw);
  await memory(synap);
  raw.close();
  ioredis.disconnect();
  pipelined.disconnect();
  await synap.close();
} finally {
  await redis.end();
  await server.end();
}
