/**
 * What subscriptions were pushed and have not acknowledged. Messages are delivered in records of several: staged one by
 * one, each encoded while it is in place, then committed, then pushed.
 */
import type { Executor } from "../commands/execute.ts";
import type { Queue } from "../state/queue.ts";
import type { ConsumerLine } from "./consumer-line.ts";
import type { PushEncoder } from "./push-encoder.ts";
import { QueueSubscription } from "./queue-subscription.ts";

/** Deliveries of one record, and the bytes of its pushes: the one that passes them is the last. */
const RECORD_DELIVERIES_MAX = 64;
const RECORD_PUSH_BYTES_MAX = 2 ** 19;
/** A large push is as much work as one for each of so many bytes. */
const DELIVERY_BYTES = 8 * 1024;

interface Delivery {
  readonly id: number;
  readonly subscription: QueueSubscription;
  readonly frame: Uint8Array;
}

export class QueueDeliveries {
  /** Messages pushed since the start. */
  pushedCount = 0;
  readonly #encoder: PushEncoder;
  /** Delivery id -> the subscription that pushed it, while it is not acknowledged. */
  readonly #pending = new Map<number, QueueSubscription>();
  /** Those of the record under way, and the bytes of their pushes. */
  readonly #staged: Delivery[] = [];
  #stagedBytes = 0;

  constructor(encoder: PushEncoder) {
    this.#encoder = encoder;
  }

  /** Deliveries that are not acknowledged. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  /** A delivery has ended, by whatever; returns the subscription that had pushed it, if one had. */
  ended(deliveryId: number): QueueSubscription | undefined {
    if (this.#pending.size === 0) return undefined;
    const subscription = this.#pending.get(deliveryId);
    if (subscription === undefined) return undefined;
    this.#pending.delete(deliveryId);
    subscription.settled(deliveryId);
    return subscription;
  }

  /** All that a subscription was pushed has ended. */
  forget(subscription: QueueSubscription): void {
    for (const deliveryId of subscription.pending.keys()) this.#pending.delete(deliveryId);
    subscription.allSettled();
  }

  /**
   * Delivers to the subscriptions at the head of a line, up to the next waiter, in one record.
   * @param limit the most deliveries.
   * @returns how much work that was, in deliveries; 0 where there was nobody, or nothing.
   */
  deliver(executor: Executor, line: ConsumerLine, queue: Queue, limit: number): number {
    const countMax = Math.min(limit, RECORD_DELIVERIES_MAX);
    const { queues } = executor.planner;
    executor.begin();
    queues.beginTaking(queue);
    let hasGivenUp: boolean;
    try {
      let isMore = true;
      while (isMore && this.#staged.length < countMax && this.#stagedBytes < RECORD_PUSH_BYTES_MAX) {
        isMore = this.#stage(executor, line, queue);
      }
      ({ hasGivenUp } = queues);
      executor.commit();
    } catch (error) {
      this.#discard(executor, line);
      throw error;
    }
    const work = this.#push(executor.appliedOffset);
    // Burying what has expired was the work of a round.
    return hasGivenUp ? limit : work;
  }

  /** False where there is nobody to deliver to, or nothing. */
  #stage(executor: Executor, line: ConsumerLine, queue: Queue): boolean {
    const subscription = nextSubscription(line);
    if (subscription === undefined) return false;
    const ackDeadlineMs = subscription.ackDeadlineMs ?? queue.config.ackDeadlineMs;
    const message = executor.planner.queues.takeNext(ackDeadlineMs);
    if (message === undefined) return false;
    const push = { type: "delivery", subscription_id: subscription.id, queue: queue.name, message };
    const frame = this.#encoder.encode(push, subscription.format);
    const id = message.delivery_id;
    this.#staged.push({ id, subscription, frame });
    this.#stagedBytes += frame.length;
    this.#pending.set(id, subscription);
    subscription.delivered(id, message.id);
    line.remove(subscription);
    if (subscription.credit > 0) line.append(subscription);
    return true;
  }

  /** After a bug: nobody has been given anything. */
  #discard(executor: Executor, line: ConsumerLine): void {
    executor.discard();
    for (const { id, subscription } of this.#staged) {
      this.ended(id);
      if (!subscription.isInLine && subscription.credit > 0) line.append(subscription);
    }
    this.#staged.length = 0;
    this.#stagedBytes = 0;
  }

  /** Pushes what was committed. A peer that is gone is released by its session. */
  #push(releaseOffset: number): number {
    const staged = this.#staged;
    for (const { subscription, frame } of staged) {
      subscription.outbox.push(frame, subscription.format === "msgpack", releaseOffset);
    }
    this.pushedCount += staged.length;
    const work = staged.length + Math.floor(this.#stagedBytes / DELIVERY_BYTES);
    staged.length = 0;
    this.#stagedBytes = 0;
    return work;
  }
}

/** The subscription at the head of a line, if one is there; those that may not be sent more leave it. */
function nextSubscription(line: ConsumerLine): QueueSubscription | undefined {
  for (let { first } = line; first !== undefined; first = line.first) {
    if (!(first instanceof QueueSubscription)) return undefined;
    if (first.credit > 0 && !first.isBehind) return first;
    line.remove(first);
  }
  return undefined;
}
