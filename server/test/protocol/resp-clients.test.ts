/** The clients that people use, as they come: ioredis and node-redis connect, pipeline, run transactions, subscribe and scan. */
import { Redis } from "ioredis";
import { createClient } from "redis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { configFromFlags } from "../../src/config/load.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { type RunningServer, startServer } from "../../src/server.ts";

let server: RunningServer;

beforeAll(async () => {
  server = await start("0");
});

afterAll(() => server?.stop());

function start(respPort: string): Promise<RunningServer> {
  const flags = ["--port", "0", "--resp-port", respPort, "--log-level", "silent"];
  return startServer(
    configFromFlags("--no-persistence", ...(respPort === "0" ? flags.filter((_, i) => i < 2 || i > 3) : flags)),
    silentLogger,
  );
}

function urlOf({ respUrl }: RunningServer): string {
  if (respUrl === undefined) throw new Error("the server has no RESP");
  return respUrl;
}

const KEYS = Array.from({ length: 250 }, (_, i) => `scan:${i}`);

describe("ioredis", () => {
  let redis: Redis;
  const others: Redis[] = [];

  function connect(): Redis {
    const other = new Redis(urlOf(server));
    others.push(other);
    return other;
  }

  beforeEach(async () => {
    redis = connect();
    await redis.flushall();
  });

  afterEach(() => {
    for (const other of others.splice(0)) other.disconnect();
  });

  it("connects and says who it is", async () => {
    expect(await redis.ping()).toBe("PONG");
    expect(await redis.client("SETNAME", "tester")).toBe("OK");
    expect(await redis.client("GETNAME")).toBe("tester");
    expect(await redis.info()).toContain("redis_version:7.");
    expect(await redis.select(0)).toBe("OK");
    await expect(redis.select(1)).rejects.toThrow("ERR DB index is out of range");
  });

  it("reads and writes", async () => {
    expect(await redis.set("k", "v", "EX", 100)).toBe("OK");
    expect(await redis.get("k")).toBe("v");
    expect(await redis.ttl("k")).toBe(100);
    expect(await redis.set("k", "w", "NX")).toBeNull();
    expect(await redis.mget("k", "missing")).toEqual(["v", null]);
    expect(await redis.incrby("n", 5)).toBe(5);
    const bytes = Buffer.from([0, 255, 13, 10, 128]);
    await redis.set("bytes", bytes);
    expect(await redis.getBuffer("bytes")).toEqual(bytes);
    expect(await redis.del("k", "n", "missing")).toBe(2);
  });

  it("gets errors as errors", async () => {
    await redis.set("k", "abc");
    await expect(redis.incr("k")).rejects.toThrow("ERR value is not an integer or out of range");
    await expect(redis.call("NONSENSE", "x")).rejects.toThrow("ERR unknown command 'NONSENSE'");
  });

  it("pipelines", async () => {
    const pipeline = redis.pipeline();
    for (const key of KEYS) pipeline.set(key, key).get(key).incr(key);
    const results = await pipeline.exec();
    expect(results).toHaveLength(3 * KEYS.length);
    expect(results?.slice(0, 2)).toEqual([
      [null, "OK"],
      [null, "scan:0"],
    ]);
    expect(results?.[2][0]?.message).toMatch(/not an integer/);
  });

  it("runs transactions", async () => {
    expect(await redis.multi().set("k", 1).incr("k").get("k").exec()).toEqual([
      [null, "OK"],
      [null, 2],
      [null, "2"],
    ]);
    await redis.watch("k");
    await connect().set("k", 7);
    expect(await redis.multi().set("k", 1).exec()).toBeNull();
    expect(await redis.get("k")).toBe("7");
  });

  it("subscribes", async () => {
    const subscriber = connect();
    const messages: string[][] = [];
    subscriber.on("message", (...message: string[]) => messages.push(message));
    subscriber.on("pmessage", (...message: string[]) => messages.push(message));
    expect(await subscriber.subscribe("a", "b")).toBe(2);
    expect(await subscriber.psubscribe("c*")).toBe(3);
    expect(await redis.publish("a", "1")).toBe(1);
    expect(await redis.publish("cc", "2")).toBe(1);
    await vi.waitFor(() =>
      expect(messages).toEqual([
        ["a", "1"],
        ["c*", "cc", "2"],
      ]),
    );
    expect(await redis.pubsub("CHANNELS")).toEqual(["a", "b"]);
    expect(await subscriber.unsubscribe("a")).toBe(2);
    expect(await redis.publish("a", "3")).toBe(0);
    expect(await subscriber.unsubscribe("b")).toBe(1);
    expect(await subscriber.punsubscribe("c*")).toBe(0);
    expect(await subscriber.get("missing")).toBeNull();
  });

  it("scans", async () => {
    await redis.mset(...KEYS.flatMap((key) => [key, "x"]), "other", "x");
    const found: string[] = [];
    for await (const page of redis.scanStream({ match: "scan:*", count: 20 })) found.push(...(page as string[]));
    expect(found.sort()).toEqual([...KEYS].sort());
  });

  it("comes back after the connection was lost", async () => {
    const id = await redis.client("ID");
    expect(await connect().client("KILL", "ID", id)).toBe(1);
    await vi.waitFor(async () => expect(await redis.set("k", "again")).toBe("OK"));
    expect(await redis.client("ID")).not.toBe(id);
  });
});

