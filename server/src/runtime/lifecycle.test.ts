import { EventEmitter } from "node:events";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ManualClock } from "./clock.ts";
import { Lifecycle } from "./lifecycle.ts";
import { type Logger, silentLogger } from "./logger.ts";

const GRACE_MS = 5000;

let signals: EventEmitter;
let clock: ManualClock;
let exits: number[];
let fatal: unknown[];
let lifecycle: Lifecycle;
let exited: Promise<void>;

beforeEach(() => {
  vi.useFakeTimers();
  signals = new EventEmitter();
  clock = new ManualClock();
  exits = [];
  fatal = [];
  const log: Logger = { ...silentLogger, fatal: (what: unknown) => void fatal.push(what) };
  exited = new Promise((resolve) => {
    const exit = (code: number): void => {
      exits.push(code);
      resolve();
    };
    lifecycle = new Lifecycle({ log, clock, exit, graceMs: GRACE_MS, signals });
  });
});

afterEach(() => {
  vi.useRealTimers();
});

/** A server whose stop ends when the test says so. */
function server() {
  let settle: { done(): void; fail(error: Error): void } = { done() {}, fail() {} };
  let stops = 0;
  const stopped = new Promise<void>((resolve, reject) => {
    settle = { done: resolve, fail: reject };
  });
  return {
    stop: () => {
      stops++;
      return stopped;
    },
    stops: () => stops,
    ...settle,
  };
}

describe("a stop signal", () => {
  it.each(["SIGTERM", "SIGINT"])("%s stops the server and ends with 0 when it has stopped", async (signal) => {
    const running = server();
    lifecycle.started(running);
    signals.emit(signal);
    expect([running.stops(), exits]).toEqual([1, []]);
    running.done();
    await exited;
    expect(exits).toEqual([0]);
  });

  it("that comes while the server starts stops it once it has started", async () => {
    const running = server();
    expect(lifecycle.isStopping).toBe(false);
    signals.emit("SIGTERM");
    expect([lifecycle.isStopping, exits]).toEqual([true, []]);
    lifecycle.started(running);
    running.done();
    await exited;
    expect([running.stops(), exits]).toEqual([1, [0]]);
  });

  it("ends at once with 1 when it comes again", () => {
    const running = server();
    lifecycle.started(running);
    signals.emit("SIGTERM");
    clock.advance(400);
    signals.emit("SIGINT");
    expect([running.stops(), exits]).toEqual([1, [1]]);
  });

  it("that is an echo of the first is ignored", async () => {
    const running = server();
    lifecycle.started(running);
    signals.emit("SIGINT");
    clock.advance(20);
    signals.emit("SIGINT");
    expect([running.stops(), exits]).toEqual([1, []]);
    running.done();
    await exited;
    expect(exits).toEqual([0]);
  });

  it("ends with 1 when the server does not stop within the grace time and a second", async () => {
    lifecycle.started(server());
    signals.emit("SIGTERM");
    vi.advanceTimersByTime(GRACE_MS + 999);
    expect(exits).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(exits).toEqual([1]);
  });

  it("ends with 1 when stopping fails", async () => {
    const running = server();
    lifecycle.started(running);
    signals.emit("SIGTERM");
    running.fail(new Error("bug"));
    await exited;
    expect([exits, fatal]).toEqual([[1], [{ err: new Error("bug"), origin: "stop" }]]);
  });
});

it("SIGHUP ends nothing", () => {
  lifecycle.started(server());
  signals.emit("SIGHUP");
  expect(exits).toEqual([]);
});

it.each(["uncaughtException", "unhandledRejection"])("%s is logged with its error and ends with 1", (origin) => {
  const error = new Error("bug");
  signals.emit(origin, error);
  expect([exits, fatal]).toEqual([[1], [{ err: error, origin }]]);
});
