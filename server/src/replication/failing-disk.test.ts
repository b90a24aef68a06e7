/** Replicas whose disk is full, or fails: they stay what they are, and go on when there is room. */
import { afterEach, describe, expect, it } from "vitest";
import { type DiskChange, FailingDisk } from "../../test/failing-disk.ts";
import { type ReplicationNode, ReplicationSet } from "../../test/replication-set.ts";
import { CommandError } from "../commands/errors.ts";
import { PROMOTION_STEP } from "../oplog/epochs.ts";

const sets: ReplicationSet[] = [];

afterEach(async () => {
  for (const set of sets.splice(0)) await set.stop();
});

function write(node: ReplicationNode, count: number, prefix: string): void {
  for (let i = 0; i < count; i++) node.run("kv.set", { key: `${prefix}${i}`, value: `${prefix} ${i}` });
}

/** A master, and a disk for its replica. */
async function masterAndDisk() {
  const set = new ReplicationSet();
  sets.push(set);
  const disk = new FailingDisk();
  set.disks.set("replica", disk);
  const master = await set.start("master");
  write(master, 20, "first");
  const isCurrent = (replica: ReplicationNode) =>
    replica.executor.appliedOffset === master.executor.appliedOffset && replica.replication.unready() === undefined;
  return { set, disk, master, isCurrent };
}

describe("a full sync to a disk that is full", () => {
  it("is not begun where the snapshot has no room beside the reserve", async () => {
    const { set, disk, isCurrent } = await masterAndDisk();
    disk.freeBytesNow = 2 ** 20 + 100;
    const replica = await set.start("replica", { of: "master" });
    await set.pass(1000);
    expect(replica.replication.linkReport()?.lastFailure).toMatch(/^the disk has no room for a snapshot of \d+ bytes/);
    expect(disk.paths.filter((path) => path.includes("incoming"))).toEqual([]);
    // It does not try all the time.
    expect(set.lines.filter((line) => line.includes("the disk has no room"))).toHaveLength(1);
    disk.freeBytesNow = 2 ** 40;
    await set.until(() => isCurrent(replica));
    expect(replica.adoptions).toBe(1);
  });

  it.each<[DiskChange, string]>([
    ["create", "incoming.tmp"],
    ["write", "incoming.tmp"],
    ["sync", "incoming.tmp"],
    ["write", "adoption.json.tmp"],
  ])("is given up at %s of %s, and begins again when there is room", async (change, name) => {
    const { set, disk, master, isCurrent } = await masterAndDisk();
    disk.failure = (...call) => (call[0] === change && call[1] === name ? "ENOSPC" : undefined);
    const replica = await set.start("replica", { of: "master" });
    await set.pass(1000);
    expect(replica.replication.linkReport()).toMatchObject({ state: "waiting" });
    expect(set.lines.filter((line) => line.startsWith("replica warn: no link")).join()).toMatch(
      /the disk is full: ENOSPC/,
    );
    expect(disk.paths.filter((path) => /incoming.tmp|adoption.json$/.test(path))).toEqual([]);
    disk.failure = () => undefined;
    await set.until(() => isCurrent(replica));
    expect(replica.dump()).toBe(master.dump());
    expect(replica.adoptions).toBe(1);
  });

  it("is not decided on where that may not be on disk", async () => {
    const { set, disk, isCurrent } = await masterAndDisk();
    let failuresLeft = 1;
    disk.failure = (change, name) => {
      const isDecided = disk.paths.includes("data/adoption.json");
      return change === "syncDirectory" && name === "data" && isDecided && failuresLeft-- > 0 ? "ENOSPC" : undefined;
    };
    const replica = await set.start("replica", { of: "master" });
    await set.until(() => failuresLeft === 0);
    await set.pass(100);
    expect(disk.paths).not.toContain("data/adoption.json");
    expect(replica.adoptions).toBe(0);
    await set.until(() => isCurrent(replica));
  });
});

describe("a promotion whose epoch cannot be saved", () => {
  it.each<[string, DiskChange]>([
    ["ENOSPC", "write"],
    ["EIO", "sync"],
    ["EIO", "syncDirectory"],
  ])("by %s at %s is refused, and the replica goes on", async (code, change) => {
    const { set, disk, master, isCurrent } = await masterAndDisk();
    const replica = await set.start("replica", { of: "master" });
    await set.until(() => isCurrent(replica));
    let failuresLeft = 1;
    disk.failure = (failing, name) => {
      const isIdentity = name === (change === "syncDirectory" ? "data" : "identity.json.tmp");
      return failing === change && isIdentity && failuresLeft-- > 0 ? code : undefined;
    };
    const answer = await replica.replication.promote();
    expect(answer).toBeInstanceOf(CommandError);
    expect(answer).toMatchObject({ code: "SERVICE_UNAVAILABLE", message: expect.stringContaining(`${code}: no luck`) });
    expect(replica.replication.role).toBe("replica");
    write(master, 5, "later");
    await set.until(() => isCurrent(replica));
    await replica.stop();
    const again = await set.start("replica", { of: "master" });
    await set.until(() => isCurrent(again));
    expect(again.directory.log.epoch).toBe(1);
    const promoted = again.replication.promote();
    await set.pass(20);
    expect(await promoted).toMatchObject({ epoch: PROMOTION_STEP });
  });
});
