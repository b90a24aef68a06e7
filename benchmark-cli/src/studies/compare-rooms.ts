/**
 * Deliveries per second to 100 rooms of 50 subscribers as a closed loop, against a bare uWebSockets.js server that
 * publishes what it gets and keeps nothing, so that our log is not on disk here either. The same client processes, rooms,
 * subscribers and events under way on both; the two alternate.
 *
 *     npx tsx benchmark-cli/src/studies/compare-rooms.ts [--rooms 100] [--subscribers-per-room 50] [--events-per-room 100] [--help]
 */
import { fileURLToPath } from "node:url";
import { Report } from "../report/report.ts";
import { median } from "../report/row.ts";
import { createRooms, RoomClients, type RoomsMeasured } from "../rooms/room-topology.ts";
import { freePort, listening, start } from "../servers/processes.ts";
import { startSynap } from "../servers/synap-process.ts";
import { benchmarkOptions } from "./benchmark-options.ts";

const BARE_SERVER = fileURLToPath(new URL("../servers/bare-room-server.ts", import.meta.url));
const WARMUP_EVENTS = 10;

const options = benchmarkOptions("Rooms against bare uWebSockets.js publish, closed loop.", {
  rooms: { default: 100, about: "rooms" },
  "subscribers-per-room": { default: 50, about: "WebSockets subscribed to each room" },
  "events-per-room": { default: 100, about: "events of each room in one run" },
  "data-bytes": { default: 100, min: 16, about: "bytes of an event's data" },
  window: { default: 4, about: "events of a room under way" },
  clients: { default: 2, about: "client processes" },
  rounds: { default: 5, about: "repetitions, of which the median counts" },
});
const { rooms, "subscribers-per-room": subscribersPerRoom, "events-per-room": events } = options;
const topology = { rooms, subscribersPerRoom, dataBytes: options["data-bytes"], clients: options.clients };

const report = new Report(
  `${rooms} rooms of ${subscribersPerRoom} subscribers against bare uWebSockets.js, without persistence`,
);
const synap = await startSynap(options.server, { durability: "memory" });
await createRooms(synap, rooms, 1_000);
const barePort = await freePort();
const bareChild = start(process.execPath, [...process.execArgv, BARE_SERVER, `${barePort}`]);
await listening(barePort, bareChild);

const cases: { name: string; clients: RoomClients; runs: RoomsMeasured[] }[] = [
  {
    name: "bare uWebSockets.js",
    clients: await RoomClients.open("bare", { child: bareChild, port: barePort }, topology),
    runs: [],
  },
  { name: "Synap", clients: await RoomClients.open("synap", synap, topology), runs: [] },
];
for (const { clients } of cases) await clients.run(WARMUP_EVENTS, options.window);
for (let round = 0; round < options.rounds; round++) {
  for (const { name, clients, runs } of cases) {
    const run = await clients.run(events, options.window);
    runs.push(run);
    report.progress(`round ${round + 1}, ${name}: ${Math.round(run.deliveriesPerSec)} deliveries/s, ${run.cpu}`);
  }
}
for (const { name, runs } of cases) {
  const values = runs.map(({ deliveriesPerSec }) => deliveriesPerSec);
  const note = runs[runs.length - 1].cpu;
  report.add({ what: name, value: median(values), unit: "deliveries/s", runs: values, note });
}
const [bare, ours] = cases;
const ratios = ours.runs.map((run, i) => run.deliveriesPerSec / bare.runs[i].deliveriesPerSec);
const cpuRatios = ours.runs.map((run, i) => run.deliveriesPerCpuSec / bare.runs[i].deliveriesPerCpuSec);
report.add({
  what: "Synap against bare uWebSockets.js",
  value: median(ratios),
  unit: "x",
  better: "more",
  least: 0.5,
  goal: 0.7,
  runs: ratios,
});
report.add({
  what: "the same, deliveries per CPU second of the server",
  value: median(cpuRatios),
  unit: "x",
  runs: cpuRatios,
});
report.finish(options.json);
process.exit();
