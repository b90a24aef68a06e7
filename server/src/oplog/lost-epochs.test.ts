import { cpSync, rmSync } from "node:fs";
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
