/**
 * How good the gates are: how often they find a tenth of CPU time that was added to the hot path, and how often they give a
 * false alarm. Measures many starts of the server as it is and as it is slowed, and draws runs from them: a baseline, a run,
 * and the second one that `baseline test` makes where the first is not passed.
 *
 *     npm run gate-check -w benchmark-cli -- [--starts 15] [--slow-starts 8] [--run-starts 7] [--draws 1000] [--help]
 */
import { fileURLToPath } from "node:url";
import { seededRandom } from "../load/random.ts";
import { benchmarkOptions } from "../studies/benchmark-options.ts";
import { measureGates } from "./gate-run.ts";
import { compareGates, type GateFigures } from "./gate-statistics.ts";

const TURNS = 15;
const REQUESTS = 2_000;
const SLOWED = fileURLToPath(new URL("../../scripts/slowed-server.js", import.meta.url));

const options = benchmarkOptions("How often the gates find 10% of added CPU time, and how often they are wrong.", {
  starts: { default: 15, about: "starts of the server as it is" },
  "slow-starts": { default: 8, about: "starts of the slowed one" },
  "run-starts": { default: 7, about: "starts of one run of the gates" },
  draws: { default: 1_000, about: "runs that are drawn from them" },
});
const { "run-starts": runStarts, draws } = options;
const measure = (server: string | undefined, starts: number) =>
  measureGates({ server, starts, turns: TURNS, requests: REQUESTS }, (line) => console.log(line));

const same = await measure(options.server, options.starts);
const slowed = await measure(SLOWED, options["slow-starts"]);
const random = seededRandom(1);
console.log(`slowed: ${share((baseline) => isWorse(baseline, slowed))} of runs find it`);
console.log(`the same code: ${share((baseline) => isWorse(baseline, same))} of runs are false alarms`);
process.exit();

function share(alarm: (baseline: readonly GateFigures[]) => boolean): string {
  let alarms = 0;
  for (let i = 0; i < draws; i++) if (alarm(draw(same, runStarts))) alarms += 1;
  return `${((alarms / draws) * 100).toFixed(1)}%`;
}

function isWorse(baseline: readonly GateFigures[], of: readonly GateFigures[]): boolean {
  if (!compareGates(baseline, draw(of, runStarts)).some((change) => change.isWorse)) return false;
  return compareGates(baseline, draw(of, 2 * runStarts)).some((change) => change.isWorse);
}

/** The same starts of every gate, drawn with replacement. */
function draw(gates: readonly GateFigures[], count: number): GateFigures[] {
  const starts = Array.from({ length: count }, () => Math.floor(random() * gates[0].ratios.length));
  return gates.map(({ name, ratios }) => ({ name, ratios: starts.map((start) => ratios[start]) }));
}
