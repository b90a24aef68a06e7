/**
 * One publisher and three subscribers with wildcards that match everything, against nats-server. The same client process
 * drives both; it stays at most a window of messages ahead of the slowest subscriber.
 *
 *     npx tsx benchmark-cli/src/studies/compare-nats.ts [--window 2000] [--batch 20] [--rounds 5] [--seconds 2] [--help]
 */

import { ClientProcess, CpuWatch } from "../load/client-process.ts";
import { Report } from "../report/report.ts";
import { median } from "../report/row.ts";
import { startNats } from "../servers/peer-processes.ts";
import { requirePrograms } from "../servers/processes.ts";
import { startSynap } from "../servers/synap-process.ts";
import type { TopicServer } from "../topics/topic-dialects.ts";
import type { TopicStream, TopicStreamConfig } from "../topics/topic-stream.ts";
import { benchmarkOptions } from "./benchmark-options.ts";

const options = benchmarkOptions("Publish/subscribe against nats-server: 1 publisher, 3 wildcard subscribers.", {
  window: { default: 2_000, about: "messages under way" },
  batch: { default: 20, about: "messages per frame in the second measurement of Synap" },
  "payload-bytes": { default: 100, min: 10, about: "bytes of a message" },
  rounds: { default: 5, about: "repetitions, of which the median counts" },
  seconds: { default: 2, min: 0.1, isFraction: true, about: "seconds of one run" },
});

interface Run {
  readonly deliveriesPerSec: number;
  readonly perCpuSec: number;
  readonly cpu: string;
}

requirePrograms(["nats-server"]);
const report = new Report("Publish/subscribe against nats-server");
const nats = await startNats();
const synap = await startSynap(options.server, { durability: "memory" });

const cases: { name: string; server: TopicServer; batch: number; runs: Run[] }[] = [
  { name: "nats-server", server: "nats", batch: 1, runs: [] },
  { name: "Synap", server: "synap", batch: 1, runs: [] },
  { name: `Synap, ${options.batch} per frame`, server: "synap", batch: options.batch, runs: [] },
];
for (let round = 0; round < options.rounds; round++) {
  for (const { name, server, batch, runs } of cases) {
    const run = await runOnce(server, batch);
    runs.push(run);
    report.progress(`round ${round + 1}, ${name}: ${Math.round(run.deliveriesPerSec)} deliveries/s, ${run.cpu}`);
  }
}
for (const { name, runs } of cases) {
  const values = runs.map(({ deliveriesPerSec }) => deliveriesPerSec);
  const note = `${Math.round(median(values) / 3).toLocaleString("en-US")} messages/s; ${runs[runs.length - 1].cpu}`;
  report.add({ what: name, value: median(values), unit: "deliveries/s", runs: values, note });
}
const [peer, ...ours] = cases;
for (const { name, batch, runs } of ours) {
  const ratios = runs.map((run, i) => run.deliveriesPerSec / peer.runs[i].deliveriesPerSec);
  const cpu = median(runs.map((run, i) => run.perCpuSec / peer.runs[i].perCpuSec));
  report.add({
    what: `${name} against nats-server`,
    value: median(ratios),
    unit: "x",
    runs: ratios,
    note: `${cpu.toFixed(2)} x per CPU second of the server`,
    ...(batch === 1 ? ({ better: "more", least: 0.5, goal: 1 } as const) : {}),
  });
}
report.finish(options.json);
process.exit();

async function runOnce(server: TopicServer, batch: number): Promise<Run> {
  const { child, port } = server === "nats" ? nats : synap;
  const client = new ClientProcess(new URL("../topics/topic-stream.ts", import.meta.url), {
    server,
    port,
    batch,
    window: options.window,
    payloadBytes: options["payload-bytes"],
    warmupSeconds: 0.5,
    seconds: options.seconds,
  } satisfies TopicStreamConfig);
  await client.until("measuring");
  const cpu = new CpuWatch(child, [client]);
  const { deliveries, seconds } = await client.until<TopicStream>("measured");
  const run = {
    deliveriesPerSec: deliveries / seconds,
    perCpuSec: deliveries / cpu.serverSecs,
    cpu: cpu.cores(seconds),
  };
  await client.until("done");
  await client.stop();
  return run;
}
