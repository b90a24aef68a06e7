/**
 * Writes the pushes of all connections, and replies that were held, at the end of a turn: each connection that has some is
 * visited once, in the order in which they came, and again where it has more. After a few milliseconds the rest waits for the next turn, so that ten
 * thousand subscribers of one room do not hold the loop; the sockets are served in between.
 */
import type { ReleaseGate } from "../runtime/release-gate.ts";
import type { TurnEnd, TurnEndTask } from "../runtime/turn-end.ts";
import { Fifo } from "./fifo.ts";
import type { OutboxBudget } from "./outbox-budget.ts";

/** What a run may take. */
const RUN_MS_MAX = 4;
/** The clock is read once in so many visits; each takes about 10 us, and 0.3 ms where it has its fill to write. */
const VISITS_PER_LOOK = 16;

/** Something to be written to a connection: its `PushOutbox`, or an HTTP reply that was late or held. */
export interface Visited {
  /** Writes some of what waits; returns whether there is more to write. */
  visit(): boolean;
}

export class PushWriter {
  /** What may be written. */
  readonly gate: ReleaseGate;
  readonly #due = new Fifo<Visited>();
  readonly #task: TurnEndTask;
  readonly #clock: { monotonicMs(): number };
  readonly #budget: OutboxBudget;

  constructor(turnEnd: TurnEnd, clock: { monotonicMs(): number }, budget: OutboxBudget, gate: ReleaseGate) {
    this.gate = gate;
    this.#task = turnEnd.add(() => {
      this.#run();
      return false;
    });
    this.#clock = clock;
    this.#budget = budget;
  }

  /** Has it visited at the end of this turn. The caller sees to it that it is not added twice. */
  add(visited: Visited): void {
    this.#due.push(visited);
    this.#task.request();
  }

  /** See `OutboxBudget.countHeld`. */
  countHeld(outboxes: number, bytes: number): void {
    this.#budget.countHeld(outboxes, bytes);
  }

  /** If all connections together hold too much, the slowest are cut off at the end of this turn. */
  checkBudget(): void {
    if (!this.#budget.hasRoom(0)) this.#task.request();
  }

  #run(): void {
    const untilMs = this.#clock.monotonicMs() + RUN_MS_MAX;
    const due = this.#due;
    try {
      for (let visits = 1; ; visits++) {
        const visited = due.shift();
        if (visited === undefined) break;
        if (visited.visit()) due.push(visited);
        if (visits % VISITS_PER_LOOK === 0 && this.#clock.monotonicMs() >= untilMs) break;
      }
      this.#budget.cutSlowest();
    } finally {
      // Also where a visit has thrown: that is one connection's bug, and the others are not to wait for the next push.
      if (due.size > 0) this.#task.request();
    }
  }
}
