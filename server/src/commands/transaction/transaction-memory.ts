/**
 * What all transactions together hold in memory until they run: commands that are queued, keys that are watched, of
 * connections and of client ids alike. Each alone has limits of its own (`TransactionLimits`); this is what many of them come
 * to, and a token may have no more than a quarter of it.
 *
 *     TransactionMemory --holding(token)--> Holding --take(bytes)--> counted here and for the token, or refused
 *                                                   --release()----> nothing of this holding is counted
 *
 * A holding counts for the token that its connection had when it was begun. Who drops a holding releases it: `bytes` is zero
 * when nobody has begun anything.
 */
import { type CommandError, fail } from "../errors.ts";

/** One token has this part of what is limited for all. */
export const TOKEN_SHARE = 4;

export class TransactionMemory {
  readonly #bytesMax: number;
  #bytes = 0;
  /** Of tokens that hold anything. */
  readonly #byOwner = new Map<string, number>();

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** @param owner of the token (`Grant.owner`); empty where nobody has to log in. */
  holding(owner: string): Holding {
    return new Holding(
      (bytes) => this.#take(owner, bytes),
      (bytes) => this.#give(owner, bytes),
    );
  }

  #take(owner: string, bytes: number): CommandError | undefined {
    if (this.#bytes + bytes > this.#bytesMax) {
      return fail(
        "MEMORY_LIMIT_EXCEEDED",
        "transactions hold as much as they may together: run or discard some, or raise transaction.max_total_bytes",
        { limit_bytes: this.#bytesMax, needed_bytes: bytes },
      );
    }
    const shareBytes = Math.ceil(this.#bytesMax / TOKEN_SHARE);
    const ownBytes = (this.#byOwner.get(owner) ?? 0) + bytes;
    if (owner !== "" && ownBytes > shareBytes) {
      return fail(
        "MEMORY_LIMIT_EXCEEDED",
        "transactions of this token hold as much as those of one may: run or discard some, or raise transaction.max_total_bytes",
        { limit_bytes: shareBytes, needed_bytes: bytes },
      );
    }
    this.#bytes += bytes;
    if (owner !== "") this.#byOwner.set(owner, ownBytes);
    return undefined;
  }

  #give(owner: string, bytes: number): void {
    if (bytes > this.#bytes) throw new Error("transactions gave back more than they held");
    this.#bytes -= bytes;
    if (owner === "") return;
    const leftBytes = (this.#byOwner.get(owner) ?? 0) - bytes;
    if (leftBytes > 0) this.#byOwner.set(owner, leftBytes);
    else this.#byOwner.delete(owner);
  }
}

/** What one transaction, or the watches of one connection, hold. */
export class Holding {
  #bytes = 0;
  readonly #take: (bytes: number) => CommandError | undefined;
  readonly #give: (bytes: number) => void;

  constructor(take: (bytes: number) => CommandError | undefined, give: (bytes: number) => void) {
    this.#take = take;
    this.#give = give;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Counts `bytes` more. Error, and nothing is counted: MEMORY_LIMIT_EXCEEDED. */
  take(bytes: number): CommandError | undefined {
    const refusal = this.#take(bytes);
    if (refusal === undefined) this.#bytes += bytes;
    return refusal;
  }

  /** All that was taken is dropped. Again is the same as once. */
  release(): void {
    this.#give(this.#bytes);
    this.#bytes = 0;
  }
}
