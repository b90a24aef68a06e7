import { describe, expect, it } from "vitest";
import { runSeeds, SEED_COUNT } from "./seed-range.ts";
import { type SimulationResult, simulate } from "./simulation.ts";

describe("nothing is lost, taken back, or done twice", () => runSeeds(1, SEED_COUNT / 2 + 1));

describe("a seed", () => {
  it("gives the same run every time", async () => {
    const transcripts: string[] = [];
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
