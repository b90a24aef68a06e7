/** A master and its replicas as real processes: how a replica takes over. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ReplicaProcesses, WAIT, write } from "./replica-processes.ts";

let processes: ReplicaProcesses;
beforeEach(() => {
  processes = new ReplicaProcesses();
});
afterEach(() => processes.end());

describe("failover", () => {
  it("goes on with the replica that was promoted, and takes the old master back", async () => {
    const master = await processes.startMaster();
    const replica = await processes.startReplica("replica", master);
    await write(master, 0, 500);
    expect(await master.run("admin.wait", { replicas: 1, timeout_ms: 5000 })).toEqual({ replicas: 1 });
    await master.kill("SIGKILL");
    await vi.waitFor(async () => expect(await replica.isReady()).toBe(false), WAIT);
    expect(await replica.run("admin.promote")).toMatchObject({ epoch: 1000 });
    expect(await replica.isReady()).toBe(true);
    expect(Object.keys(await replica.everything())).toHaveLength(500);
    await write(replica, 500, 500);
    const old = await processes.startReplica("master", replica);
    expect(await replica.run("admin.wait", { replicas: 1, timeout_ms: 5000 })).toEqual({ replicas: 1 });
    expect(await old.everything()).toEqual(await replica.everything());
    expect(Object.keys(await old.everything())).toHaveLength(1000);
  });

  it("sets aside what the old master alone had", async () => {
    const master = await processes.startMaster();
    await (await processes.startReplica("replica", master)).kill("SIGKILL");
    await write(master, 0, 100);
    await master.kill("SIGKILL");
    const replica = await processes.startUnlinked("replica", master);
    await replica.run("admin.promote");
    await write(replica, 1000, 10);
    const old = await processes.startReplica("master", replica);
    expect(old.output).toMatch(/it is moved to diverged-1-\d+/);
    expect(await replica.run("admin.wait", { replicas: 1, timeout_ms: 5000 })).toEqual({ replicas: 1 });
    expect(await old.everything()).toEqual(await replica.everything());
    expect(Object.keys(await old.everything())).toHaveLength(10);
  });

  it("loses nothing where the master is stopped in order", async () => {
    const master = await processes.startMaster();
    const replica = await processes.startReplica("replica", master);
    const writes: Promise<void>[] = [];
    for (let i = 0; i < 20; i++) writes.push(write(master, i * 100, 100));
    await Promise.all(writes);
    await master.kill("SIGTERM");
    await replica.run("admin.promote");
    expect(Object.keys(await replica.everything())).toHaveLength(2000);
  });
});
