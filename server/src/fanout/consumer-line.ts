/**
 * The consumers of one queue, in the order in which they get its messages: commands that wait, and subscriptions that may
 * be sent more. Who was served goes to the end, or out.
 *
 *     first -> waiter -> subscription -> waiter -> last          those with nothing to wait for are not in the line
 *
 * A line belongs to a name, not to a queue: subscriptions outlive the queue and go on with the next one of that name.
 */
import type { Queue } from "../state/queue.ts";
import type { QueueSubscription } from "./queue-subscription.ts";

/** A command that waits for a message. */
export interface QueueWaiter {
  /** The queue that it found when it began to wait. */
  readonly queueId: number;
  /** Plans again; returns whether it was answered, and so waits no more. */
  attempt(): boolean;
}

/** Who can stand in a line, once. */
export abstract class Consumer {
  before: Consumer | undefined = undefined;
  after: Consumer | undefined = undefined;
  isInLine = false;
}

export class WaitingConsumer extends Consumer {
  readonly waiter: QueueWaiter;
  readonly line: ConsumerLine;

  constructor(waiter: QueueWaiter, line: ConsumerLine) {
    super();
    this.waiter = waiter;
    this.line = line;
  }
}

/** Shared, and so never added to. */
const NOBODY: QueueSubscription[] = [];
/** A list of fewer is copied to grow. */
const SHORT_LIST = 8;

export class ConsumerLine {
  /** A session has one to a line at the most, so they share it. */
  readonly subscriptionId: number;
  readonly name: string;
  /** The queue of that name; `undefined` after it was deleted, until the next one has messages. */
  queue: Queue | undefined = undefined;
  first: Consumer | undefined = undefined;
  #last: Consumer | undefined = undefined;
  waiterCount = 0;
  /** Each knows its index. */
  subscriptions: QueueSubscription[] = NOBODY;
  /** Is to be served. */
  isDue = false;

  constructor(subscriptionId: number, name: string) {
    this.subscriptionId = subscriptionId;
    this.name = name;
  }

  get consumerCount(): number {
    return this.waiterCount + this.subscriptions.length;
  }

  addSubscription(subscription: QueueSubscription): void {
    subscription.index = this.subscriptions.length;
    // V8 would make room for 16 more.
    if (subscription.index < SHORT_LIST) this.subscriptions = [...this.subscriptions, subscription];
    else this.subscriptions.push(subscription);
  }

  /** The last one takes its place. */
  removeSubscription(subscription: QueueSubscription): void {
    const last = this.subscriptions.pop();
    if (last === undefined) throw new Error("a subscription is not one of its line");
    if (last === subscription) return;
    this.subscriptions[subscription.index] = last;
    last.index = subscription.index;
  }

  append(consumer: Consumer): void {
    if (consumer.isInLine) throw new Error("a consumer stands in its line once");
    consumer.isInLine = true;
    consumer.before = this.#last;
    if (this.#last === undefined) this.first = consumer;
    else this.#last.after = consumer;
    this.#last = consumer;
  }

  /** Nothing happens where it does not stand in the line. */
  remove(consumer: Consumer): void {
    if (!consumer.isInLine) return;
    consumer.isInLine = false;
    if (consumer.before === undefined) this.first = consumer.after;
    else consumer.before.after = consumer.after;
    if (consumer.after === undefined) this.#last = consumer.before;
    else consumer.after.before = consumer.before;
    consumer.before = undefined;
    consumer.after = undefined;
  }
}
