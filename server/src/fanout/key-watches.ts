/**
 * `kv.watch`: tells connections what became of keys, from the operations of each record that was applied. While nobody
 * watches, `isWatched` is all that a write looks at.
 *
 *     record  put a | remove b | evict c  --lookup--> watches of each key --> one push for each, encoded once per format
 *
 * A watch is a pattern or prefix with a mode; all connections with the same one share it and its subscription id. Its
 * pushes are in the order of the log, each with the offset of its operation as the version.
 *
 * A put carries its value. A splice does not, so the value is the store's, unless the same record changes the key again:
 * then, and where the push would be over the limit of a frame, the value is left out.
 */
import { OutputLimitError } from "../codecs/output-buffer.ts";
import { type CommandError, fail } from "../commands/errors.ts";
import type { Outbox, PushFormat } from "../dispatch/caller.ts";
import type { TurnEnd } from "../runtime/turn-end.ts";
import type { KeyStore } from "../state/key-store.ts";
import {
  OP_DEADLINE,
  OP_EVICT,
  OP_EXPIRE,
  OP_FLUSH,
  OP_PUT,
  OP_REMOVE,
  OP_SPLICE,
  Operation,
  QUEUE_KIND_MIN,
} from "../state/operation.ts";
import { otherOperationBytes } from "../state/operation-bytes.ts";
import { TAG_TEXT, Value } from "../state/value.ts";
import { ByteRange, copyRange } from "../structures/byte-range.ts";
import type { ClientSession } from "./client-session.ts";
import { KeyWatchLookup, WatchMatcher } from "./key-watch-lookup.ts";
import type { PushEncoder } from "./push-encoder.ts";
import { type FrameSource, Subscribers, shareOf } from "./subscribers.ts";
import type { SubscriptionCount } from "./subscription-count.ts";
import type { SubscriptionIds } from "./subscription-ids.ts";
import { NAME_COPIES, type SubscriptionNames } from "./subscription-names.ts";

const NOTHING = new Uint8Array(0);

export const WATCH_MODES = ["value", "notify"] as const;
export type WatchMode = (typeof WATCH_MODES)[number];

const EVENTS = new Map([
  [OP_PUT, "set"],
  [OP_SPLICE, "set"],
  [OP_REMOVE, "del"],
  [OP_EXPIRE, "expired"],
  [OP_EVICT, "evicted"],
  [OP_DEADLINE, "expire"],
]);

export interface KeyWatchLimits {
  readonly watchesPerConnectionMax: number;
  /** Different ones, all connections together. */
  readonly watchesMax: number;
  /** Of those, globs that are neither one key nor a prefix: each costs every write a match. */
  readonly globsMax: number;
}

export interface KeyWatchParts {
  readonly keys: KeyStore;
  readonly encoder: PushEncoder;
  readonly ids: SubscriptionIds;
  readonly subscriptions: SubscriptionCount;
  readonly subscribedNames: SubscriptionNames;
  readonly turnEnd: TurnEnd;
  /** 53 random bits, so that clients cannot choose watches that collide. */
  readonly seed: number;
  readonly limits: KeyWatchLimits;
}

/** What is watched: keys that match a glob, or that begin with a prefix, of up to `WATCH_BYTES_MAX` bytes. */
export interface WatchedKeys {
  readonly isPattern: boolean;
  readonly text: ByteRange;
}

export class KeyWatches {
  /** Whether anybody watches anything. */
  isWatched = false;
  readonly #keys: KeyStore;
  readonly #ids: SubscriptionIds;
  readonly #limits: KeyWatchLimits;
  readonly #subscribers: Subscribers;
  readonly #allSubscriptions: SubscriptionCount;
  readonly #frames: ChangeFrames;
  readonly #lookup: KeyWatchLookup<KeyWatch>;
  /** By mode and text. */
  readonly #byName = new Map<string, KeyWatch>();
  readonly #byId = new Map<number, KeyWatch>();
  /** By target; a place is undefined while its target is free. */
  readonly #byTarget: (KeyWatch | undefined)[] = [];
  readonly #freeTargets: number[] = [];
  readonly #operation = new Operation(new ByteRange(NOTHING, 0, 0), new ByteRange(NOTHING, 0, 0));
  readonly #value = new Value(TAG_TEXT, NOTHING, 0, 0);
  readonly #matched: KeyWatch[] = [];
  readonly #subscribedNames: SubscriptionNames;
  #nameBytes = 0;
  /** Of the pushes of the record under way. */
  #releaseOffset = 0;

