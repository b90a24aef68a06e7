/** Publish and subscribe. */
import { type CallOptions, type Commander, field, reply } from "../commander.ts";
import type {
  PubsubInfoReply,
  PubsubNumsubReply,
  PubsubPublishOptions,
  PubsubPublishReply,
  PubsubStatsReply,
  PubsubTopicsOptions,
  PubsubTopicsReply,
} from "../generated/shapes.ts";
import { payloadOf } from "../naming.ts";
import type { Subscriber } from "../subscriptions/subscriber.ts";
import type { Subscription } from "../subscriptions/subscription.ts";
import type { Resubscribed, TopicMessage, TopicOptions } from "../subscriptions/topics.ts";

/**
 * `synap.pubsub`. Delivery is at most once, to those who are connected now; `synap.stream` is for what must not be missed.
 * Publishing is not in the server's log and cannot be numbered: when its answer is lost it fails with ConnectionLostError, and
 * may have happened.
 */
export class PubSub {
  readonly #commander: Commander;
  readonly #subscriber: Subscriber;

  constructor(commander: Commander, subscriber: Subscriber) {
    this.#commander = commander;
    this.#subscriber = subscriber;
  }

  /** Publishes to everybody who is subscribed now; `subscribersMatched` says how many subscriptions that were. */
  publish(
    topic: string,
    payload: unknown,
    options?: Pick<PubsubPublishOptions, "headers"> & CallOptions,
  ): Promise<PubsubPublishReply> {
    return this.#commander.send("pubsub.publish", payloadOf({ topic, payload }, options), reply, options);
  }

  /**
   * Follows topics and patterns: `*` is one level, `#` any number of them. A message comes once for each of them that matches.
   * After a lost connection it goes on, and says so with a `resubscribed`: messages in between were missed.
   */
  subscribe<T = unknown>(
    topics: string | readonly string[],
    options?: TopicOptions<T>,
  ): Subscription<TopicMessage<T> | Resubscribed> {
    return this.#subscriber.topics(typeof topics === "string" ? [topics] : topics, options);
  }

  /** One page of the topics and patterns that have subscribers. */
  topics(options?: PubsubTopicsOptions & CallOptions): Promise<PubsubTopicsReply> {
    return this.#commander.send("pubsub.topics", payloadOf({}, options), reply, options);
  }

  /** Counts of a topic or pattern. */
  info(topic: string, options?: CallOptions): Promise<PubsubInfoReply> {
    return this.#commander.send("pubsub.info", { topic }, reply, options);
  }

  /** Counts of this node. */
  stats(options?: CallOptions): Promise<PubsubStatsReply> {
    return this.#commander.send("pubsub.stats", {}, reply, options);
  }

  /** The channels that Redis clients are subscribed to, those that match a glob if one is given. */
  channels(pattern?: string, options?: CallOptions): Promise<string[]> {
    const payload = pattern === undefined ? {} : { pattern };
    return this.#commander.send("pubsub.channels", payload, field("channels"), options);
  }

  /** How many Redis clients are subscribed to each of these channels. */
  numsub(channels: readonly string[], options?: CallOptions): Promise<PubsubNumsubReply["channels"]> {
    return this.#commander.send("pubsub.numsub", { channels }, field("channels"), options);
  }
}
