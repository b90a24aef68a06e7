/** Rows that all scenarios have in common, and what must be said about how they were measured. */
import type { Latency } from "../load/latency-histogram.ts";
import type { Phase, ScenarioResult } from "../report/result.ts";
import { median, type Row } from "../report/row.ts";

/** One client process that uses more than this of a core is probably what holds the rate back. */
const BUSY_CORES = 0.9;

const PERCENTILES = [
  ["mean", ({ meanMs }: Latency) => meanMs],
  ["p50", ({ p50Ms }: Latency) => p50Ms],
  ["p90", ({ p90Ms }: Latency) => p90Ms],
  ["p95", ({ p95Ms }: Latency) => p95Ms],
  ["p99", ({ p99Ms }: Latency) => p99Ms],
  ["p99.9", ({ p999Ms }: Latency) => p999Ms],
  ["max", ({ maxMs }: Latency) => maxMs],
] as const;

export type Percentile = (typeof PERCENTILES)[number][0];

/** @param ceilings in milliseconds, of the percentiles that anything is expected of */
export function latencyRows(
  what: string,
  latency: Latency,
  ceilings: Partial<Record<Percentile, number>> = {},
  note?: string,
): Row[] {
  return PERCENTILES.map(([name, of], i) => {
    const goal = ceilings[name];
    return {
      what: `${what}, ${name}`,
      value: of(latency),
      unit: "ms",
      ...(goal === undefined ? {} : { better: "less" as const, goal }),
      ...(i === 0 && note !== undefined ? { note } : {}),
    };
  });
}

/** For people: the cores that both sides used, and what a CPU second of the server did. */
export function cpuNote({ serverCores, clientCores, done, seconds, unit }: Phase): string {
  const client = clientCores === null ? "" : `, clients ${clientCores.toFixed(2)} cores`;
  if (serverCores === null) return `CPU of the server unknown${client}`;
  const perCpuSec = Math.round(done / (serverCores * seconds)).toLocaleString("en-US");
  return `server ${serverCores.toFixed(2)}${client}; ${perCpuSec} ${unit} per CPU second of the server`;
}

/** Says when a figure is not the server's: the clients were busy and the server was not. */
export function clientLimits(phases: readonly Phase[], clientProcesses: number): string[] {
  return phases
    .filter(({ clientCores, serverCores }) => {
      const each = (clientCores ?? 0) / clientProcesses;
      return each > BUSY_CORES && (serverCores ?? 0) < BUSY_CORES;
    })
    .map(
      ({ name, clientCores, serverCores }) =>
        `${name}: the client was the limit (${clientCores?.toFixed(2)} cores, the server ${serverCores?.toFixed(2) ?? "unknown"}); the server can do more than is shown`,
    );
}

/** Runs a scenario several times: each row is the median, everything else that of the last run. */
export async function repeat(
  rounds: number,
  runOnce: (round: number) => Promise<ScenarioResult>,
): Promise<ScenarioResult> {
  const results: ScenarioResult[] = [];
  for (let round = 1; round <= rounds; round++) results.push(await runOnce(round));
  const last = results[results.length - 1];
  if (rounds === 1) return last;
  const rows = last.rows.map((row) => {
    const runs = results.map((result) => result.rows.find(({ what }) => what === row.what)?.value ?? Number.NaN);
    return { ...row, value: median(runs), runs };
  });
  return { ...last, rows, settings: { ...last.settings, rounds } };
}
