import { afterEach, describe, expect, it } from "vitest";
import { type ReplicationNode, ReplicationSet } from "../../test/replication-set.ts";
import { CommandError } from "../commands/errors.ts";
import { PROMOTION_STEP } from "../oplog/epochs.ts";
import { UNHEARD_OFFSETS_MAX } from "../oplog/operation-log.ts";
import { WAITS_MAX } from "./replica-waits.ts";

const sets: ReplicationSet[] = [];

function replicationSet(): ReplicationSet {
  const set = new ReplicationSet();
  sets.push(set);
  return set;
}

afterEach(async () => {
  for (const set of sets.splice(0)) await set.stop();
});

/** Writes `count` keys; returns the offset of the last. */
function write(node: ReplicationNode, count: number, prefix = "k"): number {
  for (let i = 0; i < count; i++) node.run("kv.set", { key: `${prefix}${i}`, value: `${prefix} ${i}` });
  return node.executor.appliedOffset;
}

function isCurrent(replica: ReplicationNode, master: ReplicationNode): boolean {
  return (
    replica.executor.appliedOffset === master.executor.appliedOffset && replica.replication.unready() === undefined
  );
}

/** A master and a replica that has all of its log. */
async function pair(set: ReplicationSet, options: { master?: readonly string[]; backlogBytes?: number } = {}) {
  const master = await set.start("master", { flags: options.master, backlogBytes: options.backlogBytes });
  write(master, 20, "first");
  const replica = await set.start("replica", { of: "master" });
  await set.until(() => isCurrent(replica, master));
  return { master, replica };
}

function codeOf(result: unknown): string | undefined {
  return result instanceof CommandError ? result.code : undefined;
}

