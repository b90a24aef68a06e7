/**
 * How the cost of queues, rooms and publish/subscribe grows: publish, consume and acknowledge with 1,000 to 1,000,000
 * messages queued; publish with 100 to 100,000 patterns subscribed; one room with 10 to 10,000 subscribers, with the delay
 * of the server's event loop beside.
 *
 *     npx tsx benchmark-cli/src/studies/messaging-sizes.ts [--most 1000000] [--requests 50000] [--help]
 */
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { LoopDelay } from "../load/loop-probe.ts";
import { Report } from "../report/report.ts";
import { createRooms, RoomClients } from "../rooms/room-topology.ts";
import { start } from "../servers/processes.ts";
import { startSynap } from "../servers/synap-process.ts";
import { benchmarkOptions } from "./benchmark-options.ts";
import type { MessagingCommand } from "./messaging-cases.ts";
import { runMessaging } from "./messaging-run.ts";

const PROBE = fileURLToPath(new URL("../load/loop-probe.ts", import.meta.url));
const QUEUE_SIZES = [1_000, 100_000, 1_000_000];
const PATTERN_SIZES = [100, 10_000, 100_000];
const SUBSCRIBER_SIZES = [10, 1_000, 10_000];
const WARMUP_EVENTS = 10;
const WARMUP_DELIVERIES = 50_000;
/** Of the rate of the closed loop. */
const SHARE = 1 / 5;

const options = benchmarkOptions("How cost grows with messages queued, patterns and subscribers.", {
  most: { default: 1_000_000, about: "sizes above this are left out" },
  requests: { default: 50_000, about: "requests of each closed loop" },
  deliveries: { default: 500_000, about: "deliveries to the subscribers of the room" },
  window: { default: 8, about: "events of the room under way" },
  seconds: { default: 1, min: 0.1, isFraction: true, about: "seconds at a fifth of the rate" },
});

const report = new Report("Growth of queues, rooms and publish/subscribe (without persistence)");
const queueCommands = ["queue.publish", "queue.consume", "queue.ack"] as const;
for (const command of queueCommands) await measureCommand(command, QUEUE_SIZES, "queued");
await measureCommand("pubsub.publish", PATTERN_SIZES, "patterns");
await measureRooms();
report.finish(options.json);
process.exit();

async function measureCommand(command: MessagingCommand, sizes: readonly number[], unit: string): Promise<void> {
  const rates: number[] = [];
  for (const size of sizes.filter((each) => each <= options.most)) {
    const run = await runMessaging(options.server, "memory", {
      command,
      size,
      connections: 10,
      requests: options.requests,
      inFlight: 4,
      share: SHARE,
      seconds: options.seconds,
    });
    rates.push(run.perCpuSec);
    const what = `${command}, ${size.toLocaleString("en-US")} ${unit}`;
    const note = `${perCpuSec(run.perCpuSec)}; p95 ${run.latency.p95Ms.toFixed(2)} ms at a fifth`;
    report.progress(`${what}: ${Math.round(run.maximumPerSec)}/s, ${note}`);
    report.add({ what, value: run.maximumPerSec, unit: "commands/s", note });
  }
  addGrowth(command, rates);
}

async function measureRooms(): Promise<void> {
  const rates: number[] = [];
  const probeArgs = [...process.execArgv, PROBE];
  const bare = start(process.execPath, probeArgs, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  for (const subscribers of SUBSCRIBER_SIZES.filter((each) => each <= options.most)) {
    const nodeArgs = [...process.execArgv, "--import", PROBE];
    const synap = await startSynap(options.server, { durability: "memory", nodeArgs, ipc: true });
    await createRooms(synap, 1, 1_000);
    const topology = { rooms: 1, subscribersPerRoom: subscribers, dataBytes: 100, clients: 1 };
    const clients = await RoomClients.open("synap", synap, topology);
    await clients.run(Math.max(WARMUP_EVENTS, Math.ceil(WARMUP_DELIVERIES / subscribers)), options.window);
    for (const child of [synap.child, bare]) child.send("begin");
    const events = Math.ceil(options.deliveries / subscribers);
    const run = await clients.run(events, options.window);
    const delay = await delayOf(synap.child);
    const bareDelay = await delayOf(bare);
    rates.push(run.deliveriesPerCpuSec);
    const what = `one room, ${subscribers.toLocaleString("en-US")} subscribers`;
    const loop = `loop delay p99 ${delay.p99Ms.toFixed(1)}, max ${delay.maxMs.toFixed(1)} ms, of a bare loop ${bareDelay.maxMs.toFixed(1)} ms`;
    report.progress(`${what}: ${Math.round(run.deliveriesPerSec)} deliveries/s, ${loop}, ${run.cpu}`);
    report.add({
      what,
      value: run.deliveriesPerSec,
      unit: "deliveries/s",
      note: `${perCpuSec(run.deliveriesPerCpuSec)}; ${loop}`,
    });
    report.add({ what: `${what}: longest delay of the loop`, value: delay.maxMs, unit: "ms" });
    await clients.stop();
    await synap.stop();
  }
  addGrowth("one room", rates);
}

function perCpuSec(rate: number): string {
  return `${Math.round(rate).toLocaleString("en-US")} per CPU second of the server`;
}

/** By CPU time, which a busy machine does not change much. */
function addGrowth(what: string, rates: readonly number[]): void {
  report.add({
    what: `${what}: growth of the server's CPU time for each`,
    value: rates[0] / rates[rates.length - 1],
    unit: "x",
  });
}

function delayOf(child: ChildProcess): Promise<LoopDelay> {
  child.send("end");
  // loop-probe.ts sends nothing else.
  return new Promise((resolve) => child.once("message", (delay) => resolve(delay as LoopDelay)));
}
