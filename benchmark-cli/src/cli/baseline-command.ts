/** `baseline`: what the hot commands cost, held against what they cost before. */
import { existsSync, writeFileSync } from "node:fs";
import type { Command } from "commander";
import {
  BASELINE_FILE,
  type GateRecord,
  keepResult,
  keptResults,
  readRecord,
  recordOf,
  writeRecord,
} from "../baseline/baseline-file.ts";
import { gateHistory } from "../baseline/gate-history.ts";
import { type GateOptions, measureGates } from "../baseline/gate-run.ts";
import { compareGates, type GateChange, type GateFigures, THRESHOLD } from "../baseline/gate-statistics.ts";
import { machine } from "../report/machine.ts";
import { markdown, median } from "../report/row.ts";
import { BenchmarkError } from "../servers/benchmark-error.ts";
import { wholeFlag } from "./arguments.ts";
import { serverFlag } from "./session-flags.ts";

const NOT_PASSED = 1;
/** With fewer, what the compiler has not come to yet looks like a change: seen as a false alarm with 2 starts of 3 turns. */
const STARTS_MIN = 3;
const TURNS_MIN = 10;

interface GateFlags extends GateOptions {
  readonly file: string;
  readonly against?: string;
}

export function addBaseline(program: Command): void {
  const baseline = program
    .command("baseline")
    .description("Regression gates: CPU time of hot commands by a bare handler's.");
  gateFlags(baseline.command("save").description("Measure, and save as the baseline where there is none yet.")).action(
    save,
  );
  gateFlags(
    baseline
      .command("test")
      .description("Measure, and end with code 1 where a gate is worse by more than 5% and noise."),
  )
    .option("--against <file>", "the main.js of another server that is measured first, in place of the baseline")
    .action(test);
  gateFlags(baseline.command("update").description("Measure, show what has changed, and replace the baseline.")).action(
    update,
  );
  baseline
    .command("report")
    .description("The gates over time, of the results that were kept.")
    .option("--report <file>", "a page with a chart of each gate")
    .action(report);
}

function gateFlags(command: Command): Command {
  return serverFlag(command)
    .option("--file <file>", "the baseline", BASELINE_FILE)
    .addOption(wholeFlag("--starts <n>", "how often the servers are started anew", 7, STARTS_MIN))
    .addOption(wholeFlag("--turns <n>", "turns of each gate in one start", 15, TURNS_MIN))
    .addOption(wholeFlag("--requests <n>", "requests of a turn", 2_000, 100));
}

async function measure(flags: GateFlags, server = flags.server): Promise<GateFigures[]> {
  console.log(`gates of ${server ?? "the built server"}`);
  return await measureGates({ ...flags, server }, (line) => console.log(line));
}

async function save(flags: GateFlags): Promise<void> {
  if (existsSync(flags.file)) {
    throw new BenchmarkError(`${flags.file} is there already: baseline update replaces it and shows what has changed`);
  }
  const record = recordOf(await measure(flags));
  writeRecord(flags.file, record);
  printFigures(record.gates);
  console.log(`saved: ${flags.file}`);
}

async function test(flags: GateFlags): Promise<void> {
  const before = flags.against === undefined ? readRecord(flags.file) : recordOf(await measure(flags, flags.against));
  warnOfOtherMachine(before);
  const gates = await measure(flags);
  let changes = compareGates(before.gates, gates);
  if (changes.some(({ isWorse }) => isWorse)) {
    // What is seen once in twenty by chance is not seen twice.
    console.log("worse: measured once more, to be sure");
    const again = await measure(flags);
    changes = compareGates(before.gates, merged(gates, again));
  }
  printChanges(changes);
  console.log(`kept: ${keepResult(recordOf(gates, changes))}`);
  const worse = changes.filter(({ isWorse }) => isWorse);
  if (worse.length === 0) {
    console.log("passed: no gate is worse");
    return;
  }
  console.error(`not passed: ${worse.map(({ name, change }) => `${name} costs ${percent(change)} more`).join("; ")}`);
  process.exit(NOT_PASSED);
}

/** The figures of both measurements together, of as many starts. */
function merged(first: readonly GateFigures[], second: readonly GateFigures[]): GateFigures[] {
  return first.map(({ name, ratios }, i) => ({ name, ratios: [...ratios, ...second[i].ratios] }));
}

async function update(flags: GateFlags): Promise<void> {
  const before = readRecord(flags.file);
  warnOfOtherMachine(before);
  const record = recordOf(await measure(flags));
  printChanges(compareGates(before.gates, record.gates));
  writeRecord(flags.file, record);
  console.log(`replaced: ${flags.file}, which was of ${before.at}`);
}

function report({ report: file }: { readonly report?: string }): void {
  const kept = keptResults();
  if (kept.length === 0) throw new BenchmarkError("no results are kept yet: synap-benchmark baseline test keeps one");
  const names = kept[kept.length - 1].gates.map(({ name }) => name);
  const lines = kept.map(({ at, gates }) => [
    at,
    ...names.map((name) => figureOf(gates.find((each) => each.name === name))),
  ]);
  console.log(markdown(["at", ...names], lines));
  if (file === undefined) return;
  writeFileSync(file, gateHistory(kept));
  console.log(`written: ${file}`);
}

function figureOf(figures: GateFigures | undefined): string {
  return figures === undefined ? "" : `${median(figures.ratios).toFixed(3)} x`;
}

function printFigures(gates: readonly GateFigures[]): void {
  console.log(
    `\n${markdown(
      ["gate", "CPU by the bare handler's"],
      gates.map((each) => [each.name, figureOf(each)]),
    )}\n`,
  );
}

function printChanges(changes: readonly GateChange[]): void {
  const lines = changes.map(({ name, baseline, measured, change, noise, isWorse }) => [
    name,
    `${baseline.toFixed(3)} x`,
    `${measured.toFixed(3)} x`,
    `${change < 0 ? "" : "+"}${percent(change)}`,
    `+${percent(THRESHOLD + noise)}`,
    isWorse ? "WORSE" : "passed",
  ]);
  console.log(`\n${markdown(["gate", "baseline", "now", "change", "at most", ""], lines)}\n`);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)}%`;
}

function warnOfOtherMachine(before: GateRecord): void {
  const here = machine();
  if (before.machine.model === here.model && before.machine.node === here.node) return;
  console.error(
    `the baseline is of another machine (${before.machine.summary}): better baseline test --against the older server here`,
  );
}
