import { beforeEach, describe, expect, it } from "vitest";
import { ManualClock, systemClock } from "./clock.ts";
import { type Alarm, NEVER, Ticker } from "./ticker.ts";

/** An alarm on the manual clock: time passes to where it is set, and it rings. */
class ManualAlarm implements Alarm {
  pending: { delayMs: number; ring: () => void } | undefined;
  sets = 0;
  readonly #clock: ManualClock;

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  set(delayMs: number, ring: () => void): void {
    this.sets++;
    this.pending = { delayMs, ring };
  }

  clear(): void {
    this.pending = undefined;
  }

  /** Returns how long it had to wait, or undefined when it is not set. */
  ringNext(): number | undefined {
    const due = this.pending;
    if (due === undefined) return undefined;
    this.pending = undefined;
    this.#clock.advance(due.delayMs);
    due.ring();
    return due.delayMs;
  }
}

let clock: ManualClock;
let alarm: ManualAlarm;
let ticker: Ticker;
let calls: string[];

beforeEach(() => {
  clock = new ManualClock();
  alarm = new ManualAlarm(clock);
  ticker = new Ticker(clock, { workBudgetMs: 1, tickBudgetMs: 3, alarm });
  calls = [];
});

/** A worker that takes `costMs` and asks to be called again in `againMs`. */
function register(name: string, againMs: number, costMs = 0, delayMs = 0) {
  return ticker.register(
    name,
    () => {
      calls.push(name);
      clock.advance(costMs);
      return againMs;
    },
    delayMs,
  );
}

describe("one tick", () => {
  it("calls who is due, who has been due longest first, and says when the next one is", () => {
    register("late", 50, 0, 2);
    register("early", 100, 0, 1);
    register("future", 100, 0, 30);
    clock.advance(5);
    expect(ticker.runDue()).toBe(25);
    expect(calls).toEqual(["early", "late"]);
  });

  it("says never when everybody sleeps, and 0 when somebody has more to do", () => {
    expect(ticker.runDue()).toBe(NEVER);
    register("done", NEVER);
    expect(ticker.runDue()).toBe(NEVER);
    register("more", 0);
    expect(ticker.runDue()).toBe(0);
  });

  it("calls a worker that always has more to do once", () => {
    register("greedy", 0);
    ticker.runDue();
    expect(calls).toEqual(["greedy"]);
  });

  it("ends when its budget is used up; whoever was not reached is first in the next", () => {
    for (const name of ["a", "b", "c", "d", "e"]) register(name, 0, 1.5);
    ticker.runDue();
    expect(calls).toEqual(["a", "b"]);
    ticker.runDue();
    expect(calls).toEqual(["a", "b", "c", "d"]);
    ticker.runDue();
    expect(calls).toEqual(["a", "b", "c", "d", "e", "a"]);
  });

  it("gives a worker its budget, or what is left of the tick's", () => {
    const budgets: number[] = [];
    for (const costMs of [1, 1.5, 0]) {
      ticker.register("any", (budgetMs) => {
        budgets.push(budgetMs);
        clock.advance(costMs);
        return 10;
      });
    }
    ticker.runDue();
    expect(budgets).toEqual([1, 1, 0.5]);
  });

  it("counts the delay from the end of the work", () => {
    register("slow", 10, 2);
    expect(ticker.runDue()).toBe(10);
  });

  it("takes along who is due within a quarter of its delay, and comes for nobody earlier than it is due", () => {
    register("frequent", 10);
    const rare = register("rare", 100);
    ticker.runDue();
    calls = [];
    for (let ms = 10; ms <= 70; ms += 10) {
      clock.advance(10);
      expect(ticker.runDue()).toBe(10);
    }
    expect(rare.spent.calls).toBe(1);
    clock.advance(5);
    // The other is due in 5 ms, and this one could come along: alone it is no reason for a tick.
    expect(ticker.runDue()).toBe(5);
    expect(rare.spent.calls).toBe(2);
    clock.advance(5);
    expect(ticker.runDue()).toBe(10);
    expect(rare.spent.calls).toBe(2);
  });

  it("is exact about a worker that was woken before it would have come", () => {
    const worker = register("woken", 100);
    ticker.runDue();
    worker.wake(40);
    clock.advance(39);
    ticker.runDue();
    expect(worker.spent.calls).toBe(1);
    clock.advance(1);
    ticker.runDue();
    expect(worker.spent.calls).toBe(2);
  });

  it("takes a wall clock that jumps calmly", () => {
    register("steady", 10);
    ticker.runDue();
    clock.setWall(0);
    expect(ticker.runDue()).toBe(10);
    clock.setWall(4e12);
    expect(ticker.runDue()).toBe(10);
    expect(calls).toHaveLength(1);
  });

  it("lets a bug in a worker out, and still runs the others afterwards", () => {
    const broken = ticker.register("broken", () => {
      throw new Error("bug");
    });
    register("sound", 5);
    expect(() => ticker.runDue()).toThrow("bug");
    expect(ticker.runDue()).toBe(5);
    expect(calls).toEqual(["sound"]);
    expect(broken.spent.calls).toBe(0);
  });

  it.each([-1, Number.NaN])("refuses a worker that asks for %d ms", (delayMs) => {
    register("wrong", delayMs);
    expect(() => ticker.runDue()).toThrow("the worker wrong asks");
  });
});

