/** A process that measures the latency of one command: how many a closed loop reaches, then a share of that at fixed instants. */

import { serve } from "../load/client-process.ts";
import { openWebSocket } from "../load/client-socket.ts";
import type { Latency } from "../load/latency-histogram.ts";
import { LatencyHistogram } from "../load/latency-histogram.ts";
import { monotonicMs } from "../load/monotonic-clock.ts";
import { PacedLane, paceLanes } from "../load/paced-lane.ts";
import { type MessagingCase, type MessagingCommand, messagingCase } from "./messaging-cases.ts";

export interface MessagingLatencyConfig {
  readonly port: number;
  readonly command: MessagingCommand;
  /** Messages that are in the queue besides, or patterns that match nothing. */
  readonly size: number;
  readonly connections: number;
  /** Closed loop: commands in all, and of one connection at a time. */
  readonly requests: number;
  readonly inFlight: number;
  /** Open loop: its share of the rate of the closed loop. */
  readonly share: number;
  readonly seconds: number;
}

/** Comes with `done`. */
export interface MessagingLatency {
  readonly maximumPerSec: number;
  readonly perSec: number;
  readonly seconds: number;
  readonly latency: Latency;
}

serve<MessagingLatencyConfig>(async (config, benchmark) => {
  const measured = await messagingCase(config.command, config.port, config.size);
  const latencies = new LatencyHistogram();
  const lanes: PacedLane[] = [];
  for (let i = 0; i < config.connections; i++) lanes.push(new PacedLane(await openWebSocket(config.port), latencies));

  // The first run warms the server up.
  await measured.prepare(config.requests);
  await closedLoop(measured, lanes, config);
  await measured.prepare(config.requests);
  benchmark.tell("closed loop");
  await benchmark.until("go");
  const maximumPerSec = await closedLoop(measured, lanes, config);
  benchmark.tell("closed loop done");
  await benchmark.until("go");

  const perSec = maximumPerSec * config.share;
  const count = Math.max(1, Math.round(perSec * config.seconds));
  await measured.prepare(count);
  latencies.clear();
  benchmark.tell("open loop");
  await benchmark.until("go");
  await paceLanes(lanes, perSec, count, (_, lane, dueMs) => measured.send(lane, dueMs));
  const done: MessagingLatency = { maximumPerSec, perSec, seconds: config.seconds, latency: latencies.latency() };
  benchmark.tell("done", done);
});

/** @returns how many requests per second were answered. */
async function closedLoop(
  measured: MessagingCase,
  lanes: readonly PacedLane[],
  { requests, inFlight }: MessagingLatencyConfig,
): Promise<number> {
  let left = requests;
  const startMs = monotonicMs();
  await new Promise<void>((resolve) => {
    for (const lane of lanes) {
      lane.onReply = () => {
        if (lane.pending < inFlight && left > 0) {
          left -= 1;
          measured.send(lane, monotonicMs());
        } else if (left === 0 && lanes.every(({ pending }) => pending === 0)) {
          resolve();
        }
      };
      for (let i = 0; i < inFlight && left > 0; i++) {
        left -= 1;
        measured.send(lane, monotonicMs());
      }
      lane.socket.flush();
    }
  });
  const perSec = (requests * 1_000) / (monotonicMs() - startMs);
  for (const lane of lanes) lane.onReply = () => undefined;
  return perSec;
}
