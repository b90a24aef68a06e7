/** Subscriptions of all kinds and connections together, and how many there may be. */
import { type CommandError, fail } from "../commands/errors.ts";

export class SubscriptionCount {
  readonly max: number;
  #count = 0;

  /** @param max from 1; infinite for no limit. */
  constructor(max: number) {
    this.max = max;
  }

  get count(): number {
    return this.#count;
  }

  /** Counts `n` more; false, and none of them is counted, where that would be too many. */
  take(n: number): boolean {
    if (this.#count + n > this.max) return false;
    this.#count += n;
    return true;
  }

  /** `n` that were taken are over. */
  give(n: number): void {
    if (n > this.#count) throw new Error("more subscriptions ended than there were");
    this.#count -= n;
  }

  /** What is answered where `take` refused. */
  refusal(): CommandError {
    const message = "there are as many subscriptions as there may be: try again later";
    return fail("SERVICE_UNAVAILABLE", message, { subscriptions_max: this.max });
  }
}
