import { describe, expect, it } from "vitest";
import { PLANTED_FAULTS } from "./planted-faults.ts";
import { simulate } from "./simulation.ts";

const SEEDS_MAX = 200;
/** All of the seeds, on a machine that is busy with other tests; most are found in the first few. */
const SEARCH_MS_MAX = 300_000;

describe("the simulation finds", () => {
  it.each(PLANTED_FAULTS)(
    "$name",
    async ({ plant, checks, overtakenBy }) => {
      for (let seed = 1; seed <= SEEDS_MAX; seed++) {
        const { finding } = await simulate({ seed, fault: plant() });
        if (finding === undefined) continue;
        if (finding.check === "failure" && overtakenBy?.test(finding.message) === true) continue;
        expect(checks, `seed ${seed}: ${finding.message}`).toContain(finding.check);
        return;
      }
      expect.fail(`it was not found within ${SEEDS_MAX} seeds`);
    },
    SEARCH_MS_MAX,
  );
});
