/**
 * All work that is due at some time rather than asked for by a client: expiry, freeing in slices, sweeps of idle
 * connections, gauges. There is one timer in the process and it is the one here.
 *
 * A worker is called with a budget, does a slice of its work within it, and returns how long it wants to be left
 * alone. Who has been due longest goes first; a tick ends when its own budget is used up, and whoever was not reached
 * is first in the next. Between two ticks the loop always serves its sockets for at least a millisecond, so however
 * much is overdue, clients see a delay of one tick (`tickBudgetMs` and the overrun of one worker) and no more.
 *
 *     loop   --tick--|-- sockets >= 1 ms --|--tick--|-- sockets ...
 *               A B                           C A        (A had more to do and asked for 0 ms)
 *
 * Costs one pass over the workers per tick (there are a dozen, not thousands: deadlines of keys and messages live in
 * their stores), two clock reads per call, and no timer while everybody waits for `NEVER`.
 *
 * A tick that comes anyway also takes along who is due soon: up to a quarter of the delay it has asked for. A tick costs far
 * more than the call of a worker that finds nothing to do, and those with delays of 10, 20 and 100 ms come together so; beside a
 * frequent one the others come after three quarters of their delay, or somewhat more:
 *
 *     10 ms     |    |    |    |    |    |    |    |
 *     100 ms    |                                  |        as many ticks as the most frequent of them has calls
 */
import type { Clock } from "./clock.ts";

/** What a worker returns, or registers with, to be called again only after `wake`. */
export const NEVER = Number.POSITIVE_INFINITY;

/**
 * One slice of work: it should return within about `budgetMs` and says in how many milliseconds it wants to be called
 * again: 0 when more is due now, `NEVER` to sleep until woken. It may be called up to a quarter of that earlier.
 */
export type Work = (budgetMs: number) => number;

/** The process' one timer. Setting it again replaces what was set. */
export interface Alarm {
  set(delayMs: number, ring: () => void): void;
  clear(): void;
}

/** A worker's place in the ticker. */
export interface Registration {
  readonly name: string;
  /** Asks for a call in `delayMs`, unless one comes sooner anyway; no earlier than that, if this moves the next call forward. */
  wake(delayMs?: number): void;
  /** Ends it; a call that is due is not made. */
  cancel(): void;
  /** Calls so far, and the time they took. */
  readonly spent: { readonly calls: number; readonly totalMs: number; readonly longestMs: number };
}

export interface TickerOptions {
  /** What one worker gets in one tick. */
  readonly workBudgetMs?: number;
  /** What all workers of one tick get together. */
  readonly tickBudgetMs?: number;
  readonly alarm?: Alarm;
}

/** The shortest time the loop is left to its sockets between two ticks; also the resolution of a timer. */
const PAUSE_MS = 1;
/** A timer's delay is a signed 32-bit integer; past it Node fires at once. */
const ALARM_DELAY_MAX_MS = 2 ** 31 - 1;
/** The part of its delay by which a worker may be called too early. */
const SLACK = 1 / 4;

export class Ticker {
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  readonly #workBudgetMs: number;
  readonly #tickBudgetMs: number;
  #workers: Worker[] = [];
  #running = false;
  #inTick = false;
  /** When the alarm is set to ring; `NEVER` while it is not set. */
  #alarmAtMs = NEVER;
  readonly #ring = (): void => this.#tick();

  constructor(clock: Clock, options: TickerOptions = {}) {
    this.#clock = clock;
    this.#workBudgetMs = options.workBudgetMs ?? 1;
    this.#tickBudgetMs = options.tickBudgetMs ?? 3;
    this.#alarm = options.alarm ?? systemAlarm();
  }

