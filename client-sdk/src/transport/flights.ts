/** The frames of a connection that are sent and not answered, by their ids, in the order in which they were added. */
import type { Request } from "../wire/request.ts";

export interface Flight {
  readonly requests: readonly Request[];
  /** A batch of this client's making: its reply answers the commands one by one. */
  readonly isShared: boolean;
  /** It is shared, and something in it changes something. */
  readonly isWriting: boolean;
  readonly bytes: number;
}

export class Flights {
  /** Of all of them together. */
  commandCount = 0;
  bytes = 0;
  sharedCount = 0;
  writingCount = 0;
  /**
   * The last one, which is not in the map yet. Where each command is awaited it is the only one, and a map that gets and loses one
   * entry again and again makes a new table for every few of them.
   */
  #last: Flight | undefined;
  #lastId = 0;
  readonly #before = new Map<number, Flight>();

  add(id: number, flight: Flight): void {
    if (this.#last !== undefined) this.#before.set(this.#lastId, this.#last);
    this.#last = flight;
    this.#lastId = id;
    this.#count(flight, 1);
  }

  /** Takes one out. @returns undefined where there is none with that id. */
  take(id: number): Flight | undefined {
    let flight = this.#last;
    if (flight !== undefined && id === this.#lastId) this.#last = undefined;
    else {
      flight = this.#before.get(id);
      if (flight === undefined) return undefined;
      this.#before.delete(id);
    }
    this.#count(flight, -1);
    return flight;
  }

  *requests(): Generator<Request> {
    for (const { requests } of this.#before.values()) yield* requests;
    if (this.#last !== undefined) yield* this.#last.requests;
  }

  clear(): void {
    this.#before.clear();
    this.#last = undefined;
    this.commandCount = 0;
    this.bytes = 0;
    this.sharedCount = 0;
    this.writingCount = 0;
  }

  #count({ requests, isShared, isWriting, bytes }: Flight, sign: 1 | -1): void {
    this.commandCount += sign * requests.length;
    this.bytes += sign * bytes;
    if (isShared) this.sharedCount += sign;
    if (isWriting) this.writingCount += sign;
  }
}
