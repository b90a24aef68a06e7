/** The machine that figures are of. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";

export interface Machine {
  readonly summary: string;
  readonly cpus: number;
  readonly model: string;
  readonly node: string;
  readonly memoryBytes: number;
}

export function machine(): Machine {
  const model = readFileSync("/proc/cpuinfo", "utf8").match(/^model name\s*:\s*(.*)$/m)?.[1] ?? "unknown";
  const kernel = execFileSync("uname", ["-r"], { encoding: "utf8" }).trim();
  const memoryBytes = totalmem();
  const summary = `${cpus().length} x ${model}, ${Math.round(memoryBytes / 2 ** 30)} GB, Linux ${kernel}, Node ${process.version}`;
  return { summary, cpus: cpus().length, model, node: process.version, memoryBytes };
}
