/**
 * Scenario 3: rooms with many subscribers, each with a WebSocket of its own. First a closed loop, for the rate; then a fifth
 * of that rate at fixed instants, for the latencies; then all events are replayed to a new subscriber of each room. Every
 * subscriber must get every event once and in order.
 */
import { ClientProcess } from "../load/client-process.ts";
import type { Protocol } from "../load/connection.ts";
import { LatencyHistogram } from "../load/latency-histogram.ts";
import type { Phase, ScenarioResult } from "../report/result.ts";
import type { Row } from "../report/row.ts";
import { type RoomPublishing, roomName } from "../rooms/room-dialects.ts";
import type { RoomPublisherConfig, RoomPublisherResult } from "../rooms/room-publisher.ts";
import type { RoomReplayConfig, RoomReplayed } from "../rooms/room-replay.ts";
import { createRooms, RoomClients, type RoomsMeasured } from "../rooms/room-topology.ts";
import { BenchmarkError } from "../servers/benchmark-error.ts";
import { type FsyncPolicy, NO_SNAPSHOTS } from "../servers/synap-process.ts";
import { portOf, type Target } from "../servers/target.ts";
import { clientLimits, cpuNote, latencyRows, repeat } from "./judgement.ts";
import { subscribersNote } from "./protocol-options.ts";
import type { Stage } from "./stage.ts";

export interface StreamOptions {
  /** Of what publishes; subscribers have WebSockets. */
  readonly protocol: Protocol;
  /** Connections of each process that publishes. */
  readonly publishers: number;
  readonly rooms: number;
  readonly eventsPerRoom: number;
  readonly subscribersPerRoom: number;
  readonly replayHistory: boolean;
  readonly dataSize: number;
  /** Events of a room under way in the closed loop. */
  readonly pipeline: number;
  readonly clients: number;
  /** Seconds of the open loop. */
  readonly duration: number;
  /** Events per second of the open loop, all rooms together; a fifth of the closed loop's by default. */
  readonly rate: number | undefined;
  readonly fsync: FsyncPolicy;
  readonly rounds: number;
}

const SHARE_OF_MAXIMUM = 1 / 5;
const WARMUP_EVENTS = 10;
const ROOM_EVENTS_MAX = 1_000_000;
/** The specification's figures. */
const EVENTS_PER_SEC = 10_000;
const PUBLISH_P95_MS = 1;
const FANOUT_P95_MS = 2;
const DELIVERY_P95_MS = 5;

export function runStream(options: StreamOptions, stage: Stage): Promise<ScenarioResult> {
  return repeat(options.rounds, () => new StreamScenario(options, stage).run());
}

class StreamScenario {
  readonly #options: StreamOptions;
  readonly #stage: Stage;
  readonly #phases: Phase[] = [];
  readonly #rows: Row[] = [];

  constructor(options: StreamOptions, stage: Stage) {
    this.#options = options;
    this.#stage = stage;
  }

  async run(): Promise<ScenarioResult> {
    const { rooms, eventsPerRoom, subscribersPerRoom, replayHistory, pipeline, fsync, rate, ...rest } = this.#options;
    const target = await this.#stage.open(
      { durability: fsync, args: NO_SNAPSHOTS },
      { uses: ["rooms"], protocol: rest.protocol },
    );
    const publishing = this.#publishing(target);
    await this.#createRooms(target);
    const topology = { rooms, subscribersPerRoom, dataBytes: rest.dataSize, clients: rest.clients, publishing };
    const subscribers = await RoomClients.open("synap", target, topology);
    await subscribers.run(WARMUP_EVENTS, pipeline);

    const recorder = await this.#record("closed loop", target, subscribers.processes, eventsPerRoom);
    const closed = await subscribers.run(eventsPerRoom, pipeline);
    const closedPhase = this.#keep(await recorder.finish(closed.deliveries, closed.seconds, latenciesOf(closed)));
    this.#rows.push(...closedRows(closed, closedPhase));

