/**
 * A process that holds the subscribers of some rooms, one socket each. Told to, it also publishes, as a closed loop: a
 * room has so many events under way, and the next one is published when all subscribers have the oldest.
 */

import { serve } from "../load/client-process.ts";
import { type LatencyCounts, LatencyHistogram } from "../load/latency-histogram.ts";
import { fieldAt, fieldName, numberAt, textStart } from "../load/message-pack-fields.ts";
import { monotonicMs } from "../load/monotonic-clock.ts";
import type { PacedLane } from "../load/paced-lane.ts";
import { ProgressTeller } from "../load/progress-teller.ts";
import { INSTANT_DIGITS, readDigits } from "../load/requests.ts";
import { doneOrStalled } from "../load/stall-watch.ts";
import {
  type EventEncoder,
  type RoomDialect,
  type RoomPublishing,
  type RoomServer,
  roomDialect,
} from "./room-dialects.ts";
import { type RoomLatencies, RoomReceipts } from "./room-receipts.ts";

export interface RoomSubscribersConfig {
  readonly server: RoomServer;
  readonly port: number;
  readonly publishing: RoomPublishing;
  /** Numbers of the rooms. */
  readonly rooms: readonly number[];
  readonly subscribersPerRoom: number;
  readonly dataBytes: number;
}

/** Comes with `go`. */
export interface RoomRun {
  /** Events of each room. */
  readonly events: number;
  /** Events of a room under way in a closed loop; 0 where somebody else publishes. */
  readonly window: number;
}

/** Comes with `done`. */
export interface RoomRunResult {
  readonly startMs: number;
  readonly endMs: number;
  readonly delivery: LatencyCounts;
  readonly fanout: LatencyCounts;
  readonly problems: readonly string[];
}

/** Events are timed from their publishing to their delivery; replies are not. */
const NO_LATENCIES = { add: () => undefined };
/** Sockets that are opened at a time. */
const OPENING = 50;
const OFFSET = fieldName("offset");
const DATA = fieldName("data");

class Room {
  readonly receipts: RoomReceipts;
  readonly publisher: PacedLane;
  readonly encode: EventEncoder;
  published = 0;

  constructor(receipts: RoomReceipts, publisher: PacedLane, encode: EventEncoder) {
    this.receipts = receipts;
    this.publisher = publisher;
    this.encode = encode;
  }

  publish(): void {
    const nowMs = monotonicMs();
    this.publisher.send(this.encode(this.published++, nowMs), nowMs);
  }
}

class Rooms {
  readonly #config: RoomSubscribersConfig;
  readonly #dialect: RoomDialect;
  readonly #latencies: RoomLatencies;
  readonly #rooms: Room[] = [];
  readonly #publishers: PacedLane[] = [];
  /** Events of each room in this run and all before. */
  #target = 0;
  #publishes = false;
  /** Events of all rooms that not all subscribers have. */
  #missing = 0;
  #finish: () => void = () => undefined;

  constructor(config: RoomSubscribersConfig, teller: ProgressTeller) {
    this.#config = config;
    const onDelivery = (latencyMs: number) => teller.add(latencyMs);
    this.#latencies = { delivery: new LatencyHistogram(), fanout: new LatencyHistogram(), onDelivery };
    this.#dialect = roomDialect(config.server, config.publishing);
  }

  async open(): Promise<void> {
    const { rooms, subscribersPerRoom, dataBytes, publishing } = this.#config;
    const { publishers } = publishing;
    for (let i = 0; i < publishers; i++) this.#publishers.push(await this.#dialect.publisher(NO_LATENCIES));
    for (const [i, number] of rooms.entries()) {
      const receipts = new RoomReceipts(subscribersPerRoom, this.#latencies);
      const room = new Room(receipts, this.#publishers[i % publishers], this.#dialect.encoder(number, dataBytes));
      this.#rooms.push(room);
      for (let first = 0; first < subscribersPerRoom; first += OPENING) {
        const count = Math.min(OPENING, subscribersPerRoom - first);
        await Promise.all(Array.from({ length: count }, (_, k) => this.#subscribe(room, number, first + k)));
      }
    }
  }

  async #subscribe(room: Room, number: number, subscriber: number): Promise<void> {
    const socket = await this.#dialect.subscriber(this.#config.port, number);
    socket.onMessage = (bytes, start, end) => this.#received(room, subscriber, bytes, start, end);
  }

  #received(room: Room, subscriber: number, bytes: Buffer, start: number, end: number): void {
    const offset = fieldAt(bytes, start, OFFSET);
    const data = fieldAt(bytes, start, DATA);
    if (offset < 0 || data < 0) throw new Error(`not an event: ${bytes.toString("latin1", start, end)}`);
    const dueMs = readDigits(bytes, textStart(bytes, data), INSTANT_DIGITS) / 1_000;
    if (!room.receipts.add(subscriber, numberAt(bytes, offset), dueMs, monotonicMs())) return;
    this.#missing -= 1;
    if (this.#missing === 0) this.#finish();
    if (!this.#publishes || room.published === this.#target) return;
    room.publish();
    room.publisher.socket.flush();
  }

  async run({ events, window }: RoomRun): Promise<RoomRunResult> {
    this.#target += events;
    this.#missing = this.#rooms.reduce((sum, { receipts }) => sum + this.#target - receipts.completed, 0);
    this.#publishes = window > 0;
    this.#latencies.delivery.clear();
    this.#latencies.fanout.clear();
    const finished = new Promise<void>((resolve) => {
      this.#finish = resolve;
    });
    const startMs = monotonicMs();
    for (let i = 0; i < Math.min(window, events); i++) for (const room of this.#rooms) room.publish();
    for (const { socket } of this.#publishers) socket.flush();
    await doneOrStalled(finished, () => this.#latencies.delivery.samples);
    const endMs = monotonicMs();
    // Offsets go on with the next run, whoever publishes it.
    for (const room of this.#rooms) room.published = this.#target;
    const problems = this.#rooms
      .map(({ receipts }, i) => [this.#config.rooms[i], receipts.problem(this.#target)] as const)
      .filter(([, problem]) => problem !== undefined)
      .map(([room, problem]) => `room ${room}: ${problem}`);
    const { delivery, fanout } = this.#latencies;
    return { startMs, endMs, delivery: delivery.export(), fanout: fanout.export(), problems };
  }
}

serve<RoomSubscribersConfig>(async (config, benchmark) => {
  const rooms = new Rooms(config, new ProgressTeller(benchmark));
  await rooms.open();
  benchmark.tell("ready");
  for (;;) benchmark.tell("done", await rooms.run(await benchmark.until<RoomRun>("go")));
});
