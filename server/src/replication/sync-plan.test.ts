import { describe, expect, it } from "vitest";
import { EpochHistory } from "../oplog/epochs.ts";
import { HELLO, type Hello, LINK_VERSION } from "./link-message.ts";
import { syncPlan } from "./sync-plan.ts";

const ID = "a".repeat(32);
const first = EpochHistory.beginning(1000);
/** Its master was promoted when it had offsets up to 1100. */
const second = first.next(1100, 5000);
const third = second.next(5050, 9000);

function hello(history: EpochHistory, lastOffset: number, changes: Partial<Hello> = {}): Hello {
  const identity = { replicationId: ID, history };
  return { kind: HELLO, version: LINK_VERSION, nodeId: "n", address: "http://n", identity, lastOffset, ...changes };
}

describe("a master of the third epoch, which ends at 9010", () => {
  const plan = (said: Hello) => syncPlan({ replicationId: ID, history: third }, 9010, said);

  it.each([
    ["an empty log of the first epoch", first, 999],
    ["the middle of the first epoch", first, 1050],
    ["the end of the first epoch", first, 1100],
    ["the beginning of the second", second, 4999],
    ["the end of the second", second, 5050],
    ["the beginning of the third", third, 8999],
    ["everything", third, 9010],
  ])("sends the rest to who has %s", (_, history, lastOffset) => {
    expect(plan(hello(history, lastOffset))).toEqual({ sync: "partial" });
  });

  it.each([
    ["more of the first epoch than the second began with", first, 1101],
    ["so much of the first that it looks like the gap before the second", first, 4999],
    ["more of the second than the third began with", second, 5051],
    ["more than the master", third, 9011],
    ["a second epoch of its own", first.next(1090, 4000), 4010],
    ["a third epoch of its own", second.next(5050, 8000), 8010],
  ])("sends a snapshot to who has %s", (_, history, lastOffset) => {
    expect(plan(hello(history, lastOffset))).toEqual({ sync: "full", reason: "diverged" });
  });

  it("sends a snapshot to who has another log", () => {
    const identity = { replicationId: "b".repeat(32), history: third };
    expect(plan(hello(third, 9010, { identity }))).toEqual({ sync: "full", reason: "another-log" });
  });

  it("refuses who knows of a later epoch: it is not the master any more", () => {
    expect(plan(hello(third.next(9010, 12_000), 12_010))).toMatchObject({ sync: "none", reason: "STALE_EPOCH" });
  });

  it("refuses who speaks another version", () => {
    expect(plan(hello(third, 9010, { version: LINK_VERSION + 1 }))).toMatchObject({ sync: "none", reason: "VERSION" });
  });
});
