/** What a generator has done: requests, latencies, failures and its own CPU time; told every so often while it goes on. */
import { LatencyHistogram } from "./latency-histogram.ts";
import type { Generated, Progress } from "./load.ts";

const TELL_EVERY_MS = 250;

export class LoadTally {
  readonly #batch: number;
  readonly #latencies = new LatencyHistogram();
  /** Since the last progress that was told. */
  readonly #recent = new LatencyHistogram();
  readonly #errors: Record<string, number> = {};
  #startMs = 0;
  #cpuStart = process.cpuUsage();
  readonly #telling: NodeJS.Timeout;

  /** @param batch commands of one request */
  constructor(batch: number, tell: (progress: Progress) => void) {
    this.#batch = batch;
    this.#telling = setInterval(() => {
      tell({ done: this.#recent.samples * batch, latencies: this.#recent.export() });
      this.#recent.clear();
    }, TELL_EVERY_MS);
  }

  add(latencyMs: number): void {
    this.#latencies.add(latencyMs);
    this.#recent.add(latencyMs);
  }

  failed(codes: readonly string[]): void {
    for (const code of codes) this.#errors[code] = (this.#errors[code] ?? 0) + 1;
  }

  /** What came before was the warm-up; its failures still count. */
  begin(): void {
    this.#latencies.clear();
    this.#recent.clear();
    this.#startMs = performance.now();
    this.#cpuStart = process.cpuUsage();
  }

  end(): Omit<Generated, "commandsSent"> {
    clearInterval(this.#telling);
    const cpu = process.cpuUsage(this.#cpuStart);
    const requests = this.#latencies.samples;
    return {
      seconds: (performance.now() - this.#startMs) / 1_000,
      requests,
      commands: requests * this.#batch,
      clientCpuSecs: (cpu.user + cpu.system) / 1e6,
      latencies: this.#latencies.export(),
      errors: this.#errors,
    };
  }
}
