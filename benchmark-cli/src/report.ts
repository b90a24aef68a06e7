/** What a benchmark prints and saves: rows of measured figures beside what the project asked for. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";

export interface Row {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** Whether more is better; `least` and `goal` are floors then, else ceilings. Without it the row is not judged. */
  readonly better?: "more" | "less";
  readonly least?: number;
  readonly goal?: number;
  /** The runs that `value` is the median of. */
  readonly runs?: readonly number[];
  readonly note?: string;
}

export class Report {
  readonly #name: string;
  readonly #rows: Row[] = [];

  constructor(name: string) {
    this.#name = name;
    console.log(`# ${name}\n`);
  }

  /** Prints a line while the benchmark runs. */
  progress(line: string): void {
    console.log(`  ${line}`);
  }

  add(row: Row): void {
    this.#rows.push(row);
  }

  /** Prints the table, as Markdown, and writes the file that `--json` asked for. */
  finish(jsonFile?: string): void {
    const head = ["what", "measured", "least", "goal", "reached", "note"];
    const lines = this.#rows.map((row) => [
      row.what,
      figure(row.value, row.unit),
      row.least === undefined ? "" : figure(row.least, row.unit),
      row.goal === undefined ? "" : figure(row.goal, row.unit),
      verdict(row),
      row.note ?? "",
    ]);
    const widths = head.map((title, i) => Math.max(title.length, ...lines.map((line) => line[i].length)));
    const print = (cells: readonly string[]) =>
      console.log(`| ${cells.map((c, i) => c.padEnd(widths[i])).join(" | ")} |`);
    console.log("");
    print(head);
    print(widths.map((width) => "-".repeat(width)));
    for (const line of lines) print(line);
    console.log(`\n${machine().summary}, ${new Date().toISOString()}`);
    if (jsonFile === undefined) return;
    const saved = { benchmark: this.#name, at: new Date().toISOString(), machine: machine(), rows: this.#rows };
    writeFileSync(jsonFile, `${JSON.stringify(saved, null, 2)}\n`);
  }
}

export function verdict({ value, better, least, goal }: Row): string {
  if (better === undefined) return "";
  const reaches = (bound: number) => (better === "more" ? value >= bound : value <= bound);
  if (goal !== undefined && reaches(goal)) return "goal";
  if (least !== undefined) return reaches(least) ? (goal === undefined ? "yes" : "least") : "NO";
  return goal === undefined ? "" : "NO";
}

export function figure(value: number, unit: string): string {
  const digits = Math.abs(value) >= 1000 ? 0 : Math.abs(value) >= 100 ? 1 : Math.abs(value) >= 1 ? 2 : 3;
  return `${value.toLocaleString("en-US", { maximumFractionDigits: digits })} ${unit}`;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function machine(): { summary: string; cpus: number; model: string; node: string; memoryBytes: number } {
  const model = readFileSync("/proc/cpuinfo", "utf8").match(/^model name\s*:\s*(.*)$/m)?.[1] ?? "unknown";
  const kernel = execFileSync("uname", ["-r"], { encoding: "utf8" }).trim();
  const memoryBytes = totalmem();
  const summary = `${cpus().length} x ${model}, ${Math.round(memoryBytes / 2 ** 30)} GB, Linux ${kernel}, Node ${process.version}`;
  return { summary, cpus: cpus().length, model, node: process.version, memoryBytes };
}
