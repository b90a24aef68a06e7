import { expect, test } from "vitest";
import { ReleaseGate, type ReleaseWaiter } from "./release-gate.ts";

/** Waits for an offset and notes when it has come. */
class Waiter implements ReleaseWaiter {
  calls = 0;
  readonly #gate: ReleaseGate;
  readonly #offset: number;
  readonly #onCall: () => void;

  constructor(gate: ReleaseGate, offset: number, onCall: () => void = () => {}) {
    this.#gate = gate;
    this.#offset = offset;
    this.#onCall = onCall;
    gate.wait(this);
  }

  released(): void {
    this.calls += 1;
    this.#onCall();
    if (this.#gate.releasedOffset < this.#offset) this.#gate.wait(this);
  }
}

test("nothing waits where the log is not made durable", () => {
  expect(new ReleaseGate().releasedOffset).toBe(Number.POSITIVE_INFINITY);
});

test("each who waits is called once for each growth, until it asks no more", () => {
  const gate = new ReleaseGate(10);
  const [early, late] = [new Waiter(gate, 11), new Waiter(gate, 20)];
  gate.advance(10);
  expect([early.calls, late.calls]).toEqual([0, 0]);
  gate.advance(12);
  expect([early.calls, late.calls]).toEqual([1, 1]);
  gate.advance(19);
  gate.advance(25);
  gate.advance(26);
  expect([early.calls, late.calls]).toEqual([1, 3]);
  expect(gate.waiterCount).toBe(0);
});

test("who asks twice is called once, and who is forgotten not at all", () => {
  const gate = new ReleaseGate(0);
  const [twice, gone] = [new Waiter(gate, 1), new Waiter(gate, 1)];
  gate.wait(twice);
  gate.forget(gone);
  gate.advance(1);
  expect([twice.calls, gone.calls]).toEqual([1, 0]);
});

test("who is forgotten by one that is called before it is not called", () => {
  const gate = new ReleaseGate(0);
  const first = new Waiter(gate, 1, () => gate.forget(second));
  const second: Waiter = new Waiter(gate, 1);
  gate.advance(1);
  expect([first.calls, second.calls]).toEqual([1, 0]);
});

test("a bug in one keeps the others from nothing, and is told", () => {
  const bugs: unknown[] = [];
  const gate = new ReleaseGate(0, (bug) => bugs.push(bug));
  new Waiter(gate, 1, () => {
    throw new Error("broken");
  });
  const other = new Waiter(gate, 1);
  gate.advance(1);
  expect(other.calls).toBe(1);
  expect(bugs).toEqual([new Error("broken")]);
});

test("it only grows", () => {
  const gate = new ReleaseGate(7);
  expect(() => gate.advance(6)).toThrow("offset 7 was released, and now only 6");
});
