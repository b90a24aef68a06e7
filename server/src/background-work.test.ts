import { expect, test } from "vitest";
import { Connection, Fixture } from "../test/dispatcher-fixture.ts";
import { registerWaits } from "./background-work.ts";
import type { ManualClock } from "./runtime/clock.ts";
import { type Alarm, Ticker } from "./runtime/ticker.ts";

class ManualAlarm implements Alarm {
  pending: { readonly atMs: number; readonly ring: () => void } | undefined;
  readonly #clock: ManualClock;

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  set(delayMs: number, ring: () => void): void {
    this.pending = { atMs: this.#clock.monotonicMs() + delayMs, ring };
  }

  clear(): void {
    this.pending = undefined;
  }
}

/** Waits of a server whose ticker runs, on a clock that stands still until it is told to ring. */
class Waiting {
  readonly #fixture = new Fixture();
  readonly #alarm = new ManualAlarm(this.#fixture.clock);
  readonly #startMs: number;
  /** When each was answered, by its `request_id`. */
  readonly answeredAtMs: Record<string, number> = {};

  constructor() {
    const { clock, dispatcher } = this.#fixture;
    this.#fixture.run("queue.create", { name: "tasks" });
    const ticker = new Ticker(clock, { alarm: this.#alarm });
    registerWaits(ticker, clock, dispatcher.waits);
    ticker.start();
    // Between two looks that it takes anyway, which are 100 ms apart.
    this.pass(540);
    this.#startMs = clock.nowMs();
  }

  wait(id: string, waitMs: number): void {
    const connection = new Connection("websocket");
    const payload = { queue: "tasks", wait_ms: waitMs };
    expect(this.#fixture.sendAs(connection, { command: "queue.consume", request_id: id, payload })).toBeUndefined();
    this.#connections.set(id, connection);
  }

  publish(): void {
    this.#fixture.run("queue.publish", { queue: "tasks", payload: "x" });
    this.#note();
  }

  /** @returns how often the alarm has rung meanwhile. */
  pass(ms: number): number {
    const { clock } = this.#fixture;
    const endMs = clock.monotonicMs() + ms;
    let ringCount = 0;
    for (;;) {
      const next = this.#alarm.pending;
      if (next === undefined || next.atMs > endMs) break;
      this.#alarm.pending = undefined;
      clock.advance(next.atMs - clock.monotonicMs());
      next.ring();
      ringCount++;
      this.#note();
    }
    clock.advance(endMs - clock.monotonicMs());
    return ringCount;
  }

  readonly #connections = new Map<string, Connection>();

  #note(): void {
    for (const [id, { lateReplies }] of this.#connections) {
      if (lateReplies.length > 0) this.answeredAtMs[id] ??= this.#fixture.clock.nowMs() - this.#startMs;
    }
  }
}

test("each wait is over when its time is, though others come and go before it", () => {
  const waiting = new Waiting();
  waiting.wait("served", 10);
  waiting.wait("long", 700);
  waiting.wait("short", 40);
  waiting.publish();
  waiting.pass(1000);
  expect(waiting.answeredAtMs).toEqual({ served: 0, short: 40, long: 700 });
});

test("many that are over one after the other end in groups, a few ms late", () => {
  const waiting = new Waiting();
  for (let i = 0; i < 100; i++) waiting.wait(`${i}`, 100 + i);
  const ringCount = waiting.pass(300);
  for (let i = 0; i < 100; i++) {
    const lateMs = waiting.answeredAtMs[i] - 100 - i;
    expect(lateMs).toBeGreaterThanOrEqual(0);
    expect(lateMs).toBeLessThanOrEqual(5);
  }
  expect(ringCount).toBeLessThan(40);
});

test("more at once than are looked at together are all over at once", () => {
  const waiting = new Waiting();
  for (let i = 0; i < 200; i++) waiting.wait(`${i}`, 50);
  waiting.pass(51);
  expect(Object.values(waiting.answeredAtMs)).toEqual(Array(200).fill(50));
});
