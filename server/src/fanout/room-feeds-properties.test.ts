import { describe, it } from "vitest";
import { seededRandom } from "../../test/engine.ts";
import { FakeConnection, RoomsUnderTest } from "../../test/room-subscribers.ts";
import { seeds } from "../../test/soak.ts";

const NAMES = ["a", "b", "c"] as const;
const FORMATS = ["json", "msgpack", "sse"] as const;
const STEPS = 400;

/** One run: rooms, publishers, and connections of every speed. `RoomsUnderTest` checks each push as it comes. */
class Run {
  readonly under = new RoomsUnderTest();
  readonly connections: FakeConnection[] = [];
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    this.under.lookMs = this.#pick([0, 0.5, 2]);
    for (const name of NAMES) this.#create(name);
    for (let i = 0; i < 6; i++) this.#connect();
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.#below(items.length)];
  }

  #create(name: string): void {
    if (this.under.find(name) !== undefined) return;
    this.under.create(name, {
      maxEvents: this.#pick([1, 5, 100, 10_000]),
      maxBytes: this.#pick([20_000, 2 ** 22]),
      retentionMs: this.#pick([0, 0, 50]),
    });
  }

  #connect(): void {
    const connection = new FakeConnection(this.under, this.#pick(FORMATS));
    if (this.#below(5) === 0) connection.unreadBytesMax = 300_000;
    this.connections.push(connection);
  }

  #subscribe(name: string): void {
    const room = this.under.find(name);
    if (room === undefined) return;
    const connection = this.#pick(this.connections);
    const fromOffset = this.#pick([undefined, 0, -3, this.#below(room.nextOffset + 3)]);
    const generation = this.#pick([undefined, room.id, room.id - 1]);
    connection.subscribe(name, { fromOffset, generation });
  }

  #publish(name: string): void {
    if (this.under.find(name) === undefined) this.#create(name);
    const room = this.under.existing(name);
    const bytes = Math.min(this.#pick([4, 100, 5_000, 60_000]), room.eventBytesMax - 100);
    this.under.publish(name, this.#pick([1, 1, 2, 20]), bytes);
  }

  #step(): void {
    const name = this.#pick(NAMES);
    const at = this.#below(100);
    if (at < 40) this.#publish(name);
    else if (at < 52) this.#subscribe(name);
    else if (at < 56) this.#pick(this.connections).unsubscribe(name);
    else if (at < 72) this.under.endTurn();
    else if (at < 80) this.#pick(this.connections).read();
    else if (at < 86) this.#pick(this.connections).flush();
    else if (at < 90) this.under.clock.advance(this.#below(40));
    else if (at < 93) this.under.trimDue();
    else if (at < 95 && this.under.find(name) !== undefined) this.under.delete(name);
    else if (at < 97) this.#create(name);
    else this.#replace(this.#below(this.connections.length));
  }

  /** One connection goes and another comes; so does one that was cut off. */
  #replace(i: number): void {
    this.connections[i].close();
    this.connections.splice(i, 1);
    this.#connect();
  }

  run(): void {
    for (let step = 0; step < STEPS; step++) {
      this.#step();
      for (let i = this.connections.length - 1; i >= 0; i--) if (!this.connections[i].isOpen) this.#replace(i);
    }
    this.#settle();
  }

  /** Everybody reads until there is no more; then everybody must have everything. */
  #settle(): void {
    for (let turn = 0; turn < 1000; turn++) {
      for (const connection of this.connections) connection.read();
      if (!this.under.endTurn()) break;
    }
    const open = this.connections.filter(({ isOpen }) => isOpen);
    for (const connection of open) connection.checkComplete();
    if (NAMES.every((name) => this.under.find(name) !== undefined) && this.under.feeds.behindCount > 0) {
      throw new Error("somebody is behind who has read everything");
    }
    for (const connection of open) connection.close();
    const { feeds, subscriptions } = this.under;
    if (feeds.heldBytes > 0 || subscriptions.count > 0) throw new Error("closed connections left something");
  }
}

describe("RoomFeeds, at random", () => {
  it.each(seeds(20))("gives everybody every event once, in order: seed %i", (seed) => {
    new Run(seed).run();
  });
});
