/**
 * The consumers of one queue, in the order in which they get its messages: commands that wait, and subscriptions that may
 * be sent more. Who was served goes to the end, or out.
 *
 *     first -> waiter -> subscription -> waiter -> last          those with nothing to wait for are not in the line
 *
 * A line belongs to a name, not to a queue: subscriptions outlive the queue and go on with the next one of that name.
 */
import type { Queue } from "../state/queue.ts";
import type { ClientSession } from "./client-session.ts";
import type { QueueSubscription } from "./queue-subscription.ts";

/** A command that waits for a message. */
export interface QueueWaiter {
  /** The queue that it found when it began to wait. */
  readonly queueId: number;
  /** Plans again; returns whether it was answered, and so waits no more. */
  attempt(): boolean;
}

/** A place in a line; whoever stands there keeps it. */
export class Place {
  readonly consumer: QueueWaiter | QueueSubscription;
  before: Place | undefined;
  after: Place | undefined;
  isTaken = false;

  constructor(consumer: QueueWaiter | QueueSubscription) {
    this.consumer = consumer;
  }
}

export class ConsumerLine {
  readonly name: string;
  /** The queue of that name; `undefined` after it was deleted, until the next one has messages. */
  queue: Queue | undefined;
  first: Place | undefined;
  #last: Place | undefined;
  waiterCount = 0;
  readonly subscriptions = new Map<ClientSession, QueueSubscription>();
  /** Is to be served. */
  isDue = false;

  constructor(name: string) {
    this.name = name;
  }

  get consumerCount(): number {
    return this.waiterCount + this.subscriptions.size;
  }

  append(place: Place): void {
    if (place.isTaken) throw new Error("a consumer stands in its line once");
    place.isTaken = true;
    place.before = this.#last;
    if (this.#last === undefined) this.first = place;
    else this.#last.after = place;
    this.#last = place;
  }

  prepend(place: Place): void {
    if (place.isTaken) throw new Error("a consumer stands in its line once");
    place.isTaken = true;
    place.after = this.first;
    if (this.first === undefined) this.#last = place;
    else this.first.before = place;
    this.first = place;
  }

  /** Nothing happens where it does not stand in the line. */
  remove(place: Place): void {
    if (!place.isTaken) return;
    place.isTaken = false;
    if (place.before === undefined) this.first = place.after;
    else place.before.after = place.after;
    if (place.after === undefined) this.#last = place.before;
    else place.after.before = place.before;
    place.before = undefined;
    place.after = undefined;
  }
}
