/** The queues in unsigned byte order of their names: an array that is searched by halves, since queues are few and lists walk them. */
import { ByteRange, compareRanges } from "../structures/byte-range.ts";
import type { Queue } from "./queue.ts";

export class QueueNames {
  readonly #queues: Queue[] = [];
  readonly #probe = new ByteRange(new Uint8Array(0), 0, 0);

  /** All queues, in order. Changes with the store. */
  get queues(): readonly Queue[] {
    return this.#queues;
  }

  /** The queue of this name. */
  find(name: ByteRange): Queue | undefined {
    const queue = this.#queues[this.#placeOf(name)];
    return queue !== undefined && this.#compare(queue, name) === 0 ? queue : undefined;
  }

  /** The place of the first queue whose name is above `name`. */
  placeAfter(name: ByteRange): number {
    const place = this.#placeOf(name);
    const queue = this.#queues[place];
    return queue !== undefined && this.#compare(queue, name) === 0 ? place + 1 : place;
  }

  /** The places of those whose names begin with `prefix`: from `start` up to `end`, exclusive. */
  placesOf(prefix: ByteRange): { start: number; end: number } {
    return { start: this.#placeOf(prefix), end: this.#firstPlace(prefix, prefix.length, 1) };
  }

  /** Adds a queue of a name that none here has. */
  add(queue: Queue): void {
    this.#queues.splice(this.#placeOf(new ByteRange(queue.nameBytes, 0, queue.nameBytes.length)), 0, queue);
  }

  /** Removes a queue that is here. */
  remove(queue: Queue): void {
    this.#queues.splice(this.#placeOf(new ByteRange(queue.nameBytes, 0, queue.nameBytes.length)), 1);
  }

  /** The place of the first queue whose name is not below `name`. */
  #placeOf(name: ByteRange): number {
    return this.#firstPlace(name, Number.POSITIVE_INFINITY, 0);
  }

  /** The place of the first queue whose name, cut after `bytesMax`, compares with `name` as `order` does with zero, or above. */
  #firstPlace(name: ByteRange, bytesMax: number, order: number): number {
    let low = 0;
    let high = this.#queues.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#compare(this.#queues[middle], name, bytesMax) < order) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #compare(queue: Queue, name: ByteRange, bytesMax = Number.POSITIVE_INFINITY): number {
    const probe = this.#probe;
    probe.bytes = queue.nameBytes;
    probe.end = Math.min(queue.nameBytes.length, bytesMax);
    return compareRanges(probe, name);
  }
}