  constructor({ keys, encoder, ids, subscriptions, subscribedNames, turnEnd, seed, limits }: KeyWatchParts) {
    this.#subscribedNames = subscribedNames;
    subscribedNames.add(() => this.#nameBytes);
    this.#keys = keys;
    this.#ids = ids;
    this.#allSubscriptions = subscriptions;
    this.#limits = limits;
    this.#lookup = new KeyWatchLookup(seed);
    this.#frames = new ChangeFrames(encoder);
    this.#subscribers = new Subscribers({
      seed,
      turnEnd,
      subscriptions,
      nameBytesOf: (target) => this.#byTarget[target]?.nameBytes ?? 0,
      isGlob: (target) => this.#byTarget[target]?.matcher.isGlob === true,
      onUnlinked: (target) => this.#unlinked(target),
    });
  }

  /** Watches of all connections. */
  get subscriptionCount(): number {
    return this.#subscribers.linkCount;
  }

  /** Bytes in typed arrays, of names, and of pushes that wait. */
  get heldBytes(): number {
    return this.#subscribers.heldBytes + this.#nameBytes;
  }

  /**
   * From now on the connection is told of the keys, in the session's present format. Again is the same as once.
   * @returns the subscription's id, the same for all connections that watch the same in the same mode; or INVALID_REQUEST
   * past a limit of the connection, SERVICE_UNAVAILABLE past one of all together.
   */
  watch(session: ClientSession, outbox: Outbox, keys: WatchedKeys, mode: WatchMode): number | CommandError {
    const name = nameOf(keys, mode);
    const known = this.#byName.get(name);
    const matcher = known?.matcher ?? new WatchMatcher(copyRange(keys.text), keys.isPattern);
    const isLinked = known !== undefined && this.#subscribers.isLinked(session, known.target);
    const refusal = isLinked
      ? undefined
      : (this.#refusal(session, matcher, name) ?? (known ? undefined : this.#refusalOfNew(matcher, name)));
    if (refusal !== undefined) return refusal;
    const watch = known ?? this.#create(name, mode, matcher);
    this.#subscribers.link(session, outbox, watch.target);
    this.isWatched = true;
    return watch.subscriptionId;
  }

  /** Whether the connection may have no such watch more. */
  #refusal(session: ClientSession, { isGlob }: WatchMatcher, name: string): CommandError | undefined {
    const { watchesPerConnectionMax, globsMax } = this.#limits;
    if (this.#subscribers.linkCountOf(session) >= watchesPerConnectionMax) {
      return fail("INVALID_REQUEST", "the connection has as many watches as it may: end some of them first", {
        watches_max: watchesPerConnectionMax,
      });
    }
    if (!this.#subscribers.hasRoom(1)) return this.#allSubscriptions.refusal();
    const ownBytes = this.#subscribers.nameBytesOf(session);
    const refusal = this.#subscribedNames.refusalOfConnection(ownBytes + name.length * NAME_COPIES);
    if (refusal !== undefined) return refusal;
    if (!isGlob) return undefined;
    const share = shareOf(globsMax);
    if (this.#subscribers.globCountOf(session) < share) return undefined;
    return fail("INVALID_REQUEST", "the connection watches as many globs as one may: watch a prefix or whole keys", {
      globs_max: share,
    });
  }

  /** Whether there may be no such watch more. */
  #refusalOfNew({ isGlob }: WatchMatcher, name: string): CommandError | undefined {
    const refusal = this.#subscribedNames.refusal(name.length * NAME_COPIES);
    if (refusal !== undefined) return refusal;
    const { watchesMax, globsMax } = this.#limits;
    if (this.#byName.size >= watchesMax) {
      return fail("SERVICE_UNAVAILABLE", "there are as many different watches as there may be", {
        watches_max: watchesMax,
      });
    }
    if (!isGlob || this.#lookup.globCount < globsMax) return undefined;
    return fail(
      "SERVICE_UNAVAILABLE",
      "there are as many different globs watched as there may be: watch a prefix or whole keys",
      { globs_max: globsMax },
    );
  }

  #create(name: string, mode: WatchMode, matcher: WatchMatcher): KeyWatch {
    const target = this.#freeTargets.pop() ?? this.#byTarget.length;
    const watch = new KeyWatch(target, this.#ids.next(), name, mode, matcher);
    this.#byTarget[target] = watch;
    this.#nameBytes += watch.nameBytes;
    this.#byName.set(name, watch);
    this.#byId.set(watch.subscriptionId, watch);
    this.#lookup.add(watch);
    return watch;
  }

  /** @returns how many of the connection's watches that ended: one of each mode, unless `mode` says which. */
  unwatch(session: ClientSession, keys: WatchedKeys, mode: WatchMode | undefined): number {
    let count = 0;
    for (const each of mode === undefined ? WATCH_MODES : [mode]) {
      const watch = this.#byName.get(nameOf(keys, each));
      if (watch !== undefined && this.#subscribers.unlink(session, watch.target)) count++;
    }
    return count;
  }

  /** @returns how many watches ended: 1 or 0. */
  unwatchById(session: ClientSession, subscriptionId: number): number {
    const watch = this.#byId.get(subscriptionId);
    return watch !== undefined && this.#subscribers.unlink(session, watch.target) ? 1 : 0;
  }

  /** A watch goes with the last connection. */
  #unlinked(target: number): void {
    const watch = this.#byTarget[target];
    if (watch === undefined) throw new Error(`no watch is target ${target}`);
    if (this.#subscribers.countOf(target) > 0) return;
    this.#lookup.remove(watch);
    this.#byName.delete(watch.name);
    this.#byId.delete(watch.subscriptionId);
    this.#byTarget[target] = undefined;
    this.#nameBytes -= watch.nameBytes;
    this.#freeTargets.push(target);
    this.isWatched = this.#byName.size > 0;
    if (this.isWatched) return;
    this.#byTarget.length = 0;
    this.#freeTargets.length = 0;
  }

  /**
   * Tells those who watch of a record that was just applied.
   * @param record its operations, `record[0..length)`; what goes out of it is encoded before this returns.
   * @param lastOffset that of the last of them, without which none is durable.
   */
  committed(record: Uint8Array, length: number, firstOffset: number, lastOffset: number): void {
    this.#releaseOffset = lastOffset;
    const operation = this.#operation;
    let offset = firstOffset;
    for (let at = 0; at < length; offset++) {
      const kind = record[at];
      if (kind >= QUEUE_KIND_MIN) at += otherOperationBytes(record, at);
      else {
        at = operation.read(record, at, length);
        if (kind === OP_FLUSH) this.#tellFlush(offset);
        else this.#tell(operation, offset);
      }
    }
  }

  #tell(operation: Operation, version: number): void {
    const matched = this.#matched;
    matched.length = 0;
    this.#lookup.match(operation.key, matched);
    if (matched.length === 0) return;
    const event = EVENTS.get(operation.kind);
    if (event === undefined) throw new Error(`nobody said what operation ${operation.kind} is to those who watch`);
    const value = event === "set" ? this.#valueAfter(operation, version) : undefined;
    for (const { target, subscriptionId, mode } of matched) {
      this.#frames.push = {
        type: "watch",
        subscription_id: subscriptionId,
        key: operation.key,
        event,
        version,
        value: mode === "value" ? value : undefined,
      };
      this.#subscribers.push(target, this.#frames, this.#releaseOffset);
    }
  }

  #valueAfter({ kind, key, tag, value: part }: Operation, version: number): Value | undefined {
    const value = this.#value;
    if (kind === OP_PUT) {
      value.tag = tag;
      value.bytes = part.bytes;
      value.start = part.start;
      value.end = part.end;
      return value;
    }
    const ref = this.#keys.find(key);
    if (this.#keys.versionOf(ref) !== version) return undefined;
    this.#keys.readValue(ref, value);
    return value;
  }

  #tellFlush(version: number): void {
    // A push may end connections, and with them watches: these are then not visited.
    for (const { target, subscriptionId } of this.#byName.values()) {
      this.#frames.push = {
        type: "watch",
        subscription_id: subscriptionId,
        key: null,
        event: "flush",
        version,
        value: undefined,
      };
      this.#subscribers.push(target, this.#frames, this.#releaseOffset);
    }
  }

  /** Checks that nothing is left over where nobody watches; throws where something is. For tests. */
  checkEmpty(): void {
    this.#lookup.checkEmpty();
    const { size } = this.#byId;
    const links = this.#subscribers.linkCount + this.#subscribers.connectionCount;
    if (size + this.#byName.size + this.#byTarget.length + this.#freeTargets.length + links > 0 || this.isWatched) {
      throw new Error("watches are left over");
    }
  }
}

