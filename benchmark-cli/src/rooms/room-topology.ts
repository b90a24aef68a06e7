/** Rooms and their subscribers, spread over client processes; all subscribers of a room are in one. */
import type { ChildProcess } from "node:child_process";
import { ClientProcess, CpuWatch } from "../load/client-process.ts";
import { type Latency, type LatencyCounts, LatencyHistogram } from "../load/latency-histogram.ts";
import { BenchmarkError } from "../servers/benchmark-error.ts";
import type { Synap } from "../servers/synap-process.ts";
import { type RoomPublishing, type RoomServer, roomName } from "./room-dialects.ts";
import type { RoomRun, RoomRunResult, RoomSubscribersConfig } from "./room-subscribers.ts";

export interface Topology {
  readonly rooms: number;
  readonly subscribersPerRoom: number;
  readonly dataBytes: number;
  /** Client processes. */
  readonly clients: number;
  /** Over a few WebSockets of each process, where nothing else is said. */
  readonly publishing?: RoomPublishing;
}

/** Connections of a process that publishes, where nothing else is asked for. */
export const ROOM_PUBLISHERS = 4;

export interface RoomsMeasured {
  readonly eventsPerSec: number;
  readonly deliveriesPerSec: number;
  readonly deliveriesPerCpuSec: number;
  readonly delivery: Latency;
  readonly fanout: Latency;
  readonly deliveryCounts: LatencyCounts;
  readonly fanoutCounts: LatencyCounts;
  readonly deliveries: number;
  readonly seconds: number;
  readonly cpu: string;
}

export class RoomClients {
  readonly #server: ChildProcess | undefined;
  readonly #topology: Topology;
  readonly #clients: readonly ClientProcess[];

  private constructor(server: ChildProcess | undefined, topology: Topology, clients: readonly ClientProcess[]) {
    this.#server = server;
    this.#topology = topology;
    this.#clients = clients;
  }

  /** Opens all subscriptions. The rooms must exist. */
  static async open(
    kind: RoomServer,
    server: { readonly child: ChildProcess | undefined; readonly port: number },
    topology: Topology,
  ): Promise<RoomClients> {
    const { rooms, subscribersPerRoom, dataBytes } = topology;
    const preset: RoomPublishing = { protocol: "websocket", port: server.port, publishers: ROOM_PUBLISHERS };
    const processes = Math.min(topology.clients, rooms);
    const clients = Array.from({ length: processes }, (_, client) => {
      const own = Array.from({ length: rooms }, (_, room) => room).filter((room) => room % processes === client);
      const config: RoomSubscribersConfig = {
        server: kind,
        port: server.port,
        publishing: topology.publishing ?? preset,
        rooms: own,
        subscribersPerRoom,
        dataBytes,
      };
      return new ClientProcess(new URL("room-subscribers.ts", import.meta.url), config);
    });
    await Promise.all(clients.map((client) => client.until("ready")));
    return new RoomClients(server.child, topology, clients);
  }

  get processes(): readonly ClientProcess[] {
    return this.#clients;
  }

  /**
   * @param events of each room
   * @param window events of a room under way in a closed loop; 0 where `publish` publishes
   * @throws if a delivery was lost, came twice or out of order.
   */
  async run(events: number, window: number, publish?: ClientProcess): Promise<RoomsMeasured> {
    const clients = publish === undefined ? this.#clients : [...this.#clients, publish];
    const cpu = new CpuWatch(this.#server, clients);
    const run: RoomRun = { events, window };
    for (const client of this.#clients) client.tell("go", run);
    publish?.tell("go");
    const results = await Promise.all(this.#clients.map((client) => client.until<RoomRunResult>("done")));
    const serverSecs = cpu.serverSecs;
    const problems = results.flatMap((result) => result.problems);
    if (problems.length > 0) throw new BenchmarkError(`deliveries are wrong: ${problems.slice(0, 10).join("; ")}`);
    const seconds =
      (Math.max(...results.map(({ endMs }) => endMs)) - Math.min(...results.map(({ startMs }) => startMs))) / 1_000;
    const { rooms, subscribersPerRoom } = this.#topology;
    const delivery = LatencyHistogram.of(results.map((result) => result.delivery));
    const fanout = LatencyHistogram.of(results.map((result) => result.fanout));
    const deliveries = events * rooms * subscribersPerRoom;
    return {
      eventsPerSec: (events * rooms) / seconds,
      deliveriesPerSec: deliveries / seconds,
      deliveriesPerCpuSec: deliveries / serverSecs,
      delivery: delivery.latency(),
      fanout: fanout.latency(),
      deliveryCounts: delivery.export(),
      fanoutCounts: fanout.export(),
      deliveries,
      seconds,
      cpu: cpu.cores(seconds),
    };
  }

  async stop(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.stop()));
  }
}

export async function createRooms(synap: Pick<Synap, "command">, rooms: number, eventsMax: number): Promise<void> {
  for (let room = 0; room < rooms; room++) {
    await synap.command("stream.create", { room: roomName(room), max_events: eventsMax });
  }
}
