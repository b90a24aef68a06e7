import { describe, expect, it } from "vitest";
import { EpochHistory } from "./epochs.ts";

const first = EpochHistory.beginning(1000);
const third = first.next(1100, 5000).next(5050, 9000);

describe("the epochs of a log", () => {
  it.each([
    [999, 1],
    [1100, 1],
    [4998, 1],
    [4999, 2],
    [8999, 3],
    [10_000, 3],
  ])("a log that ends at %i goes on in epoch %i", (offset, epoch) => {
    expect(third.at(offset).epoch).toBe(epoch);
  });

  it.each([
    [1100, 1100],
    [1101, 5000],
    [4999, 5000],
    [5000, 5000],
    [5051, 9000],
    [9500, 9500],
  ])("the first offset from %i on is %i", (offset, behind) => {
    expect(third.behindGap(offset)).toBe(behind);
  });

  it("without operations are gaps as a whole", () => {
    const empty = first.next(1100, 5000).next(4999, 9000);
    expect(empty.behindGap(1101)).toBe(9000);
    expect(empty.mayFollow(3, 9000, 1101)).toBe(true);
    expect(empty.mayFollow(2, 5000, 1101)).toBe(false);
    expect(empty.mayFollow(3, 9000, 1100)).toBe(false);
    expect(empty.isContinued(first, 1100)).toBe(true);
  });

  it("can be seen as they were", () => {
    expect(third.upTo(2).current).toEqual({ epoch: 2, firstOffset: 5000, previousEnd: 1100 });
    expect(third.after(2)?.epoch).toBe(3);
    expect(third.after(3)).toBeUndefined();
    expect(third.after(7)).toBeUndefined();
  });

  it("begin behind the latest that is known of", () => {
    expect(first.next(1100, 5000, 4).current.epoch).toBe(5);
    expect(third.next(9100, 9200, 1).current.epoch).toBe(4);
  });
});