/** In the order of the contract, section 5. */
interface ChangePush {
  readonly type: "watch";
  readonly subscription_id: number;
  readonly key: ByteRange | null;
  readonly event: string;
  readonly version: number;
  readonly value: Value | undefined;
}

/** The frames of a push, without its value where that makes it too large. */
class ChangeFrames implements FrameSource {
  push: ChangePush | undefined;
  readonly #encoder: PushEncoder;

  constructor(encoder: PushEncoder) {
    this.#encoder = encoder;
  }

  encode(format: PushFormat): Uint8Array {
    if (this.push === undefined) throw new Error("no change is being pushed");
    try {
      return this.#encoder.encode(this.push, format);
    } catch (error) {
      if (!(error instanceof OutputLimitError)) throw error;
      return this.#encoder.encode({ ...this.push, value: undefined }, format);
    }
  }
}

class KeyWatch {
  readonly target: number;
  readonly subscriptionId: number;
  readonly name: string;
  readonly mode: WatchMode;
  readonly matcher: WatchMatcher;

  constructor(target: number, subscriptionId: number, name: string, mode: WatchMode, matcher: WatchMatcher) {
    this.target = target;
    this.subscriptionId = subscriptionId;
    this.name = name;
    this.mode = mode;
    this.matcher = matcher;
  }

  /** What its name takes. */
  get nameBytes(): number {
    return this.name.length * NAME_COPIES;
  }
}

/** Different for whatever is different to a client: a letter for each byte of the text. */
function nameOf({ isPattern, text: { bytes, start, end } }: WatchedKeys, mode: WatchMode): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("latin1");
  return `${mode}:${isPattern ? "pattern" : "prefix"}:${text}`;
}
