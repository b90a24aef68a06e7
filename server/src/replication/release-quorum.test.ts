import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { quorumOffset, ReleaseQuorum } from "./release-quorum.ts";

describe("what so many replicas have", () => {
  it.each([
    [[], 0, Number.POSITIVE_INFINITY],
    [[], 1, 0],
    [[50, 90, 70], 1, 90],
    [[50, 90, 70], 2, 70],
    [[50, 90, 70], 3, 50],
    [[50, 90, 70], 4, 0],
  ])("of %j is, for %i of them, %d", (offsets, count, expected) => {
    expect(quorumOffset(offsets, count)).toBe(expected);
  });

  it("is never more than so many have", () => {
    fc.assert(
      fc.property(fc.array(fc.nat()), fc.integer({ min: 1, max: 5 }), (offsets, count) => {
        const offset = quorumOffset(offsets, count);
        if (offset > 0) expect(offsets.filter((each) => each >= offset).length).toBeGreaterThanOrEqual(count);
      }),
    );
  });
});

describe("the release of the log", () => {
  function quorum(count: number) {
    const told: number[] = [];
    return { told, quorum: new ReleaseQuorum(count, (offset) => told.push(offset)) };
  }

  it("follows this disk alone where no replica is waited for", () => {
    const { told, quorum: release } = quorum(0);
    release.durable(5);
    release.acknowledged([1]);
    release.durable(9);
    expect(told).toEqual([5, 9]);
  });

  it("waits for both, and never goes back", () => {
    const { told, quorum: release } = quorum(1);
    release.durable(10);
    expect(told).toEqual([]);
    release.acknowledged([4]);
    release.acknowledged([20]);
    release.acknowledged([]);
    release.durable(15);
    release.acknowledged([12]);
    expect(told).toEqual([4, 10, 12]);
    expect(release.releasedOffset).toBe(12);
  });

  it("waits for replicas from a promotion on", () => {
    const { told, quorum: release } = quorum(0);
    release.durable(10);
    release.require(1);
    release.durable(20);
    release.acknowledged([15]);
    expect(told).toEqual([10, 15]);
  });
});
