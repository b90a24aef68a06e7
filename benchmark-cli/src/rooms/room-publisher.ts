/** A process that publishes events to rooms in turn, at fixed instants, and measures how late the replies come. */

import { serve } from "../load/client-process.ts";
import { openWebSocket } from "../load/client-socket.ts";
import { type LatencyCounts, LatencyHistogram } from "../load/latency-histogram.ts";
import { PacedLane, paceLanes } from "../load/paced-lane.ts";
import { roomDialect } from "./room-dialects.ts";

export interface RoomPublisherConfig {
  readonly port: number;
  readonly rooms: number;
  readonly events: number;
  readonly eventsPerSec: number;
  readonly dataBytes: number;
}

/** Comes with `done`. */
export interface RoomPublisherResult {
  readonly publish: LatencyCounts;
}

const CONNECTIONS = 4;

serve<RoomPublisherConfig>(async (config, benchmark) => {
  const dialect = roomDialect("synap");
  const encoders = Array.from({ length: config.rooms }, (_, room) => dialect.encoder(room, config.dataBytes));
  const latencies = new LatencyHistogram();
  const lanes: PacedLane[] = [];
  for (let i = 0; i < CONNECTIONS; i++) lanes.push(new PacedLane(await openWebSocket(config.port), latencies));
  benchmark.tell("ready");
  await benchmark.until("go");
  await paceLanes(lanes, config.eventsPerSec, config.events, (event, lane, dueMs) => {
    lane.send(encoders[event % config.rooms](0, dueMs), dueMs);
  });
  const result: RoomPublisherResult = { publish: latencies.export() };
  benchmark.tell("done", result);
});
