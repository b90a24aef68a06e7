/**
 * Runs the benchmarks of durability and replication one after the other, each in a process of its own, and saves their
 * figures in one file. What it runs and with which sizes stands in `BENCHMARKS`.
 *
 *     npm run durability -w benchmark-cli -- [--size full] [--only start-data] [--json FILE] [--help]
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { removeDirectory, temporaryDirectory } from "../servers/processes.ts";
import { benchmarkOptions } from "./benchmark-options.ts";

/** By name: what makes it quick enough for a look, a few seconds each; `full` is what each does by itself. */
const BENCHMARKS = {
  "log-disk": ["--seconds", "0.5", "--rounds", "1"],
  "durable-redis": ["--seconds", "0.5", "--rounds", "1", "--keys", "100000"],
  "latency-durable": ["--seconds", "1", "--rounds", "1", "--keys", "10000", "--requests", "5000"],
  compare: ["--duration", "0.5", "--rounds", "1"],
  "start-data": ["--keys", "100000", "--rounds", "1"],
  "recovery-growth": ["--operations", "200000", "--rounds", "1"],
  "snapshot-stall": ["--keys", "200000", "--rate", "10000", "--seconds", "2", "--load-seconds", "15"],
  replication: ["--duration", "5", "--write-rate", "1000", "--read-rate", "5000", "--keys", "10000"],
  "catch-up": ["--away-seconds", "3", "--write-rate", "1000", "--rounds", "1", "--most-seconds", "10"],
} as const;
type Name = keyof typeof BENCHMARKS;
// The object above has no other keys.
const NAMES = Object.keys(BENCHMARKS) as Name[];

const options = benchmarkOptions("All benchmarks of durability and replication, one after the other.", {
  size: { default: "full", words: ["full", "small"], about: "sizes of targets.md, or those that take seconds" },
  only: { default: "all", words: ["all", ...NAMES], about: "the one to run" },
});

const directory = temporaryDirectory();
const figures: unknown[] = [];
const failed: string[] = [];
for (const name of NAMES) {
  if (options.only !== "all" && options.only !== name) continue;
  const json = join(directory, `${name}.json`);
  const args = [...(options.size === "small" ? BENCHMARKS[name] : []), "--json", json];
  if (options.server !== undefined) args.push("--server", options.server);
  const { status } = spawnSync(process.execPath, [...process.execArgv, ...program(name), ...args], {
    stdio: "inherit",
  });
  console.log("");
  if (status === 0) figures.push(JSON.parse(readFileSync(json, "utf8")));
  else failed.push(name);
}
removeDirectory(directory);
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(figures, null, 2)}\n`);
if (failed.length > 0) console.error(`failed: ${failed.join(", ")}`);
process.exit(failed.length === 0 ? 0 : 1);

/** A study of its own, or the scenario of synap-benchmark. */
function program(name: Name): string[] {
  const tool = fileURLToPath(new URL("../main.ts", import.meta.url));
  if (name === "replication") return [tool, name];
  if (name === "compare") return [tool, name, "--peers", "beanstalkd"];
  return [fileURLToPath(new URL(`${name}.ts`, import.meta.url))];
}
