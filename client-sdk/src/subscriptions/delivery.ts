/** Having messages of a queue pushed. */
import type { ReadOptions } from "../commander.ts";
import { StaleDeliveryError } from "../errors.ts";
import type { QueueNackReply } from "../generated/shapes.ts";
import { camelReply } from "../naming.ts";
import { positive } from "../options.ts";
import { validated } from "../standard-schema.ts";
import { Feed, type Push, type Sink, type Subscribing } from "./feed.ts";
import type { Feeds } from "./feeds.ts";
import { type Source, type StartedSource, Subscription, type SubscriptionOptions } from "./subscription.ts";

/** A message that was delivered. */
export interface QueueMessage<T> {
  readonly id: number;
  /** Of this delivery; grows with every delivery of any message: a fencing token. */
  readonly deliveryId: number;
  readonly payload: T;
  readonly priority: number;
  /** Deliveries before that were not acknowledged. */
  readonly retryCount: number;
  readonly maxRetries: number;
  readonly headers: Readonly<Record<string, unknown>> | null;
  readonly publishedAtMs: number;
  /** Until when it is to be acknowledged, by the server's clock. */
  readonly deadlineAtMs: number;
}

/** What a delivery needs of `synap.queue`. */
export interface Acknowledger {
  ack(queue: string, message: { readonly id: number; readonly deliveryId: number }): Promise<void>;
  nack(
    queue: string,
    message: { readonly id: number; readonly deliveryId: number },
    options?: { readonly delayMs?: number; readonly requeue?: boolean },
  ): Promise<QueueNackReply>;
  extend(
    queue: string,
    message: { readonly id: number; readonly deliveryId: number },
    ackDeadline: number,
  ): Promise<number>;
}

/** A message that was pushed, with what can be done about it. */
export interface Delivery<T> extends QueueMessage<T> {
  readonly queue: string;
  /** Aborted when the delivery is over without having been acknowledged: the connection is gone, and others have the message. */
  readonly signal: AbortSignal;
  /** It is done. @throws StaleDeliveryError when the delivery had ended. */
  ack(): Promise<void>;
  /** It comes again after the queue's backoff, or `delayMs`; with `requeue: false` it dies. */
  nack(options?: { readonly delayMs?: number; readonly requeue?: boolean }): Promise<QueueNackReply>;
  /** Asks for more time, in seconds from now. @returns the new deadline in ms since the epoch. */
  extend(ackDeadline: number): Promise<number>;
}

/** How to have messages pushed. */
export interface QueueSubscribeOptions<T>
  extends Omit<SubscriptionOptions<Delivery<T>>, "bufferSize">,
    Pick<ReadOptions<T>, "schema"> {
  /** At most so many unacknowledged at a time; it bounds the local buffer too. Default 10. */
  readonly prefetch?: number | undefined;
  /** How long a message may be worked on, in seconds; else what the queue says. */
  readonly ackDeadline?: number | undefined;
}

class QueueFeed extends Feed {
  readonly slot: string;
  readonly isShareable = false;
  readonly #payload: object;

  constructor(queue: string, prefetch: number, ackDeadline: number | undefined) {
    super();
    this.slot = `queue ${queue}`;
    this.#payload = { queue, prefetch, ack_deadline: ackDeadline };
  }

  subscribing(): Subscribing {
    return { command: "queue.subscribe", payload: this.#payload };
  }

  unsubscribing(subscriptionId: number): Subscribing {
    return { command: "queue.unsubscribe", payload: { subscription_id: subscriptionId } };
  }
}

class DeliveryReader<T> implements Sink, Source {
  readonly #feeds: Feeds;
  readonly #acknowledger: Acknowledger;
  readonly #queue: string;
  readonly #options: QueueSubscribeOptions<T> | undefined;
  readonly #subscription: Subscription<Delivery<T>>;
  #feed: Feed | undefined;
  /** Of the present connection: with it end all its deliveries. */
  #connected = new AbortController();

  constructor(
    feeds: Feeds,
    acknowledger: Acknowledger,
    queue: string,
    options: QueueSubscribeOptions<T> | undefined,
    subscription: Subscription<Delivery<T>>,
  ) {
    this.#feeds = feeds;
    this.#acknowledger = acknowledger;
    this.#queue = queue;
    this.#options = options;
    this.#subscription = subscription;
  }

  join(): Promise<void> {
    const { prefetch = PREFETCH, ackDeadline } = this.#options ?? {};
    positive("prefetch", prefetch);
    if (ackDeadline !== undefined) positive("ackDeadline", ackDeadline);
    const { feed, ready } = this.#feeds.join(new QueueFeed(this.#queue, prefetch, ackDeadline), this);
    this.#feed = feed;
    return ready;
  }

  take(push: Push): void {
    // By the registry's description of a delivery.
    const message = camelReply(push.message) as QueueMessage<T>;
    const schema = this.#options?.schema;
    if (schema === undefined) this.#give(message);
    else void this.#giveChecked(message);
  }

  interrupted(): void {
    this.#connected.abort(new StaleDeliveryError("STALE_DELIVERY", "the connection that it came over is gone"));
    this.#connected = new AbortController();
  }

  failed(error: unknown): void {
    this.#subscription.fail(error);
  }

  closed(): void {
    void this.#subscription.close();
  }

  /** Never more than prefetch are unacknowledged, unless deliveries ended unread with their connection: those may go. */
  overflowed(): boolean {
    return true;
  }

  relieved(): void {}

  async ended(): Promise<void> {
    if (this.#feed !== undefined) await this.#feeds.leave(this.#feed, this);
    this.#connected.abort(new StaleDeliveryError("STALE_DELIVERY", "the subscription was closed"));
  }

  /** A message that does not fit is no better the next time: it becomes a dead letter, and says so. */
  async #giveChecked(message: QueueMessage<T>): Promise<void> {
    const { signal } = this.#connected;
    try {
      const schema = this.#options?.schema;
      const what = `message ${message.id} of ${this.#queue}`;
      const payload = schema === undefined ? message.payload : await validated(schema, message.payload, what);
      if (!signal.aborted) this.#give({ ...message, payload });
    } catch (error) {
      await this.#acknowledger.nack(this.#queue, message, { requeue: false }).catch((late: unknown) => late);
      this.#options?.onError?.(error);
    }
  }

  #give(message: QueueMessage<T>): void {
    const acknowledger = this.#acknowledger;
    const queue = this.#queue;
    this.#subscription.take({
      ...message,
      queue,
      signal: this.#connected.signal,
      ack: () => acknowledger.ack(queue, message),
      nack: (options) => acknowledger.nack(queue, message, options),
      extend: (ackDeadline) => acknowledger.extend(queue, message, ackDeadline),
    });
  }
}

const PREFETCH = 10;

export function followQueue<T>(
  feeds: Feeds,
  acknowledger: Acknowledger,
  queue: string,
  options: QueueSubscribeOptions<T> | undefined,
): Subscription<Delivery<T>> {
  return new Subscription<Delivery<T>>(options, (subscription): StartedSource => {
    const source = new DeliveryReader(feeds, acknowledger, queue, options, subscription);
    return { source, ready: source.join() };
  });
}
