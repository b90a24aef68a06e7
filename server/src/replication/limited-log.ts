/**
 * Lines that others can cause as often as they like, such as by links that are refused: a line of each level in ten seconds, and how
 * many more there would have been.
 */
import type { Logger } from "../runtime/logger.ts";

const APART_MS = 10_000;

type Level = "warn" | "error";

export class LimitedLog {
  readonly #logger: Pick<Logger, Level>;
  readonly #clock: { monotonicMs(): number };
  readonly #levels = {
    warn: { saidAtMs: Number.NEGATIVE_INFINITY, unsaidCount: 0 },
    error: { saidAtMs: Number.NEGATIVE_INFINITY, unsaidCount: 0 },
  };

  constructor(logger: Pick<Logger, Level>, clock: { monotonicMs(): number }) {
    this.#logger = logger;
    this.#clock = clock;
  }

  warn(line: string): void {
    this.#say("warn", line);
  }

  error(line: string): void {
    this.#say("error", line);
  }

  #say(level: Level, line: string): void {
    const state = this.#levels[level];
    if (this.#isDue(level)) {
      this.#tellUnsaid(level);
      state.saidAtMs = this.#clock.monotonicMs();
      this.#logger[level](line);
    } else {
      state.unsaidCount++;
    }
  }

  /** Called often: tells of what was not said, when that may be. */
  tick(): void {
    for (const level of ["warn", "error"] as const) {
      if (this.#levels[level].unsaidCount === 0 || !this.#isDue(level)) continue;
      this.#levels[level].saidAtMs = this.#clock.monotonicMs();
      this.#tellUnsaid(level);
    }
  }

  #isDue(level: Level): boolean {
    return this.#clock.monotonicMs() - this.#levels[level].saidAtMs >= APART_MS;
  }

  #tellUnsaid(level: Level): void {
    const state = this.#levels[level];
    if (state.unsaidCount > 0)
      this.#logger[level](`${state.unsaidCount} more lines about links of replicas were left out`);
    state.unsaidCount = 0;
  }
}
