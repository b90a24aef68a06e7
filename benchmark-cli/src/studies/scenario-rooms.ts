/**
 * The specification's scenario 3: 100 rooms, 1,000 events each, 50 subscribers of each room with a WebSocket of their
 * own. First as a closed loop, for the rate; then at a fifth of that rate at fixed instants, for the latencies; then
 * everything is replayed to a new subscriber of each room. Every subscriber must get every event once and in order.
 *
 *     npx tsx benchmark-cli/src/studies/scenario-rooms.ts [--rooms 100] [--events-per-room 1000] [--subscribers-per-room 50] [--help]
 */

import { ClientProcess } from "../load/client-process.ts";
import type { Latency } from "../load/latency-histogram.ts";
import { LatencyHistogram } from "../load/latency-histogram.ts";
import { Report } from "../report/report.ts";
import { median } from "../report/row.ts";
import type { RoomPublisherConfig, RoomPublisherResult } from "../rooms/room-publisher.ts";
import type { RoomReplayConfig, RoomReplayed } from "../rooms/room-replay.ts";
import { createRooms, RoomClients, type RoomsMeasured } from "../rooms/room-topology.ts";
import { startSynap } from "../servers/synap-process.ts";
import { benchmarkOptions } from "./benchmark-options.ts";

const SHARE_OF_MAXIMUM = 1 / 5;
const WARMUP_EVENTS = 10;

const options = benchmarkOptions("Scenario 3: rooms with many subscribers.", {
  rooms: { default: 100, about: "rooms" },
  "events-per-room": { default: 1_000, about: "events published to each room in the closed loop" },
  "subscribers-per-room": { default: 50, about: "WebSockets subscribed to each room" },
  "replay-history": { default: "true", words: ["true", "false"], about: "whether all events are replayed at the end" },
  "data-bytes": { default: 100, min: 16, about: "bytes of an event's data" },
  window: { default: 4, about: "events of a room under way in the closed loop" },
  clients: { default: 2, about: "client processes" },
  seconds: { default: 5, min: 0.1, isFraction: true, about: "seconds at a fifth of the rate" },
  rounds: { default: 1, about: "repetitions, of which the median counts" },
});
const {
  rooms,
  "events-per-room": events,
  "subscribers-per-room": subscribersPerRoom,
  "data-bytes": dataBytes,
} = options;

interface Run {
  readonly closed: RoomsMeasured;
  readonly open: RoomsMeasured;
  readonly publish: Latency;
  readonly openRate: number;
  /** Events per second replayed; undefined where nothing was. */
  readonly replayedPerSec: number | undefined;
}

const report = new Report(
  `Scenario 3: ${rooms} rooms, ${events} events, ${subscribersPerRoom} subscribers each (fsync: interval)`,
);
const runs: Run[] = [];
for (let round = 0; round < options.rounds; round++) runs.push(await runOnce(round + 1));

const row = (what: string, unit: string, of: (run: Run) => number) => {
  const values = runs.map(of);
  return { what, value: median(values), unit, runs: values };
};
const last = runs[runs.length - 1];
const atRate = `at ${Math.round(last.openRate).toLocaleString("en-US")} events/s; ${last.open.cpu}`;
const deliveries = (events * rooms * subscribersPerRoom).toLocaleString("en-US");
report.add({
  ...row("events", "events/s", ({ closed }) => closed.eventsPerSec),
  better: "more",
  goal: 10_000,
  note: last.closed.cpu,
});
report.add({
  ...row("deliveries", "deliveries/s", ({ closed }) => closed.deliveriesPerSec),
  note: `${deliveries}, none lost or twice, in order`,
});
report.add(row("deliveries per CPU second of the server", "deliveries", ({ closed }) => closed.deliveriesPerCpuSec));
const latencies = [
  { what: "publish", p95MsMax: 1, of: ({ publish }: Run) => publish },
  { what: "fan-out, first to last subscriber", p95MsMax: 2, of: ({ open }: Run) => open.fanout },
  { what: "delivery", p95MsMax: 5, of: ({ open }: Run) => open.delivery },
];
for (const { what, p95MsMax, of } of latencies) {
  report.add({ ...row(`${what}, p50`, "ms", (run) => of(run).p50Ms), note: atRate });
  report.add({ ...row(`${what}, p95`, "ms", (run) => of(run).p95Ms), better: "less", goal: p95MsMax });
  report.add(row(`${what}, p99`, "ms", (run) => of(run).p99Ms));
}
if (last.replayedPerSec !== undefined) {
  report.add(row("replay from the first event", "events/s", ({ replayedPerSec }) => replayedPerSec ?? Number.NaN));
}
report.finish(options.json);
process.exit();

async function runOnce(round: number): Promise<Run> {
  const synap = await startSynap(options.server, { durability: "interval" });
  await createRooms(synap, rooms, 1_000_000);
  const topology = { rooms, subscribersPerRoom, dataBytes, clients: options.clients };
  const subscribers = await RoomClients.open("synap", synap, topology);
  await subscribers.run(WARMUP_EVENTS, options.window);
  const closed = await subscribers.run(events, options.window);
  const rates = `${Math.round(closed.eventsPerSec)} events/s, ${Math.round(closed.deliveriesPerSec)} deliveries/s`;
  report.progress(`round ${round}, closed loop: ${rates}, ${closed.cpu}`);

  const openRate = closed.eventsPerSec * SHARE_OF_MAXIMUM;
  const openEvents = Math.max(1, Math.round((openRate * options.seconds) / rooms));
  const config: RoomPublisherConfig = {
    port: synap.port,
    rooms,
    events: openEvents * rooms,
    eventsPerSec: openRate,
    dataBytes,
  };
  const publisher = new ClientProcess(new URL("../rooms/room-publisher.ts", import.meta.url), config);
  await publisher.until("ready");
  const open = await subscribers.run(openEvents, 0, publisher);
  const publish = LatencyHistogram.of([(await publisher.until<RoomPublisherResult>("done")).publish]).latency();
  await publisher.stop();
  const shown = { publish, "fan-out": open.fanout, delivery: open.delivery };
  const p95 = Object.entries(shown).map(([what, { p95Ms }]) => `${what} ${p95Ms.toFixed(2)}`);
  report.progress(`round ${round}, p95 at ${Math.round(openRate)} events/s: ${p95.join(", ")} ms, ${open.cpu}`);
  await subscribers.stop();

  const total = WARMUP_EVENTS + events + openEvents;
  const replayedPerSec = options["replay-history"] === "true" ? await replay(synap.port, total) : undefined;
  await synap.stop();
  return { closed, open, publish, openRate, replayedPerSec };
}

async function replay(port: number, eventsOfRoom: number): Promise<number> {
  const config: RoomReplayConfig = { port, rooms, events: eventsOfRoom };
  const client = new ClientProcess(new URL("../rooms/room-replay.ts", import.meta.url), config);
  await client.until("ready");
  client.tell("go");
  const { seconds } = await client.until<RoomReplayed>("done");
  await client.stop();
  const perSec = (rooms * eventsOfRoom) / seconds;
  report.progress(`replayed ${rooms * eventsOfRoom} events: ${Math.round(perSec)}/s`);
  return perSec;
}
