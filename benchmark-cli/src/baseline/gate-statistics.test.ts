import { describe, expect, it } from "vitest";
import { seededRandom } from "../load/random.ts";
import { compareGates, type GateFigures } from "./gate-statistics.ts";

const GATES = ["kv.get", "kv.set", "publish"];
const STARTS = 7;
const RUNS = 200;

/** Starts whose figures differ by a few percent, as those of a machine do. */
function figures(random: () => number, factor: number, noise = 0.03): GateFigures[] {
  const drawn = () => factor * (1 + noise * (random() + random() + random() - 1.5));
  return GATES.map((name, i) => ({ name, ratios: Array.from({ length: STARTS }, () => (i + 2) * drawn()) }));
}

function alarms(seed: number, factor: number): number {
  const random = seededRandom(seed);
  let count = 0;
  for (let run = 0; run < RUNS; run++) {
    if (compareGates(figures(random, 1), figures(random, factor)).some(({ isWorse }) => isWorse)) count += 1;
  }
  return count / RUNS;
}

describe("the gates", () => {
  it("find a tenth of added CPU time in nine of ten runs", () => expect(alarms(1, 1.1)).toBeGreaterThan(0.9));

  it("give a false alarm in at most one of twenty runs", () => expect(alarms(2, 1)).toBeLessThan(0.05));

  it("are not alarmed by what has become faster", () => expect(alarms(3, 0.8)).toBe(0));

  it("know which gate it was", () => {
    const before = GATES.map((name) => ({ name, ratios: [2, 2.01, 1.99, 2, 2] }));
    const after = before.map((gate) =>
      gate.name === "kv.set" ? { ...gate, ratios: gate.ratios.map((r) => r * 1.2) } : gate,
    );
    const worse = compareGates(before, after).filter(({ isWorse }) => isWorse);
    expect(worse.map(({ name }) => name)).toEqual(["kv.set"]);
    expect(worse[0].change).toBeCloseTo(0.2, 5);
  });

  it("pass over what the baseline does not have", () => {
    expect(compareGates([], figures(seededRandom(4), 1))).toEqual([]);
  });
});