describe("a registration", () => {
  it("wakes a sleeping worker, sooner but not later than it would come anyway", () => {
    const worker = register("sleeper", NEVER);
    ticker.runDue();
    worker.wake(20);
    worker.wake(40);
    expect(ticker.runDue()).toBe(20);
    worker.wake(5);
    expect(ticker.runDue()).toBe(5);
    worker.wake();
    ticker.runDue();
    expect(calls).toEqual(["sleeper", "sleeper"]);
  });

  it("wakes from inside its own work", () => {
    const worker = ticker.register("self", () => {
      worker.wake(7);
      return NEVER;
    });
    expect(ticker.runDue()).toBe(7);
  });

  it("cancels, also in the middle of a tick, and cannot be woken after", () => {
    register("first", 100);
    const second = register("second", 100);
    const third = ticker.register("third", () => NEVER);
    ticker.register("canceller", () => NEVER).cancel();
    second.cancel();
    second.wake();
    ticker.runDue();
    third.cancel();
    expect(calls).toEqual(["first"]);
    expect(ticker.registrations.map(({ name }) => name)).toEqual(["first"]);

    clock.advance(100);
    let victimCalls = 0;
    ticker.register("killer", () => {
      victim.cancel();
      return NEVER;
    });
    clock.advance(1);
    const victim = ticker.register("victim", () => {
      victimCalls++;
      return NEVER;
    });
    ticker.runDue();
    expect(victimCalls).toBe(0);
  });

  it("knows what it has cost", () => {
    const worker = register("worker", 0, 2);
    ticker.runDue();
    ticker.runDue();
    expect(worker.spent).toEqual({ calls: 2, totalMs: 4, longestMs: 2 });
  });
});

describe("a started ticker", () => {
  it("sets no alarm before it is started, while all sleep, and after it is stopped", () => {
    const worker = register("worker", NEVER);
    expect(alarm.pending).toBeUndefined();
    ticker.start();
    expect(alarm.ringNext()).toBe(1);
    expect(alarm.pending).toBeUndefined();
    worker.wake(10);
    expect(alarm.pending?.delayMs).toBe(10);
    ticker.stop();
    expect(alarm.pending).toBeUndefined();
    worker.wake(1);
    expect(alarm.pending).toBeUndefined();
    ticker.start();
    expect(alarm.ringNext()).toBe(1);
    expect(calls).toEqual(["worker", "worker"]);
  });

  it("leaves the loop a millisecond between ticks, whatever is overdue", () => {
    register("greedy", 0, 3);
    ticker.start();
    for (let tick = 0; tick < 5; tick++) expect(alarm.ringNext()).toBe(1);
    expect(calls).toHaveLength(5);
  });

  it("rings when the first is due, in whole milliseconds and not too early", () => {
    register("worker", 10.2);
    ticker.start();
    alarm.ringNext();
    expect(alarm.ringNext()).toBe(11);
    expect(calls).toHaveLength(2);
  });

  it("sets the alarm once per tick, however often workers wake each other in it", () => {
    const sleeper = register("sleeper", NEVER, 0, 5000);
    let wakes = 0;
    ticker.register("waker", () => {
      for (const delayMs of [300, 200, 100]) sleeper.wake(delayMs);
      wakes = alarm.sets;
      return NEVER;
    });
    ticker.start();
    const before = alarm.sets;
    alarm.ringNext();
    expect([wakes, alarm.sets, alarm.pending?.delayMs]).toEqual([before, before + 1, 100]);
  });

  it("moves the alarm forward for a worker that is due sooner, and leaves it for one that is due later", () => {
    register("slow", 1000, 0, 1000);
    ticker.start();
    expect(alarm.pending?.delayMs).toBe(1000);
    register("quick", 1000, 0, 10);
    expect(alarm.pending?.delayMs).toBe(10);
    const before = alarm.pending;
    register("slower", 1000, 0, 500);
    expect(alarm.pending).toBe(before);
  });

  it("waits for what is months away without calling it early", () => {
    const monthsMs = 2 ** 31 + 5000;
    register("rare", NEVER, 0, monthsMs);
    ticker.start();
    expect(alarm.ringNext()).toBe(2 ** 31 - 1);
    expect(calls).toEqual([]);
    expect(alarm.ringNext()).toBe(5001);
    expect(calls).toEqual(["rare"]);
  });

  it("runs on the real timer", async () => {
    const real = new Ticker(systemClock);
    await new Promise<void>((resolve) => {
      let left = 3;
      real.register("worker", () => {
        left--;
        if (left === 0) resolve();
        return 1;
      });
      real.start();
    });
    real.stop();
    expect(real.registrations[0].spent.calls).toBe(3);
  });
});
