/** How long to wait before the next attempt: twice as long each time, up to a limit, less a random part of a half. */
export interface BackoffOptions {
  /** Before the second attempt; the first is made at once. Default 50. */
  readonly initialMs?: number;
  /** At the most. Default 3000. */
  readonly maxMs?: number;
}

export class Backoff {
  readonly #initialMs: number;
  readonly #maxMs: number;
  #attempts = 0;

  constructor({ initialMs = 50, maxMs = 3_000 }: BackoffOptions = {}) {
    this.#initialMs = initialMs;
    this.#maxMs = maxMs;
  }

  /** The wait before the next attempt. Jitter keeps clients that lost the same server from returning in step. */
  nextMs(): number {
    const ms = Math.min(this.#maxMs, this.#initialMs * 2 ** this.#attempts);
    this.#attempts += 1;
    return ms * (1 - Math.random() / 2);
  }

  reset(): void {
    this.#attempts = 0;
  }
}
