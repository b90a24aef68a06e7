/** A master and its replicas as real processes: what a replica serves, how it falls behind and catches up, and how it takes over. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type ServerProcess, ServerProcesses } from "./server-process.ts";

const QUICK = ["--set", "replication.heartbeat_ms=100", "--set", "replication.link_timeout_ms=1000"];
const WAIT = { timeout: 15_000, interval: 20 };

let processes: ServerProcesses;
beforeEach(() => {
  processes = new ServerProcesses();
});
afterEach(() => processes.end());

function startMaster(name = "master", ...args: string[]): Promise<ServerProcess> {
  return processes.start(name, "--resp-port", "0", ...QUICK, ...args);
}

async function startReplica(name: string, master: ServerProcess, ...args: string[]): Promise<ServerProcess> {
  const replica = await processes.start(name, "--resp-port", "0", "--replica-of", master.url, ...QUICK, ...args);
  await vi.waitFor(async () => expect(await replica.isReady()).toBe(true), WAIT);
  return replica;
}

/** A hundred keys to a command. */
async function write(server: ServerProcess, from: number, count: number): Promise<void> {
  for (let first = from; first < from + count; first += 100) {
    const pairs = Array.from({ length: Math.min(100, from + count - first) }, (_, i) => ({
      key: `key ${String(first + i).padStart(7, "0")}`,
      value: `value ${first + i}`,
    }));
    await server.run("kv.mset", { pairs });
  }
}

describe("a replica", () => {
  it("serves reads and subscribers, and names its master for writes", async () => {
    const master = await startMaster();
    await master.run("kv.set", { key: "before", value: 1 });
    const replica = await startReplica("replica", master);
    expect(await replica.run("kv.get", { key: "before" })).toBe(1);
    const subscriber = await replica.connect();
    await master.run("stream.create", { room: "room" });
    expect(await master.run("admin.wait", { replicas: 1, timeout_ms: 5000 })).toEqual({ replicas: 1 });
    subscriber.socket.send(JSON.stringify({ command: "stream.subscribe", payload: { room: "room" } }));
    subscriber.socket.send(JSON.stringify({ command: "pubsub.subscribe", payload: { topics: ["news.*"] } }));
    subscriber.socket.send(JSON.stringify({ command: "kv.watch", payload: { prefix: "w" } }));
    await vi.waitFor(() => expect(subscriber.pushes).toHaveLength(3), WAIT);
    await master.run("stream.publish", { room: "room", event: "e", data: "event" });
    const published = (await master.run("pubsub.publish", { topic: "news.now", payload: "message" })) as {
      message_id: string;
    };
    await master.run("kv.set", { key: "watched", value: "change" });
    await vi.waitFor(() => expect(subscriber.pushes).toHaveLength(6), WAIT);
    expect(subscriber.pushes.slice(3)).toEqual(
      expect.arrayContaining(
        [
          expect.objectContaining({ type: "event", room: "room", data: "event" }),
          expect.objectContaining({ type: "message", data: "message", message_id: published.message_id }),
          expect.objectContaining({ type: "watch", key: "watched", value: "change" }),
        ].map((each) => each),
      ),
    );
    const refused = await replica.ask("kv.set", { key: "a", value: 1 });
    expect(refused).toMatchObject({ code: "READ_ONLY_REPLICA", details: { master: master.url } });
    await master.run("queue.create", { name: "q" });
    expect(await replica.ask("queue.consume", { queue: "q" })).toMatchObject({ code: "READ_ONLY_REPLICA" });
    const page = await master.page("/metrics");
    expect(page.text).toMatch(/synap_replication_lag_ms\{replica="http:\/\/127\.0\.0\.1:\d+"\} /);
    subscriber.close();
  });

  it("joins under load, and is equal key by key in the end", async () => {
    const master = await startMaster();
    let written = 0;
    let isOver = false;
    const load = (async () => {
      for (; !isOver; written += 500) await write(master, written, 500);
    })();
    await vi.waitFor(() => expect(written).toBeGreaterThan(5000), WAIT);
    const replica = await startReplica("replica", master);
    const atReady = written;
    await vi.waitFor(() => expect(written).toBeGreaterThan(atReady + 2000), WAIT);
    isOver = true;
    await load;
    expect(await master.run("admin.wait", { replicas: 1, timeout_ms: 10_000 })).toEqual({ replicas: 1 });
    expect(await replica.everything()).toEqual(await master.everything());
  });

  it("that stands still is left behind, and catches up without a full sync", async () => {
    const master = await startMaster();
    const replica = await startReplica("replica", master);
    replica.child.kill("SIGSTOP");
    for (let i = 0; i < 40; i++) await write(master, i * 500, 500);
    await vi.waitFor(async () => {
      const { text } = await master.page("/health/replication");
      expect(JSON.parse(text).replicas).toEqual([]);
    }, WAIT);
    replica.child.kill("SIGCONT");
    await vi.waitFor(async () => {
      expect(await master.run("admin.wait", { replicas: 1, timeout_ms: 100 })).toEqual({ replicas: 1 });
    }, WAIT);
    expect(await replica.everything()).toEqual(await master.everything());
    expect(JSON.parse((await master.page("/health/replication")).text)).toMatchObject({ full_syncs: 1 });
  });
});

describe("failover", () => {
  it("goes on with the replica that was promoted, and takes the old master back", async () => {
    const master = await startMaster();
    const replica = await startReplica("replica", master);
    await write(master, 0, 500);
    expect(await master.run("admin.wait", { replicas: 1, timeout_ms: 5000 })).toEqual({ replicas: 1 });
    await master.kill("SIGKILL");
    await vi.waitFor(async () => expect(await replica.isReady()).toBe(false), WAIT);
    expect(await replica.run("admin.promote")).toMatchObject({ epoch: 1000 });
    expect(await replica.isReady()).toBe(true);
    expect(Object.keys(await replica.everything())).toHaveLength(500);
    await write(replica, 500, 500);
    const old = await startReplica("master", replica);
    expect(await replica.run("admin.wait", { replicas: 1, timeout_ms: 5000 })).toEqual({ replicas: 1 });
    expect(await old.everything()).toEqual(await replica.everything());
    expect(Object.keys(await old.everything())).toHaveLength(1000);
  });

  it("sets aside what the old master alone had", async () => {
    const master = await startMaster();
    await (await startReplica("replica", master)).kill("SIGKILL");
    await write(master, 0, 100);
    await master.kill("SIGKILL");
    const replica = await processes.start("replica", "--resp-port", "0", "--replica-of", master.url, ...QUICK);
    await replica.run("admin.promote");
    await write(replica, 1000, 10);
    const old = await startReplica("master", replica);
    expect(old.output).toMatch(/it is moved to diverged-1-\d+/);
    expect(await replica.run("admin.wait", { replicas: 1, timeout_ms: 5000 })).toEqual({ replicas: 1 });
    expect(await old.everything()).toEqual(await replica.everything());
    expect(Object.keys(await old.everything())).toHaveLength(10);
  });

  it("loses nothing where the master is stopped in order", async () => {
    const master = await startMaster();
    const replica = await startReplica("replica", master);
    const writes: Promise<void>[] = [];
    for (let i = 0; i < 20; i++) writes.push(write(master, i * 100, 100));
    await Promise.all(writes);
    await master.kill("SIGTERM");
    await replica.run("admin.promote");
    expect(Object.keys(await replica.everything())).toHaveLength(2000);
  });
});
