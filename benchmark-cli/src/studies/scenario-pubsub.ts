/**
 * The specification's scenario 4: 1,000 topics, 100,000 messages, 5,000 subscribers, by default with a WebSocket each, a
 * fifth of them with wildcards. First as a closed loop, for the rate; then at a fifth of that rate at fixed instants, for the
 * latencies. Every subscriber must get exactly what its pattern matches, by the benchmark's own matcher.
 *
 *     npx tsx benchmark-cli/src/studies/scenario-pubsub.ts [--topics 1000] [--messages 100000] [--subscribers 5000] [--help]
 */

import { ClientProcess, CpuWatch } from "../load/client-process.ts";
import type { Latency } from "../load/latency-histogram.ts";
import { LatencyHistogram } from "../load/latency-histogram.ts";
import { Report } from "../report/report.ts";
import { median } from "../report/row.ts";
import { startSynap } from "../servers/synap-process.ts";
import type { TopicPlan } from "../topics/topic-plan.ts";
import type { TopicPublished, TopicPublisherConfig, TopicPublishing } from "../topics/topic-publisher.ts";
import type { TopicRun, TopicRunResult, TopicSubscribersConfig } from "../topics/topic-subscribers.ts";
import { benchmarkOptions } from "./benchmark-options.ts";

const SHARE_OF_MAXIMUM = 1 / 5;
const WARMUP_MESSAGES = 2_000;

const options = benchmarkOptions("Scenario 4: publish/subscribe with many topics and subscribers.", {
  topics: { default: 1_000, about: "topics" },
  messages: { default: 100_000, about: "messages of the closed loop" },
  subscribers: { default: 5_000, about: "subscribers" },
  "wildcard-ratio": { default: 0.2, min: 0, isFraction: true, about: "share of the subscribers that have a wildcard" },
  "subscribers-per-socket": { default: 1, about: "subscribers that share a WebSocket" },
  "payload-bytes": { default: 100, min: 26, about: "bytes of a message" },
  "in-flight": { default: 64, about: "publishes without a reply in the closed loop" },
  clients: { default: 2, about: "client processes that subscribe" },
  seconds: { default: 5, min: 0.1, isFraction: true, about: "seconds at a fifth of the rate" },
  rounds: { default: 1, about: "repetitions, of which the median counts" },
});
const plan: TopicPlan = {
  topics: options.topics,
  subscribers: options.subscribers,
  wildcardRatio: options["wildcard-ratio"],
};

interface Measured {
  readonly messagesPerSec: number;
  readonly deliveries: number;
  readonly deliveriesPerSec: number;
  readonly routing: Latency;
  readonly delivery: Latency;
  readonly cpu: string;
}

interface Run {
  readonly closed: Measured;
  readonly open: Measured;
}

const title = `${plan.topics} topics, ${options.messages} messages, ${plan.subscribers} subscribers`;
const report = new Report(`Scenario 4: ${title}, ${plan.wildcardRatio * 100}% wildcards`);
const runs: Run[] = [];
for (let round = 0; round < options.rounds; round++) runs.push(await runOnce(round + 1));

const row = (what: string, unit: string, of: (run: Run) => number) => {
  const values = runs.map(of);
  return { what, value: median(values), unit, runs: values };
};
const last = runs[runs.length - 1];
const fanout = last.closed.deliveries / options.messages;
report.add({
  ...row("messages, until the last is delivered", "messages/s", ({ closed }) => closed.messagesPerSec),
  better: "more",
  goal: 100_000,
  note: last.closed.cpu,
});
report.add({
  ...row("deliveries", "deliveries/s", ({ closed }) => closed.deliveriesPerSec),
  note: `${last.closed.deliveries.toLocaleString("en-US")}, none lost or twice: ${fanout.toFixed(2)} of each message`,
});
for (const { what, p95MsMax, of } of [
  { what: "routing (publish to its reply)", p95MsMax: 0.5, of: ({ open }: Run) => open.routing },
  { what: "delivery", p95MsMax: 1, of: ({ open }: Run) => open.delivery },
]) {
  const note = `at ${Math.round(last.open.messagesPerSec).toLocaleString("en-US")} messages/s; ${last.open.cpu}`;
  report.add({ ...row(`${what}, p50`, "ms", (run) => of(run).p50Ms), note });
  report.add({ ...row(`${what}, p95`, "ms", (run) => of(run).p95Ms), better: "less", goal: p95MsMax });
  report.add(row(`${what}, p99`, "ms", (run) => of(run).p99Ms));
}
report.finish(options.json);
process.exit();

async function runOnce(round: number): Promise<Run> {
  const synap = await startSynap(options.server, { durability: "memory" });
  const { port } = synap;
  const subscribers = Array.from({ length: options.clients }, (_, client) => {
    const perSocket = options["subscribers-per-socket"];
    const config: TopicSubscribersConfig = { port, plan, perSocket, client, clients: options.clients };
    return new ClientProcess(new URL("../topics/topic-subscribers.ts", import.meta.url), config);
  });
  const config: TopicPublisherConfig = { port, plan, payloadBytes: options["payload-bytes"] };
  const publisher = new ClientProcess(new URL("../topics/topic-publisher.ts", import.meta.url), config);
  await Promise.all([publisher, ...subscribers].map((client) => client.until("ready")));

  const measure = async (publishing: TopicPublishing): Promise<Measured> => {
    const { first, count } = publishing;
    for (const client of subscribers) client.tell("go", { first, count } satisfies TopicRun);
    await Promise.all(subscribers.map((client) => client.until("going")));
    const cpu = new CpuWatch(synap.child, [publisher, ...subscribers]);
    publisher.tell("go", publishing);
    const { startMs, routing } = await publisher.until<TopicPublished>("done");
    const results = await Promise.all(subscribers.map((client) => client.until<TopicRunResult>("done")));
    const problems = results.flatMap((result) => result.problems);
    if (problems.length > 0) throw new Error(problems.slice(0, 10).join("\n"));
    const seconds = (Math.max(...results.map(({ endMs }) => endMs)) - startMs) / 1_000;
    const deliveries = results.reduce((sum, result) => sum + result.deliveries, 0);
    return {
      messagesPerSec: count / seconds,
      deliveries,
      deliveriesPerSec: deliveries / seconds,
      routing: LatencyHistogram.of([routing]).latency(),
      delivery: LatencyHistogram.of(results.map(({ delivery }) => delivery)).latency(),
      cpu: cpu.cores(seconds),
    };
  };
  await measure({ first: 0, count: WARMUP_MESSAGES, inFlight: options["in-flight"] });
  const closed = await measure({ first: WARMUP_MESSAGES, count: options.messages, inFlight: options["in-flight"] });
  const rates = `${Math.round(closed.messagesPerSec)} messages/s, ${Math.round(closed.deliveriesPerSec)} deliveries/s`;
  report.progress(`round ${round}, closed loop: ${rates}, ${closed.cpu}`);
  const messagesPerSec = closed.messagesPerSec * SHARE_OF_MAXIMUM;
  const count = Math.max(1, Math.round(messagesPerSec * options.seconds));
  const open = await measure({ first: WARMUP_MESSAGES + options.messages, count, messagesPerSec });
  const p95 = `routing ${open.routing.p95Ms.toFixed(2)}, delivery ${open.delivery.p95Ms.toFixed(2)} ms`;
  report.progress(`round ${round}, p95 at ${Math.round(messagesPerSec)} messages/s: ${p95}, ${open.cpu}`);
  await Promise.all([publisher, ...subscribers].map((client) => client.stop()));
  await synap.stop();
  return { closed, open };
}