describe("a replica", () => {
  it("that is new gets a snapshot, then the log", async () => {
    const set = replicationSet();
    const master = await set.start("master");
    write(master, 100);
    const replica = await set.start("replica", { of: "master" });
    expect(replica.replication.unready()).toMatch(/not linked/);
    await set.until(() => isCurrent(replica, master));
    expect(replica.adoptions).toBe(1);
    write(master, 10, "later");
    await set.until(() => isCurrent(replica, master));
    expect(replica.dump()).toBe(master.dump());
    expect(replica.adoptions).toBe(1);
    await set.until(() => master.replication.replicas().every((each) => each.lagOperations === 0));
    expect(master.replication.replicas()).toMatchObject([
      { address: "http://replica", state: "log", isInSync: true, lagMs: 0 },
    ]);
  });

  it("goes on where it was after a cut, without a full sync", async () => {
    const set = replicationSet();
    const { master, replica } = await pair(set);
    for (let round = 0; round < 5; round++) {
      set.network.cut("replica");
      write(master, 30, `round ${round} `);
      await set.until(() => isCurrent(replica, master));
    }
    expect(replica.dump()).toBe(master.dump());
    expect(replica.adoptions).toBe(1);
    expect(master.replication.feeds?.partialSyncs).toBe(6);
  });

  it("goes on where it was after a restart, and after a restart of its master", async () => {
    const set = replicationSet();
    const { master, replica } = await pair(set);
    await replica.stop();
    write(master, 10, "away");
    const again = await set.start("replica", { of: "master" });
    await set.until(() => isCurrent(again, master));
    expect(again.adoptions).toBe(0);
    await master.stop();
    const masterAgain = await set.start("master");
    write(masterAgain, 10, "back");
    await set.until(() => isCurrent(again, masterAgain));
    expect(again.dump()).toBe(masterAgain.dump());
    expect(again.adoptions).toBe(0);
    expect(replica.isRunning).toBe(false);
  });

  it("passes over epochs of its master in which nothing was written", async () => {
    const set = replicationSet();
    const flags = ["--fsync", "never"];
    const { master, replica } = await pair(set, { master: flags });
    const end = replica.executor.appliedOffset;
    set.network.blocked.add("replica");
    master.crash();
    (await set.start("master", { flags })).crash();
    const again = await set.start("master", { flags });
    expect(again.directory.log.epoch).toBe(3);
    set.network.blocked.delete("replica");
    await set.until(() => isCurrent(replica, again));
    write(again, 3, "later");
    await set.until(() => isCurrent(replica, again));
    expect(replica.executor.appliedOffset).toBeGreaterThan(end);
    expect(replica.adoptions).toBe(1);
  });

  it("reads the files where the backlog does not reach back so far", async () => {
    const set = replicationSet();
    const { master, replica } = await pair(set, { backlogBytes: 64 * 1024 });
    set.network.blocked.add("replica");
    set.network.cut("replica");
    for (let i = 0; i < 100; i++) {
      write(master, 50, `${i} `);
      await set.step();
    }
    expect(master.directory.log.oldestOffset).toBeGreaterThan(replica.executor.appliedOffset + 1);
    set.network.blocked.delete("replica");
    await set.until(() => isCurrent(replica, master));
    expect(replica.dump()).toBe(master.dump());
    expect(replica.adoptions).toBe(1);
  });

  it("starts from a snapshot where the files are gone as well", async () => {
    const set = replicationSet();
    const { master, replica } = await pair(set, {
      backlogBytes: 64 * 1024,
      master: ["--set", "persistence.segment_bytes=64kb"],
    });
    set.network.blocked.add("replica");
    set.network.cut("replica");
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 40; i++) {
        write(master, 50, `${round} ${i} `);
        await set.step();
      }
      let isTaken = false;
      void master.directory.snapshots.take().then(() => {
        isTaken = true;
      });
      await set.until(() => isTaken);
    }
    set.network.blocked.delete("replica");
    await set.until(() => isCurrent(replica, master));
    expect(replica.dump()).toBe(master.dump());
    expect(replica.adoptions).toBe(2);
    expect(set.disks.get("replica")?.paths.filter((path) => path.includes("diverged"))).toEqual([]);
  });

  it("gets a snapshot that was taken again at the same offset", async () => {
    const set = replicationSet();
    const master = await set.start("master");
    write(master, 10);
    await set.pass(5);
    for (let i = 0; i < 4; i++) {
      let isTaken = false;
      void master.directory.snapshots.take().then(() => {
        isTaken = true;
      });
      await set.until(() => isTaken);
    }
    const replica = await set.start("replica", { of: "master" });
    await set.until(() => isCurrent(replica, master));
    expect(replica.dump()).toBe(master.dump());
  });

  it("refuses writes with the address of its master, and answers reads", async () => {
    const set = replicationSet();
    const { master, replica } = await pair(set);
    master.run("queue.create", { name: "q" });
    master.run("queue.publish", { queue: "q", payload: "m" });
    await set.until(() => isCurrent(replica, master));
    expect(replica.run("kv.get", { key: "first3" })).toBe("first 3");
    const refused = replica.run("kv.set", { key: "a", value: 1 });
    expect(refused).toMatchObject({ code: "READ_ONLY_REPLICA", details: { master: "http://master:15500" } });
    for (const [name, payload] of [
      ["queue.consume", { queue: "q" }],
      ["queue.subscribe", { queue: "q" }],
      ["pubsub.publish", { topic: "t", payload: 1 }],
      ["admin.wait", { replicas: 1 }],
    ] as const) {
      expect(codeOf(replica.run(name, payload))).toBe("READ_ONLY_REPLICA");
    }
    expect(replica.executor.isReplica).toBe(true);
    expect(replica.dump()).toBe(master.dump());
  });

  it("is not ready while its master is silent, and cuts the link", async () => {
    const set = replicationSet();
    const { master, replica } = await pair(set);
    set.network.stalled.add("replica");
    write(master, 5);
    await set.pass(4500);
    expect(replica.replication.unready()).toMatch(/behind its master/);
    await set.pass(1000);
    expect(set.lines.join("\n")).toMatch(/silent for 5000 ms/);
    expect(replica.replication.unready()).toMatch(/not linked/);
    expect(master.replication.replicas()).toEqual([]);
    set.network.stalled.delete("replica");
    await set.until(() => isCurrent(replica, master));
  });

  it("is given up by its master when it is silent", async () => {
    const set = replicationSet();
    const { master, replica } = await pair(set);
    // It stands still, and its connection stays.
    replica.isRunning = false;
    await set.pass(4900);
    expect(master.replication.replicas()).toHaveLength(1);
    await set.pass(200);
    expect(master.replication.replicas()).toEqual([]);
    replica.isRunning = true;
    await set.until(() => isCurrent(replica, master) && master.replication.replicas().length === 1);
    expect(replica.adoptions).toBe(1);
  });

  it("is sent nothing that its master may still lose", async () => {
    const set = replicationSet();
    const { master, replica } = await pair(set);
    const before = replica.executor.appliedOffset;
    let release = (): void => {};
    set.diskOf("master").syncing = new Promise((resolve) => {
      release = resolve;
    });
    write(master, 5, "not on disk ");
    await set.pass(50);
    expect(replica.executor.appliedOffset).toBe(before);
    release();
    await set.until(() => isCurrent(replica, master));
    expect(replica.run("kv.get", { key: "not on disk 4" })).toBe("not on disk  4");
  });

  it("acknowledges nothing that it may still lose", async () => {
    const set = replicationSet();
    const { master, replica } = await pair(set);
    let release = (): void => {};
    set.diskOf("replica").syncing = new Promise((resolve) => {
      release = resolve;
    });
    const offset = write(master, 5);
    await set.until(() => replica.executor.appliedOffset === offset);
    await set.pass(50);
    expect(master.replication.replicasAt(offset)).toBe(0);
    const promoted = replica.replication.promote();
    await set.pass(50);
    expect(replica.replication.role).toBe("replica");
    release();
    expect(await settled(set, promoted)).toEqual({ epoch: PROMOTION_STEP, offset });
  });

  it("that starts from a snapshot is not promoted before it has", async () => {
    const set = replicationSet();
    const master = await set.start("master");
    write(master, 5);
    const replica = await set.start("replica", { of: "master" });
    await set.until(() => replica.replication.linkReport()?.lastFailure?.includes("starting from it") === true);
    expect(codeOf(await replica.replication.promote())).toBe("SERVICE_UNAVAILABLE");
    await set.until(() => isCurrent(replica, master));
    expect(await settled(set, replica.replication.promote())).toMatchObject({ epoch: PROMOTION_STEP });
  });

  it("stays linked by heartbeats while nothing is written", async () => {
    const set = replicationSet();
    const { master, replica } = await pair(set);
    await set.pass(12_000);
    expect(replica.replication.linkCount).toBe(1);
    expect(master.replication.replicas()).toMatchObject([{ lagMs: 0, lagOperations: 0 }]);
    expect(replica.replication.unready()).toBeUndefined();
  });

  it("gets what is published on its master", async () => {
    const set = replicationSet();
    const { master, replica } = await pair(set);
    const before = replica.executor.fanout.topics.publishedCount;
    master.run("pubsub.publish", { topic: "news", payload: "x" });
    await set.until(() => replica.executor.fanout.topics.publishedCount === before + 1);
    set.network.cut("replica");
    master.run("pubsub.publish", { topic: "news", payload: "lost" });
    await set.until(() => isCurrent(replica, master));
    expect(replica.executor.fanout.topics.publishedCount).toBe(before + 1);
  });
});