describe.each([2, 3] as const)("node-redis over RESP%i", (RESP) => {
  const connect = () => createClient({ url: urlOf(server), RESP });
  let redis: ReturnType<typeof connect>;
  const others: ReturnType<typeof connect>[] = [];

  async function another(): Promise<ReturnType<typeof connect>> {
    const client = connect();
    client.on("error", () => {});
    others.push(client);
    await client.connect();
    return client;
  }

  beforeEach(async () => {
    redis = await another();
    await redis.flushAll();
  });

  afterEach(() => {
    for (const client of others.splice(0)) client.destroy();
  });

  it("connects, reads and writes", async () => {
    expect(await redis.ping()).toBe("PONG");
    expect(await redis.set("k", "v", { expiration: { type: "EX", value: 100 } })).toBe("OK");
    expect(await redis.get("k")).toBe("v");
    expect(await redis.mGet(["k", "missing"])).toEqual(["v", null]);
    expect(await redis.del(["k", "missing"])).toBe(1);
    await expect(redis.sendCommand(["NONSENSE"])).rejects.toThrow("ERR unknown command 'NONSENSE'");
  });

  it("pipelines what is sent together", async () => {
    const replies = await Promise.all(KEYS.map((key) => redis.set(key, key)));
    expect(new Set(replies)).toEqual(new Set(["OK"]));
    expect(await Promise.all(KEYS.map((key) => redis.get(key)))).toEqual(KEYS);
  });

  it("runs transactions", async () => {
    expect(await redis.multi().set("k", "1").incr("k").get("k").exec()).toEqual(["OK", 2, "2"]);
    await redis.watch("k");
    await (await another()).set("k", "7");
    await expect(redis.multi().set("k", "1").exec()).rejects.toThrow(/watch/i);
    await redis.set("text", "abc");
    await expect(redis.multi().set("k", "8").incr("text").exec()).rejects.toThrow();
    expect(await redis.get("k")).toBe("8");
  });

  it("subscribes", async () => {
    const subscriber = await another();
    const messages: string[][] = [];
    const listener = (message: string, channel: string) => messages.push([channel, message]);
    await subscriber.subscribe("a", listener);
    await subscriber.pSubscribe("c*", listener);
    expect(await redis.publish("a", "1")).toBe(1);
    expect(await redis.publish("cc", "2")).toBe(1);
    await vi.waitFor(() =>
      expect(messages).toEqual([
        ["a", "1"],
        ["cc", "2"],
      ]),
    );
    await subscriber.unsubscribe("a");
    await subscriber.pUnsubscribe("c*");
    expect(await subscriber.get("missing")).toBeNull();
  });

  it("scans", async () => {
    await redis.mSet(KEYS.map((key) => [key, "x"] as [string, string]));
    const found: string[] = [];
    for await (const page of redis.scanIterator({ MATCH: "scan:*", COUNT: 20 })) found.push(...page);
    expect(found.sort()).toEqual([...KEYS].sort());
  });

  it("comes back after the server was gone", async () => {
    const first = await start("0");
    const client = createClient({ url: urlOf(first), RESP, socket: { reconnectStrategy: () => 10 } });
    client.on("error", () => {});
    await client.connect();
    await client.set("k", "v");
    await first.stop();
    const second = await start(new URL(urlOf(first)).port);
    try {
      expect(await client.get("k")).toBeNull();
    } finally {
      client.destroy();
      await second.stop();
    }
  });
});
