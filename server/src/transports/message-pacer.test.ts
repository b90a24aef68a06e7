import { describe, expect, test } from "vitest";
import { ManualClock } from "../runtime/clock.ts";
import { TurnEnd } from "../runtime/turn-end.ts";
import { MessagePace, MessagePacer, type PacedConnection } from "./message-pacer.ts";

/** Turns end when the test says so, and messages take the time the test says. */
class Turns {
  readonly clock = new ManualClock();
  readonly #deferred: (() => void)[] = [];
  readonly pacer = new MessagePacer(new TurnEnd((run) => this.#deferred.push(run)), this.clock, 10_000);

  connect(messageMs: number): Client {
    return new Client(this, messageMs);
  }

  /** Returns whether anything ran. */
  end(): boolean {
    const runs = this.#deferred.splice(0);
    for (const run of runs) run();
    return runs.length > 0;
  }
}

class Client implements PacedConnection {
  readonly handled: string[] = [];
  isFlooded = false;
  countedBytes = 0;
  timesCaughtUp = 0;
  readonly pace: MessagePace;
  readonly #turns: Turns;
  readonly #messageMs: number;

  constructor(turns: Turns, messageMs: number) {
    this.#turns = turns;
    this.#messageMs = messageMs;
    this.pace = new MessagePace(turns.pacer, this);
  }

  /** As a socket does: the memory is used again afterwards. */
  receive(...messages: string[]): void {
    for (const message of messages) {
      const bytes = new TextEncoder().encode(message);
      this.pace.receive(bytes, message.startsWith("b"));
      bytes.fill(0);
    }
  }

  handle(message: Uint8Array, isBinary: boolean): void {
    const text = Buffer.from(message).toString();
    expect(isBinary).toBe(text.startsWith("b"));
    this.handled.push(text);
    this.#turns.clock.advance(this.#messageMs);
  }

  inOneWrite(work: () => void): void {
    work();
  }

  recount(): void {
    this.countedBytes = this.pace.waitingBytes;
  }

  caughtUp(): void {
    this.timesCaughtUp++;
  }

  flooded(): void {
    this.isFlooded = true;
  }
}

const numbered = (count: number, prefix = "m"): string[] => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

describe("MessagePacer", () => {
  test("lets any number of cheap messages through at once", () => {
    const turns = new Turns();
    const client = turns.connect(0);
    client.receive(...numbered(5000));
    expect(client.handled).toEqual(numbered(5000));
    expect(turns.end()).toBe(false);
  });

  test("has what comes after 25 ms of work in a turn wait, and handles it in order at the ends of turns", () => {
    const turns = new Turns();
    const client = turns.connect(5);
    client.receive(...numbered(12, "b"));
    expect(client.handled).toHaveLength(5);
    expect(client.countedBytes).toBe(5 * (2 + 128) + 2 * (3 + 128));
    expect(turns.end()).toBe(true);
    expect(client.handled).toHaveLength(9);
    client.receive("b12");
    expect(client.handled).toHaveLength(9);
    turns.end();
    expect(client.handled).toEqual(numbered(13, "b"));
    expect([client.countedBytes, client.timesCaughtUp]).toEqual([0, 1]);
    expect(turns.end()).toBe(false);
  });

  test("counts the work of all connections together", () => {
    const turns = new Turns();
    const clients = Array.from({ length: 50 }, () => turns.connect(5));
    for (const client of clients) client.receive("m0");
    expect(clients.filter(({ handled }) => handled.length > 0)).toHaveLength(5);
  });

  test("forgets the work of turns that have ended", () => {
    const turns = new Turns();
    const client = turns.connect(20);
    for (let i = 0; i < 5; i++) {
      client.receive(`m${i}`);
      expect(client.handled).toHaveLength(i + 1);
      turns.end();
    }
  });

  test("gives those who wait a slice in turn, and first those who have just begun to", () => {
    const turns = new Turns();
    const busy = [turns.connect(5), turns.connect(5)];
    for (const client of busy) client.receive(...numbered(40));
    turns.end();
    expect(busy.map(({ handled }) => handled.length)).toEqual([7, 2]);
    const guest = turns.connect(0);
    turns.connect(30).receive("m0");
    guest.receive("g0");
    expect(guest.handled).toEqual([]);
    turns.end();
    expect(guest.handled).toEqual(["g0"]);
    expect(busy.map(({ handled }) => handled.length)).toEqual([9, 4]);
  });

  test("slows a sender of cheap messages down where too much waits, and loses nothing", () => {
    const turns = new Turns();
    turns.connect(30).receive("m0");
    const client = turns.connect(0.01);
    const messages = numbered(1000, "x".repeat(100));
    client.receive(...messages);
    expect(client.isFlooded).toBe(false);
    expect(client.handled.length).toBeGreaterThan(900);
    while (turns.end());
    expect(client.handled).toEqual(messages);
  });

  test("tells a connection of costly messages when too much waits, and keeps none of it", () => {
    const turns = new Turns();
    const client = turns.connect(25);
    // 128 bytes are counted beside each message of 2: 76 fit, one is handled at once, and one to see what it costs.
    client.receive("m0", ...numbered(76).map(() => "xx"));
    expect(client.isFlooded).toBe(false);
    client.receive("yy", "yy");
    expect(client.isFlooded).toBe(true);
    expect([client.pace.waitingBytes, client.countedBytes]).toEqual([0, 0]);
    while (turns.end());
    expect(client.handled).toEqual(["m0", "xx"]);
  });

  test("handles nothing of a connection that was closed here", () => {
    const turns = new Turns();
    const client = turns.connect(25);
    client.receive("m0", "m1");
    client.pace.close();
    while (turns.end());
    expect(client.handled).toEqual(["m0"]);
  });

  test("keeps the others when a message fails", () => {
    const turns = new Turns();
    const client = turns.connect(25);
    client.receive("m0", "m1", "m2");
    let failures = 0;
    const handle = client.handle.bind(client);
    client.handle = (message, isBinary) => {
      if (failures++ === 0) throw new Error("a bug");
      handle(message, isBinary);
    };
    expect(() => turns.end()).toThrow("a bug");
    while (turns.end());
    expect(client.handled).toEqual(["m0", "m2"]);
  });
});
