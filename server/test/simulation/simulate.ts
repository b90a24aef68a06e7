/**
 * Runs many seeds, or one with its transcript:
 *
 *     npm run simulate -- --seeds 20000 [--from 1] [--workers 2]
 *     npm run simulate -- --seed 4711 [--verbose]
 *
 * Ends with 1 where something was found, and names the seed.
 */
import { fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type SimulationResult, simulate } from "./simulation.ts";

/** What a worker tells of a seed. */
interface SeedReport extends Omit<SimulationResult, "finding"> {
  readonly finding: string | undefined;
}

interface WorkerTask {
  readonly from: number;
  readonly to: number;
  readonly step: number;
}

/** What a process is told that runs a part of the seeds. */
const WORKER = "--worker";
const PROGRESS_MS = 10_000;
const USAGE = `Runs seeds of the simulation, and ends with 1 where something was found.

  npm run simulate -- --seeds 1000 [--from 1] [--workers N]    many, on all cores
  npm run simulate -- --seed 4711 [--verbose]                  one, with its transcript`;

async function reportOf(seed: number, print?: (line: string) => void): Promise<SeedReport> {
  const result = await simulate({ seed, print });
  return { ...result, finding: result.finding?.message };
}

/** In a process of its own, whose parent hears of each seed. */
async function work({ from, to, step }: WorkerTask): Promise<void> {
  for (let seed = from; seed < to; seed += step) {
    const report = await reportOf(seed);
    await new Promise<void>((resolve) => {
      process.send?.(report, () => resolve());
    });
  }
}

async function runOne(seed: number, isVerbose: boolean): Promise<boolean> {
  const report = await reportOf(seed, isVerbose ? (line) => console.log(line) : undefined);
  const { finding, scenario, events, simulatedMs, records, answers } = report;
  console.log(`seed ${seed}: ${scenario}`);
  console.log(`${events} events in ${Math.round(simulatedMs)} simulated ms, ${records} records, ${answers} answers`);
  console.log(finding === undefined ? "nothing was found" : `FOUND ${finding}`);
  return finding === undefined;
}

/** Adds up what the workers tell. */
class Tally {
  readonly found: SeedReport[] = [];
  #seeds = 0;
  #events = 0;
  #records = 0;
  #answers = 0;
  readonly #startedMs = performance.now();
  #saidMs = performance.now();

  add(report: SeedReport): void {
    this.#seeds++;
    this.#events += report.events;
    this.#records += report.records;
    this.#answers += report.answers;
    if (report.finding !== undefined) {
      this.found.push(report);
      console.log(`seed ${report.seed}: ${report.scenario}\n  FOUND ${report.finding}`);
      console.log(`  again: npm run simulate -- --seed ${report.seed} --verbose`);
    }
    if (performance.now() - this.#saidMs < PROGRESS_MS) return;
    this.#saidMs = performance.now();
    console.log(this.summary());
  }

  summary(): string {
    const secs = (performance.now() - this.#startedMs) / 1000;
    const counts = `${this.#events} events, ${this.#records} records, ${this.#answers} answers`;
    const rate = `${(this.#seeds / secs).toFixed(1)} seeds/s`;
    return `${this.#seeds} seeds (${rate}): ${counts}, ${this.found.length} findings`;
  }
}

async function runMany(from: number, count: number, workers: number): Promise<boolean> {
  const tally = new Tally();
  const runs = Array.from({ length: workers }, (_, i) => {
    const task: WorkerTask = { from: from + i, to: from + count, step: workers };
    return new Promise<void>((resolve, reject) => {
      const worker = fork(fileURLToPath(import.meta.url), [WORKER, JSON.stringify(task)]);
      worker.on("message", (report: SeedReport) => tally.add(report));
      worker.on("error", reject);
      worker.on("exit", (code) => (code === 0 ? resolve() : reject(new Error(`a worker ended with ${code}`))));
    });
  });
  await Promise.all(runs);
  console.log(tally.summary());
  return tally.found.length === 0;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seed: { type: "string" },
      verbose: { type: "boolean", default: false },
      seeds: { type: "string", default: "1000" },
      from: { type: "string", default: "1" },
      workers: { type: "string", default: String(availableParallelism()) },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  const isFine =
    values.seed === undefined
      ? await runMany(Number(values.from), Number(values.seeds), Number(values.workers))
      : await runOne(Number(values.seed), values.verbose);
  process.exitCode = isFine ? 0 : 1;
}

if (process.argv[2] === WORKER) {
  await work(JSON.parse(process.argv[3]) as WorkerTask);
  process.disconnect();
} else await main();
