import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import { DataNode, temporaryDirectory } from "../../test/data-node.ts";

it("an epoch of which nothing is left has used its offsets", async () => {
  const path = temporaryDirectory();
  const before = `${temporaryDirectory()}/copy`;
  const first = await DataNode.open({ path, fsync: "never" });
  first.put("a", "1");
  await first.kill();
  const second = await DataNode.open({ path, fsync: "never" });
  cpSync(path, before, { recursive: true });
  const lost = second.put("b", "2");
  await second.kill();
  // The machine ends too, and nothing of the second epoch has come to the disk.
  rmSync(path, { recursive: true });
  cpSync(before, path, { recursive: true });
  const third = await DataNode.open({ path, fsync: "never" });
  expect(third.log.epoch).toBe(3);
  expect(third.log.nextOffset).toBeGreaterThan(lost);
  await third.close();
});

it("an epoch that has lost what it followed is followed from there", async () => {
  const path = temporaryDirectory();
  const before = `${temporaryDirectory()}/copy`;
  const first = await DataNode.open({ path, fsync: "never" });
  const kept = first.put("a", "1");
  await first.kill();
  cpSync(path, before, { recursive: true });
  const second = await DataNode.open({ path, fsync: "never" });
  second.put("b", "2");
  await second.kill();
  const third = await DataNode.open({ path, fsync: "never" });
  await third.kill();
  // The machine ends, and of the second epoch nothing is left but that there was a third.
  const identity = readFileSync(`${path}/identity.json`);
  rmSync(path, { recursive: true });
  cpSync(before, path, { recursive: true });
  writeFileSync(`${path}/identity.json`, identity);
  const fourth = await DataNode.open({ path, fsync: "never" });
  expect(fourth.log.history.current).toMatchObject({ epoch: 4, previousEnd: kept });
  expect(fourth.log.history.holds(1, kept)).toBe(true);
  await fourth.close();
});

it("a replica that has lost the end of an epoch is not in the next one", async () => {
  const path = temporaryDirectory();
  const before = `${temporaryDirectory()}/copy`;
  const options = { path, fsync: "never", isReplica: true } as const;
  const first = await DataNode.open(options);
  const kept = first.put("a", "1");
  await first.durable();
  cpSync(path, before, { recursive: true });
  const lost = first.put("b", "2");
  await first.durable();
  await first.directory.saveHistory(first.log.history.next(lost, lost + 1000), true);
  await first.kill();
  const identity = readFileSync(`${path}/identity.json`);
  rmSync(path, { recursive: true });
  cpSync(before, path, { recursive: true });
  writeFileSync(`${path}/identity.json`, identity);
  const second = await DataNode.open(options);
  expect(second.log.epoch).toBe(1);
  expect(second.log.nextOffset).toBe(kept + 1);
  await second.close();
});

it("first epochs without a segment are no hole", async () => {
  const path = temporaryDirectory();
  for (let i = 0; i < 2; i++) {
    await (await DataNode.open({ path, fsync: "never" })).kill();
    // The process was killed between its identity and its first segment.
    for (const name of readdirSync(path)) if (name.startsWith("log-")) rmSync(`${path}/${name}`);
    const identity = readFileSync(`${path}/identity.json`, "utf8");
    writeFileSync(`${path}/identity.json`, identity.replace('"has_log": true', '"has_log": false'));
  }
  for (let i = 0; i < 2; i++) await (await DataNode.open({ path, fsync: "never" })).kill();
  const last = await DataNode.open({ path, fsync: "never" });
  expect(last.log.epoch).toBe(5);
  await last.close();
});
