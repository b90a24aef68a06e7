import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { temporaryDirectory, waitUntil } from "../../test/data-node.ts";
import { FaultyFileSystem, Latch } from "../../test/faulty-file-system.ts";
import { decodeSegmentHeader } from "./segment.ts";
import { Segments } from "./segment-file.ts";

it("makes no spare while one is becoming a segment, which has the name of the spare until then", async () => {
  const path = temporaryDirectory();
  const files = new FaultyFileSystem();
  const segments = new Segments(files, path, 4096);
  segments.prepare();
  await waitUntil(() => files.calls.includes("sync log-next.tmp"));
  const synced = new Latch();
  const syncs = () => files.calls.filter((call) => call === "sync log-next.tmp").length;
  files.fault = (call) => (call === "sync" && syncs() === 2 ? synced.opened : undefined);
  const header = { firstOffset: 7, epoch: 1, replicationId: "0".repeat(32) };
  const next = segments.next(header, 100);
  await waitUntil(() => syncs() === 2);
  const removals = files.calls.filter((call) => call.startsWith("remove")).length;
  segments.prepare();
  expect(files.calls.filter((call) => call.startsWith("remove"))).toHaveLength(removals);
  synced.open();
  const segment = await next;
  expect(decodeSegmentHeader(readFileSync(`${path}/${segment.name}`))).toEqual(header);
  await waitUntil(() => readdirSync(path).length === 2);
  await segment.file.close();
  await segments.close();
});
