/** A process that publishes events to rooms in turn, at fixed instants, and measures how late the replies come. */

import { serve } from "../load/client-process.ts";
import { type LatencyCounts, LatencyHistogram } from "../load/latency-histogram.ts";
import { type PacedLane, paceLanes } from "../load/paced-lane.ts";
import { type RoomPublishing, roomDialect } from "./room-dialects.ts";

export interface RoomPublisherConfig {
  readonly publishing: RoomPublishing;
  readonly rooms: number;
  readonly events: number;
  readonly eventsPerSec: number;
  readonly dataBytes: number;
}

/** Comes with `done`. */
export interface RoomPublisherResult {
  readonly publish: LatencyCounts;
}

serve<RoomPublisherConfig>(async (config, benchmark) => {
  const dialect = roomDialect("synap", config.publishing);
  const encoders = Array.from({ length: config.rooms }, (_, room) => dialect.encoder(room, config.dataBytes));
  const latencies = new LatencyHistogram();
  const lanes: PacedLane[] = [];
  for (let i = 0; i < config.publishing.publishers; i++) lanes.push(await dialect.publisher(latencies));
  benchmark.tell("ready");
  await benchmark.until("go");
  await paceLanes(lanes, config.eventsPerSec, config.events, (event, lane, dueMs) => {
    lane.send(encoders[event % config.rooms](0, dueMs), dueMs);
  });
  const result: RoomPublisherResult = { publish: latencies.export() };
  benchmark.tell("done", result);
});
