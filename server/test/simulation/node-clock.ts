/**
 * The clock of one node: it runs a little fast or slow, and stands a little off. Within an event it moves on by a little with
 * each look, as if the work between two looks took its time, so that work in slices is cut into slices.
 */
import type { Clock } from "../../src/runtime/clock.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SeededChoices } from "./seeded-choices.ts";

const STARTED_AT_MS = 1_700_000_000_000;
const SKEW_MS = 30;
const DRIFT = 0.002;
const LOOK_MS_MAX = 0.4;

export class NodeClock implements Clock {
  readonly #scheduler: Scheduler;
  readonly #choices: SeededChoices;
  readonly #skewMs: number;
  readonly #rate: number;
  #lastMs = 0;

  constructor(scheduler: Scheduler, choices: SeededChoices) {
    this.#scheduler = scheduler;
    this.#choices = choices;
    this.#skewMs = choices.between(-SKEW_MS, SKEW_MS);
    this.#rate = 1 + choices.between(-DRIFT, DRIFT);
  }

  nowMs(): number {
    return Math.floor(STARTED_AT_MS + this.#skewMs + this.#scheduler.nowMs * this.#rate);
  }

  monotonicMs(): number {
    const presentMs = this.#scheduler.nowMs * this.#rate;
    this.#lastMs = Math.max(presentMs, this.#lastMs + this.#choices.between(0, LOOK_MS_MAX));
    return this.#lastMs;
  }
}
