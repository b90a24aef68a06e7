/**
 * Several servers: writes find the master, reads are spread. Proxies before one server refuse writes as a replica does, so that
 * a test decides who the master is, who knows it, and who is slow. replication.test.ts has real replicas.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { COMMANDS, type CommandName } from "../src/generated/command-map.ts";
import { CommandTimeoutError, connect, ReadOnlyReplicaError, type SynapClient } from "../src/index.ts";
import { failure, until } from "./condition.ts";
import { type Fields, MessageProxy } from "./message-proxy.ts";
import { ServerProcess } from "./server-process.ts";

let server: ServerProcess;
let proxies: MessageProxy[];
let master = 0;
let clients: SynapClient[] = [];
let tellsMaster = true;

beforeAll(async () => {
  server = await ServerProcess.start();
});

afterAll(() => server.end());

beforeEach(async () => {
  master = 0;
  tellsMaster = true;
  proxies = await Promise.all([0, 1, 2].map(() => MessageProxy.start(server.url)));
  for (const [index, proxy] of proxies.entries()) proxy.hooks.request = (message) => refusal(message, index);
});

afterEach(async () => {
  await Promise.all(clients.map((client) => client.close()));
  clients = [];
  await Promise.all(proxies.map((proxy) => proxy.end()));
});

function isWrite({ command }: Fields): boolean {
  return COMMANDS[command as CommandName] === "write" && !String(command).startsWith("pubsub.");
}

/** What a replica answers, or nothing where it would run the request. */
function refusal(message: Fields, index: number): Fields | undefined {
  if (index === master) return undefined;
  const details = tellsMaster ? { master: proxies[master].url.replace("ws://", "") } : undefined;
  const refused = { success: false, error: "a replica takes no writes", code: "READ_ONLY_REPLICA", details };
  if (!Array.isArray(message.commands))
    return isWrite(message) ? { ...refused, request_id: message.request_id } : undefined;
  if (!message.commands.some(isWrite)) return undefined;
  // Reads beside them are answered, if not with the truth.
  const results = message.commands.map((item: Fields) => (isWrite(item) ? refused : { success: true, payload: null }));
  return { type: "batch_response", success: true, request_id: message.request_id, results };
}

async function client(order: readonly number[], options = {}): Promise<SynapClient> {
  const made = await connect(
    order.map((index) => proxies[index].url),
    { format: "json", reconnect: { initialMs: 5, maxMs: 50 }, ...options },
  );
  clients.push(made);
  return made;
}

function countOf(index: number, command: string): number {
  return proxies[index].commands
    .flatMap((message) => (Array.isArray(message.commands) ? message.commands : [message]))
    .filter((message: Fields) => message.command === command).length;
}

describe("writes", () => {
  it("go to the master, whichever URL it is", async () => {
    const synap = await client([2, 1, 0]);
    expect((await synap.kv.set("a", 1)).success).toBe(true);
    expect(synap.masterUrl).toContain(proxies[0].url);
    expect(countOf(1, "kv.set") + countOf(2, "kv.set")).toBe(0);
  });

  it("find a master that no URL names", async () => {
    const synap = await client([2]);
    expect((await synap.kv.set("a", 1)).success).toBe(true);
    expect(countOf(0, "kv.set")).toBe(1);
  });

  it("go on, in order, when another becomes the master", async () => {
    const synap = await client([0, 1, 2]);
    const told: string[] = [];
    synap.on("master", ({ url }) => told.push(url));
    await synap.kv.del("n");
    master = 1;
    const sums = await Promise.all(Array.from({ length: 50 }, () => synap.kv.incr("n")));
    expect(sums).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
    expect(told.at(-1)).toContain(proxies[1].url);
    master = 2;
    expect(await synap.batch([{ command: "kv.incr", payload: { key: "n" } }])).toMatchObject([
      { payload: { value: 51 } },
    ]);
  });

  it("ask around when the replicas do not know the master", async () => {
    tellsMaster = false;
    const synap = await client([1, 2, 0]);
    expect((await synap.kv.set("a", 1)).success).toBe(true);
  });

  it("go to the next server when the master is gone, once that is promoted", async () => {
    const synap = await client([0, 1, 2]);
    await synap.kv.set("a", 1);
    const lost = new Promise((resolve) => synap.on("disconnected", resolve));
    await proxies[0].end();
    await lost;
    const write = synap.kv.set("a", 2);
    master = 1;
    expect((await write).success).toBe(true);
    proxies[0] = await MessageProxy.start(server.url);
  });

  it("are refused with the reason when no server is a master", async () => {
    master = -1;
    tellsMaster = false;
    const synap = await client([0, 1], { timeoutMs: 200 });
    // Or with its time being over, if that comes while one of them is being asked.
    const error = await failure(synap.kv.set("a", 1));
    expect(error instanceof ReadOnlyReplicaError || error instanceof CommandTimeoutError).toBe(true);
  });

  it.each([true, false])(
    "keep their order over a failover that takes a while, told of the master: %s",
    async (tells) => {
      tellsMaster = tells;
      const synap = await client([0, 1]);
      await synap.kv.del("seq");
      const writes: Promise<{ readonly version?: number | undefined }>[] = [];
      const write = async (count: number): Promise<void> => {
        for (let i = 0; i < count; i++) {
          writes.push(synap.kv.set("seq", writes.length));
          await new Promise((resolve) => setTimeout(resolve, i % 4));
        }
      };
      await write(20);
      const refused = countOf(1, "kv.set");
      await proxies[0].end();
      // Nobody is the master until the second was asked several times.
      master = -1;
      tellsMaster = false;
      while (countOf(1, "kv.set") < refused + 3) await write(5);
      master = 1;
      await write(50);
      const versions = (await Promise.all(writes)).map(({ version = -1 }) => version);
      expect(versions).toEqual([...versions].sort((a, b) => a - b));
      expect(await synap.kv.get("seq")).toBe(writes.length - 1);
      proxies[0] = await MessageProxy.start(server.url);
    },
  );

  it("end with the client, also while no server is a master", async () => {
    master = -1;
    tellsMaster = false;
    const synap = await client([0, 1]);
    const writes = Promise.all(Array.from({ length: 3 }, (_, i) => failure(synap.kv.set(`a${i}`, 1))));
    // Each server was asked more than once: they wait to be sent on.
    await until(() => countOf(0, "kv.set") + countOf(1, "kv.set") >= 6);
    await synap.close({ timeoutMs: 0 });
    for (const error of await writes) expect(error).toMatchObject({ code: "CLIENT_CLOSED", mayHaveHappened: false });
  });
});

