import { beforeEach, describe, expect, it } from "vitest";
import { caller } from "../../test/engine.ts";
import type { CommandRunner } from "./command-runner.ts";
import { RowTimes } from "./row-times.ts";

const [GET, TTL] = [1, 2];

/** A runner that only tells the time, and is told of rows. */
class Clock {
  nowMs = 0;
  readonly slowLog = { thresholdMs: 10 };
  readonly rows: (readonly [index: number, count: number, ms: number, failures: number])[] = [];

  observeRow(index: number, startedMs: number, count: number, failures: number): number {
    this.rows.push([index, count, this.nowMs - startedMs, failures]);
    return this.nowMs;
  }
}

describe("the commands of a batch", () => {
  let clock: Clock;
  let times: RowTimes;
  beforeEach(() => {
    clock = new Clock();
    // Of a runner it uses these.
    times = new RowTimes(clock as unknown as CommandRunner);
  });

  function run(index: number, ms: number, { isSmall = true, isSuccess = true } = {}): void {
    times.next(index, isSmall, caller);
    clock.nowMs += ms;
    times.add(index, isSuccess, caller);
  }

  function runAll(index: number, count: number, ms: number): void {
    for (let i = 0; i < count; i++) run(index, ms);
  }

  it("are timed by rows of a kind, the first of each alone", () => {
    runAll(GET, 20, 0.0625);
    runAll(TTL, 3, 0.0625);
    times.endRow(caller);
    expect(clock.rows.map(([index, count, ms]) => [index, count, ms])).toEqual([
      [GET, 1, 0.0625],
      [GET, 8, 0.5],
      [GET, 8, 0.5],
      [GET, 3, 0.1875],
      [TTL, 1, 0.0625],
      [TTL, 2, 0.125],
    ]);
    expect(times.atMs).toBe(clock.nowMs);
  });

  it("are timed one by one where they take long, or may", () => {
    runAll(GET, 3, 1);
    run(GET, 0.0625, { isSmall: false });
    run(GET, 0.0625, { isSmall: false });
    expect(clock.rows.map(([, count]) => count)).toEqual([1, 1, 1, 1, 1]);
  });

  it("are looked at after one that has failed", () => {
    runAll(GET, 3, 0.0625);
    run(GET, 0.0625, { isSuccess: false });
    run(GET, 0.0625);
    times.endRow(caller);
    expect(clock.rows.map(([, count, , failures]) => [count, failures])).toEqual([
      [1, 0],
      [3, 1],
      [1, 0],
    ]);
  });

  it("are each timed where the slow log wants to know of quick ones", () => {
    clock.slowLog.thresholdMs = 1;
    times = new RowTimes(clock as unknown as CommandRunner);
    runAll(GET, 4, 0.0625);
    times.endRow(caller);
    expect(clock.rows.map(([, count]) => count)).toEqual([1, 1, 1, 1]);
  });
});
