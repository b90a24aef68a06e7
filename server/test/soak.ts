/** `npm run soak` draws many times as many inputs as `npm test`, which has little time for each. */
const FACTOR = Number(process.env.SYNAP_TEST_SOAK ?? 1);
if (!Number.isInteger(FACTOR) || FACTOR < 1) throw new Error("SYNAP_TEST_SOAK is a whole number of at least 1");

/** How many seeds, or rounds, a test takes that has time for this many in `npm test`. */
export function soaked(count: number): number {
  return count * FACTOR;
}

/** The seeds from 1 on. */
export function seeds(count: number): number[] {
  return Array.from({ length: soaked(count) }, (_, index) => index + 1);
}
