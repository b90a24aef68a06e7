/** Replies and pushes of one connection while the log is not released so far: what waits, what does not, and in which order. */
import { describe, expect, it } from "vitest";
import { seededRandom } from "../../test/engine.ts";
import { seeds } from "../../test/soak.ts";
import { ManualClock } from "../runtime/clock.ts";
import { ReleaseGate } from "../runtime/release-gate.ts";
import { TurnEnd } from "../runtime/turn-end.ts";
import { Connections } from "./connections.ts";
import { OutboxBudget } from "./outbox-budget.ts";
import { PushOutbox, type PushSocket } from "./push-outbox.ts";
import { PushWriter } from "./push-writer.ts";

/** One connection with a log of its own; turns end, and the log is released, when the test says so. */
class Held implements PushSocket {
  readonly clock = new ManualClock();
  readonly connections = new Connections();
  readonly gate: ReleaseGate;
  readonly outbox: PushOutbox;
  readonly session = undefined;
  isBlocked = false;
  /** Each write as the texts of its frames. */
  readonly writes: string[][] = [];
  slowCount = 0;
  #deferred: (() => void)[] = [];

  constructor(releasedOffset: number, bytesMax = 1000) {
    this.gate = new ReleaseGate(releasedOffset);
    const turnEnd = new TurnEnd((run) => this.#deferred.push(run));
    const budget = new OutboxBudget(this.connections, bytesMax);
    this.outbox = new PushOutbox(this, new PushWriter(turnEnd, this.clock, budget, this.gate), bytesMax);
  }

  /** As every transport does it: at once where it may, else into the outbox. */
  reply(text: string, releaseOffset: number): void {
    const bytes = Buffer.from(text);
    if (!this.outbox.mustHold(releaseOffset)) this.writes.push([text]);
    else this.outbox.hold(bytes, bytes.length, false, releaseOffset);
    // The buffer is used for the next reply.
    bytes.fill(0x21);
  }

  push(text: string, releaseOffset: number): boolean {
    return this.outbox.push(Buffer.from(text), false, releaseOffset);
  }

  endTurn(): void {
    while (this.#deferred.length > 0) for (const run of this.#deferred.splice(0)) run();
  }

  release(offset: number): void {
    this.gate.advance(offset);
    this.endTurn();
  }

  /** All that has left, in order. */
  get sent(): string {
    return this.writes.flat().join(" ");
  }

  socketBytes(): number {
    return 0;
  }

  writePushes(outbox: PushOutbox): void {
    const write: string[] = [];
    for (let frame = outbox.take(); frame !== undefined; frame = outbox.take()) {
      write.push(Buffer.from(frame).toString());
      if (this.isBlocked) break;
    }
    if (write.length > 0) this.writes.push(write);
  }

  recount(): void {}

  refuseSlow(): void {
    this.slowCount += 1;
    this.outbox.close();
  }
}

describe("a reply", () => {
  it("leaves at once where nothing waits, and is not copied", () => {
    const held = new Held(5);
    held.reply("a", 5);
    expect(held.writes).toEqual([["a"]]);
    expect(held.outbox.isHolding).toBe(false);
    expect(held.gate.waiterCount).toBe(0);
  });

  it("waits until what it shows is released", () => {
    const held = new Held(5);
    held.reply("a", 6);
    held.release(5);
    expect(held.sent).toBe("");
    held.release(6);
    expect(held.sent).toBe("a");
    expect(held.outbox.waitingBytes).toBe(0);
  });

  it("that needs nothing waits behind one that does; many leave in one write", () => {
    const held = new Held(0);
    for (const [text, offset] of [
      ["a", 3],
      ["b", 0],
      ["c", 2],
      ["d", 9],
      ["e", 0],
    ] as const) {
      held.reply(text, offset);
    }
    held.release(2);
    expect(held.sent).toBe("");
    held.release(4);
    expect(held.writes).toEqual([["a", "b", "c"]]);
    held.release(20);
    expect(held.writes).toEqual([
      ["a", "b", "c"],
      ["d", "e"],
    ]);
    held.reply("f", 20);
    expect(held.sent).toBe("a b c d e f");
  });

  it("that is released behind one that is about to be written stays behind it", () => {
    const held = new Held(0);
    held.reply("a", 1);
    held.gate.advance(1);
    held.reply("b", 1);
    expect(held.sent).toBe("");
    held.endTurn();
    expect(held.sent).toBe("a b");
  });
});

describe("pushes", () => {
  it("of nothing in the state are not held where nothing else is", () => {
    const held = new Held(0);
    held.push("news", 0);
    held.endTurn();
    expect(held.sent).toBe("news");
  });

  it("come behind the replies of their turn, as without waiting", () => {
    const held = new Held(0);
    held.push("push", 1);
    held.reply("reply", 2);
    held.push("news", 0);
    held.endTurn();
    held.release(2);
    expect(held.sent).toBe("reply push news");
  });

  it("that are held keep back the replies of later turns", () => {
    const held = new Held(0);
    held.push("push", 1);
    held.endTurn();
    held.reply("reply", 0);
    expect(held.sent).toBe("");
    held.release(1);
    expect(held.sent).toBe("push reply");
  });

  it("leave as far as they are released, and the rest with the release", () => {
    const held = new Held(1);
    held.push("a", 1);
    held.push("b", 2);
    held.push("c", 0);
    held.endTurn();
    expect(held.sent).toBe("a");
    held.release(2);
    expect(held.sent).toBe("a b c");
  });

  it("of one offset have one mark, and leave together", () => {
    const held = new Held(0, 100_000);
    for (let i = 0; i < 60; i++) held.push(String(i), 7);
    held.endTurn();
    held.release(7);
    expect(held.writes).toEqual([Array.from({ length: 60 }, (_, i) => String(i))]);
  });
});

describe("what is held", () => {
  it("waits for the socket too", () => {
    const held = new Held(0);
    held.reply("a", 1);
    held.isBlocked = true;
    held.release(1);
    expect(held.sent).toBe("");
    held.isBlocked = false;
    held.outbox.socketDrained();
    held.endTurn();
    expect(held.sent).toBe("a");
  });

  it("is still held when the socket has drained", () => {
    const held = new Held(0);
    held.isBlocked = true;
    held.push("a", 1);
    held.isBlocked = false;
    held.outbox.socketDrained();
    held.endTurn();
    expect(held.sent).toBe("");
    held.release(1);
    expect(held.sent).toBe("a");
  });

  it("counts as unread: a peer that is pushed more is cut off", () => {
    const held = new Held(0, 10);
    held.reply("12345678", 1);
    expect(held.outbox.hasRoom(2)).toBe(true);
    expect(held.outbox.hasRoom(3)).toBe(false);
    expect(held.push("123", 0)).toBe(false);
    held.endTurn();
    expect(held.slowCount).toBe(1);
    held.release(1);
    expect(held.sent).toBe("");
  });

  it("is counted while it is held, and no longer", () => {
    const held = new Held(0);
    held.reply("four", 1);
    held.push("push", 2);
    expect(held.connections).toMatchObject({ heldOutboxes: 1, heldOutboxBytes: 4 });
    held.endTurn();
    expect(held.connections).toMatchObject({ heldOutboxes: 1, heldOutboxBytes: 8 });
    expect(held.outbox.heldReplyBytes).toBe(4);
    held.release(1);
    expect(held.connections).toMatchObject({ heldOutboxes: 1, heldOutboxBytes: 4 });
    held.release(2);
    expect(held.connections).toMatchObject({ heldOutboxes: 0, heldOutboxBytes: 0 });
  });

  it("goes with its connection, and nothing waits for it any more", () => {
    const held = new Held(0);
    held.reply("a", 1);
    held.outbox.close();
    expect(held.gate.waiterCount).toBe(0);
    expect(held.connections).toMatchObject({ heldOutboxes: 0, heldOutboxBytes: 0 });
    held.release(1);
    expect(held.sent).toBe("");
  });

  it("still leaves when nothing is added any more", () => {
    const held = new Held(0);
    held.reply("a", 1);
    held.push("b", 2);
    held.outbox.seal();
    expect(held.push("c", 0)).toBe(false);
    held.release(1);
    held.release(2);
    expect(held.sent).toBe("a b");
  });
});

/** What a peer reads where nothing ever waits. */
function withoutWaiting(events: readonly Event[]): string {
  const held = new Held(Number.POSITIVE_INFINITY, 1_000_000);
  for (const { kind, text } of events) {
    if (kind === "reply") held.reply(text, 0);
    else if (kind === "push") held.push(text, 0);
    else if (kind === "turn end") held.endTurn();
  }
  held.endTurn();
  return held.sent;
}

interface Event {
  readonly kind: "reply" | "push" | "turn end" | "release";
  readonly text: string;
  readonly offset: number;
}

/** Offsets grow about as a log does; many depend on what is older, or on nothing. */
function randomEvents(random: () => number, count: number): Event[] {
  const kinds = ["reply", "reply", "push", "push", "turn end", "release"] as const;
  let applied = 1;
  return Array.from({ length: count }, (_, i) => {
    if (random() < 0.5) applied += 1;
    const offset = random() < 0.3 ? 0 : Math.max(0, applied - Math.floor(random() * random() * 10));
    return { kind: kinds[Math.floor(random() * kinds.length)], text: `${i}@${offset}`, offset };
  });
}

it.each(seeds(25))("gives the same bytes as without waiting, none before its time: seed %i", (seed) => {
  const random = seededRandom(seed);
  const events = randomEvents(random, 20 + Math.floor(random() * 200));
  const held = new Held(0, 1_000_000);
  for (const { kind, text, offset } of events) {
    if (kind === "reply") held.reply(text, offset);
    else if (kind === "push") expect(held.push(text, offset)).toBe(true);
    else if (kind === "turn end") held.endTurn();
    else if (offset > held.gate.releasedOffset) held.gate.advance(offset);
    for (const sent of held.writes.flat()) {
      expect(Number(sent.split("@")[1])).toBeLessThanOrEqual(held.gate.releasedOffset);
    }
  }
  held.endTurn();
  held.release(1_000);
  expect(held.sent).toBe(withoutWaiting(events));
  expect(held.outbox.waitingBytes).toBe(0);
  expect(held.gate.waiterCount).toBe(0);
  expect(held.connections).toMatchObject({ heldOutboxes: 0, heldOutboxBytes: 0 });
});

it("visits a thousand connections for a few milliseconds at a time", () => {
  const clock = new ManualClock();
  const connections = new Connections();
  const gate = new ReleaseGate(0);
  const deferred: (() => void)[] = [];
  const turnEnd = new TurnEnd((run) => deferred.push(run));
  const writer = new PushWriter(turnEnd, clock, new OutboxBudget(connections, 1000), gate);
  let written = 0;
  for (let i = 0; i < 1000; i++) {
    const outbox: PushOutbox = new PushOutbox(
      {
        session: undefined,
        isBlocked: false,
        socketBytes: () => 0,
        writePushes: () => {
          written += outbox.take() === undefined ? 0 : 1;
          clock.advance(0.125);
        },
        recount: () => {},
        refuseSlow: () => {},
      },
      writer,
      1000,
    );
    outbox.hold(Buffer.from("+OK"), 3, false, 1);
  }
  gate.advance(1);
  expect(written).toBe(0);
  let turns = 0;
  for (let run = deferred.shift(); run !== undefined; run = deferred.shift()) {
    const before = written;
    run();
    turns += 1;
    expect(written - before).toBeLessThanOrEqual(48);
  }
  expect(written).toBe(1000);
  expect(turns).toBeGreaterThan(20);
});
