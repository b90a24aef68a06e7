/**
 * Latency of single commands of queues, rooms and publish/subscribe over WebSocket (MessagePack), at a fifth of the rate
 * that a closed loop reaches. Open loop: counted from the instant a request was due. A fresh server for each command.
 *
 *     npx tsx benchmark-cli/src/studies/latency-messaging.ts [--connections 10] [--seconds 3] [--rounds 1] [--help]
 */

import { Report } from "../report/report.ts";
import { median } from "../report/row.ts";
import { benchmarkOptions } from "./benchmark-options.ts";
import { MESSAGING_COMMANDS, type MessagingCommand } from "./messaging-cases.ts";
import { type MessagingRun, runMessaging } from "./messaging-run.ts";

const SHARE_OF_MAXIMUM = 1 / 5;
/** The specification's ceilings. */
const P95_MS_MAX: Readonly<Record<MessagingCommand, number>> = {
  "queue.publish": 1,
  "queue.consume": 0.5,
  "queue.ack": 0.5,
  "stream.publish": 1,
  "stream.subscribe": 2,
  "pubsub.publish": 0.5,
};

const options = benchmarkOptions("Latency of commands of queues, rooms and publish/subscribe.", {
  connections: { default: 10, about: "connections of the client" },
  "in-flight": { default: 4, about: "requests of a connection without a reply in the closed loop" },
  requests: { default: 50_000, about: "requests of the closed loop" },
  seconds: { default: 3, min: 0.1, isFraction: true, about: "seconds at a fifth of the rate" },
  rounds: { default: 1, about: "repetitions, of which the median counts" },
});

const report = new Report(
  "Latency of queues, rooms and publish/subscribe at a fifth of the maximum rate (fsync: interval)",
);
for (const command of MESSAGING_COMMANDS) {
  const runs: MessagingRun[] = [];
  for (let round = 0; round < options.rounds; round++) runs.push(await runOnce(command));
  const add = (which: string, of: (run: MessagingRun) => number, judged: object = {}) => {
    const values = runs.map(of);
    report.add({ what: `${command}, ${which}`, value: median(values), unit: "ms", runs: values, ...judged });
  };
  const { perSec, maximumPerSec } = runs[runs.length - 1];
  add("p50", ({ latency }) => latency.p50Ms, {
    note: `at ${Math.round(perSec)}/s, maximum ${Math.round(maximumPerSec)}/s`,
  });
  add("p95", ({ latency }) => latency.p95Ms, { better: "less", goal: P95_MS_MAX[command] });
  add("p99", ({ latency }) => latency.p99Ms);
}
report.finish(options.json);
process.exit();

async function runOnce(command: MessagingCommand): Promise<MessagingRun> {
  const run = await runMessaging(options.server, "interval", {
    command,
    size: 0,
    connections: options.connections,
    requests: options.requests,
    inFlight: options["in-flight"],
    share: SHARE_OF_MAXIMUM,
    seconds: options.seconds,
  });
  const { p50Ms, p95Ms, p99Ms, maxMs } = run.latency;
  const shown = Object.entries({ p50: p50Ms, p95: p95Ms, p99: p99Ms, max: maxMs });
  const text = shown.map(([which, ms]) => `${which} ${ms.toFixed(3)}`).join(", ");
  report.progress(`${command}: ${text} ms at ${Math.round(run.perSec)}/s, ${run.cpu}`);
  return run;
}
