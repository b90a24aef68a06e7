/** A master and a replica as real processes: what the replica serves, how it joins, falls behind and catches up. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ReplicaProcesses, WAIT, write } from "./replica-processes.ts";

let processes: ReplicaProcesses;
beforeEach(() => {
  processes = new ReplicaProcesses();
});
afterEach(() => processes.end());

describe("a replica", () => {
  it("serves reads and subscribers, and names its master for writes", async () => {
    const master = await processes.startMaster();
    await master.run("kv.set", { key: "before", value: 1 });
    const replica = await processes.startReplica("replica", master);
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
    const master = await processes.startMaster();
    let written = 0;
    let isOver = false;
    const load = (async () => {
      for (; !isOver; written += 500) await write(master, written, 500);
    })();
    await vi.waitFor(() => expect(written).toBeGreaterThan(5000), WAIT);
    const replica = await processes.startReplica("replica", master);
    const atReady = written;
    await vi.waitFor(() => expect(written).toBeGreaterThan(atReady + 2000), WAIT);
    isOver = true;
    await load;
    expect(await master.run("admin.wait", { replicas: 1, timeout_ms: 10_000 })).toEqual({ replicas: 1 });
    expect(await replica.everything()).toEqual(await master.everything());
  });

  it("that stands still is left behind, and catches up without a full sync", async () => {
    const master = await processes.startMaster();
    const replica = await processes.startReplica("replica", master);
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
