import { describe, expect, it } from "vitest";
import { TurnEnd } from "./turn-end.ts";

/** Turns end when the test says so. */
function manualTurns(): { turnEnd: TurnEnd; end(): number; readonly deferredCount: number } {
  let deferred: (() => void)[] = [];
  const turnEnd = new TurnEnd((run) => deferred.push(run));
  return {
    turnEnd,
    end: () => {
      const runs = deferred;
      deferred = [];
      for (const run of runs) run();
      return runs.length;
    },
    get deferredCount() {
      return deferred.length;
    },
  };
}

describe("TurnEnd", () => {
  it("runs a task once per turn, however often it was asked for", () => {
    const { turnEnd, end } = manualTurns();
    let runs = 0;
    const task = turnEnd.add(() => {
      runs += 1;
      return false;
    });
    expect(end()).toBe(0);
    task.request();
    task.request();
    expect(runs).toBe(0);
    expect(end()).toBe(1);
    expect(runs).toBe(1);
    expect(end()).toBe(0);
    task.request();
    end();
    expect(runs).toBe(2);
  });

  it("runs only what was asked for, in the order of the tasks", () => {
    const { turnEnd, end } = manualTurns();
    const order: string[] = [];
    const [first, , third] = ["first", "second", "third"].map((name) =>
      turnEnd.add(() => {
        order.push(name);
        return false;
      }),
    );
    third.request();
    first.request();
    end();
    expect(order).toEqual(["first", "third"]);
  });

  it("goes on in the next turn with a task that has more to do, and with none else", () => {
    const turns = manualTurns();
    let left = 3;
    let otherRuns = 0;
    const task = turns.turnEnd.add(() => {
      left -= 1;
      return left > 0;
    });
    const other = turns.turnEnd.add(() => {
      otherRuns += 1;
      return false;
    });
    task.request();
    other.request();
    while (turns.deferredCount > 0) expect(turns.end()).toBe(1);
    expect({ left, otherRuns }).toEqual({ left: 0, otherRuns: 1 });
  });

  it("runs what a task asks of a later one in the same turn, of an earlier one in the next", () => {
    const { turnEnd, end } = manualTurns();
    const order: string[] = [];
    const early = turnEnd.add(() => {
      order.push("early");
      return false;
    });
    const middle = turnEnd.add(() => {
      order.push("middle");
      early.request();
      late.request();
      return false;
    });
    const late = turnEnd.add(() => {
      order.push("late");
      return false;
    });
    middle.request();
    end();
    expect(order).toEqual(["middle", "late"]);
    end();
    expect(order).toEqual(["middle", "late", "early"]);
  });

  it("comes after what the loop was doing", async () => {
    const turnEnd = new TurnEnd();
    const order: string[] = [];
    await new Promise<void>((resolve) => {
      const task = turnEnd.add(() => {
        order.push("end");
        resolve();
        return false;
      });
      task.request();
      order.push("turn");
      void Promise.resolve().then(() => order.push("microtask"));
    });
    expect(order).toEqual(["turn", "microtask", "end"]);
  });

  it("goes on with the other tasks when one throws, and tells of it", () => {
    const told: unknown[] = [];
    let deferred = (): void => {};
    const turnEnd = new TurnEnd(
      (run) => {
        deferred = run;
      },
      (error) => told.push(error),
    );
    const bug = new Error("a bug");
    let runs = 0;
    const failing = turnEnd.add(() => {
      throw bug;
    });
    const working = turnEnd.add(() => {
      runs += 1;
      return false;
    });
    failing.request();
    working.request();
    deferred();
    expect(told).toEqual([bug]);
    expect(runs).toBe(1);
    failing.request();
    deferred();
    expect(told).toEqual([bug, bug]);
  });
});