describe("reads", () => {
  it("go to the master by default", async () => {
    const synap = await client([0, 1, 2]);
    await Promise.all(Array.from({ length: 10 }, () => synap.kv.get("a")));
    expect([countOf(0, "kv.get"), countOf(1, "kv.get"), countOf(2, "kv.get")]).toEqual([10, 0, 0]);
  });

  it.each([
    ["replicas", [0, 30, 30]],
    ["any", [20, 20, 20]],
  ] as const)("from %s are spread evenly", async (readFrom, expected) => {
    const synap = await client([0, 1, 2], { readFrom });
    // Until all are connected.
    await until(async () => {
      await synap.kv.get("warm");
      return proxies.every((proxy) => proxy.requests.length > 0);
    });
    await synap.kv.get("warm");
    const before = [0, 1, 2].map((index) => countOf(index, "kv.get"));
    for (let i = 0; i < 60; i++) await synap.kv.get("a");
    expect([0, 1, 2].map((index) => countOf(index, "kv.get") - before[index])).toEqual(expected);
  });

  it("go to the replica with the fewest that are not answered", async () => {
    const synap = await client([0, 1, 2], { readFrom: "replicas" });
    await until(async () => {
      await synap.kv.get("warm");
      return countOf(1, "kv.get") > 0 && countOf(2, "kv.get") > 0;
    });
    const held: (() => void)[] = [];
    proxies[1].hooks.request = (message) =>
      message.command === "kv.get" ? new Promise((resolve) => held.push(() => resolve(undefined))) : undefined;
    const reads: Promise<unknown>[] = [];
    while (held.length === 0) {
      reads.push(synap.kv.get("nothing"));
      await synap.kv.get("beat", { readFrom: "master" });
    }
    const before = countOf(2, "kv.get");
    for (let i = 0; i < 10; i++) await synap.kv.get("nothing");
    expect(countOf(2, "kv.get")).toBe(before + 10);
    proxies[1].hooks.request = undefined;
    for (const release of held) release();
    expect(new Set(await Promise.all(reads))).toEqual(new Set([null]));
  });

  it("go to the master while no replica is there, and with `readFrom: master` of the call", async () => {
    const synap = await client([0, 1], { readFrom: "replicas" });
    await until(async () => {
      await synap.kv.get("warm");
      return countOf(1, "kv.get") > 0;
    });
    const before = countOf(0, "kv.get");
    await synap.kv.get("a", { readFrom: "master" });
    expect(countOf(0, "kv.get")).toBe(before + 1);
    await proxies[1].end();
    expect(await synap.kv.get("nothing")).toBeNull();
    proxies[1] = await MessageProxy.start(server.url);
  });

  it("with readYourWrites wait for no replica that is behind", async () => {
    let offset = 0;
    proxies[1].hooks.reply = (reply) => {
      const info = reply.payload as { replication?: { offset: number } } | null;
      // As a replica that stands still.
      if (info?.replication !== undefined) return [{ ...reply, payload: { ...info, replication: { offset } } }];
      return [reply];
    };
    const synap = await client([0, 1], { readFrom: "replicas", readYourWrites: true });
    await until(async () => {
      await synap.kv.get("warm");
      return countOf(1, "kv.get") > 0;
    });
    await synap.kv.set("mine", 1);
    const behind = countOf(1, "kv.get");
    for (let i = 0; i < 20; i++) expect(await synap.kv.get("mine")).toBe(1);
    expect(countOf(1, "kv.get")).toBe(behind);
    offset = Number.MAX_SAFE_INTEGER;
    await until(async () => {
      await synap.kv.get("mine");
      return countOf(1, "kv.get") > behind;
    });
    // It begins anew, and has not what it had.
    offset = 0;
    const before = countOf(1, "kv.get");
    let isBack = false;
    synap.on("connected", ({ url }) => {
      isBack ||= url.startsWith(proxies[1].url);
    });
    const lost = new Promise((resolve) => synap.on("disconnected", resolve));
    proxies[1].cut();
    await lost;
    await until(async () => {
      await synap.kv.get("mine");
      return isBack;
    });
    for (let i = 0; i < 20; i++) await synap.kv.get("mine");
    expect(countOf(1, "kv.get")).toBe(before);
  });
});
