/**
 * The released log formats, which this version and every later one read to the same state. The files of a folder were written
 * by the version that it is named for (log-fixture.ts); dump.txt is what they hold, as text.
 */
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { LogFileReader } from "../../src/oplog/log-file-reader.ts";
import { readRecord, recordBytesAt } from "../../src/oplog/log-record.ts";
import { nodeFileSystem } from "../../src/oplog/node-file-system.ts";
import { readSnapshot } from "../../src/oplog/snapshot-file.ts";
import { DataNode, temporaryDirectory } from "../data-node.ts";
import { kindsIn } from "../operation-kinds.ts";
import { ALL_KINDS, makeLogFixture } from "./log-fixture.ts";

const CURRENT = 2;
const folders = Array.from({ length: CURRENT }, (_, i) =>
  fileURLToPath(new URL(`log-format-${i + 1}`, import.meta.url)),
);
const [current] = folders.slice(-1);

const names = (path: string): string[] => readdirSync(path).sort();

function copyOf(path: string): string {
  const copy = temporaryDirectory();
  cpSync(path, copy, { recursive: true });
  rmSync(`${copy}/dump.txt`);
  return copy;
}

async function dumpOf(path: string): Promise<{ readonly dump: string; readonly said: readonly string[] }> {
  const node = await DataNode.open({ path });
  const { said } = node;
  const dump = `${node.state.dump()}\n`;
  await node.close();
  return { dump, said };
}

describe.each(folders)("%s", (folder) => {
  const dump = readFileSync(`${folder}/dump.txt`, "utf8");

  it("is read to the state that it held", async () => {
    const path = copyOf(folder);
    expect(await dumpOf(path)).toEqual({ dump, said: [] });
    // And once more, as this version has closed it.
    expect(await dumpOf(path)).toEqual({ dump, said: [] });
  });

  it("is read to the same state from its log alone", async () => {
    const path = copyOf(folder);
    const [snapshot] = names(path).filter((name) => name.startsWith("snapshot-"));
    rmSync(`${path}/${snapshot}`);
    expect((await dumpOf(path)).dump).toBe(dump);
  });

  it("is read by the snapshot and what comes behind it, where the older log is gone", async () => {
    const path = copyOf(folder);
    const [snapshot] = names(path).filter((name) => name.startsWith("snapshot-"));
    const logs = names(path).filter((name) => name.startsWith("log-"));
    // Names have the offset of the first record: the last one up to the snapshot is needed.
    const needed = logs.filter((name) => name.slice(4) <= snapshot.slice(9)).at(-1) ?? "";
    for (const name of logs) if (name < needed) rmSync(`${path}/${name}`);
    expect(logs.indexOf(needed)).toBeGreaterThan(0);
    expect((await dumpOf(path)).dump).toBe(dump);
  });
});

describe("the format that is written", () => {
  it("is the one of the last fixture, byte for byte: where it has to change, it gets another version", async () => {
    const made = temporaryDirectory();
    await makeLogFixture(made);
    expect(names(made)).toEqual(names(current));
    for (const name of names(current)) {
      const equal = readFileSync(`${made}/${name}`).equals(readFileSync(`${current}/${name}`));
      expect(equal, name).toBe(true);
    }
  });

  it("has every kind of operation and of image in the fixture, and an epoch behind a gap", async () => {
    const logs = names(current).filter((name) => name.startsWith("log-"));
    const from = Number(logs[0].slice(4, 20));
    const reader = await LogFileReader.open(nodeFileSystem, current, from, () => 2 ** 48 - 1);
    const kinds = new Set<number>();
    const epochs = new Set<number>();
    for (let records = await reader?.next(); records !== undefined; records = await reader?.next()) {
      for (let at = 0; at < records.length; at += recordBytesAt(records, at)) {
        const { epoch, operations } = readRecord(records, at);
        epochs.add(epoch);
        for (const kind of kindsIn(operations)) kinds.add(kind);
      }
    }
    await reader?.close();
    expect([...kinds].sort((a, b) => a - b)).toEqual(ALL_KINDS);
    expect([...epochs]).toEqual([1, 2]);
    const [snapshot] = names(current).filter((name) => name.startsWith("snapshot-"));
    let images = "";
    const header = await readSnapshot(nodeFileSystem, `${current}/${snapshot}`, (chunk) => {
      images += Buffer.from(chunk).toString("latin1");
    });
    expect(header).toMatchObject({ epoch: 1 });
    for (const kind of [128, 144, 145, 146, 160, 161, 176]) expect(images).toContain(String.fromCharCode(kind));
  });
});

it("a file of a later version is refused, and says which", async () => {
  const path = copyOf(current);
  const text = readFileSync(`${path}/identity.json`, "utf8");
  writeFileSync(`${path}/identity.json`, text.replace('"format": 2', '"format": 3'));
  await expect(DataNode.open({ path })).rejects.toThrow("its format is 3, and this server knows 1 and 2");
});
