/**
 * Channels of Redis: SUBSCRIBE to a name of any bytes, PSUBSCRIBE to a glob over such names. They stand beside the topics of
 * topics.ts, whose names have levels and whose patterns have other wildcards; a message goes to both (`Fanout.publish`).
 *
 *     publish news.eu --names--> news.eu              [message,  channel, data]
 *                     --index--> n*, news.[ae]u       [pmessage, pattern, channel, data]
 *
 * A name or a glob is one target for all connections, so a message is encoded once for each that it matches and version of
 * the protocol in use there. Globs that end in their only `*` are found by a hash, others are tried one by one, so their
 * number is limited.
 */
import { type CommandError, fail } from "../commands/errors.ts";
import type { Outbox, PushFormat } from "../dispatch/caller.ts";
import type { TurnEnd } from "../runtime/turn-end.ts";
import type { Value } from "../state/value.ts";
import { byteName } from "../structures/byte-name.ts";
import { ByteRange, copyRange } from "../structures/byte-range.ts";
import type { ClientSession } from "./client-session.ts";
import { GLOB_KEY_BYTES_MAX, KeyWatchLookup, WATCH_BYTES_MAX, WatchMatcher } from "./key-watch-lookup.ts";
import type { PushEncoder } from "./push-encoder.ts";
import { Subscribers, shareOf } from "./subscribers.ts";
import type { SubscriptionCount } from "./subscription-count.ts";
import { NAME_COPIES, type SubscriptionNames } from "./subscription-names.ts";

/** The longest channel, and the longest glob over channels. */
export const CHANNEL_BYTES_MAX = GLOB_KEY_BYTES_MAX;
export const CHANNEL_GLOB_BYTES_MAX = WATCH_BYTES_MAX;

export interface ChannelLimits {
  readonly subscriptionsPerConnectionMax: number;
  /** Different names and globs, all connections together. */
  readonly channelsMax: number;
  /** Of those, globs that are neither a name nor a prefix: each costs every message a match. */
  readonly globsMax: number;
}

export interface ChannelParts {
  readonly encoder: PushEncoder;
  readonly turnEnd: TurnEnd;
  readonly subscriptions: SubscriptionCount;
  readonly subscribedNames: SubscriptionNames;
  /** 53 random bits, so that clients cannot choose names that collide. */
  readonly seed: number;
  readonly limits: ChannelLimits;
}

export class Channels {
  readonly #limits: ChannelLimits;
  readonly #encoder: PushEncoder;
  readonly #allSubscriptions: SubscriptionCount;
  readonly #subscribers: Subscribers;
  readonly #names = new Map<string, Channel>();
  readonly #globs = new Map<string, Channel>();
  readonly #lookup: KeyWatchLookup<Channel>;
  /** By target; a place is undefined while its target is free. */
  readonly #byTarget: (Channel | undefined)[] = [];
  readonly #freeTargets: number[] = [];
  readonly #matched: Channel[] = [];
  readonly #subscribedNames: SubscriptionNames;
  #nameBytes = 0;

