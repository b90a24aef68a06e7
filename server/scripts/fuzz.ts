/**
 * `npm run fuzz -w server -- [MESSAGES [SEED]]`: broken messages of each format, a million if it does not say, with the memory
 * that it took. Ends at the first thing found, with its seed.
 */
import { FORMATS, fuzz } from "../test/fuzz/fuzz.ts";

const SLICE = 50_000;
const messages = Number(process.argv[2] ?? 1_000_000);
const seed = Number(process.argv[3] ?? Math.floor(Math.random() * 2 ** 31));
if (!Number.isSafeInteger(messages) || !Number.isSafeInteger(seed))
  throw new Error("give whole numbers: MESSAGES SEED");
console.log(`seed ${seed}`);
for (const format of FORMATS) {
  let successes = 0;
  let peakMb = 0;
  for (let done = 0; done < messages; done += SLICE) {
    successes += fuzz(format, seed + done, Math.min(SLICE, messages - done)).successes;
    peakMb = Math.max(peakMb, process.memoryUsage().rss / 2 ** 20);
  }
  console.log(`${format}: ${messages} messages, ${successes} successes, at most ${peakMb.toFixed(0)} MB resident`);
}
