import { describe, expect, it } from "vitest";
import { type SimulationResult, simulate } from "./simulation.ts";

/** More run by `npm run simulate`. */
const SEEDS = 120;
/** So that the rest of a file does not wait for a slow one. */
const SEEDS_PER_TEST = 20;

function firstSeeds(): number[] {
  return Array.from({ length: SEEDS / SEEDS_PER_TEST }, (_, i) => 1 + i * SEEDS_PER_TEST);
}

describe("nothing is lost, taken back, or done twice", () => {
  it.each(firstSeeds())("in the seeds from %i on", async (from) => {
    for (let seed = from; seed < from + SEEDS_PER_TEST; seed++) {
      const { finding } = await simulate({ seed });
      expect(finding?.message, `npm run simulate -- --seed ${seed} --verbose`).toBeUndefined();
    }
  });
});

describe("a seed", () => {
  it("gives the same run every time", async () => {
    const transcripts = [];
    const results: SimulationResult[] = [];
    for (let i = 0; i < 2; i++) {
      const lines: string[] = [];
      results.push(await simulate({ seed: 17, print: (line) => lines.push(line) }));
      transcripts.push(lines.join("\n"));
    }
    expect(transcripts[0].length).toBeGreaterThan(10_000);
    expect(transcripts[1]).toBe(transcripts[0]);
    expect(results[1]).toEqual(results[0]);
  });
});
