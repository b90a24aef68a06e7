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

  test("has what a connection sends after 20 ms of work wait, and handles it in order at the ends of turns", () => {
    const turns = new Turns();
    const client = turns.connect(2);
    client.receive(...numbered(30, "b"));
    expect(client.handled).toHaveLength(10);
    client.receive("b30");
    expect(client.handled).toHaveLength(10);
    expect(turns.end()).toBe(true);
    expect(client.handled).toHaveLength(12);
    expect(client.countedBytes).toBe(19 * (3 + 128));
    while (turns.end());
    expect(client.handled).toEqual(numbered(31, "b"));
    expect(client.countedBytes).toBe(0);
  });

  test("gives those who wait a slice in turn", () => {
    const turns = new Turns();
    const clients = [turns.connect(2), turns.connect(2)];
    for (const client of clients) client.receive(...numbered(40));
    turns.end();
    expect(clients.map(({ handled }) => handled.length)).toEqual([11, 11]);
  });

  test("goes on at once when a connection has caught up", () => {
    const turns = new Turns();
    const client = turns.connect(5);
    client.receive(...numbered(6));
    expect(client.handled).toHaveLength(4);
    while (turns.end());
    client.receive("m6");
    expect(client.handled).toEqual(numbered(7));
  });

  test("forgets work that is 50 ms ago", () => {
    const turns = new Turns();
    const client = turns.connect(15);
    client.receive("m0", "m1");
    turns.clock.advance(60);
    client.receive("m2");
    expect(client.handled).toEqual(["m0", "m1", "m2"]);
  });

  test("tells the connection when too much waits, and keeps none of it", () => {
    const turns = new Turns();
    const client = turns.connect(20);
    // 128 bytes are counted beside each message of 2: 76 fit, and one was handled.
    client.receive("m0", ...numbered(76, "x").map(() => "xx"));
    expect(client.isFlooded).toBe(false);
    client.receive("yy");
    expect(client.isFlooded).toBe(true);
    expect([client.pace.waitingBytes, client.countedBytes]).toEqual([0, 0]);
    while (turns.end());
    expect(client.handled).toEqual(["m0"]);
  });

  test("handles nothing of a connection that has closed", () => {
    const turns = new Turns();
    const client = turns.connect(20);
    client.receive("m0", "m1");
    client.pace.close();
    while (turns.end());
    expect(client.handled).toEqual(["m0"]);
  });

  test("keeps the others when a message fails", () => {
    const turns = new Turns();
    const client = turns.connect(20);
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
