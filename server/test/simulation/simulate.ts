import { simulate } from "./simulation.ts";

const [from, count, verbose] = process.argv.slice(2);
const t = performance.now();
let bad = 0;
let ev = 0,
  recs = 0,
  ans = 0;
for (let seed = Number(from); seed < Number(from) + Number(count ?? 1); seed++) {
  const result = await simulate({ seed, print: verbose ? console.log : undefined });
  ev += result.events;
  recs += result.records;
  ans += result.answers;
  if (result.finding) {
    bad++;
    console.log(seed, result.scenario, result.finding.message.slice(0, 1500));
    if (verbose) console.log(result.finding.stack, result.finding.cause);
  }
}
console.log({ bad, ev, recs, ans, ms: performance.now() - t });
