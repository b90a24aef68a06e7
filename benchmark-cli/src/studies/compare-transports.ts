/**
 * The two transports of one server beside each other: `kv.get` over HTTP (`wrk -t1 -c50`, random keys), and commands over
 * WebSocket, MessagePack, 10 connections. With `--server` the native transport of another build is measured too, for what a
 * change of the transports costs. All servers run at the same time and are measured in turn.
 *
 *     npm run compare-transports -w benchmark-cli -- [--rounds 5] [--seconds 2] [--keys 100000] [--server MAIN.JS]
 */
import { fill, runLoad } from "../load/load.ts";
import { KEY_BYTES, VALUE_BYTES } from "../load/workload.ts";
import { Report } from "../report/report.ts";
import { median } from "../report/row.ts";
import { requirePrograms } from "../servers/processes.ts";
import { type Synap, startSynap } from "../servers/synap-process.ts";
import { readOptions } from "./options.ts";
import { runWrk } from "./wrk.ts";

const CONNECTIONS = 10;
const FRAMES_IN_FLIGHT = 4;

const options = readOptions({ rounds: 5, seconds: 2, keys: 100_000 });
requirePrograms(["wrk"]);
const report = new Report("Transports (without persistence)");

interface Contender {
  readonly name: string;
  readonly synap: Synap;
}

const contenders: Contender[] = [];
for (const kind of ["native", "portable"]) {
  const args = ["--transport", kind];
  contenders.push({ name: kind, synap: await startSynap(undefined, { durability: "memory", args }) });
}
if (options.server !== undefined) {
  contenders.push({ name: "other build", synap: await startSynap(options.server, { durability: "memory" }) });
}
for (const { synap } of contenders) await fill(synap.port, { count: options.keys, valueBytes: VALUE_BYTES });

/** What a run did per second, and per second of the server's CPU. */
interface Run {
  readonly perSec: number;
  readonly perCpuSec: number;
}

const cases: readonly { readonly what: string; readonly run: (synap: Synap) => Promise<Run> }[] = [
  { what: "HTTP, kv.get", run: overHttp },
  { what: "WebSocket, 1 per frame", run: (synap) => overWebSocket(synap, 1) },
  { what: "WebSocket, 100 per frame", run: (synap) => overWebSocket(synap, 100) },
];
for (const { what, run } of cases) {
  const runs = new Map<string, Run[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < options.rounds; round++) {
    for (const { name, synap } of contenders) runs.get(name)?.push(await run(synap));
    const line = contenders.map(({ name }) => `${name} ${Math.round(runs.get(name)?.at(-1)?.perSec ?? 0)}`);
    report.progress(`${what}, round ${round + 1}: ${line.join(", ")} per second`);
  }
  const native = runs.get("native") ?? [];
  for (const [name, own] of runs) {
    const rates = own.map(({ perSec }) => perSec);
    report.add({ what: `${what}, ${name}`, value: median(rates), unit: "per second", runs: rates });
    if (name === "native") continue;
    const ratio = median(own.map(({ perSec }, round) => perSec / native[round].perSec));
    const byCpu = median(own.map(({ perCpuSec }, round) => perCpuSec / native[round].perCpuSec));
    const note = `${byCpu.toFixed(2)} x per CPU second of the server`;
    report.add({ what: `${what}, ${name} against native`, value: ratio, unit: "x", note });
  }
}
report.finish(options.json);
for (const { synap } of contenders) await synap.stop();
process.exit();

async function overHttp({ port, child }: Synap): Promise<Run> {
  const { requestsPerSec, serverCpu } = await runWrk("kv-get", port, options.seconds, options.keys, [child]);
  return { perSec: requestsPerSec, perCpuSec: requestsPerSec / serverCpu };
}

async function overWebSocket({ port, child }: Synap, batch: number): Promise<Run> {
  const { commandsPerSec, serverCpu } = await runLoad(
    {
      protocol: "websocket",
      port,
      workload: {
        mix: { get: 0.8, set: 0.2 },
        keys: options.keys,
        keyBytes: KEY_BYTES,
        valueBytes: VALUE_BYTES,
        batch,
      },
      connections: CONNECTIONS,
      inFlight: FRAMES_IN_FLIGHT,
      seconds: options.seconds,
      warmupSeconds: 0.5,
    },
    child,
  );
  return { perSec: commandsPerSec, perCpuSec: commandsPerSec / serverCpu };
}
