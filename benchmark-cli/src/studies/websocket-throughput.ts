/**
 * Commands per second over WebSocket, MessagePack, 10 connections, with 1, 10, 20 and 100 commands per frame and a few
 * frames in flight; and what the server's CPU costs at a steady 50,000 commands per second, 20 per frame.
 *
 *     npx tsx benchmark-cli/src/studies/websocket-throughput.ts [--rounds 3] [--seconds 2] [--keys 100000] [--json FILE]
 */
import { fill, type LoadResult, runLoad } from "../load/load.ts";
import { KEY_BYTES, VALUE_BYTES, type Workload } from "../load/workload.ts";
import { Report } from "../report/report.ts";
import { median } from "../report/row.ts";
import { startSynap } from "../servers/synap-process.ts";
import { readOptions } from "./options.ts";

const CONNECTIONS = 10;
const FRAMES_IN_FLIGHT = 4;
const STEADY_COMMANDS_PER_SEC = 50_000;
const STEADY_BATCH = 20;

const MIXES = {
  "80% get, 20% set": { get: 0.8, set: 0.2 },
  get: { get: 1 },
  set: { set: 1 },
} as const;

const options = readOptions({ rounds: 3, seconds: 2, keys: 100_000 });
const report = new Report("WebSocket commands per second (without persistence)");
const synap = await startSynap(options.server, { durability: "memory" });
await fill(synap.port, { count: options.keys, valueBytes: VALUE_BYTES });

const cases = [
  { batch: 1, mix: "80% get, 20% set" },
  { batch: 10, mix: "80% get, 20% set" },
  { batch: 20, mix: "80% get, 20% set" },
  { batch: 100, mix: "80% get, 20% set" },
  { batch: 100, mix: "get" },
  { batch: 100, mix: "set" },
] as const;
const results = cases.map((): LoadResult[] => []);
for (let round = 0; round < options.rounds; round++) {
  for (const [i, { batch, mix }] of cases.entries()) {
    const before = await commandsCounted();
    const load = {
      protocol: "websocket",
      port: synap.port,
      workload: workload(batch, MIXES[mix]),
      connections: CONNECTIONS,
      inFlight: FRAMES_IN_FLIGHT,
      seconds: options.seconds,
      warmupSeconds: 0.5,
    } as const;
    const result = await runLoad(load, synap.child);
    const counted = (await commandsCounted()) - before;
    if (counted !== result.commandsSent) throw new Error(`sent ${result.commandsSent} commands, ran ${counted}`);
    results[i].push(result);
    report.progress(`round ${round + 1}, ${batch} per frame, ${mix}: ${describe(result)}`);
  }
}
for (const [i, { batch, mix }] of cases.entries()) {
  const rates = results[i].map(({ commandsPerSec }) => commandsPerSec);
  report.add({
    what: `${batch} per frame, ${mix}`,
    value: median(rates),
    unit: "commands/s",
    runs: rates,
    note: cpuNote(results[i]),
    ...(batch === 100 && i === 3 ? ({ better: "more", least: 700_000, goal: 1_500_000 } as const) : {}),
  });
}

const steady: LoadResult[] = [];
for (let round = 0; round < options.rounds; round++) {
  const result = await runLoad(
    {
      protocol: "websocket",
      port: synap.port,
      workload: workload(STEADY_BATCH, MIXES["80% get, 20% set"]),
      connections: CONNECTIONS,
      requestsPerSec: STEADY_COMMANDS_PER_SEC / STEADY_BATCH,
      pacing: "timer",
      seconds: options.seconds,
      warmupSeconds: 0.5,
    },
    synap.child,
  );
  steady.push(result);
  report.progress(`steady, round ${round + 1}: ${describe(result)}`);
}
report.add({
  what: `server CPU at ${STEADY_COMMANDS_PER_SEC} commands/s, ${STEADY_BATCH} per frame`,
  value: median(steady.map(({ serverCpu }) => serverCpu)),
  unit: "cores",
  better: "less",
  goal: 0.5,
  note: `reached ${Math.round(median(steady.map(({ commandsPerSec }) => commandsPerSec)))} commands/s`,
});
report.finish(options.json);
process.exit();

function workload(batch: number, mix: Workload["mix"]): Workload {
  return { mix, keys: options.keys, keyBytes: KEY_BYTES, valueBytes: VALUE_BYTES, batch };
}

/** Gets and sets that the server says it has run; also proves that no get missed. */
async function commandsCounted(): Promise<number> {
  const { operations } = (await synap.command("kv.stats")) as { operations: Record<string, number> };
  if (operations.misses > 0) throw new Error(`${operations.misses} gets missed`);
  return operations.gets + operations.sets;
}

function describe({ commandsPerSec, serverCpu, clientCpu, latency }: LoadResult): string {
  return `${Math.round(commandsPerSec)} commands/s, CPU server ${serverCpu.toFixed(2)} client ${clientCpu.toFixed(2)}, frame p50 ${latency.p50Ms.toFixed(2)} ms`;
}

function cpuNote(runs: readonly LoadResult[]): string {
  const server = median(runs.map(({ serverCpu }) => serverCpu));
  const client = median(runs.map(({ clientCpu }) => clientCpu));
  const perSecond = Math.round(median(runs.map((run) => run.commandsPerSec / run.serverCpu)));
  const cpu = `CPU server ${server.toFixed(2)}, client ${client.toFixed(2)}`;
  return `${cpu}; ${perSecond.toLocaleString("en-US")} per CPU second of the server`;
}
