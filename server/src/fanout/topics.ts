/**
 * Publish/subscribe (wire contract, section pubsub): a message goes to those who are connected to this node and subscribed
 * to a pattern that matches its topic, at most once for each of their subscriptions, and is forgotten. Nothing of it is in
 * the log.
 *
 * The same list of patterns has the same subscription id for every connection, so they share their frames. A message is
 * encoded once for each pattern that it matches and format in use there (topics-frames.ts), however many get it.
 *
 *     publish a.b --trie--> a.*, #  --> targets (a.*, id 7), (a.*, id 9), (#, id 3) --> frames --> outboxes
 */
import { type CommandError, fail } from "../commands/errors.ts";
import type { Outbox } from "../dispatch/caller.ts";
import type { TurnEnd } from "../runtime/turn-end.ts";
import type { Value } from "../state/value.ts";
import { ByteRange } from "../structures/byte-range.ts";
import { TOPIC_BYTES_MAX } from "../structures/topic-problem.ts";
import type { ClientSession } from "./client-session.ts";
import type { PushEncoder } from "./push-encoder.ts";
import { Subscribers, shareOf } from "./subscribers.ts";
import type { SubscriptionCount } from "./subscription-count.ts";
import type { SubscriptionIds } from "./subscription-ids.ts";
import type { SubscriptionNames } from "./subscription-names.ts";
import { MessageFrames, type MessagePush } from "./topics-frames.ts";
import { TopicSubscriptions } from "./topics-subscriptions.ts";

export interface TopicLimits {
  /** Data and headers of one message. The encoder's frames must hold six times as much, for what JSON escapes. */
  readonly messageBytesMax: number;
  readonly subscriptionsPerConnectionMax: number;
  /** Different patterns, all connections together. */
  readonly patternsMax: number;
  /** Of those, patterns that are costly to match: each can cost every message some time. */
  readonly costlyPatternsMax: number;
}

export interface TopicParts {
  readonly encoder: PushEncoder;
  readonly ids: SubscriptionIds;
  readonly subscriptions: SubscriptionCount;
  readonly subscribedNames: SubscriptionNames;
  readonly turnEnd: TurnEnd;
  /** 53 random bits, so that clients cannot choose topics that collide. */
  readonly seed: number;
  /** When the process started, in ms since the epoch: the first half of a message's id. */
  readonly startedAtMs: number;
  readonly limits: TopicLimits;
  /** Connections of this node that were cut off since they did not read, whatever they were subscribed to. */
  readonly slowConsumersDropped: () => number;
}

export interface Published {
  /** Different for every message in the life of the process, and from those of a process started at another instant. */
  readonly messageId: string;
  /** Subscriptions that matched, those included whose connection is being cut off. */
  readonly matchedCount: number;
}

export interface Subscribed {
  readonly subscriptionId: number;
  /** Different patterns of the list. */
  readonly count: number;
}

export interface TopicInfo {
  /** Subscriptions to exactly this topic or pattern. */
  readonly subscriberCount: number;
  /** Messages that matched it since it has subscribers. */
  readonly messageCount: number;
  /** Since when it has subscribers; undefined where it has none. */
  readonly sinceMs: number | undefined;
}

/** A page of the topics and patterns that have subscribers. */
export interface TopicPage {
  readonly topics: string[];
  /** Where the next page begins; 0 at the end. */
  readonly next: number;
}

export class Topics {
  /** Grows. */
  publishedCount = 0;
  readonly slowConsumersDropped: () => number;
  readonly #ids: SubscriptionIds;
  readonly #limits: TopicLimits;
  readonly #messageIdStart: string;
  #idCount = 0;
  readonly #subscriptions: TopicSubscriptions;
  readonly #subscribers: Subscribers;
  readonly #allSubscriptions: SubscriptionCount;
  readonly #subscribedNames: SubscriptionNames;
  readonly #frames: MessageFrames;
  readonly #patternBytes = new Uint8Array(TOPIC_BYTES_MAX);
  readonly #pattern = new ByteRange(this.#patternBytes, 0, 0);

