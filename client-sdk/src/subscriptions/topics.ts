/** Following topics and patterns. */
import type { ReadOptions } from "../commander.ts";
import { validated } from "../standard-schema.ts";
import { Feed, type Push, type Subscribing } from "./feed.ts";
import type { Feeds } from "./feeds.ts";
import { followLossy, type LossyOptions, type Resubscribed } from "./lossy-reader.ts";
import type { Subscription } from "./subscription.ts";

export type { Resubscribed } from "./lossy-reader.ts";

/** A message of a topic. */
export interface TopicMessage<T> {
  readonly type: "message";
  readonly topic: string;
  /** The topic or pattern of this subscription that it matched. */
  readonly pattern: string;
  readonly messageId: string;
  readonly data: T;
  readonly headers?: Readonly<Record<string, unknown>>;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
}

/** How to get messages. */
export interface TopicOptions<T> extends LossyOptions<TopicMessage<T> | Resubscribed>, Pick<ReadOptions<T>, "schema"> {}

class TopicsFeed extends Feed {
  readonly slot: string;
  readonly isShareable = true;
  readonly #topics: readonly string[];

  constructor(topics: readonly string[]) {
    super();
    this.#topics = topics;
    this.slot = `topics ${JSON.stringify([...topics].sort())}`;
  }

  subscribing(): Subscribing {
    return { command: "pubsub.subscribe", payload: { topics: this.#topics } };
  }

  unsubscribing(subscriptionId: number): Subscribing {
    return { command: "pubsub.unsubscribe", payload: { subscription_id: subscriptionId } };
  }
}

export function followTopics<T>(
  feeds: Feeds,
  topics: readonly string[],
  options: TopicOptions<T> | undefined,
): Subscription<TopicMessage<T> | Resubscribed> {
  const schema = options?.schema;
  return followLossy<TopicMessage<T>>(feeds, new TopicsFeed(topics), options, (push) => {
    if (schema === undefined) return messageOf(push, push.data as T);
    const data = validated(schema, push.data, `message ${String(push.message_id)} of ${String(push.topic)}`);
    return data instanceof Promise ? data.then((late) => messageOf(push, late)) : messageOf(push, data);
  });
}

function messageOf<T>(push: Push, data: T): TopicMessage<T> {
  // The server's own push, field by field.
  const { topic, pattern, message_id, headers, timestamp } = push as unknown as WireMessage;
  const fields = { type: "message", topic, pattern, messageId: message_id, data, timestamp } as const;
  return headers === undefined ? fields : { ...fields, headers };
}

interface WireMessage {
  readonly topic: string;
  readonly pattern: string;
  readonly message_id: string;
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly timestamp: number;
}
