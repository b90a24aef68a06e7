/** A short run of the fuzzer; `npm run fuzz -w server` makes a long one. */
import { expect, it } from "vitest";
import { FORMATS, fuzz } from "./fuzz.ts";

it.each(FORMATS)("%s, broken at random, is answered and nothing else", (format) => {
  const { messages, successes } = fuzz(format, 20_261_129, 10_000);
  // Enough of it gets to the commands.
  expect(successes).toBeGreaterThan(messages / 20);
});
