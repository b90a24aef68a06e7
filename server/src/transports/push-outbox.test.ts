import { describe, expect, it } from "vitest";
import type { Session } from "../dispatch/caller.ts";
import { ManualClock } from "../runtime/clock.ts";
import { ReleaseGate } from "../runtime/release-gate.ts";
import { TurnEnd } from "../runtime/turn-end.ts";
import { Connections } from "./connections.ts";
import { OutboxBudget } from "./outbox-budget.ts";
import { PushOutbox, type PushSocket } from "./push-outbox.ts";
import { PushWriter } from "./push-writer.ts";

/** Turns that end, and time that passes, when the test says so. */
class Turns {
  readonly clock = new ManualClock();
  readonly connections = new Connections();
  readonly budget = new OutboxBudget(this.connections, 1000);
  #deferred: (() => void)[] = [];
  readonly gate = new ReleaseGate(0);
  readonly writer = new PushWriter(new TurnEnd((run) => this.#deferred.push(run)), this.clock, this.budget, this.gate);

  get isQuiet(): boolean {
    return this.#deferred.length === 0;
  }

  end(): void {
    const runs = this.#deferred;
    this.#deferred = [];
    for (const run of runs) run();
  }
}

/** Takes frames up to `roomBytes`, keeps the one that goes past it, and is blocked until it is read. */
class FakeSocket implements PushSocket {
  readonly outbox: PushOutbox;
  readonly writes: string[][] = [];
  session: Session | undefined;
  roomBytes = Number.POSITIVE_INFINITY;
  isBlocked = false;
  keptBytes = 0;
  slowCount = 0;
  drainedCount = 0;
  writeMs = 0;
  readonly #turns: Turns;

  constructor(turns: Turns, bytesMax: number) {
    this.#turns = turns;
    this.outbox = new PushOutbox(this, turns.writer, bytesMax);
    this.session = {
      closed: () => {},
      drained: () => {
        this.drainedCount += 1;
      },
    };
  }

  socketBytes(): number {
    return this.keptBytes;
  }

  writePushes(outbox: PushOutbox): void {
    const write: string[] = [];
    this.#turns.clock.advance(this.writeMs);
    while (!this.isBlocked) {
      const kind = outbox.isNextBinary ? "b" : "t";
      const frame = outbox.take();
      if (frame === undefined) break;
      write.push(kind + String.fromCharCode(...frame));
      this.roomBytes -= frame.length;
      if (this.roomBytes < 0) {
        this.isBlocked = true;
        this.keptBytes = frame.length;
      }
    }
    if (write.length > 0) this.writes.push(write);
  }

  recount(): void {}

  refuseSlow(): void {
    this.slowCount += 1;
    this.outbox.close();
  }

  /** The peer reads, and there is room for so much more. */
  read(roomBytes: number): void {
    this.isBlocked = false;
    this.keptBytes = 0;
    this.roomBytes = roomBytes;
    this.outbox.socketDrained();
  }
}

function push(socket: FakeSocket, text: string, isBinary = false): boolean {
  return socket.outbox.push(
    Uint8Array.from(text, (character) => character.charCodeAt(0)),
    isBinary,
    0,
  );
}

describe("pushes", () => {
  it("of one turn leave together at its end, in order and in their kinds", () => {
    const turns = new Turns();
    const socket = new FakeSocket(turns, 1000);
    expect([push(socket, "a"), push(socket, "b", true), push(socket, "c")]).toEqual([true, true, true]);
    expect(socket.writes).toEqual([]);
    expect(socket.outbox.waitingBytes).toBe(3);
    turns.end();
    expect(socket.writes).toEqual([["ta", "bb", "tc"]]);
    expect(socket.outbox.waitingBytes).toBe(0);
    push(socket, "d");
    turns.end();
    expect(socket.writes.at(-1)).toEqual(["td"]);
    expect(turns.isQuiet).toBe(true);
  });

  it("wait while the socket is blocked, and go on where they stopped", () => {
    const turns = new Turns();
    const socket = new FakeSocket(turns, 1000);
    socket.roomBytes = 5;
    for (const text of ["aaaa", "bbbb", "cccc"]) push(socket, text);
    turns.end();
    push(socket, "dddd");
    expect(turns.isQuiet).toBe(true);
    expect(socket.writes).toEqual([["taaaa", "tbbbb"]]);
    expect(socket.outbox.waitingBytes).toBe(8);
    socket.read(100);
    turns.end();
    expect(socket.writes.at(-1)).toEqual(["tcccc", "tdddd"]);
  });

  it("past the limit cut the connection off, at the end of the turn and once", () => {
    const turns = new Turns();
    const socket = new FakeSocket(turns, 10);
    expect(push(socket, "x".repeat(10))).toBe(true);
    expect(push(socket, "y")).toBe(false);
    expect(push(socket, "z")).toBe(false);
    expect(socket.slowCount).toBe(0);
    turns.end();
    expect(socket.slowCount).toBe(1);
    expect(socket.writes).toEqual([]);
    expect(push(socket, "z")).toBe(false);
    expect(turns.isQuiet).toBe(true);
  });

  it("count what the socket keeps to the limit", () => {
    const turns = new Turns();
    const socket = new FakeSocket(turns, 10);
    socket.roomBytes = 0;
    push(socket, "x".repeat(6));
    turns.end();
    expect(push(socket, "y".repeat(4))).toBe(true);
    expect(push(socket, "z")).toBe(false);
    turns.end();
    expect(socket.slowCount).toBe(1);
  });

  it("over the limit alone are taken where nothing is unread: there is no slow reader then", () => {
    const turns = new Turns();
    const socket = new FakeSocket(turns, 10);
    expect(push(socket, "x".repeat(11))).toBe(true);
    turns.end();
    expect(socket.writes).toHaveLength(1);
  });

  it("are not taken any more once closing, but written where the close is in order", () => {
    const turns = new Turns();
    const [sealed, closed] = [new FakeSocket(turns, 10), new FakeSocket(turns, 10)];
    for (const socket of [sealed, closed]) push(socket, "a");
    sealed.outbox.seal();
    closed.outbox.close();
    expect([push(sealed, "b"), push(closed, "b")]).toEqual([false, false]);
    turns.end();
    expect(sealed.writes).toEqual([["ta"]]);
    expect(closed.writes).toEqual([]);
    expect(sealed.drainedCount + closed.drainedCount).toBe(0);
  });
});

describe("a session", () => {
  it("is told when all has been read, and when less than half is left", () => {
    const turns = new Turns();
    const socket = new FakeSocket(turns, 1000);
    push(socket, "a".repeat(100));
    turns.end();
    expect(socket.drainedCount).toBe(1);
    socket.roomBytes = 0;
    for (let i = 0; i < 10; i++) push(socket, "b".repeat(10));
    turns.end();
    expect(socket.outbox.waitingBytes + socket.keptBytes).toBe(100);
    expect(socket.drainedCount).toBe(1);
    socket.read(25);
    turns.end();
    // 30 were taken, 10 of these are kept: 70 are unread, so there is nothing to tell.
    expect(socket.outbox.waitingBytes + socket.keptBytes).toBe(70);
    expect(socket.drainedCount).toBe(1);
    socket.read(35);
    turns.end();
    expect(socket.outbox.waitingBytes + socket.keptBytes).toBe(30);
    expect(socket.drainedCount).toBe(2);
    socket.read(1000);
    turns.end();
    expect(socket.outbox.waitingBytes).toBe(0);
    expect(socket.drainedCount).toBe(3);
  });

  it("may push when it is told", () => {
    const turns = new Turns();
    const socket = new FakeSocket(turns, 1000);
    let left = 3;
    socket.session = {
      closed: () => {},
      drained: () => {
        if (left > 0) push(socket, String(left));
        left -= 1;
      },
    };
    push(socket, "first");
    while (!turns.isQuiet) turns.end();
    expect(socket.writes).toEqual([["tfirst"], ["t3"], ["t2"], ["t1"]]);
  });
});

describe("the end of a turn", () => {
  it("visits 1,000 connections in slices of a few milliseconds, each once", () => {
    const turns = new Turns();
    const sockets = Array.from({ length: 1000 }, () => new FakeSocket(turns, 1000));
    for (const socket of sockets) {
      socket.writeMs = 0.05;
      push(socket, "event");
    }
    let slices = 0;
    const written = (): number => sockets.filter((socket) => socket.writes.length === 1).length;
    for (let before = 0; !turns.isQuiet; before = written()) {
      const startMs = turns.clock.monotonicMs();
      turns.end();
      slices += 1;
      expect(turns.clock.monotonicMs() - startMs).toBeLessThan(5);
      expect(written()).toBeGreaterThan(before);
    }
    expect(written()).toBe(1000);
    // 1,000 times 0.05 ms are 50 ms, in slices of 4.
    expect(slices).toBeGreaterThanOrEqual(10);
    expect(slices).toBeLessThan(20);
  });

  it("gives each connection a part before the first gets all of it", () => {
    const turns = new Turns();
    const [long, short] = [new FakeSocket(turns, 100_000), new FakeSocket(turns, 100_000)];
    for (let i = 0; i < 200; i++) push(long, "x");
    push(short, "y");
    const order: string[] = [];
    for (const [name, socket] of [
      ["long", long],
      ["short", short],
    ] as const) {
      const write = socket.writePushes.bind(socket);
      socket.writePushes = (outbox) => {
        write(outbox);
        order.push(`${name} ${socket.writes.at(-1)?.length}`);
      };
    }
    turns.end();
    expect(order).toEqual(["long 64", "short 1", "long 64", "long 64", "long 8"]);
  });

  it("is no place for those that have gone meanwhile", () => {
    const turns = new Turns();
    const socket = new FakeSocket(turns, 1000);
    push(socket, "a");
    socket.outbox.close();
    turns.end();
    expect(socket.writes).toEqual([]);
    expect(turns.isQuiet).toBe(true);
  });

  it("goes on with the others where one connection has a bug", () => {
    const turns = new Turns();
    const [broken, sound] = [new FakeSocket(turns, 1000), new FakeSocket(turns, 1000)];
    broken.writePushes = () => {
      throw new Error("a bug");
    };
    for (const socket of [broken, sound]) push(socket, "a");
    expect(() => turns.end()).toThrow("a bug");
    turns.end();
    expect(sound.writes).toEqual([["ta"]]);
    expect(turns.isQuiet).toBe(true);
  });

  it("cuts off the connections that hold most, where all together hold too much", () => {
    const turns = new Turns();
    const cut: number[] = [];
    for (const heldBytes of [10, 30_000_000, 40_000_000, 20]) {
      const reader = {
        heldBytes,
        cut: () => {
          cut.push(heldBytes);
          turns.budget.unregister(reader);
          turns.budget.add(-heldBytes);
        },
      };
      turns.budget.register(reader);
      turns.budget.add(heldBytes);
    }
    turns.writer.checkBudget();
    expect(cut).toEqual([]);
    turns.end();
    expect(cut).toEqual([40_000_000]);
    expect(turns.connections.slowClientsCutOff).toBe(1);
  });
});
