/**
 * Following what cannot be read again: topics and watches. When the buffer is full the oldest goes, or the newest, as
 * the subscriber wishes, and is counted; after a lost connection a notice says that something may have been missed.
 */

import type { Feed, Push, Sink } from "./feed.ts";
import type { Feeds } from "./feeds.ts";
import { type Source, type StartedSource, Subscription, type SubscriptionOptions } from "./subscription.ts";

/** The subscription is back after a lost connection; what was pushed in between was missed. */
export interface Resubscribed {
  readonly type: "resubscribed";
}

/** What becomes of what does not fit the buffer. */
export interface LossyOptions<E> extends SubscriptionOptions<E> {
  /** `drop-oldest` (the default) or `drop-newest`; either is counted in `droppedCount`. */
  readonly overflow?: "drop-oldest" | "drop-newest" | undefined;
}

class LossyReader<E> implements Sink, Source {
  readonly #feeds: Feeds;
  readonly #subscription: Subscription<E | Resubscribed>;
  readonly #convert: (push: Push) => E | Promise<E>;
  readonly #dropsOldest: boolean;
  #feed: Feed | undefined;
  #tail: Promise<void> = Promise.resolve();

  constructor(
    feeds: Feeds,
    subscription: Subscription<E | Resubscribed>,
    convert: (push: Push) => E | Promise<E>,
    dropsOldest: boolean,
  ) {
    this.#feeds = feeds;
    this.#subscription = subscription;
    this.#convert = convert;
    this.#dropsOldest = dropsOldest;
  }

  join(feed: Feed): Promise<void> {
    const joined = this.#feeds.join(feed, this);
    this.#feed = joined.feed;
    return joined.ready;
  }

  take(push: Push): void {
    try {
      const event = this.#convert(push);
      if (event instanceof Promise) void this.#takeLate(event);
      else this.#subscription.take(event);
    } catch (error) {
      this.#subscription.fail(error);
    }
  }

  resumed(): void {
    this.#subscription.take({ type: "resubscribed" });
  }

  failed(error: unknown): void {
    this.#subscription.fail(error);
  }

  closed(): void {
    void this.#subscription.close();
  }

  overflowed(): boolean {
    if (this.#dropsOldest) this.#subscription.dropOldest();
    else this.#subscription.droppedCount += 1;
    return this.#dropsOldest;
  }

  relieved(): void {}

  async ended(): Promise<void> {
    if (this.#feed !== undefined) await this.#feeds.leave(this.#feed, this);
  }

  /** Values that a schema checks late come in their order. */
  async #takeLate(event: Promise<E>): Promise<void> {
    const before = this.#tail;
    this.#tail = (async () => {
      await before;
      try {
        this.#subscription.take(await event);
      } catch (error) {
        this.#subscription.fail(error);
      }
    })();
    await this.#tail;
  }
}

export function followLossy<E>(
  feeds: Feeds,
  feed: Feed,
  options: LossyOptions<E | Resubscribed> | undefined,
  convert: (push: Push) => E | Promise<E>,
): Subscription<E | Resubscribed> {
  return new Subscription<E | Resubscribed>(options, (subscription): StartedSource => {
    const source = new LossyReader(feeds, subscription, convert, options?.overflow !== "drop-newest");
    return { source, ready: source.join(feed) };
  });
}
