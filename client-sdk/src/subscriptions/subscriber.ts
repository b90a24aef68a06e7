/** The four ways to follow something, as the groups of commands offer them. */
import type { Acknowledger, Delivery, QueueSubscribeOptions } from "./delivery.ts";
import { followQueue } from "./delivery.ts";
import type { Feeds } from "./feeds.ts";
import { followRoom, type RoomEvent, type RoomGap, type RoomSubscribeOptions } from "./room.ts";
import type { Subscription } from "./subscription.ts";
import { followTopics, type Resubscribed, type TopicMessage, type TopicOptions } from "./topics.ts";
import { followKeys, type KeyChange, type WatchOptions } from "./watch.ts";

export class Subscriber {
  readonly #feeds: Feeds;

  constructor(feeds: Feeds) {
    this.#feeds = feeds;
  }

  room<T>(room: string, options: RoomSubscribeOptions<T> | undefined): Subscription<RoomEvent<T> | RoomGap> {
    return followRoom(this.#feeds, room, options);
  }

  topics<T>(
    topics: readonly string[],
    options: TopicOptions<T> | undefined,
  ): Subscription<TopicMessage<T> | Resubscribed> {
    return followTopics(this.#feeds, topics, options);
  }

  watch<T>(
    pattern: string | { readonly prefix: string },
    options: WatchOptions<T> | undefined,
  ): Subscription<KeyChange<T>> {
    return followKeys(this.#feeds, pattern, options);
  }

  deliveries<T>(
    acknowledger: Acknowledger,
    queue: string,
    options: QueueSubscribeOptions<T> | undefined,
  ): Subscription<Delivery<T>> {
    return followQueue(this.#feeds, acknowledger, queue, options);
  }
}
