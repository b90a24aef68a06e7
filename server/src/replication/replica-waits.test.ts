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
    waits.answerReached(100);
    expect(ended).toEqual([]);
    offsets = [15];
    waits.answerReached(100);
    offsets = [25, 3];
    waits.answerReached(100);
    cancel();
    offsets = [40, 12];
    waits.answerReached(100);
    waits.answerReached(100);
    expect(ended).toEqual(["10 on one", "20 on one", "10 on two"]);
  });

  it("are answered in slices, however many an acknowledgement has reached", () => {
    let offsets: number[] = [];
    const waits = new ReplicaWaits((count) => quorumOffset(offsets, count));
    let answered = 0;
    for (let i = 0; i < 250; i++) waits.add(10, 1 + (i % 2), () => answered++);
    const end = waits.add(20, 1, () => answered++);
    expect(waits.count).toBe(251);
    offsets = [10, 10];
    expect([waits.answerReached(100), answered, waits.count]).toEqual([true, 100, 151]);
    expect([waits.answerReached(100), answered, waits.count]).toEqual([true, 200, 51]);
    expect([waits.answerReached(100), answered, waits.count]).toEqual([false, 250, 1]);
    end();
    end();
    expect(waits.count).toBe(0);
  });
});
