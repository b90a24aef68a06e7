import { describe, expect, it } from "vitest";
import { LatencyHistogram } from "../load/latency-histogram.ts";
import { RoomReceipts } from "./room-receipts.ts";

function receiptsOf(subscribers: number) {
  const latencies = { delivery: new LatencyHistogram(), fanout: new LatencyHistogram() };
  return { receipts: new RoomReceipts(subscribers, latencies), latencies };
}

describe("RoomReceipts", () => {
  it("knows when all subscribers have an event, and how long that took", () => {
    const { receipts, latencies } = receiptsOf(2);
    expect(receipts.add(0, 0, 100, 105)).toBe(false);
    expect(receipts.add(1, 0, 100, 108)).toBe(true);
    expect(receipts.completed).toBe(1);
    expect(latencies.delivery.latency().maxMs).toBe(8);
    expect(latencies.fanout.latency().maxMs).toBe(3);
    expect(receipts.problem(1)).toBeUndefined();
  });

  it("keeps thousands of events apart", () => {
    const { receipts } = receiptsOf(2);
    for (let offset = 0; offset < 3_000; offset++) receipts.add(0, offset, 0, 1);
    for (let offset = 0; offset < 3_000; offset++) expect(receipts.add(1, offset, 0, 1)).toBe(true);
    expect(receipts.problem(3_000)).toBeUndefined();
  });

  it.each([
    ["lost at the end", [0, 1], "1 deliveries missing, 0 too many"],
    [
      "lost in between",
      [0, 2],
      "1 deliveries missing, 0 too many, 1 out of order or twice: subscriber 0 got event 2, not 1",
    ],
    ["twice", [0, 1, 1, 2], "subscriber 0 got event 1, not 2"],
    ["out of order", [1, 0, 2], "subscriber 0 got event 1, not 0"],
    ["too many", [0, 1, 2, 3], "0 deliveries missing, 1 too many"],
  ])("finds events %s", (_, offsets, problem) => {
    const { receipts } = receiptsOf(1);
    for (const offset of offsets) receipts.add(0, offset, 0, 1);
    expect(receipts.problem(3)).toContain(problem);
  });
});