describe("promotion", () => {
  it("begins an epoch behind everything copied, and takes writes", async () => {
    const set = replicationSet();
    const { master, replica } = await pair(set);
    const end = replica.executor.appliedOffset;
    master.crash();
    const promoted = replica.replication.promote();
    await set.pass(5);
    expect(await promoted).toEqual({ epoch: PROMOTION_STEP, offset: end });
    expect(replica.replication.role).toBe("master");
    expect(replica.releasedOffset).toBe(replica.executor.appliedOffset);
    // What the old master may have written behind what it has sent has other offsets.
    expect(write(replica, 3)).toBeGreaterThan(end + UNHEARD_OFFSETS_MAX);
    expect(codeOf(await replica.replication.promote())).toBe("INVALID_REQUEST");
    await set.pass(20);
    const identity = Buffer.from(await readAll(set, "replica", "identity.json")).toString();
    expect(identity).toContain(`"epoch": ${PROMOTION_STEP}`);
  });

  it("lets other replicas go on, and the old master come back as one", async () => {
    const set = replicationSet();
    const { master, replica } = await pair(set);
    const other = await set.start("other", { of: "master" });
    await set.until(() => isCurrent(other, master));
    await other.stop();
    await master.stop();
    await settled(set, replica.replication.promote());
    write(replica, 10, "epoch 2 ");
    const [otherAgain, oldMaster] = [
      await set.start("other", { of: "replica" }),
      await set.start("master", { of: "replica" }),
    ];
    await set.until(() => isCurrent(otherAgain, replica) && isCurrent(oldMaster, replica));
    expect(otherAgain.adoptions + oldMaster.adoptions).toBe(0);
    expect(oldMaster.dump()).toBe(replica.dump());
    expect(otherAgain.dump()).toBe(replica.dump());
    expect(oldMaster.directory.identity.history.epochs).toEqual(replica.directory.identity.history.epochs);
  });

  it("sets the tail of the old master aside that the new one never had", async () => {
    const set = replicationSet();
    const { master, replica } = await pair(set);
    set.network.blocked.add("replica");
    set.network.cut("replica");
    write(master, 7, "lost ");
    await set.pass(10);
    const end = master.executor.appliedOffset;
    await master.stop();
    await settled(set, replica.replication.promote());
    write(replica, 5, "kept ");
    const oldMaster = await set.start("master", { of: "replica" });
    await set.until(() => isCurrent(oldMaster, replica));
    expect(oldMaster.adoptions).toBe(1);
    expect(oldMaster.run("kv.get", { key: "lost 1" })).toBeNull();
    expect(oldMaster.dump()).toBe(replica.dump());
    expect(set.disks.get("master")?.paths.some((path) => path.startsWith(`data/diverged-1-${end}/log-`))).toBe(true);
    expect(set.lines.join("\n")).toContain(`diverged-1-${end}`);
  });

  it("has an old master that comes back as a master refused", async () => {
    const set = replicationSet();
    const { master, replica } = await pair(set);
    const other = await set.start("other", { of: "master" });
    await set.until(() => isCurrent(other, master));
    await master.stop();
    await settled(set, replica.replication.promote());
    write(replica, 5, "epoch 2 ");
    await other.stop();
    const ofNew = await set.start("other", { of: "replica" });
    await set.until(() => isCurrent(ofNew, replica));
    await ofNew.stop();
    const old = await set.start("master");
    const ofOld = await set.start("other", { of: "master" });
    write(old, 5, "nobody wants ");
    await set.pass(3000);
    expect(ofOld.replication.linkReport()?.lastFailure).toMatch(/STALE_EPOCH/);
    expect(ofOld.dump()).toBe(replica.dump());
    expect(set.lines.some((line) => line.startsWith("master error:") && line.includes("STALE_EPOCH"))).toBe(true);
  });

  it("is not outnumbered by an old master that begins epochs of its own, of which nobody has heard", async () => {
    const set = replicationSet();
    const flags = ["--fsync", "never"];
    const { master, replica } = await pair(set, { master: flags });
    set.network.blocked.add("replica");
    set.network.cut("replica");
    master.crash();
    for (let unclean = 0; unclean < 3; unclean++) (await set.start("master", { flags })).crash();
    await settled(set, replica.replication.promote());
    write(replica, 5, "kept ");
    set.network.blocked.delete("replica");
    const oldMaster = await set.start("master", { of: "replica" });
    await set.until(() => isCurrent(oldMaster, replica));
    expect(oldMaster.dump()).toBe(replica.dump());
  });

  it("of a replica that has never copied anything is warned of", async () => {
    const set = replicationSet();
    const replica = await set.start("replica", { of: "nobody" });
    expect(replica.replication.linkReport()?.lagOperations).toBe(Number.POSITIVE_INFINITY);
    await settled(set, replica.replication.promote());
    expect(set.lines.join("\n")).toContain("with nothing in its log");
  });

  it("happens also by starting a replica as a master: it must not go on in the epoch of the old one", async () => {
    const set = replicationSet();
    const { master, replica } = await pair(set);
    await replica.stop();
    await expect(set.start("replica")).rejects.toThrow("start it with --replica-of");
    const flags = ["--accept-log-loss"];
    const alone = await set.start("replica", { flags });
    expect(alone.directory.log.epoch).toBe(PROMOTION_STEP);
    write(alone, 3, "other ");
    write(master, 3, "same offsets ");
    await set.pass(10);
    await alone.stop();
    const back = await set.start("replica", { of: "master" });
    await set.pass(1000);
    expect(back.replication.linkReport()?.lastFailure).toMatch(/STALE_EPOCH/);
    await back.stop();
    const again = await set.start("replica", { flags });
    expect(again.directory.log.epoch).toBe(2 * PROMOTION_STEP);
  });

  it("of a master that has written nothing and lost its process leaves one log", async () => {
    const set = replicationSet();
    const { master, replica } = await pair(set);
    await master.stop();
    await settled(set, replica.replication.promote());
    await set.pass(10);
    replica.crash();
    const again = await set.start("replica", { flags: ["--fsync", "interval"] });
    again.crash();
    const promoted = await set.start("replica", { flags: ["--fsync", "interval"] });
    expect(promoted.directory.log.epoch).toBe(PROMOTION_STEP + 1);
    write(promoted, 5, "epoch 3 ");
    const old = await set.start("master", { of: "replica" });
    await set.until(() => isCurrent(old, promoted));
    expect(old.adoptions).toBe(0);
    expect(old.dump()).toBe(promoted.dump());
    await old.stop();
    const oldAgain = await set.start("master", { of: "replica" });
    await set.until(() => isCurrent(oldAgain, promoted));
    expect(oldAgain.dump()).toBe(promoted.dump());
  });

  it("is refused by nothing that was promoted apart: the log of the other is set aside", async () => {
    const set = replicationSet();
    const { master, replica } = await pair(set);
    const other = await set.start("other", { of: "master" });
    await set.until(() => isCurrent(other, master));
    await master.stop();
    await settled(set, replica.replication.promote());
    await set.pass(10);
    await settled(set, other.replication.promote());
    write(replica, 3, "one ");
    write(other, 3, "two ");
    await set.pass(10);
    await other.stop();
    const again = await set.start("other", { of: "replica" });
    await set.until(() => isCurrent(again, replica));
    expect(again.adoptions).toBe(1);
    expect(again.dump()).toBe(replica.dump());
  });
});

