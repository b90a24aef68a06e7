/** Arguments in, a table and a JSON file out: the same for every benchmark of the structures. */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";

export interface BenchArguments {
  readonly numbers: number[];
  readonly flags: ReadonlySet<string>;
  readonly jsonFile: string | undefined;
}

/** `100000 --flag --json FILE` */
export function readArguments(): BenchArguments {
  const numbers: number[] = [];
  const flags = new Set<string>();
  let jsonFile: string | undefined;
  const given = process.argv.slice(2);
  for (let i = 0; i < given.length; i++) {
    if (given[i] === "--json") jsonFile = given[++i];
    else if (given[i].startsWith("--")) flags.add(given[i].slice(2));
    else numbers.push(Number(given[i]));
  }
  return { numbers, flags, jsonFile };
}

/**
 * Nanoseconds of processor time per step. Not of the clock on the wall: on a machine that others use that would measure
 * them. Compiling and collecting on other threads is counted in.
 */
export function nanoseconds(steps: number, run: () => void): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / steps;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** One line per measure, one column per size, and how much the measure grew from the first size to the last. */
export function printTable(title: string, rows: readonly Record<string, number>[]): void {
  console.log(`${title}\n`);
  const sizes = rows.map((row) => row.size);
  console.log(
    ["".padEnd(14), ...sizes.map((size) => size.toLocaleString("en").padStart(12)), "growth".padStart(8)].join(""),
  );
  for (const name of Object.keys(rows[0])) {
    if (name === "size") continue;
    const cells = rows.map((row) => row[name]);
    const growth = cells[cells.length - 1] / cells[0];
    console.log(
      [name.padEnd(14), ...cells.map((cell) => cell.toFixed(1).padStart(12)), `x${growth.toFixed(1)}`.padStart(8)].join(
        "",
      ),
    );
  }
  console.log();
}

export function writeJson(file: string | undefined, name: string, result: unknown): void {
  if (file === undefined) return;
  const machine = { cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length, node: process.version };
  writeFileSync(file, `${JSON.stringify({ name, at: new Date().toISOString(), machine, result }, undefined, 2)}\n`);
}
