/** How often each command ran, how long it took and how often it failed. The dispatcher calls this for every command. */
import type { Command } from "../commands/command.ts";
import type { CommandObserver } from "../dispatch/command-runner.ts";
import { DurationHistogram } from "./duration-histogram.ts";

/** 10 us to 10 s in steps of 1, 2.5 and 5: a command in memory takes microseconds, a blocking one seconds. */
const BOUNDS_SECONDS = [
  0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
  5, 10,
];

export class CommandInstruments implements CommandObserver {
  readonly commands: readonly Command[];
  /** One series per command, in the order of `commands`. */
  readonly durations: DurationHistogram;
  readonly #failures: Float64Array;

  /** @param commands those of the registry, in its order. */
  constructor(commands: readonly Command[]) {
    this.commands = commands;
    this.durations = new DurationHistogram(commands.length, BOUNDS_SECONDS);
    this.#failures = new Float64Array(commands.length);
  }

  observe(index: number, durationMs: number, count: number, failures: number): void {
    this.durations.observe(index, durationMs, count);
    this.#failures[index] += failures;
  }

  failures(index: number): number {
    return this.#failures[index];
  }

  successes(index: number): number {
    return this.durations.count(index) - this.#failures[index];
  }
}
