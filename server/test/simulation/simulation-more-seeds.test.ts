/** The second half of the seeds that `npm test` runs, in a file of its own for the second core. */
import { describe } from "vitest";
import { runSeeds, SEED_COUNT } from "./seed-range.ts";

describe("nothing is lost, taken back, or done twice", () => runSeeds(SEED_COUNT / 2 + 1, SEED_COUNT + 1));