    const openEvents = await this.#openLoop(target, subscribers, rate ?? closed.eventsPerSec * SHARE_OF_MAXIMUM);
    await subscribers.stop();
    const total = WARMUP_EVENTS + eventsPerRoom + openEvents;
    if (replayHistory) await this.#replay(target, total);
    await target.stop();
    return {
      scenario: "stream",
      title: `${rooms} rooms, ${eventsPerRoom} events each, ${subscribersPerRoom} subscribers each, published over ${rest.protocol} (fsync: ${fsync})`,
      settings: { ...this.#options, rate: rate ?? "a fifth", server: target.name },
      rows: this.#rows,
      phases: this.#phases,
      errors: {},
      deliveries: {
        expected: rooms * subscribersPerRoom * total,
        what: "events: each to every subscriber, once and in order",
      },
      notes: [...clientLimits(this.#phases, rest.clients), ...subscribersNote(rest.protocol)],
    };
  }

  #publishing(target: Target): RoomPublishing {
    const { protocol, publishers } = this.#options;
    return { protocol, port: portOf(target, protocol), publishers };
  }

  async #createRooms(target: Target): Promise<void> {
    const { rooms } = this.#options;
    // Of a server that was there before: what an earlier run has left there.
    if (target.child === undefined) {
      for (let room = 0; room < rooms; room++) {
        await target.command("stream.delete", { room: roomName(room) }).catch((error: unknown) => {
          if (!(error instanceof BenchmarkError)) throw error;
        });
      }
    }
    await createRooms(target, rooms, ROOM_EVENTS_MAX);
  }

  /** @returns the events that each room got. */
  async #openLoop(target: Target, subscribers: RoomClients, perSec: number): Promise<number> {
    const { rooms, duration, dataSize: dataBytes } = this.#options;
    const events = Math.max(1, Math.round((perSec * duration) / rooms));
    const config: RoomPublisherConfig = {
      publishing: this.#publishing(target),
      rooms,
      events: events * rooms,
      eventsPerSec: perSec,
      dataBytes,
    };
    const publisher = new ClientProcess(new URL("../rooms/room-publisher.ts", import.meta.url), config);
    await publisher.until("ready");
    const recorder = await this.#record("open loop", target, [...subscribers.processes, publisher], events);
    const open = await subscribers.run(events, 0, publisher);
    const { publish: counts } = await publisher.until<RoomPublisherResult>("done");
    await publisher.stop();
    const publish = { name: "publish", counts, latency: LatencyHistogram.of([counts]).latency() };
    const latencies = [publish, ...latenciesOf(open)];
    const phase = this.#keep(await recorder.finish(open.deliveries, open.seconds, latencies));
    const note = `at ${Math.round(perSec).toLocaleString("en-US")} events/s; ${cpuNote(phase)}`;
    this.#rows.push(
      ...latencyRows("publish to its reply", publish.latency, { p95: PUBLISH_P95_MS }, note),
      ...latencyRows("fan-out, first to last subscriber", open.fanout, { p95: FANOUT_P95_MS }),
      ...latencyRows("delivery, from the instant it was due", open.delivery, { p95: DELIVERY_P95_MS }),
    );
    return events;
  }

  async #replay(target: Target, eventsOfRoom: number): Promise<void> {
    const { rooms } = this.#options;
    const config: RoomReplayConfig = { port: target.port, rooms, events: eventsOfRoom };
    const client = new ClientProcess(new URL("../rooms/room-replay.ts", import.meta.url), config);
    await client.until("ready");
    client.tell("go");
    const { seconds } = await client.until<RoomReplayed>("done");
    await client.stop();
    const value = (rooms * eventsOfRoom) / seconds;
    this.#stage.line(`  replay: ${Math.round(value).toLocaleString("en-US")} events/s`);
    this.#rows.push({ what: "replay from the first event", value, unit: "events/s" });
  }

  async #record(name: string, target: Target, clients: readonly ClientProcess[], events: number) {
    const { rooms, subscribersPerRoom } = this.#options;
    const recorder = await this.#stage.record({
      name,
      unit: "deliveries",
      usage: target.usage,
      clients: clients.map(({ child }) => child),
      total: events * rooms * subscribersPerRoom,
    });
    for (const client of clients) client.onProgress = (progress) => recorder.progress(progress);
    return recorder;
  }

  #keep(phase: Phase): Phase {
    this.#phases.push(this.#stage.keep(phase));
    const rate = Math.round(phase.done / phase.seconds).toLocaleString("en-US");
    this.#stage.line(`  ${phase.name}: ${rate} deliveries/s, ${cpuNote(phase)}`);
    return phase;
  }
}

function latenciesOf({ delivery, deliveryCounts, fanout, fanoutCounts }: RoomsMeasured) {
  return [
    { name: "delivery", latency: delivery, counts: deliveryCounts },
    { name: "fan-out", latency: fanout, counts: fanoutCounts },
  ];
}

function closedRows({ eventsPerSec, deliveriesPerSec, deliveries }: RoomsMeasured, phase: Phase): Row[] {
  return [
    {
      what: "closed loop, events",
      value: eventsPerSec,
      unit: "events/s",
      better: "more",
      goal: EVENTS_PER_SEC,
      note: cpuNote(phase),
    },
    {
      what: "closed loop, deliveries",
      value: deliveriesPerSec,
      unit: "deliveries/s",
      note: `${deliveries.toLocaleString("en-US")}, none lost or twice, in order`,
    },
  ];
}
