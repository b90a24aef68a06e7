/**
 * Publish, consume and acknowledge on one queue, against beanstalkd doing put, reserve and delete. The same client process
 * drives both, with as many connections and as many requests in flight. Twice: each with a log that it syncs once a second
 * (`fsync: interval`, `-f 1000`), and each with every write on disk before its reply (`always`, `-f 0`).
 *
 *     npx tsx benchmark-cli/src/studies/compare-beanstalkd.ts [--connections 10] [--in-flight 16] [--rounds 5] [--seconds 2] [--help]
 */

import { ClientProcess, CpuWatch } from "../load/client-process.ts";
import type { QueueCycles, QueueCyclesConfig } from "../queue/queue-cycles.ts";
import type { QueueProtocol } from "../queue/queue-dialects.ts";
import { Report } from "../report/report.ts";
import { median } from "../report/row.ts";
import { startBeanstalkd } from "../servers/peer-processes.ts";
import { requirePrograms, stop } from "../servers/processes.ts";
import type { Peer } from "../servers/redis-process.ts";
import { NO_SNAPSHOTS, startSynap } from "../servers/synap-process.ts";
import { benchmarkOptions } from "./benchmark-options.ts";

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

/** How often the logs of both are synced, in the words of each; `bounds` are those of targets.md, where it has any. */
const POLICIES = [
  { fsync: "interval", fsyncMs: 1_000, bounds: { better: "more", least: 1, goal: 2 } },
  { fsync: "always", fsyncMs: 0, bounds: {} },
] as const;

interface Case {
  readonly protocol: QueueProtocol;
  readonly inFlight: number;
  readonly runs: Run[];
}

requirePrograms(["beanstalkd"]);
const report = new Report("One queue against beanstalkd");
for (const policy of POLICIES) await compare(policy);
report.finish(options.json);
process.exit();

async function compare({ fsync, fsyncMs, bounds }: (typeof POLICIES)[number]): Promise<void> {
  const beanstalkd = await startBeanstalkd(fsyncMs);
  const synap = await startSynap(options.server, { durability: fsync, args: NO_SNAPSHOTS });
  const cases: Case[] = [
    { protocol: "beanstalkd", inFlight: options["in-flight"], runs: [] },
    { protocol: "websocket", inFlight: options["in-flight"], runs: [] },
    { protocol: "beanstalkd", inFlight: 1, runs: [] },
    { protocol: "websocket", inFlight: 1, runs: [] },
    { protocol: "http", inFlight: 1, runs: [] },
  ];
  const nameOf = ({ protocol, inFlight }: Case) => {
    const server = protocol === "beanstalkd" ? `beanstalkd -f ${fsyncMs}` : `Synap, fsync ${fsync}, ${protocol}`;
    return `${server}, ${options.connections} connections, ${inFlight} in flight`;
  };
  for (let round = 0; round < options.rounds; round++) {
    for (const each of cases) {
      const run = await runOnce(each.protocol === "beanstalkd" ? beanstalkd : synap, each);
      each.runs.push(run);
      report.progress(`round ${round + 1}, ${nameOf(each)}: ${Math.round(run.messagesPerSec)}/s, ${run.cpu}`);
    }
  }
  const { depth, pending } = await synap.command("queue.stats", { queue: "benchmark" });
  if (depth !== 0 || pending !== 0) throw new Error(`messages are left: ${depth} ready, ${pending} pending`);
  await synap.stop();
  await stop(beanstalkd.child);

  for (const each of cases) {
    const values = each.runs.map(({ messagesPerSec }) => messagesPerSec);
    const note = each.runs[each.runs.length - 1].cpu;
    report.add({ what: nameOf(each), value: median(values), unit: "messages/s", runs: values, note });
  }
  for (const each of cases) {
    const { protocol, inFlight, runs } = each;
    if (protocol === "beanstalkd") continue;
    const peer = cases.find((other) => other.protocol === "beanstalkd" && other.inFlight === inFlight)?.runs ?? [];
    const ratios = runs.map((run, i) => run.messagesPerSec / peer[i].messagesPerSec);
    const cpu = median(runs.map((run, i) => run.perCpuSec / peer[i].perCpuSec));
    report.add({
      what: `${nameOf(each)} against beanstalkd -f ${fsyncMs}`,
      value: median(ratios),
      unit: "x",
      runs: ratios,
      note: `${cpu.toFixed(2)} x per CPU second of the server`,
      ...(protocol === "websocket" ? bounds : {}),
    });
  }
}

async function runOnce({ child, port }: Peer, { protocol, inFlight }: Case): Promise<Run> {
  const client = new ClientProcess(new URL("../queue/queue-cycles.ts", import.meta.url), {
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