  constructor({ encoder, turnEnd, subscriptions, subscribedNames, seed, limits }: ChannelParts) {
    this.#subscribedNames = subscribedNames;
    subscribedNames.add(() => this.#nameBytes);
    this.#limits = limits;
    this.#encoder = encoder;
    this.#allSubscriptions = subscriptions;
    this.#lookup = new KeyWatchLookup(seed);
    this.#subscribers = new Subscribers({
      seed,
      turnEnd,
      subscriptions,
      nameBytesOf: (target) => this.#byTarget[target]?.nameBytes ?? 0,
      isGlob: (target) => this.#byTarget[target]?.matcher.isGlob === true,
      onUnlinked: (target) => this.#unlinked(target),
    });
  }

  /** Whether anybody is subscribed to anything. */
  get hasSubscribers(): boolean {
    return this.#names.size + this.#globs.size > 0;
  }

  /** Names and globs that have subscribers. */
  get channelCount(): number {
    return this.#names.size + this.#globs.size;
  }

  /** Subscriptions, one for each name or glob of each connection. */
  get subscriptionCount(): number {
    return this.#subscribers.linkCount;
  }

  /** Different globs. */
  get globCount(): number {
    return this.#globs.size;
  }

  /** Copies of messages that outboxes took. Grows. */
  get deliveredCount(): number {
    return this.#subscribers.pushedCount;
  }

  /** Bytes in typed arrays, and of names. */
  get heldBytes(): number {
    return this.#subscribers.heldBytes + this.#nameBytes;
  }

  /**
   * From now on the connection gets what is published to the name, or to names that match the glob, in the session's present
   * format. Again is the same as once. Errors: INVALID_REQUEST past a limit of the connection, SERVICE_UNAVAILABLE past one
   * of all together, PAYLOAD_TOO_LARGE for what is too long.
   */
  subscribe(session: ClientSession, outbox: Outbox, name: ByteRange, isGlob: boolean): CommandError | undefined {
    const bytesMax = isGlob ? CHANNEL_GLOB_BYTES_MAX : CHANNEL_BYTES_MAX;
    if (name.length > bytesMax) {
      return fail("PAYLOAD_TOO_LARGE", `a ${isGlob ? "pattern" : "channel"} has at most ${bytesMax} bytes`);
    }
    const text = byteName(name);
    const channel = (isGlob ? this.#globs : this.#names).get(text) ?? this.#create(text, name, isGlob);
    if (!(channel instanceof Channel)) return channel;
    const { subscriptionsPerConnectionMax } = this.#limits;
    const isLinked = this.#subscribers.isLinked(session, channel.target);
    const refusal = isLinked ? undefined : this.#refusal(session, channel, subscriptionsPerConnectionMax);
    if (refusal !== undefined) {
      if (this.#subscribers.countOf(channel.target) === 0) this.#remove(channel);
      return refusal;
    }
    this.#subscribers.link(session, outbox, channel.target);
    return undefined;
  }

  /** The channel of this name that somebody is subscribed to, for who keeps the name: in place of another copy. */
  find(name: ByteRange, isGlob: boolean): Pick<Channel, "text" | "name"> | undefined {
    return (isGlob ? this.#globs : this.#names).get(byteName(name));
  }

  /** Whether the connection may have no such subscription more. */
  #refusal(
    session: ClientSession,
    { matcher, nameBytes }: Channel,
    subscriptionsMax: number,
  ): CommandError | undefined {
    if (this.#subscribers.linkCountOf(session) >= subscriptionsMax) {
      return fail("INVALID_REQUEST", "the connection has as many subscriptions as it may: end some of them first", {
        subscriptions_max: subscriptionsMax,
      });
    }
    if (!this.#subscribers.hasRoom(1)) return this.#allSubscriptions.refusal();
    const ownBytes = this.#subscribers.nameBytesOf(session);
    const refusal = this.#subscribedNames.refusalOfConnection(ownBytes + nameBytes);
    if (refusal !== undefined) return refusal;
    if (!matcher.isGlob) return undefined;
    const share = shareOf(this.#limits.globsMax);
    if (this.#subscribers.globCountOf(session) < share) return undefined;
    return fail("INVALID_REQUEST", "the connection has as many patterns as one may: use prefixes or names", {
      globs_max: share,
    });
  }

  #create(text: string, name: ByteRange, isGlob: boolean): Channel | CommandError {
    const { channelsMax, globsMax } = this.#limits;
    if (this.channelCount >= channelsMax) {
      return fail("SERVICE_UNAVAILABLE", "there are as many different channels and patterns as there may be", {
        channels_max: channelsMax,
      });
    }
    const refusal = this.#subscribedNames.refusal(name.length * NAME_COPIES);
    if (refusal !== undefined) return refusal;
    const range = copyRange(name);
    // A range of its own over the same bytes: a prefix cuts it short.
    const matcher = new WatchMatcher(new ByteRange(range.bytes, range.start, range.end), isGlob);
    if (matcher.isGlob && this.#lookup.globCount >= globsMax) {
      return fail(
        "SERVICE_UNAVAILABLE",
        "there are as many different patterns as there may be: use prefixes or names",
        {
          globs_max: globsMax,
        },
      );
    }
    const target = this.#freeTargets.pop() ?? this.#byTarget.length;
    const channel = new Channel(target, text, range, isGlob, matcher);
    this.#byTarget[target] = channel;
    this.#nameBytes += channel.nameBytes;
    (isGlob ? this.#globs : this.#names).set(text, channel);
    if (isGlob) this.#lookup.add(channel);
    return channel;
  }

  /** @returns whether the connection was subscribed to it. */
  unsubscribe(session: ClientSession, name: ByteRange, isGlob: boolean): boolean {
    const channel = (isGlob ? this.#globs : this.#names).get(byteName(name));
    return channel !== undefined && this.#subscribers.unlink(session, channel.target);
  }

  /**
   * Pushes a message to all who match: those of the name first. What it holds is encoded before this returns.
   * @param releaseOffset see `Outbox.push`.
   * @returns how many subscriptions matched, those included whose connection is being cut off.
   */
  publish(name: ByteRange, data: Value, releaseOffset: number): number {
    let count = 0;
    const channel = this.#names.size === 0 ? undefined : this.#names.get(byteName(name));
    if (channel !== undefined) count += this.#push(channel, { type: "message", channel: name, data }, releaseOffset);
    if (this.#globs.size === 0) return count;
    const matched = this.#matched;
    matched.length = 0;
    this.#lookup.match(name, matched);
    for (const glob of matched) {
      count += this.#push(glob, { type: "pmessage", pattern: glob.name, channel: name, data }, releaseOffset);
    }
    return count;
  }

  #push(channel: Channel, push: object, releaseOffset: number): number {
    const count = this.#subscribers.countOf(channel.target);
    const source = { encode: (format: PushFormat) => this.#encoder.encode(push, format) };
    this.#subscribers.push(channel.target, source, releaseOffset);
    return count;
  }

  /** Shows the names that have subscribers until `visit` answers false. */
  visitNames(visit: (name: ByteRange) => boolean): void {
    for (const { name } of this.#names.values()) if (!visit(name)) return;
  }

  /** Connections subscribed to exactly this name. */
  subscriberCount(name: ByteRange): number {
    const channel = this.#names.get(byteName(name));
    return channel === undefined ? 0 : this.#subscribers.countOf(channel.target);
  }

  /** A channel goes with its last subscriber. */
  #unlinked(target: number): void {
    const channel = this.#byTarget[target];
    if (channel === undefined) throw new Error(`no channel is target ${target}`);
    if (this.#subscribers.countOf(target) === 0) this.#remove(channel);
  }

  #remove(channel: Channel): void {
    (channel.isGlob ? this.#globs : this.#names).delete(channel.text);
    if (channel.isGlob) this.#lookup.remove(channel);
    this.#byTarget[channel.target] = undefined;
    this.#nameBytes -= channel.nameBytes;
    this.#freeTargets.push(channel.target);
    if (this.hasSubscribers) return;
    this.#byTarget.length = 0;
    this.#freeTargets.length = 0;
  }

  /** Checks that nothing is left over where nobody is subscribed; throws where something is. For tests. */
  checkEmpty(): void {
    const links = this.#subscribers.linkCount + this.#subscribers.connectionCount;
    if (this.channelCount + this.#byTarget.length + this.#freeTargets.length + links + this.#nameBytes > 0) {
      throw new Error("channels are left over");
    }
  }
}

class Channel {
  readonly target: number;
  /** The name as the key of a map. */
  readonly text: string;
  readonly name: ByteRange;
  readonly isGlob: boolean;
  readonly matcher: WatchMatcher;

  constructor(target: number, text: string, name: ByteRange, isGlob: boolean, matcher: WatchMatcher) {
    this.target = target;
    this.text = text;
    this.name = name;
    this.isGlob = isGlob;
    this.matcher = matcher;
  }

  /** What its name takes. */
  get nameBytes(): number {
    return this.name.length * NAME_COPIES;
  }
}