describe("writes that wait for replicas", () => {
  const flags = ["--set", "replication.min_replicas_for_write=1"];

  it("are refused while too few are in sync", async () => {
    const set = replicationSet();
    const master = await set.start("master", { flags });
    expect(codeOf(master.run("kv.set", { key: "a", value: 1 }))).toBe("SERVICE_UNAVAILABLE");
    const replica = await set.start("replica", { of: "master" });
    await set.until(() => replica.replication.unready() === undefined && master.executor.writeRefusal === undefined);
    expect(master.run("kv.set", { key: "a", value: 1 })).toMatchObject({ success: true });
    await replica.stop();
    await set.pass(10);
    expect(codeOf(master.run("kv.set", { key: "a", value: 2 }))).toBe("SERVICE_UNAVAILABLE");
  });

  it("are released when a replica has them on disk, and not before", async () => {
    const set = replicationSet();
    const master = await set.start("master", { flags });
    await set.start("replica", { of: "master" });
    await set.until(() => master.executor.writeRefusal === undefined);
    set.network.stalled.add("replica");
    const offset = write(master, 3);
    await set.pass(50);
    expect(master.directory.log.durableOffset).toBe(offset);
    expect(master.releasedOffset).toBe(offset - 3);
    set.network.stalled.delete("replica");
    await set.until(() => master.releasedOffset === offset);
  });

  it("are counted by replicasAt, and told of by whenReplicated", async () => {
    const set = replicationSet();
    const { master } = await pair(set);
    await set.pass(10);
    expect(master.replication.replicasAt(master.executor.appliedOffset)).toBe(1);
    set.network.stalled.add("replica");
    const offset = write(master, 2);
    let [one, two] = [0, 0];
    const end = master.replication.whenReplicated(offset, 2, () => two++);
    master.replication.whenReplicated(offset, 1, () => one++);
    await set.pass(20);
    expect(one).toBe(0);
    set.network.stalled.delete("replica");
    await set.until(() => one === 1);
    end();
    await set.pass(20);
    expect([one, two]).toEqual([1, 0]);
  });
});

