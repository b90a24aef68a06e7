import { describe, expect, it } from "vitest";
import { Crash, CrashingFileSystem } from "../../test/crashing-file-system.ts";
import { DataNode, REPLICATION_ID } from "../../test/data-node.ts";
import { MemoryFileSystem } from "../../test/memory-file-system.ts";
import { SnapshotReceiver } from "./adoption.ts";
import { readWhole } from "./file-system.ts";
import { LogDamage } from "./log-recovery.ts";

/** A master with a snapshot, and the bytes of that. */
async function master() {
  const files = new MemoryFileSystem();
  const node = await DataNode.open({ path: "data", files, newReplicationId: () => "f".repeat(32) });
  for (let i = 0; i < 10; i++) await node.acknowledged(`of the master ${i}`, "1");
  const taken = await node.snapshot();
  if (taken === undefined) throw new Error("no snapshot");
  const bytes = await readWhole(files, `data/${taken.name}`);
  if (bytes === undefined) throw new Error("no snapshot");
  const { identity } = node.directory;
  await node.close();
  return { content: node.content, offset: taken.offset, bytes, identity };
}

/** A node with data of its own: some log, and a snapshot. */
async function former(files: MemoryFileSystem): Promise<DataNode> {
  const node = await DataNode.open({ path: "data", files, segmentBytes: 4096 });
  for (let i = 0; i < 10; i++) await node.acknowledged(`of its own ${i}`, "v".repeat(500));
  await node.snapshot();
  for (let i = 0; i < 5; i++) await node.acknowledged(`of its own ${i}`, "2");
  return node;
}

async function receiverOf(node: DataNode, { length }: Uint8Array): Promise<SnapshotReceiver> {
  const receiver = await node.directory.receiveSnapshot(length);
  if (typeof receiver === "string") throw new Error(receiver);
  return receiver;
}

async function receive(node: DataNode, bytes: Uint8Array): Promise<void> {
  const receiver = await receiverOf(node, bytes);
  for (let at = 0; at < bytes.length; at += 100) await receiver.write(bytes.subarray(at, at + 100));
  expect(receiver.bytes).toBe(bytes.length);
  expect(await receiver.finish()).toMatchObject({ replicationId: "f".repeat(32) });
}

describe("taking over a master's log", () => {
  it.each([["diverged-7"], [undefined]])("keeping its own in %s, leads to the master's state", async (keepLogIn) => {
    const { content, offset, bytes, identity } = await master();
    const files = new MemoryFileSystem();
    const node = await former(files);
    const own = files.paths.filter((path) => /log-\d|snapshot-\d|identity/.test(path));
    await receive(node, bytes);
    await node.directory.adopt({ offset, identity, keepLogIn });
    await node.close();
    const again = await DataNode.open({ path: "data", files, isReplica: true });
    expect(again.content).toBe(content);
    expect(again.directory.identity.replicationId).toBe(identity.replicationId);
    expect(again.log.nextOffset).toBe(offset + 1);
    const kept = files.paths.filter((path) => path.startsWith("data/diverged-7/"));
    expect(kept).toEqual(keepLogIn === undefined ? [] : own.map((path) => path.replace("data/", "data/diverged-7/")));
    expect(files.paths.filter((path) => /adoption|incoming/.test(path))).toEqual([]);
    await again.acknowledged("goes on", "1");
    await again.close();
    expect((await DataNode.open({ path: "data", files, isReplica: true })).content).toBe(again.content);
  });

  it("is done again after a crash at any step of it", async () => {
    const { content, offset, bytes, identity } = await master();
    for (let step = 0, hasCrashed = true; hasCrashed; step++) {
      hasCrashed = false;
      const files = new MemoryFileSystem();
      const node = await former(files);
      await receive(node, bytes);
      await node.directory.adopt({ offset, identity, keepLogIn: "diverged-7" });
      await node.close();
      const ownContent = node.content;
      // Each goes on where the one before has crashed.
      for (const changesLeft of [step, step, step + 1]) {
        const crashing = new CrashingFileSystem(files, changesLeft);
        try {
          await (await DataNode.open({ path: "data", files: crashing, isReplica: true })).kill();
        } catch (error) {
          if (!(error instanceof Crash)) throw error;
          hasCrashed = true;
        }
      }
      const again = await DataNode.open({ path: "data", files, isReplica: true });
      expect(again.content, `crash at step ${step}`).toBe(content);
      const aside = await DataNode.open({ path: "data/diverged-7", files });
      expect(aside.content, `what was set aside, after a crash at step ${step}`).toBe(ownContent);
      expect(aside.directory.identity).toMatchObject({ replicationId: REPLICATION_ID, isReplica: false });
      await aside.close();
      expect(files.paths.filter((path) => /adoption|incoming/.test(path))).toEqual([]);
      await again.close();
      if (!hasCrashed) expect(step).toBeGreaterThan(10);
    }
  });

  it("is refused with the way out where nobody knows any more what is to be done", async () => {
    for (const text of ["", "{", "7", "{}", '{"offset":1,"identity":"x"}', '{"offset":1,"keepLogIn":"../x"}']) {
      const files = new MemoryFileSystem();
      await (await former(files)).close();
      const file = await files.open("data/adoption.json", "create");
      await file.write(new TextEncoder().encode(text), 0);
      const opening = DataNode.open({ path: "data", files, isReplica: true });
      await expect(opening).rejects.toThrow(LogDamage);
      await expect(opening).rejects.toThrow(/^data\/adoption.json, .* cannot be read: .* name an empty directory/);
    }
  });

  it("does not keep what has come of a snapshot that was not taken over", async () => {
    const { bytes, content: masters } = await master();
    const files = new MemoryFileSystem();
    const node = await former(files);
    await receive(node, bytes);
    await files.open("data/incoming.tmp", "create");
    await node.kill();
    expect(files.paths.filter((path) => path.includes("incoming"))).toHaveLength(2);
    const again = await DataNode.open({ path: "data", files });
    expect(files.paths.filter((path) => path.includes("incoming"))).toEqual([]);
    expect(again.content).not.toBe(masters);
    await again.close();
  });

  it("leaves what it had alone until the snapshot is whole and the decision is made", async () => {
    const { bytes, offset } = await master();
    const files = new MemoryFileSystem();
    const node = await former(files);
    const damaged = Uint8Array.from(bytes);
    damaged[bytes.length - 30] ^= 1;
    const receiver = await SnapshotReceiver.open(files, "data");
    await receiver.write(damaged);
    expect(await receiver.finish()).toMatch(/checksum|damaged/);
    await expect(receiver.write(damaged)).rejects.toThrow("complete or given up");
    const second = await receiverOf(node, bytes);
    await second.write(bytes.subarray(0, 100));
    await second.abort();
    await second.abort();
    expect(files.paths.filter((path) => path.includes("incoming"))).toEqual([]);
    await receive(node, bytes);
    expect(offset).toBeGreaterThan(0);
    const { content } = node;
    await node.kill();
    const again = await DataNode.open({ path: "data", files });
    expect(again.content).toBe(content);
    await again.close();
  });
});
