/** The committed baseline, and the results beside it that are kept with the time in their names. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Machine, machine } from "../report/machine.ts";
import { BenchmarkError } from "../servers/benchmark-error.ts";
import type { GateChange, GateFigures } from "./gate-statistics.ts";

const RESULTS = fileURLToPath(new URL("../../results/", import.meta.url));
export const BASELINE_FILE = join(RESULTS, "baseline.json");

export interface GateRecord {
  readonly kind: "gates";
  readonly at: string;
  readonly machine: Machine;
  readonly gates: readonly GateFigures[];
  /** Against the baseline of that time. */
  readonly changes?: readonly GateChange[];
}

export function recordOf(gates: readonly GateFigures[], changes?: readonly GateChange[]): GateRecord {
  const at = new Date().toISOString();
  return { kind: "gates", at, machine: machine(), gates, ...(changes === undefined ? {} : { changes }) };
}

export function readRecord(file: string): GateRecord {
  if (!existsSync(file))
    throw new BenchmarkError(`there is no baseline at ${file}: synap-benchmark baseline save makes one`);
  let read: unknown;
  try {
    read = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new BenchmarkError(`${file} is not JSON: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  if (typeof read !== "object" || read === null || !("kind" in read) || read.kind !== "gates") {
    throw new BenchmarkError(`${file} is not a baseline of synap-benchmark`);
  }
  // Its own program has written it.
  return read as GateRecord;
}

export function writeRecord(file: string, record: GateRecord): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(record, null, 2)}\n`);
}

/** Under the time it was measured at. */
export function keepResult(record: GateRecord): string {
  const file = join(RESULTS, `gates-${record.at.replaceAll(/[:.]/g, "-")}.json`);
  writeRecord(file, record);
  return file;
}

/** All that were kept, the oldest first. */
export function keptResults(): GateRecord[] {
  if (!existsSync(RESULTS)) return [];
  const names = readdirSync(RESULTS).filter((name) => name.startsWith("gates-") && name.endsWith(".json"));
  return names.sort().map((name) => readRecord(join(RESULTS, name)));
}