  constructor(parts: TopicParts) {
    const { encoder, ids, subscriptions, subscribedNames, turnEnd, seed, startedAtMs, limits } = parts;
    this.slowConsumersDropped = parts.slowConsumersDropped;
    this.#subscribedNames = subscribedNames;
    subscribedNames.add(() => this.#subscriptions.nameBytes);
    this.#ids = ids;
    this.#allSubscriptions = subscriptions;
    this.#limits = limits;
    this.#messageIdStart = `${startedAtMs.toString(36)}-`;
    this.#subscriptions = new TopicSubscriptions(seed);
    this.#frames = new MessageFrames(encoder);
    this.#subscribers = new Subscribers({
      seed,
      turnEnd,
      subscriptions,
      nameBytesOf: (target) => this.#subscriptions.nameBytesOf(this.#subscriptions.patternOf(target)),
      onUnlinked: (target) => this.#subscriptions.unlinked(target, this.#subscribers.countOf(target)),
    });
  }

  /** Topics and patterns that have subscribers. */
  get topicCount(): number {
    return this.#subscriptions.topicCount;
  }

  /** Subscriptions, one for each pattern of each connection's lists. */
  get subscriptionCount(): number {
    return this.#subscribers.linkCount;
  }

  /** Those to a pattern with a wildcard. */
  get wildcardSubscriptionCount(): number {
    return this.#subscriptions.wildcardLinkCount;
  }

  /** Copies of messages that outboxes took. Grows. */
  get deliveredCount(): number {
    return this.#subscribers.pushedCount;
  }

  /** Bytes in typed arrays, and pushes that wait. */
  get heldBytes(): number {
    return this.#subscriptions.heldBytes + this.#subscribers.heldBytes;
  }

  /**
   * Pushes a message to all who match. What it holds is encoded before this returns. Errors: PAYLOAD_TOO_LARGE.
   * @param headers a JSON object.
   * @param messageId that of a message that was published on another node.
   * @param isTopic whether `topicProblem` finds nothing in `topic`: else no pattern matches it.
   */
  publish(
    topic: ByteRange,
    data: Value,
    headers: Value | undefined,
    nowMs: number,
    isTopic = true,
    messageId = this.nextMessageId(),
  ): Published | CommandError {
    const bytes = data.length + (headers?.length ?? 0);
    if (bytes > this.#limits.messageBytesMax) {
      return fail("PAYLOAD_TOO_LARGE", "the message is larger than one may be: its payload and headers count", {
        limit_bytes: this.#limits.messageBytesMax,
      });
    }
    this.publishedCount++;
    const targetCount = isTopic ? this.#subscriptions.match(topic) : 0;
    if (targetCount === 0) return { messageId, matchedCount: 0 };
    const push: MessagePush = {
      type: "message",
      subscription_id: 0,
      topic,
      pattern: this.#pattern,
      message_id: messageId,
      data,
      headers,
      timestamp: nowMs,
    };
    return { messageId, matchedCount: this.#pushTo(targetCount, push) };
  }

  nextMessageId(): string {
    this.#idCount++;
    return this.#messageIdStart + this.#idCount.toString(36);
  }

  /** A push may end connections and with them subscriptions, so a target is looked at only while it has subscribers. */
  #pushTo(targetCount: number, push: MessagePush): number {
    const { matched } = this.#subscriptions;
    let matchedCount = 0;
    let lastPattern = 0;
    this.#frames.begin(push);
    try {
      for (let i = 0; i < targetCount; i++) {
        const target = matched[i];
        const count = this.#subscribers.countOf(target);
        if (count === 0) continue;
        matchedCount += count;
        const pattern = this.#subscriptions.patternOf(target);
        if (pattern !== lastPattern) {
          lastPattern = pattern;
          this.#pattern.end = this.#subscriptions.writePattern(pattern, this.#patternBytes);
          this.#frames.patternChanged();
        }
        push.subscription_id = this.#subscriptions.idOf(this.#subscriptions.subscriptionOf(target));
        this.#subscribers.push(target, this.#frames, 0);
      }
    } finally {
      this.#frames.end();
    }
    return matchedCount;
  }

  /**
   * Subscribes a connection to a list of patterns, in the session's present format. Again is the same as once. Errors:
   * INVALID_REQUEST past a limit of the connection, SERVICE_UNAVAILABLE past one of all; then nothing has changed.
   * @param patterns in which `patternProblem` finds nothing.
   */
  subscribe(
    session: ClientSession,
    outbox: Outbox,
    patterns: readonly ByteRange[],
    nowMs: number,
  ): Subscribed | CommandError {
    const taken = this.#subscriptions.takePatterns(patterns);
    const refusal = this.#refusal(session, taken);
    if (refusal !== undefined) {
      this.#subscriptions.releasePatterns(taken);
      return refusal;
    }
    const subscription = this.#subscriptions.intern(taken, () => this.#ids.next());
    let target = this.#subscriptions.firstTarget(subscription);
    while (target !== 0) {
      if (this.#subscribers.link(session, outbox, target)) {
        this.#subscriptions.linked(target, this.#subscribers.countOf(target), nowMs);
      }
      target = this.#subscriptions.nextTarget(target);
    }
    return { subscriptionId: this.#subscriptions.idOf(subscription), count: taken.length };
  }

  #refusal(session: ClientSession, taken: readonly number[]): CommandError | undefined {
    const { subscriptionsPerConnectionMax } = this.#limits;
    const subscription = this.#subscriptions.find(taken);
    const linkCount = this.#subscribers.linkCountOf(session);
    if (linkCount + taken.length > subscriptionsPerConnectionMax || !this.#subscribers.hasRoom(taken.length)) {
      let newCount = taken.length;
      let target = subscription === 0 ? 0 : this.#subscriptions.firstTarget(subscription);
      for (; target !== 0; target = this.#subscriptions.nextTarget(target)) {
        if (this.#subscribers.isLinked(session, target)) newCount--;
      }
      if (linkCount + newCount > subscriptionsPerConnectionMax) {
        return fail("INVALID_REQUEST", "the connection has as many subscriptions as it may: end some of them first", {
          subscriptions_max: subscriptionsPerConnectionMax,
        });
      }
      if (!this.#subscribers.hasRoom(newCount)) return this.#allSubscriptions.refusal();
    }
    return (
      this.#refusalOfNames(session, subscription, taken) ??
      this.#refusalOfShare(session, subscription, taken) ??
      (subscription === 0 ? this.#refusalOfNew() : undefined)
    );
  }

  /** Whether the names are too long, for the connection or, where they are in the trie only for this, for all together. */
  #refusalOfNames(session: ClientSession, subscription: number, taken: readonly number[]): CommandError | undefined {
    let bytes = this.#subscribers.nameBytesOf(session);
    for (const pattern of taken) bytes += this.#subscriptions.nameBytesOf(pattern);
    let target = subscription === 0 ? 0 : this.#subscriptions.firstTarget(subscription);
    for (; target !== 0; target = this.#subscriptions.nextTarget(target)) {
      if (!this.#subscribers.isLinked(session, target)) continue;
      bytes -= this.#subscriptions.nameBytesOf(this.#subscriptions.patternOf(target));
    }
    const refusal = this.#subscribedNames.refusalOfConnection(bytes);
    return refusal ?? (subscription === 0 ? this.#subscribedNames.refusal(0) : undefined);
  }

  /**
   * Whether the connection would have more than its share of costly patterns. Those it ended count as long as it has any
   * other of their list, since they are in the trie so long.
   */
  #refusalOfShare(session: ClientSession, subscription: number, taken: readonly number[]): CommandError | undefined {
    let count = this.#subscriptions.countCostly(taken);
    if (count === 0) return undefined;
    const share = shareOf(this.#limits.costlyPatternsMax);
    const counted = new Set([subscription]);
    this.#subscribers.visitTargets(session, (target) => {
      const other = this.#subscriptions.subscriptionOf(target);
      if (counted.has(other)) return;
      counted.add(other);
      count += this.#subscriptions.costlyCountOf(other);
    });
    if (count <= share) return undefined;
    return fail(
      "INVALID_REQUEST",
      "the connection has as many patterns with a '#', or three '*', before their last level as one may have",
      { costly_patterns_max: share },
    );
  }

  /** Whether the patterns just taken are too many for one more subscription. */
  #refusalOfNew(): CommandError | undefined {
    const { patternsMax, costlyPatternsMax } = this.#limits;
    const { patternCount, idleTargetCount, costlyPatternCount } = this.#subscriptions;
    if (patternCount > patternsMax || idleTargetCount > patternsMax) {
      return fail("SERVICE_UNAVAILABLE", "there are as many different topics and patterns as there may be", {
        patterns_max: patternsMax,
      });
    }
    if (costlyPatternCount <= costlyPatternsMax) return undefined;
    return fail(
      "SERVICE_UNAVAILABLE",
      "there are as many patterns with a '#', or three '*', before their last level as there may be",
      { costly_patterns_max: costlyPatternsMax },
    );
  }

  /** Ends the connection's subscriptions to these patterns, in whichever lists. @returns how many of the patterns it had. */
  unsubscribe(session: ClientSession, patterns: readonly ByteRange[]): number {
    const known = new Set<number>();
    let targetCount = 0;
    for (const range of patterns) {
      const pattern = this.#subscriptions.findPattern(range);
      if (pattern === 0) continue;
      known.add(pattern);
      targetCount += this.#subscriptions.targetCountOf(pattern);
    }
    const ended = new Set<number>();
    const end = (target: number, pattern: number): void => {
      if (this.#subscribers.unlink(session, target)) ended.add(pattern);
    };
    if (targetCount > this.#subscribers.linkCountOf(session)) {
      this.#subscribers.visitTargets(session, (target) => {
        const pattern = this.#subscriptions.patternOf(target);
        if (known.has(pattern)) end(target, pattern);
      });
      return ended.size;
    }
    for (const pattern of known) {
      let target = this.#subscriptions.firstTargetOf(pattern);
      while (target !== 0) {
        const next = this.#subscriptions.nextTargetOf(target);
        end(target, pattern);
        target = next;
      }
    }
    return ended.size;
  }

  /** Ends what is left of the connection's subscription with this id. @returns how many patterns that were. */
  unsubscribeById(session: ClientSession, subscriptionId: number): number {
    const subscription = this.#subscriptions.findById(subscriptionId);
    if (subscription === 0) return 0;
    // All of them first: with the last link they are gone.
    const targets: number[] = [];
    let target = this.#subscriptions.firstTarget(subscription);
    for (; target !== 0; target = this.#subscriptions.nextTarget(target)) targets.push(target);
    return targets.filter((each) => this.#subscribers.unlink(session, each)).length;
  }

  info(topic: ByteRange): TopicInfo {
    const pattern = this.#subscriptions.findPattern(topic);
    const subscriberCount = pattern === 0 ? 0 : this.#subscriptions.subscriberCount(pattern);
    if (subscriberCount === 0) return { subscriberCount: 0, messageCount: 0, sinceMs: undefined };
    return {
      subscriberCount,
      messageCount: this.#subscriptions.messageCount(pattern),
      sinceMs: this.#subscriptions.sinceMs(pattern),
    };
  }

  /** Up to `limit` topics and patterns with subscribers, in no order that means anything. @param after 0, or where the page before ended. */
  page(after: number, limit: number): TopicPage {
    const topics: string[] = [];
    let last = after;
    for (
      let next = this.#subscriptions.patternAfter(after);
      next !== 0;
      next = this.#subscriptions.patternAfter(next)
    ) {
      if (topics.length === limit) return { topics, next: last };
      topics.push(this.#subscriptions.patternText(next));
      last = next;
    }
    return { topics, next: 0 };
  }

  /** Checks that nothing is left over where nobody is subscribed; throws where something is. For tests. */
  checkEmpty(): void {
    this.#subscriptions.checkEmpty();
    if (this.#subscribers.linkCount + this.#subscribers.connectionCount > 0)
      throw new Error("subscribers are left over");
  }
}
