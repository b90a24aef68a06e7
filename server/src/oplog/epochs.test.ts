import { describe, expect, it } from "vitest";
import { EPOCHS_KEPT, EpochHistory, PROMOTION_STEP } from "./epochs.ts";

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
    expect(empty.mayFollow({ epoch: 3, firstOffset: 9000, count: 1 }, 1101)).toBe(true);
    expect(empty.mayFollow({ epoch: 2, firstOffset: 5000, count: 1 }, 1101)).toBe(false);
    expect(empty.mayFollow({ epoch: 3, firstOffset: 9000, count: 1 }, 1100)).toBe(false);
    // Of marks there may be some.
    expect(empty.mayFollow({ epoch: 2, firstOffset: 5000, count: 0 }, 1101)).toBe(true);
    expect(empty.mayFollow({ epoch: 3, firstOffset: 9000, count: 1 }, 5000)).toBe(true);
    expect(empty.isContinued(first, 1100)).toBe(true);
  });

  it("without operations can have marks", () => {
    const empty = first.next(1100, 5000).next(4999, 9000);
    expect(empty.mayFollow({ epoch: 2, firstOffset: 5000, count: 0 }, 1101)).toBe(true);
    expect(empty.mayFollow({ epoch: 2, firstOffset: 5000, count: 1 }, 1101)).toBe(false);
    expect(empty.mayFollow({ epoch: 2, firstOffset: 5000, count: 0 }, 1100)).toBe(false);
  });

  it.each([
    [1099, 1],
    [1100, 2],
    [4999, 2],
    [5049, 2],
    [5050, 3],
    [9100, 3],
  ])("that a log has come to which ends at %i end with %i", (offset, epoch) => {
    expect(third.reachedAt(offset).current.epoch).toBe(epoch);
  });

  it("are reached over those without operations", () => {
    const empty = first.next(1100, 5000).next(4999, 9000);
    expect(empty.reachedAt(1100)).toBe(empty);
    expect(empty.reachedAt(1099).current.epoch).toBe(1);
    expect(empty.mayBegin(9000, 1101)).toBe(true);
    expect(empty.mayBegin(9000, 1100)).toBe(false);
    expect(empty.mayBegin(9001, 1101)).toBe(false);
  });

  it("may be taken back by later ones", () => {
    const lost = first.next(1100, 5000).next(1050, 9000);
    expect(lost.holds(1, 1050)).toBe(true);
    expect(lost.holds(1, 1051)).toBe(false);
    expect(lost.isContinued(first, 1100)).toBe(false);
  });

  it("can be seen as they were", () => {
    expect(third.upTo(2).current).toEqual({ epoch: 2, firstOffset: 5000, previousEnd: 1100 });
  });

  it("of a promotion begin far behind the latest that is known of", () => {
    expect(first.promoted(1100, 5000, 4).current.epoch).toBe(PROMOTION_STEP);
    expect(third.promoted(9100, 9200, 2 * PROMOTION_STEP - 1).current.epoch).toBe(2 * PROMOTION_STEP);
    expect(third.promoted(9100, 9200, 2 * PROMOTION_STEP).current.epoch).toBe(3 * PROMOTION_STEP);
    const promoted = third.promoted(9100, 9200, 0);
    expect(promoted.next(9300, 9400).promoted(9500, 9600, 0).current.epoch).toBe(2 * PROMOTION_STEP);
  });
});

const history = EpochHistory.beginning(1000).next(1100, 5000).next(5050, 5051);

describe("a record may follow", () => {
  it.each([
    ["right behind, in its epoch", { epoch: 1, firstOffset: 1050, count: 5 }, 1050, true],
    ["as the last of its epoch", { epoch: 1, firstOffset: 1099, count: 2 }, 1099, true],
    ["as the first of an epoch behind a gap", { epoch: 2, firstOffset: 5000, count: 1 }, 1101, true],
    ["as the first of an epoch without a gap", { epoch: 3, firstOffset: 5051, count: 1 }, 5051, true],
    ["as a mark in front of the next epoch", { epoch: 2, firstOffset: 5051, count: 0 }, 5051, true],
    ["behind a mark at the beginning of its epoch", { epoch: 2, firstOffset: 5000, count: 1 }, 5000, true],
    ["not with a hole before it", { epoch: 1, firstOffset: 1051, count: 1 }, 1050, false],
    ["not twice", { epoch: 1, firstOffset: 1049, count: 1 }, 1050, false],
    ["not past the end of its epoch", { epoch: 1, firstOffset: 1099, count: 3 }, 1099, false],
    ["not of an epoch that is over", { epoch: 2, firstOffset: 5051, count: 1 }, 5051, false],
    ["not of an epoch that begins later", { epoch: 3, firstOffset: 5020, count: 1 }, 5020, false],
    ["not as the first of an epoch that begins elsewhere", { epoch: 2, firstOffset: 5000, count: 1 }, 1100, false],
    ["not of an epoch that nobody knows", { epoch: 4, firstOffset: 5060, count: 1 }, 5060, false],
  ])("%s", (_name, record, expectedOffset, answer) => {
    expect(history.mayFollow(record, expectedOffset)).toBe(answer);
  });
});

describe("a history", () => {
  it("holds a log that ended in one of its epochs, not behind it", () => {
    expect([history.holds(1, 1100), history.holds(1, 1101)]).toEqual([true, false]);
    expect([history.holds(3, 2 ** 47), history.holds(4, 1)]).toEqual([true, false]);
  });

  it("grows behind what was written", () => {
    expect(() => history.next(6000, 6000)).toThrow("not behind 6000");
    expect(history.next(6000, 6001).current).toEqual({ epoch: 4, firstOffset: 6001, previousEnd: 6000 });
    expect(() => new EpochHistory([])).toThrow("has an epoch");
  });

  it("keeps every epoch that the log has records of, and so many more", () => {
    let long = EpochHistory.beginning(10);
    for (let end = 10; long.epochs.length < EPOCHS_KEPT + 50; end += 10) long = long.next(end, end + 10);
    expect(long.forgetBefore(10)).toBe(long);
    expect(long.forgetBefore(15)).toBe(long);
    // Offsets 200 to 209 are the 20th epoch's.
    expect(long.forgetBefore(200).epochs[0].epoch).toBe(20);
    expect(long.forgetBefore(209).epochs[0].epoch).toBe(20);
    expect(long.forgetBefore(2 ** 40).epochs).toHaveLength(EPOCHS_KEPT);
    expect(history.forgetBefore(2 ** 40)).toBe(history);
  });
});
