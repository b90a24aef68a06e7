/** Tells a benchmark every so often what its client process has done since the last time. */
import type { Channel } from "./client-process.ts";
import { LatencyHistogram } from "./latency-histogram.ts";

const TELL_EVERY_MS = 250;

export class ProgressTeller {
  readonly #recent = new LatencyHistogram();
  readonly #timer: NodeJS.Timeout;
  #done = 0;

  constructor(benchmark: Channel) {
    this.#timer = setInterval(() => {
      if (this.#done === 0) return;
      benchmark.tell("progress", { done: this.#done, latencies: this.#recent.export() });
      this.#recent.clear();
      this.#done = 0;
    }, TELL_EVERY_MS);
    this.#timer.unref();
  }

  /** Of something that is counted and has no latency of its own. */
  count(done = 1): void {
    this.#done += done;
  }

  /** @param all the histogram of the whole run, to which the latency is added as well */
  add(latencyMs: number, all?: LatencyHistogram): void {
    this.#done += 1;
    this.#recent.add(latencyMs);
    all?.add(latencyMs);
  }
}
