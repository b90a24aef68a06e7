/**
 * A body that comes in several chunks, joined. (One that comes whole is handled where it lies and never gets here.)
 *
 * The buffer starts small and doubles: what a client merely announces is not allocated, only what it has sent. All bodies
 * under way share one budget, so that many slow uploads cannot fill the memory together.
 */

/** Bytes that all unfinished bodies of a transport may hold together. */
export class BodyBudget {
  readonly bytesMax: number;
  bytesUsed = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }
}

export type AppendResult = "ok" | "too-large" | "no-room";

const INITIAL_BYTES_MAX = 64 * 1024;
const EMPTY = new Uint8Array(0);

export class RequestBody {
  readonly #budget: BodyBudget;
  readonly #bytesMax: number;
  readonly #initialBytes: number;
  #buffer: Uint8Array = EMPTY;
  #length = 0;

  /** @param announcedBytes the `Content-Length`, or 0: a hint, not believed beyond 64 KB. */
  constructor(budget: BodyBudget, bytesMax: number, announcedBytes: number) {
    this.#budget = budget;
    this.#bytesMax = bytesMax;
    this.#initialBytes = Math.min(announcedBytes, INITIAL_BYTES_MAX);
  }

  get length(): number {
    return this.#length;
  }

  /** Copies `chunk` to the end. After anything but `ok` the body is as it was; the caller releases it. */
  append(chunk: Uint8Array): AppendResult {
    const needed = this.#length + chunk.length;
    if (needed > this.#bytesMax) return "too-large";
    if (needed > this.#buffer.length && !this.#grow(needed)) return "no-room";
    this.#buffer.set(chunk, this.#length);
    this.#length = needed;
    return "ok";
  }

  /** What has come so far; valid until `release`. */
  view(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Gives the memory back. Again is harmless. */
  release(): void {
    this.#budget.bytesUsed -= this.#buffer.length;
    this.#buffer = EMPTY;
    this.#length = 0;
  }

  #grow(needed: number): boolean {
    const capacity = Math.min(this.#bytesMax, Math.max(needed, this.#buffer.length * 2, this.#initialBytes));
    const extra = capacity - this.#buffer.length;
    if (this.#budget.bytesUsed + extra > this.#budget.bytesMax) return false;
    this.#budget.bytesUsed += extra;
    const grown = new Uint8Array(capacity);
    grown.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = grown;
    return true;
  }
}
