/** Measures one command of queues, rooms or publish/subscribe on a fresh server; see messaging-latency.ts. */
import { ClientProcess, CpuWatch } from "../load/client-process.ts";
import { type Durability, NO_SNAPSHOTS, startSynap } from "../servers/synap-process.ts";
import type { MessagingLatency, MessagingLatencyConfig } from "./messaging-latency.ts";

export interface MessagingRun extends MessagingLatency {
  /** Closed loop: commands for one CPU second of the server. */
  readonly perCpuSec: number;
  /** In the open loop. */
  readonly cpu: string;
}

/** @param program the server's main.js; the built one by default */
export async function runMessaging(
  program: string | undefined,
  durability: Durability,
  config: Omit<MessagingLatencyConfig, "port">,
): Promise<MessagingRun> {
  const synap = await startSynap(program, { durability, args: NO_SNAPSHOTS });
  const full: MessagingLatencyConfig = { ...config, port: synap.port };
  const client = new ClientProcess(new URL("messaging-latency.ts", import.meta.url), full);
  await client.until("closed loop");
  const closedCpu = new CpuWatch(synap.child, [client]);
  client.tell("go");
  await client.until("closed loop done");
  const perCpuSec = config.requests / closedCpu.serverSecs;
  client.tell("go");
  await client.until("open loop");
  const cpu = new CpuWatch(synap.child, [client]);
  client.tell("go");
  const measured = await client.until<MessagingLatency>("done");
  const run = { ...measured, perCpuSec, cpu: cpu.cores(measured.seconds) };
  await client.stop();
  await synap.stop();
  return run;
}