  /** Adds a worker, first called `delayMs` from now. Names need not be unique; they are for logs and metrics. */
  register(name: string, work: Work, delayMs = 0): Registration {
    const worker = new Worker(name, work, this.#clock.monotonicMs() + checkedDelay(name, delayMs), {
      woken: () => this.#setAlarm(),
      cancelled: () => {
        this.#workers = this.#workers.filter((other) => other !== worker);
      },
      nowMs: () => this.#clock.monotonicMs(),
    });
    this.#workers.push(worker);
    this.#setAlarm();
    return worker;
  }

  get registrations(): readonly Registration[] {
    return this.#workers;
  }

  start(): void {
    this.#running = true;
    this.#setAlarm();
  }

  /** No worker is called any more; `start` goes on where it stopped. */
  stop(): void {
    this.#running = false;
    this.#alarm.clear();
    this.#alarmAtMs = NEVER;
  }

  /**
   * Runs one tick now, without a timer. Returns the milliseconds until the next worker is due, 0 if one is due already
   * and `NEVER` if none will be. A worker that throws is a bug: the error leaves here, its next call is not scheduled.
   */
  runDue(): number {
    const startMs = this.#clock.monotonicMs();
    this.#inTick = true;
    try {
      let nowMs = startMs;
      // A worker is called at most once per tick, or one that always has more to do would starve the sockets.
      for (const worker of this.#dueAt(startMs)) {
        const leftMs = this.#tickBudgetMs - (nowMs - startMs);
        if (leftMs <= 0) break;
        if (worker.cancelled) continue;
        nowMs = worker.run(nowMs, Math.min(this.#workBudgetMs, leftMs));
      }
      return Math.max(0, this.#nextDueAtMs() - nowMs);
    } finally {
      this.#inTick = false;
    }
  }

  #tick(): void {
    this.#alarmAtMs = NEVER;
    if (!this.#running) return;
    this.runDue();
    this.#setAlarm();
  }

  #dueAt(nowMs: number): Worker[] {
    return this.#workers
      .filter((worker) => worker.dueAtMs - worker.slackMs <= nowMs)
      .sort((a, b) => a.dueAtMs - b.dueAtMs);
  }

  #nextDueAtMs(): number {
    let next = NEVER;
    for (const worker of this.#workers) next = Math.min(next, worker.dueAtMs);
    return next;
  }

  /** Moves the alarm forward if somebody is due before it rings. One that rings too early finds nothing due and is set again. */
  #setAlarm(): void {
    if (!this.#running || this.#inTick) return;
    const dueAtMs = this.#nextDueAtMs();
    if (dueAtMs >= this.#alarmAtMs) return;
    const nowMs = this.#clock.monotonicMs();
    // Timers have whole milliseconds; rounding down would ring just before the deadline and find nothing to do.
    const delayMs = Math.min(Math.max(PAUSE_MS, Math.ceil(dueAtMs - nowMs)), ALARM_DELAY_MAX_MS);
    if (nowMs + delayMs >= this.#alarmAtMs) return;
    this.#alarmAtMs = nowMs + delayMs;
    this.#alarm.set(delayMs, this.#ring);
  }
}

interface WorkerEvents {
  woken(): void;
  cancelled(): void;
  nowMs(): number;
}

class Worker implements Registration {
  readonly name: string;
  dueAtMs: number;
  /** How much earlier than that a tick may take it along. */
  slackMs = 0;
  cancelled = false;
  readonly spent = { calls: 0, totalMs: 0, longestMs: 0 };
  readonly #work: Work;
  readonly #events: WorkerEvents;

  constructor(name: string, work: Work, dueAtMs: number, events: WorkerEvents) {
    this.name = name;
    this.#work = work;
    this.dueAtMs = dueAtMs;
    this.#events = events;
  }

  wake(delayMs = 0): void {
    if (this.cancelled) return;
    const dueAtMs = this.#events.nowMs() + checkedDelay(this.name, delayMs);
    if (dueAtMs >= this.dueAtMs) return;
    this.dueAtMs = dueAtMs;
    this.slackMs = 0;
    this.#events.woken();
  }

  cancel(): void {
    if (this.cancelled) return;
    this.cancelled = true;
    this.#events.cancelled();
  }

  /** Returns the time at which the work returned. */
  run(startMs: number, budgetMs: number): number {
    // A `wake` from inside the work must count as one for the next call.
    this.dueAtMs = NEVER;
    const delayMs = checkedDelay(this.name, this.#work(budgetMs));
    const endMs = this.#events.nowMs();
    if (endMs + delayMs < this.dueAtMs) {
      this.dueAtMs = endMs + delayMs;
      this.slackMs = delayMs * SLACK;
    }
    const tookMs = endMs - startMs;
    this.spent.calls++;
    this.spent.totalMs += tookMs;
    this.spent.longestMs = Math.max(this.spent.longestMs, tookMs);
    return endMs;
  }
}

function checkedDelay(name: string, delayMs: number): number {
  if (delayMs >= 0) return delayMs;
  throw new RangeError(`the worker ${name} asks to be called in ${delayMs} ms`);
}

/** The real timer. It does not keep the process alive: sockets do, and when the last one is closed the process may end. */
function systemAlarm(): Alarm {
  let timer: NodeJS.Timeout | undefined;
  return {
    set(delayMs, ring) {
      clearTimeout(timer);
      timer = setTimeout(ring, delayMs).unref();
    },
    clear() {
      clearTimeout(timer);
      timer = undefined;
    },
  };
}
