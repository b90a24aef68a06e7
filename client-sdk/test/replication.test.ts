/** A real master and its replicas: who writes where, what a client sees of its own writes, and a promotion under load. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { connect, ReadOnlyReplicaError, type SynapClient } from "../src/index.ts";
import { failure, until } from "./condition.ts";
import { MessageProxy } from "./message-proxy.ts";
import { ServerProcess } from "./server-process.ts";

const quick = { reconnect: { initialMs: 5, maxMs: 50 } };

let folder: string;
let master: ServerProcess;
let replica: ServerProcess;
const clients: SynapClient[] = [];

// One pair for all tests: the last one ends the master and promotes the replica.
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "synap-client-"));
  master = await ServerProcess.start({ dataDirectory: join(folder, "master") });
  replica = await startReplica("replica", master);
});

afterEach(() => Promise.all(clients.splice(0).map((client) => client.close({ timeoutMs: 0 }))));

afterAll(async () => {
  await Promise.all([master.end(), replica.end()]);
  rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
});

async function startReplica(name: string, of: ServerProcess): Promise<ServerProcess> {
  const started = await ServerProcess.start({
    dataDirectory: join(folder, name),
    flags: ["--replica-of", of.url],
  });
  await until(() => isReady(started));
  return started;
}

async function isReady({ url }: ServerProcess): Promise<boolean> {
  try {
    return (await fetch(`${url}/ready`)).ok;
  } catch (error) {
    // It closes its ports for a moment when it has got a snapshot.
    if (error instanceof TypeError) return false;
    throw error;
  }
}

async function client(servers: readonly ServerProcess[], options = {}): Promise<SynapClient> {
  const made = await connect(
    servers.map(({ url }) => url),
    { ...quick, ...options },
  );
  clients.push(made);
  return made;
}

it("a write goes from the replica to its master, whoever was named", async () => {
  const synap = await client([replica]);
  expect(await synap.kv.incr("n")).toBe(1);
  expect(new URL(synap.masterUrl).port).toBe(String(master.port));
  expect(await synap.admin.wait(1, 5_000)).toBe(1);
  const direct = await client([replica], { followMaster: false });
  expect(await direct.kv.get("n")).toBe(1);
});

it("a client that is to follow nobody is told where the master is", async () => {
  const direct = await client([replica], { followMaster: false });
  const error = await failure(direct.kv.incr("refused"));
  expect(error).toBeInstanceOf(ReadOnlyReplicaError);
  expect(String((error as ReadOnlyReplicaError).details.master)).toContain(String(master.port));
  const { replication } = (await direct.admin.info()) as { replication: { role: string } };
  expect(replication.role).toBe("replica");
});

it("what a client has written it reads, from the replica once that has it", async () => {
  const proxy = await MessageProxy.start(replica.url);
  const synap = await connect([master.url, proxy.url], { ...quick, readFrom: "replicas", readYourWrites: true });
  clients.push(synap);
  let behind = 0;
  proxy.hooks.reply = (reply) => {
    const info = reply.payload as { replication?: { offset: number } } | null;
    if (info?.replication === undefined) return [reply];
    // What the replica tells is made older than it is at times, as if it were behind.
    behind = (behind + 1) % 3;
    return [{ ...reply, payload: { replication: { offset: info.replication.offset - behind } } }];
  };
  for (let i = 0; i < 200; i++) {
    await synap.kv.set("k", i);
    expect(await synap.kv.get("k")).toBe(i);
  }
  await until(async () => {
    expect(await synap.kv.get("k")).toBe(199);
    return JSON.stringify(proxy.commands).includes("kv.get");
  });
  await proxy.end();
});

it("writes, a room and a worker go on at the replica that is promoted", async () => {
  const synap = await client([master, replica]);
  const told: string[] = [];
  synap.on("master", ({ url }) => told.push(new URL(url).port));
  await synap.stream.create("r");
  await synap.queue.create("q");
  const room = synap.stream.subscribe<number>("r", { fromOffset: 0 });
  const done = new Set<number>();
  const worker = synap.queue.worker<number>("q", ({ payload }) => done.add(payload));
  await Promise.all([room.ready, worker.ready]);
  let sum = 0;
  const write = async (): Promise<void> => {
    sum += 1;
    const [incremented] = await Promise.all([
      synap.kv.incr("writes"),
      synap.stream.publish("r", "e", sum),
      synap.queue.publish("q", sum),
    ]);
    expect(incremented).toBe(sum);
  };
  for (let i = 0; i < 20; i++) await write();
  // A failover can lose what the replica has not got: it has all of this.
  expect(await synap.admin.wait(1, 5_000)).toBe(1);
  await master.end();
  const after = write();
  const promoter = await client([replica], { followMaster: false });
  expect((await promoter.admin.promote()).epoch).toBeGreaterThan(1);
  await after;
  for (let i = 0; i < 20; i++) await write();
  expect(told.at(-1)).toBe(String(replica.port));
  for (let i = 1; i <= sum; i++) expect((await room.next()).value).toMatchObject({ type: "event", data: i });
  await until(() => done.size === sum);
  await room.close();
  await worker.stop();
});
