/** How long to leave a peer alone that could not be reached: longer each time, and never the same for all who try. */
const FIRST_MS = 100;
/** A replica that was cut off for seconds is to have caught up within two of its link being possible again. */
const LONGEST_MS = 1000;

export class Backoff {
  /** Draws from [0, 1). */
  readonly #random: () => number;
  #nextMs = FIRST_MS;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** It was reached: the next failure is the first. */
  reset(): void {
    this.#nextMs = FIRST_MS;
  }

  /** How long from now, between half and all of what is due. */
  delayMs(): number {
    const delayMs = this.#nextMs * (0.5 + this.#random() / 2);
    this.#nextMs = Math.min(LONGEST_MS, this.#nextMs * 2);
    return delayMs;
  }
}
