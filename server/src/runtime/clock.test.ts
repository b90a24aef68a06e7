import { describe, expect, it } from "vitest";
import { ManualClock, processStartedAtMs, systemClock } from "./clock.ts";

describe("the system clock", () => {
  it("gives whole milliseconds of wall time and a reading that never goes back", () => {
    expect(Number.isInteger(systemClock.nowMs())).toBe(true);
    let before = systemClock.monotonicMs();
    for (let i = 0; i < 1000; i++) {
      const after = systemClock.monotonicMs();
      expect(after).toBeGreaterThanOrEqual(before);
      before = after;
    }
  });
});

it("the process began before now", () => {
  expect(processStartedAtMs()).toBeLessThanOrEqual(systemClock.nowMs());
  expect(processStartedAtMs()).toBeGreaterThan(systemClock.nowMs() - 3_600_000);
});

describe("the manual clock", () => {
  it("moves both readings when time passes, and only the wall when it is set", () => {
    const clock = new ManualClock(1000);
    clock.advance(0.6);
    expect([clock.nowMs(), clock.monotonicMs()]).toEqual([1000, 0.6]);
    clock.advance(0.6);
    expect([clock.nowMs(), clock.monotonicMs()]).toEqual([1001, 1.2]);
    clock.setWall(5);
    expect([clock.nowMs(), clock.monotonicMs()]).toEqual([5, 1.2]);
  });

  it("does not go back", () => {
    expect(() => new ManualClock().advance(-1)).toThrow(RangeError);
  });
});
