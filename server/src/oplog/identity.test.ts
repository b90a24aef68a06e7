import { describe, expect, it } from "vitest";
import { REPLICATION_ID } from "../../test/data-node.ts";
import { MemoryFileSystem } from "../../test/memory-file-system.ts";
import { EpochHistory } from "./epochs.ts";
import {
  decodeIdentity,
  encodeIdentity,
  type Identity,
  loadIdentity,
  newNodeId,
  newReplicationId,
  openNodeId,
  saveIdentity,
} from "./identity.ts";

const history = EpochHistory.beginning(1000).next(1100, 5000);
const identity: Identity = {
  replicationId: REPLICATION_ID,
  history,
  isClosed: false,
  closedOffset: 0,
  mayLoseTail: true,
  isReplica: false,
  hasLog: true,
};

describe("a node id", () => {
  it("is made once for a directory, and made anew where it cannot be read", async () => {
    const files = new MemoryFileSystem();
    const ids = ["a", "b", "c"].map((digit) => digit.repeat(16));
    const make = () => ids.shift() ?? "";
    expect(await openNodeId(files, "data", make)).toBe("a".repeat(16));
    expect(await openNodeId(files, "data", make)).toBe("a".repeat(16));
    expect(await openNodeId(files, "other", make)).toBe("b".repeat(16));
    const file = await files.open("data/node-id", "write");
    await file.write(new Uint8Array(4), 0);
    expect(await openNodeId(files, "data", make)).toBe("c".repeat(16));
    expect(newNodeId()).toMatch(/^[0-9a-f]{16}$/);
  });
});

describe("an identity", () => {
  it("that does not say whether a log was begun says that none was", () => {
    const text = encodeIdentity(identity).replace('  "has_log": true,\n', "");
    expect(decodeIdentity(text)).toEqual({ ...identity, hasLog: false });
  });

  it("is read as it was written, from text and from a file", async () => {
    expect(decodeIdentity(encodeIdentity(identity))).toEqual(identity);
    const files = new MemoryFileSystem();
    expect(await loadIdentity(files, "data")).toBeUndefined();
    await saveIdentity(files, "data", identity);
    await saveIdentity(files, "data", { ...identity, isClosed: true });
    expect(await loadIdentity(files, "data")).toEqual({ ...identity, isClosed: true });
    expect(files.paths).toEqual(["data/identity.json"]);
  });

  const parsed = JSON.parse(encodeIdentity(identity)) as Record<string, unknown>;
  const epoch = { epoch: 1, first_offset: 10, previous_end: 9 };
  it.each([
    ["no JSON", "{", /JSON|Expected/],
    ["a list", "[]", /not an object/],
    ["a later format", { ...parsed, format: 3 }, /its format is 3, and this server knows 1 and 2/],
    ["an id of another form", { ...parsed, replication_id: "x".repeat(32) }, /replication id/],
    ["no word on how it was left", { ...parsed, closed: "yes" }, /how the log was left/],
    ["no epochs", { ...parsed, epochs: [] }, /no epochs/],
    ["an epoch that ends behind its beginning", { ...parsed, epochs: [{ ...epoch, previous_end: 10 }] }, /none/],
    ["an epoch with a fraction", { ...parsed, epochs: [{ ...epoch, first_offset: 10.5 }] }, /none/],
    ["epochs out of order", { ...parsed, epochs: [{ ...epoch, epoch: 2 }, epoch] }, /none/],
    ["the same epoch twice", { ...parsed, epochs: [epoch, epoch] }, /none/],
  ])("is refused with %s", (_name, content, problem) => {
    expect(decodeIdentity(typeof content === "string" ? content : JSON.stringify(content))).toMatch(problem);
  });

  it("has an id of its own for every log", () => {
    const ids = Array.from({ length: 20 }, newReplicationId);
    expect([new Set(ids).size, ids.every((id) => /^[0-9a-f]{32}$/.test(id))]).toEqual([20, true]);
  });
});