describe("commands that wait for replicas", () => {
  it("are answered over several turns, and refused past their number", async () => {
    const set = replicationSet();
    const { master } = await pair(set);
    set.network.stalled.add("replica");
    const offset = write(master, 1);
    let answered = 0;
    for (let i = 0; i < WAITS_MAX; i++) {
      expect(master.replication.waitsRefusal()).toBeUndefined();
      master.replication.whenReplicated(offset, 1, () => answered++);
    }
    expect(master.replication.waitsRefusal()).toMatchObject({
      code: "SERVICE_UNAVAILABLE",
      details: { waiting_max: WAITS_MAX },
    });
    set.network.stalled.delete("replica");
    await set.until(() => answered > 0);
    expect(answered).toBeLessThan(WAITS_MAX / 10);
    expect(master.replication.waitsRefusal()).toBeUndefined();
    await set.until(() => answered === WAITS_MAX);
  });
});

describe("a slow replica", () => {
  it("is sent no more than its window, and catches up", async () => {
    const set = replicationSet();
    const { master, replica } = await pair(set, { backlogBytes: 64 * 2 ** 20 });
    set.network.stalled.add("replica");
    const value = "v".repeat(60_000);
    for (let i = 0; i < 400; i++) {
      master.run("kv.set", { key: `large ${i % 50}`, value });
      await set.step();
    }
    expect(set.network.inFlight("replica") * 64 * 1024).toBeLessThan(13 * 2 ** 20);
    set.network.stalled.delete("replica");
    await set.until(() => isCurrent(replica, master));
    expect(replica.dump()).toBe(master.dump());
    expect(replica.adoptions).toBe(1);
  });
});

async function settled<T>(set: ReplicationSet, promise: Promise<T>): Promise<T> {
  let isDone = false;
  const settling = promise.finally(() => {
    isDone = true;
  });
  await set.until(() => isDone);
  return settling;
}

async function readAll(set: ReplicationSet, node: string, name: string): Promise<Uint8Array> {
  const file = await set.diskOf(node).open(`data/${name}`, "read");
  const bytes = new Uint8Array(await file.size());
  await file.read(bytes, 0);
  return bytes;
}
