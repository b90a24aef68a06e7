import { describe, expect, it } from "vitest";
import { Overdue } from "./overdue.ts";

function sweep(overdue: Overdue<string>, nowMs: number): string[] {
  const cut: string[] = [];
  overdue.sweep(nowMs, (item) => cut.push(item));
  return cut;
}

describe("Overdue", () => {
  it("hands out each item once, when its time is over and in order", () => {
    const overdue = new Overdue<string>(100);
    overdue.add("a", 0);
    overdue.add("b", 0);
    overdue.add("c", 50);
    expect(sweep(overdue, 99)).toEqual([]);
    expect(sweep(overdue, 100)).toEqual(["a", "b"]);
    expect(sweep(overdue, 150)).toEqual(["c"]);
    expect(sweep(overdue, 1000)).toEqual([]);
  });

  it("forgets what is removed, and a second add moves nothing", () => {
    const overdue = new Overdue<string>(100);
    overdue.add("a", 0);
    overdue.add("b", 0);
    overdue.add("a", 90);
    overdue.remove("b");
    expect(overdue.size).toBe(1);
    expect(sweep(overdue, 100)).toEqual(["a"]);
  });

  it("may be changed by what it hands out", () => {
    const overdue = new Overdue<string>(100);
    for (const item of ["a", "b", "c"]) overdue.add(item, 0);
    const cut: string[] = [];
    overdue.sweep(100, (item) => {
      cut.push(item);
      overdue.remove("b");
    });
    expect(cut).toEqual(["a", "c"]);
  });
});
