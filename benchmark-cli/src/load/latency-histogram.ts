/**
 * Counts of latencies in buckets that grow with the value, so that millions of samples take constant memory and those of
 * several processes can be added up.
 *
 *     below 64 us: one bucket per microsecond
 *     above: 64 buckets for each doubling    [64 us, 128 us), [128 us, 256 us) ...   at most 1.6% wide
 *
 * A percentile answers the upper edge of its bucket, so it is never too good. This is the layout of HdrHistogram with two
 * digits; its JavaScript port takes whole numbers only, so the caller would have to count in microseconds anyway, and travels
 * between processes as compressed base64, where this is a list of numbers.
 */

export interface Latency {
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

const STEPS = 64;
const STEP_BITS = 6;
/** 35 minutes; what takes longer is counted as that. */
const US_MAX = 2 ** 31 - 1;
const DOUBLINGS = 25;
const BUCKETS = STEPS * (DOUBLINGS + 1);

/** How a histogram travels between processes. */
export interface LatencyCounts {
  /** Pairs of bucket and count, of the buckets that are not empty. */
  readonly counts: readonly number[];
  readonly sumMs: number;
  readonly maxMs: number;
}

export class LatencyHistogram {
  readonly #counts = new Float64Array(BUCKETS);
  #samples = 0;
  #sumMs = 0;
  #maxMs = 0;

  /** The samples of several processes together. */
  static of(parts: readonly LatencyCounts[]): LatencyHistogram {
    const histogram = new LatencyHistogram();
    for (const part of parts) histogram.merge(part);
    return histogram;
  }

  get samples(): number {
    return this.#samples;
  }

  /** A negative latency is counted as none: two clocks of one machine may differ by less than a microsecond. */
  add(ms: number): void {
    const latencyMs = ms > 0 ? ms : 0;
    this.#counts[bucketOf(latencyMs * 1_000)] += 1;
    this.#samples += 1;
    this.#sumMs += latencyMs;
    if (latencyMs > this.#maxMs) this.#maxMs = latencyMs;
  }

  clear(): void {
    this.#counts.fill(0);
    this.#samples = 0;
    this.#sumMs = 0;
    this.#maxMs = 0;
  }

  export(): LatencyCounts {
    const counts: number[] = [];
    this.#counts.forEach((count, bucket) => {
      if (count > 0) counts.push(bucket, count);
    });
    return { counts, sumMs: this.#sumMs, maxMs: this.#maxMs };
  }

  /** Adds the samples of another process. */
  merge({ counts, sumMs, maxMs }: LatencyCounts): void {
    for (let i = 0; i < counts.length; i += 2) {
      this.#counts[counts[i]] += counts[i + 1];
      this.#samples += counts[i + 1];
    }
    this.#sumMs += sumMs;
    this.#maxMs = Math.max(this.#maxMs, maxMs);
  }

  /** @param share such as 0.95; NaN without samples. */
  percentileMs(share: number): number {
    if (this.#samples === 0) return Number.NaN;
    const rank = Math.min(this.#samples, Math.floor(share * this.#samples) + 1);
    let below = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      below += this.#counts[bucket];
      if (below >= rank) return Math.min(this.#maxMs, upperEdgeUs(bucket) / 1_000);
    }
    return this.#maxMs;
  }

  latency(): Latency {
    return {
      meanMs: this.#sumMs / this.#samples,
      p50Ms: this.percentileMs(0.5),
      p90Ms: this.percentileMs(0.9),
      p95Ms: this.percentileMs(0.95),
      p99Ms: this.percentileMs(0.99),
      p999Ms: this.percentileMs(0.999),
      maxMs: this.#maxMs,
    };
  }
}

function bucketOf(us: number): number {
  const whole = Math.min(us, US_MAX) | 0;
  if (whole < STEPS) return whole;
  const doubling = 31 - STEP_BITS - Math.clz32(whole);
  return STEPS * (doubling + 1) + (whole >> doubling) - STEPS;
}

function upperEdgeUs(bucket: number): number {
  if (bucket < STEPS) return bucket + 1;
  const doubling = Math.floor(bucket / STEPS) - 1;
  return (STEPS + (bucket % STEPS) + 1) * 2 ** doubling;
}
