import { expect, it } from "vitest";
import { DataNode, temporaryDirectory } from "../../test/data-node.ts";

it.each(["interval", "never"] as const)("has the log on disk before it has its name, with fsync %s", async (fsync) => {
  const node = await DataNode.open({ path: temporaryDirectory(), fsync });
  const offset = node.put("a", "1");
  await node.durable();
  expect(node.log.syncedOffset).toBeLessThan(offset);
  const snapshot = await node.snapshot();
  expect(snapshot?.offset).toBe(offset);
  expect(node.log.syncedOffset).toBe(offset);
  await node.close();
});
