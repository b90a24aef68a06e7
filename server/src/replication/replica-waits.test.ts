import { describe, expect, it } from "vitest";
import { quorumOffset } from "./release-quorum.ts";
import { ReplicaWaits } from "./replica-waits.ts";

describe("waits for replicas", () => {
  it("end when so many have the offset, in the order they came", () => {
    let offsets: number[] = [];
    const waits = new ReplicaWaits((count) => quorumOffset(offsets, count));
    const ended: string[] = [];
    waits.add(10, 1, () => ended.push("10 on one"));
    waits.add(10, 2, () => ended.push("10 on two"));
    waits.add(20, 1, () => ended.push("20 on one"));
    const cancel = waits.add(30, 1, () => ended.push("never"));
    offsets = [9];
    waits.acknowledged();
    expect(ended).toEqual([]);
    offsets = [15];
    waits.acknowledged();
    offsets = [25, 3];
    waits.acknowledged();
    cancel();
    offsets = [40, 12];
    waits.acknowledged();
    waits.acknowledged();
    expect(ended).toEqual(["10 on one", "20 on one", "10 on two"]);
  });
});
