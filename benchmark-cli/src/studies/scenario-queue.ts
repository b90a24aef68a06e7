/**
 * The specification's scenario 2: 50,000 messages with priorities spread evenly, published by one connection and then
 * taken and acknowledged by five workers, over WebSocket and MessagePack. Every message must be delivered once and in
 * order; the queue must be empty at the end.
 *
 *     npx tsx benchmark-cli/src/studies/scenario-queue.ts [--messages 50000] [--workers 5] [--rounds 3] [--help]
 */

import { ClientProcess, CpuWatch } from "../load/client-process.ts";
import type { PriorityDistribution } from "../queue/message-plan.ts";
import type { QueuePublished, QueuePublisherConfig } from "../queue/queue-publisher.ts";
import type { QueueWorked, QueueWorkersConfig } from "../queue/queue-workers.ts";
import { Report } from "../report/report.ts";
import { median } from "../report/row.ts";
import { FSYNC_POLICIES, type FsyncPolicy, NO_SNAPSHOTS, startSynap } from "../servers/synap-process.ts";
import { benchmarkOptions } from "./benchmark-options.ts";

const QUEUE = "benchmark";
/** The specification's figures. */
const PUBLISHED_PER_SEC = 50_000;
const CONSUMED_PER_SEC = 100_000;
const END_TO_END_SECS_MAX = 30;

const options = benchmarkOptions("Scenario 2: publish messages to one queue, consume and acknowledge them.", {
  messages: { default: 50_000, about: "messages published" },
  "priority-distribution": {
    default: "uniform",
    words: ["uniform", "equal"],
    about: "how priorities 0 to 9 are spread",
  },
  workers: { default: 5, about: "connections that consume" },
  "ack-deadline": { default: 30, about: "seconds a worker has to acknowledge" },
  "payload-bytes": { default: 100, min: 10, about: "bytes of a message" },
  "in-flight": { default: 32, about: "requests of a connection without a reply" },
  prefetch: { default: 200, about: "unacknowledged messages of a subscribed worker" },
  batch: { default: 50, about: "messages per command where batches are measured" },
  fsync: { default: "interval", words: FSYNC_POLICIES, about: "when a write is on disk" },
  rounds: { default: 3, about: "repetitions, of which the median counts" },
});

/** How real clients use a queue: command by command, many messages per command, or pushed. */
const VARIANTS = [
  { name: "one message per command", mode: "consume", batch: 1 },
  { name: `${options.batch} messages per command`, mode: "consume", batch: options.batch },
  { name: `subscribed, ${options.batch} per acknowledgement`, mode: "subscribe", batch: options.batch },
] as const;

interface Run {
  readonly published: number;
  readonly consumed: number;
  readonly endToEndSecs: number;
  readonly publishCpu: string;
  readonly consumeCpu: string;
}

const report = new Report(
  `Scenario 2: a queue of ${options.messages.toLocaleString("en-US")} messages (fsync: ${options.fsync})`,
);
const runs = VARIANTS.map((): Run[] => []);
for (let round = 0; round < options.rounds; round++) {
  for (const [i, variant] of VARIANTS.entries()) {
    const run = await runOnce(variant);
    runs[i].push(run);
    const rates = `published ${Math.round(run.published)}/s (${run.publishCpu}), consumed ${Math.round(run.consumed)}/s (${run.consumeCpu})`;
    report.progress(`round ${round + 1}, ${variant.name}: ${rates}, end to end ${run.endToEndSecs.toFixed(2)} s`);
  }
}
for (const [i, { name }] of VARIANTS.entries()) {
  const row = (what: string, unit: string, of: (run: Run) => number) => {
    const values = runs[i].map(of);
    return { what: `${name}: ${what}`, value: median(values), unit, runs: values };
  };
  const last = runs[i][runs[i].length - 1];
  report.add({
    ...row("published", "messages/s", ({ published }) => published),
    better: "more",
    goal: PUBLISHED_PER_SEC,
    note: last.publishCpu,
  });
  report.add({
    ...row("consumed and acknowledged", "messages/s", ({ consumed }) => consumed),
    better: "more",
    goal: CONSUMED_PER_SEC,
    note: last.consumeCpu,
  });
  report.add({
    ...row("end to end", "s", ({ endToEndSecs }) => endToEndSecs),
    better: "less",
    goal: END_TO_END_SECS_MAX,
    note: "every message once and in order",
  });
}
report.finish(options.json);
process.exit();

async function runOnce({ mode, batch }: (typeof VARIANTS)[number]): Promise<Run> {
  // Checked by the flag itself, as below.
  const durability = options.fsync as FsyncPolicy;
  const synap = await startSynap(options.server, { durability, args: NO_SNAPSHOTS });
  const distribution = options["priority-distribution"] as PriorityDistribution;
  const config = {
    port: synap.port,
    queue: QUEUE,
    messages: options.messages,
    distribution,
    messagesPerCommand: batch,
  };
  await synap.command("queue.create", { name: QUEUE });
  const publisher = new ClientProcess(new URL("../queue/queue-publisher.ts", import.meta.url), {
    ...config,
    payloadBytes: options["payload-bytes"],
    inFlight: batch === 1 ? options["in-flight"] : 4,
  } satisfies QueuePublisherConfig);
  const workers = new ClientProcess(new URL("../queue/queue-workers.ts", import.meta.url), {
    ...config,
    workers: options.workers,
    ackDeadlineSecs: options["ack-deadline"],
    mode,
    inFlight: mode === "subscribe" ? options.prefetch : batch === 1 ? options["in-flight"] : 4,
  } satisfies QueueWorkersConfig);
  await Promise.all([publisher.until("ready"), workers.until("ready")]);

  const publishCpu = new CpuWatch(synap.child, [publisher]);
  publisher.tell("go");
  const published = await publisher.until<QueuePublished>("done");
  const publishCost = publishCpu.cost((published.endMs - published.startMs) / 1_000, options.messages);

  const consumeCpu = new CpuWatch(synap.child, [workers]);
  workers.tell("go");
  const worked = await workers.until<QueueWorked>("done");
  const consumeCost = consumeCpu.cost((worked.endMs - worked.startMs) / 1_000, options.messages);

  const stats = await synap.command("queue.stats", { queue: QUEUE });
  const left = ["depth", "pending", "dead"].filter((name) => stats[name] !== 0);
  const problems = [...worked.problems, ...left.map((name) => `${stats[name]} messages left ${name}`)];
  if (stats.acked !== options.messages) problems.push(`the server counted ${stats.acked} acknowledgements`);
  if (problems.length > 0) throw new Error(problems.join("; "));
  await Promise.all([publisher.stop(), workers.stop()]);
  await synap.stop();
  return {
    published: (options.messages * 1_000) / (published.endMs - published.startMs),
    consumed: (options.messages * 1_000) / (worked.endMs - worked.startMs),
    endToEndSecs: (published.endMs - published.startMs + worked.endMs - worked.startMs) / 1_000,
    publishCpu: publishCost,
    consumeCpu: consumeCost,
  };
}
