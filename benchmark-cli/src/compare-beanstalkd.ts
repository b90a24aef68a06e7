/**
 * Publish, consume and acknowledge on one queue, against beanstalkd doing put, reserve and delete with a log that it
 * fsyncs once a second. The same client process drives both, with as many connections and as many requests in flight.
 *
 *     npx tsx benchmark-cli/src/compare-beanstalkd.ts [--connections 10] [--in-flight 16] [--rounds 5] [--seconds 2] [--help]
 */
import type { ChildProcess } from "node:child_process";
import { benchmarkOptions } from "./benchmark-options.ts";
import { ClientProcess, CpuWatch } from "./client-process.ts";
import { startBeanstalkd } from "./peer-processes.ts";
import { requirePrograms } from "./processes.ts";
import type { QueueCycles, QueueCyclesConfig } from "./queue-cycles.ts";
import type { QueueProtocol } from "./queue-dialects.ts";
import { median, Report } from "./report.ts";
import { startSynap } from "./synap-process.ts";

const options = benchmarkOptions("One queue against beanstalkd: publish + consume + acknowledge.", {
  connections: { default: 10, about: "connections of the client" },
  "in-flight": { default: 16, about: "requests of a connection without a reply" },
  "payload-bytes": { default: 100, about: "bytes of a message" },
  rounds: { default: 5, about: "repetitions, of which the median counts" },
  seconds: { default: 2, min: 0.1, isFraction: true, about: "seconds of one run" },
});

interface Run {
  readonly messagesPerSec: number;
  /** Messages for one CPU second of the server. */
  readonly perCpuSec: number;
  readonly cpu: string;
}

requirePrograms(["beanstalkd"]);
const report = new Report("One queue against beanstalkd (our log in memory, beanstalkd's fsynced once a second)");
const beanstalkd = await startBeanstalkd();
const synap = await startSynap(options.server);

const cases: { protocol: QueueProtocol; inFlight: number; runs: Run[] }[] = [
  { protocol: "beanstalkd", inFlight: options["in-flight"], runs: [] },
  { protocol: "websocket", inFlight: options["in-flight"], runs: [] },
  { protocol: "beanstalkd", inFlight: 1, runs: [] },
  { protocol: "websocket", inFlight: 1, runs: [] },
  { protocol: "http", inFlight: 1, runs: [] },
];
for (let round = 0; round < options.rounds; round++) {
  for (const { protocol, inFlight, runs } of cases) {
    const run = await runOnce(protocol, inFlight);
    runs.push(run);
    report.progress(
      `round ${round + 1}, ${nameOf(protocol, inFlight)}: ${Math.round(run.messagesPerSec)}/s, ${run.cpu}`,
    );
  }
}
const { depth, pending } = await synap.command("queue.stats", { queue: "benchmark" });
if (depth !== 0 || pending !== 0) throw new Error(`messages are left: ${depth} ready, ${pending} pending`);

for (const { protocol, inFlight, runs } of cases) {
  const values = runs.map(({ messagesPerSec }) => messagesPerSec);
  const note = runs[runs.length - 1].cpu;
  report.add({ what: nameOf(protocol, inFlight), value: median(values), unit: "messages/s", runs: values, note });
}
for (const { protocol, inFlight, runs } of cases) {
  if (protocol === "beanstalkd") continue;
  const peer = cases.find((other) => other.protocol === "beanstalkd" && other.inFlight === inFlight)?.runs ?? [];
  const ratios = runs.map((run, i) => run.messagesPerSec / peer[i].messagesPerSec);
  const cpu = median(runs.map((run, i) => run.perCpuSec / peer[i].perCpuSec));
  report.add({
    what: `${nameOf(protocol, inFlight)} against beanstalkd`,
    value: median(ratios),
    unit: "x",
    runs: ratios,
    note: `${cpu.toFixed(2)} x per CPU second of the server`,
    ...(protocol === "websocket" ? ({ better: "more", least: 1, goal: 2 } as const) : {}),
  });
}
report.finish(options.json);
process.exit();

async function runOnce(protocol: QueueProtocol, inFlight: number): Promise<Run> {
  const { child, port }: { child: ChildProcess; port: number } = protocol === "beanstalkd" ? beanstalkd : synap;
  const client = new ClientProcess("queue-cycles.ts", {
    protocol,
    port,
    connections: options.connections,
    inFlight,
    payloadBytes: options["payload-bytes"],
    warmupSeconds: 0.5,
    seconds: options.seconds,
  } satisfies QueueCyclesConfig);
  await client.until("measuring");
  const cpu = new CpuWatch(child, [client]);
  const { cycles, seconds } = await client.until<QueueCycles>("measured");
  const run = { messagesPerSec: cycles / seconds, perCpuSec: cycles / cpu.serverSecs, cpu: cpu.cores(seconds) };
  await client.until("done");
  await client.stop();
  return run;
}

function nameOf(protocol: QueueProtocol, inFlight: number): string {
  const server = protocol === "beanstalkd" ? "beanstalkd" : `Synap, ${protocol}`;
  return `${server}, ${options.connections} connections, ${inFlight} in flight`;
}
