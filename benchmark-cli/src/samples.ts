/** Latencies kept one by one, and what is shown of many. */

export interface Latency {
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

export class Samples {
  #values = new Float64Array(1 << 20);
  #count = 0;

  add(value: number): void {
    if (this.#count === this.#values.length) {
      const longer = new Float64Array(this.#count * 2);
      longer.set(this.#values);
      this.#values = longer;
    }
    this.#values[this.#count++] = value;
  }

  clear(): void {
    this.#count = 0;
  }

  latency(): Latency {
    const sorted = this.#values.subarray(0, this.#count).sort();
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
    let sum = 0;
    for (const value of sorted) sum += value;
    return {
      meanMs: sum / sorted.length,
      p50Ms: at(0.5),
      p95Ms: at(0.95),
      p99Ms: at(0.99),
      p999Ms: at(0.999),
      maxMs: sorted[sorted.length - 1],
    };
  }
}
