/** Tests that run a range of seeds, a slice in each, so that a report says where it was when it failed. */
import { expect, it } from "vitest";
import { soaked } from "../soak.ts";
import { simulate } from "./simulation.ts";

/** How many seeds `npm test` runs; `npm run soak` runs ten times as many. */
export const SEED_COUNT = soaked(120);

const SLICE = 20;
/** Of a slice, on a machine that is busy with other tests. */
const SLICE_MS_MAX = 120_000;

/** @param from the first seed; `to` is the first that does not run. */
export function runSeeds(from: number, to: number): void {
  const slices = Array.from({ length: Math.ceil((to - from) / SLICE) }, (_, i) => from + i * SLICE);
  it.each(slices)(
    "in the seeds from %i on",
    async (first) => {
      for (let seed = first; seed < Math.min(to, first + SLICE); seed++) {
        const { finding } = await simulate({ seed });
        expect(finding?.message, `npm run simulate -- --seed ${seed} --verbose`).toBeUndefined();
      }
    },
    SLICE_MS_MAX,
  );
}
