/** Keys and values. */
import { type CallOptions, type Commander, checked, field, type ReadOptions, reply } from "../commander.ts";
import type {
  KvCasOptions,
  KvCasReply,
  KvExpireOptions,
  KvGetexOptions,
  KvIncrOptions,
  KvScanOptions,
  KvScanReply,
  KvSetOptions,
  KvSetReply,
  KvStatsReply,
  KvTtlReply,
} from "../generated/shapes.ts";
import { payloadOf } from "../naming.ts";
import { type LoadOptions, ReadThrough } from "../read-through.ts";
import type { Subscriber } from "../subscriptions/subscriber.ts";
import type { Subscription } from "../subscriptions/subscription.ts";
import type { KeyChange, WatchOptions } from "../subscriptions/watch.ts";

/** A value with what the server knows of it. */
export interface KeyState<T> {
  readonly found: boolean;
  readonly value: T | null;
  /** Null without expiry. */
  readonly ttlMs: number | null;
  /** Grows with every write of any key; 0 for a missing key. */
  readonly version: number;
  readonly type: "text" | "bytes" | "integer" | "json" | null;
  /** The length of the value. */
  readonly bytes: number;
}

/** A key and what to store under it. */
export interface KeyValue {
  readonly key: string;
  readonly value: unknown;
  /** Seconds to live; absent or 0 is for ever. */
  readonly ttl?: number;
}

/**
 * `synap.kv`. Values are any JSON, or bytes as Uint8Array. An integer comes back as a number, or as a bigint where a number
 * would lose digits. All writes here are numbered: after a lost connection they are sent again and run once.
 */
export class Kv {
  readonly #commander: Commander;
  readonly #subscriber: Subscriber;
  readonly #readThrough: ReadThrough;

  constructor(commander: Commander, subscriber: Subscriber) {
    this.#commander = commander;
    this.#subscriber = subscriber;
    this.#readThrough = new ReadThrough(commander);
  }

  /**
   * Stores a value. With `nx`, `xx` or `ifVersion` only on a condition; when it does not hold, `success` is false and
   * `reason` says why.
   *
   * @returns the key's new `version`, which grows with every write: a fencing token.
   */
  set(key: string, value: unknown, options?: KvSetOptions & CallOptions): Promise<KvSetReply> {
    return this.#commander.send("kv.set", payloadOf({ key, value }, options), undefined, options);
  }

  /** The value of a key, or null. */
  get<T = unknown>(key: string, options?: ReadOptions<T>): Promise<T | null> {
    return this.#commander.send("kv.get", { key }, checked(key, options), options);
  }

  /** The value of a key with its expiry, version, type and size. */
  getMeta<T = unknown>(key: string, options?: ReadOptions<T>): Promise<KeyState<T>> {
    const schema = checked(key, options, field("value"));
    const convert = (payload: unknown): unknown => {
      // By the registry, a reply with `meta` is this object.
      const state = reply(payload) as KeyState<T>;
      const value = state.found && schema !== undefined ? schema(payload) : state.value;
      return value instanceof Promise
        ? value.then((late: unknown) => ({ ...state, value: late }))
        : { ...state, value };
    };
    return this.#commander.send("kv.get", { key, meta: true }, convert, options);
  }

  /**
   * The value of a key; where there is none, what `loader` gives, which is stored. However many callers in however many
   * processes ask at once, it is loaded once: one takes a short lease in the store, the others wait for the value.
   *
   * @throws what `loader` throws, to all who wait for it in this process.
   */
  getOrLoad<T>(key: string, loader: (signal: AbortSignal) => T | Promise<T>, options: LoadOptions<T>): Promise<T> {
    return this.#readThrough.get(key, loader, options);
  }

  /** Removes a key, and tells whether it was there; of several (up to 500), how many. */
  del(key: string, options?: CallOptions): Promise<boolean>;
  del(keys: readonly string[], options?: CallOptions): Promise<number>;
  del(key: string | readonly string[], options?: CallOptions): Promise<boolean | number> {
    return this.#commander.send("kv.del", oneOrSeveral(key), field("deleted"), options);
  }

  /** Whether a key exists; of several (up to 2,000), how many do. */
  exists(key: string, options?: CallOptions): Promise<boolean>;
  exists(keys: readonly string[], options?: CallOptions): Promise<number>;
  exists(key: string | readonly string[], options?: CallOptions): Promise<boolean | number> {
    return this.#commander.send("kv.exists", oneOrSeveral(key), field("exists"), options);
  }

  /**
   * Adds to an integer, which begins at 0, and gives the sum: a bigint past 2^53. With `min` or `max` it stays as it is rather
   * than pass them; `incrWithin` tells whether that was so.
   */
  incr(key: string, amount: number | bigint = 1, options?: CounterOptions): Promise<number | bigint> {
    return this.#commander.send("kv.incr", payloadOf({ key, amount }, options), field("value"), options);
  }

  /** Takes from an integer, which begins at 0. As `incr`. */
  decr(key: string, amount: number | bigint = 1, options?: CounterOptions): Promise<number | bigint> {
    return this.#commander.send("kv.decr", payloadOf({ key, amount }, options), field("value"), options);
  }

  /** Adds to an integer that stays within `min` and `max`. `limited`: it would have passed one of them, and is unchanged. */
  incrWithin(key: string, amount: number | bigint, options: CounterOptions): Promise<BoundedSum> {
    return this.#commander.send("kv.incr", payloadOf({ key, amount }, options), boundedSum, options);
  }

  /** Adds to a number with a fraction; a sum that no 64-bit float can hold is text. */
  incrByFloat(key: string, amount: number | string, options?: CallOptions): Promise<number | string> {
    return this.#commander.send("kv.incrbyfloat", { key, amount }, field("value"), options);
  }

  /** Stores up to 500 values at once, all or none. @returns how many. */
  mset(pairs: readonly KeyValue[], options?: CallOptions): Promise<number> {
    return this.#commander.send("kv.mset", { pairs }, field("count"), options);
  }

  /** Stores several values, all or none, only if none of the keys exists. @returns whether it did. */
  msetnx(pairs: readonly KeyValue[], options?: CallOptions): Promise<boolean> {
    return this.#commander.send("kv.msetnx", { pairs }, field("success"), options);
  }

  /** The values of up to 2,000 keys in their order, null where there is none. */
  mget<T = unknown>(keys: readonly string[], options?: CallOptions): Promise<(T | null)[]> {
    return this.#commander.send("kv.mget", { keys }, field("values"), options);
  }

  /** Removes up to 500 keys. @returns how many were there. */
  mdel(keys: readonly string[], options?: CallOptions): Promise<number> {
    return this.#commander.send("kv.mdel", { keys }, field("deleted"), options);
  }

  /**
   * Stores a value if the key still has the value `expect` (null: no key), or the `version`. The expiry is kept. A write
   * that is sent again after a lost connection gives the first answer, so `success: false` always means another writer.
   */
  cas(key: string, value: unknown, condition: KvCasOptions, options?: CallOptions): Promise<KvCasReply> {
    return this.#commander.send("kv.cas", { key, value, ...condition }, undefined, options);
  }

  /** Stores a value without expiry and gives the one before, or null. */
  getset<T = unknown>(key: string, value: unknown, options?: ReadOptions<T>): Promise<T | null> {
    return this.#commander.send("kv.getset", { key, value }, checked(key, options), options);
  }

  /** Removes a key and gives the value it had, or null. */
  getdel<T = unknown>(key: string, options?: ReadOptions<T>): Promise<T | null> {
    return this.#commander.send("kv.getdel", { key }, checked(key, options), options);
  }

  /** The value of a key, or null; sets its expiry, or takes it away. */
  getex<T = unknown>(key: string, expiry: KvGetexOptions, options?: ReadOptions<T>): Promise<T | null> {
    return this.#commander.send("kv.getex", payloadOf({ key }, expiry), checked(key, options), options);
  }

  /** A part of a value, both ends inclusive, negative ends counted from the last byte. Null for a missing key. */
  getrange(key: string, start: number, end: number, options?: CallOptions): Promise<string | Uint8Array | null> {
    return this.#commander.send("kv.getrange", { key, start, end }, undefined, options);
  }

  /** Adds to the end of a text, which begins empty. @returns its length in bytes. */
  append(key: string, value: string | Uint8Array | number, options?: CallOptions): Promise<number> {
    return this.#commander.send("kv.append", { key, value }, field("length"), options);
  }

  /** Writes over a part of a text, zero-filled up to `offset`. @returns its length in bytes. */
  setrange(key: string, offset: number, value: string | Uint8Array | number, options?: CallOptions): Promise<number> {
    return this.#commander.send("kv.setrange", { key, offset, value }, field("length"), options);
  }

  /** The length of a value in bytes; 0 for a missing key. */
  strlen(key: string, options?: CallOptions): Promise<number> {
    return this.#commander.send("kv.strlen", { key }, field("length"), options);
  }

  /** Counts an access to each key, for eviction. @returns how many of them there are. */
  touch(keys: readonly string[], options?: CallOptions): Promise<number> {
    return this.#commander.send("kv.touch", { keys }, field("touched"), options);
  }

  /** Sets when a key expires. @returns whether that was done. */
  expire(key: string, expiry: KvExpireOptions, options?: CallOptions): Promise<boolean> {
    return this.#commander.send("kv.expire", payloadOf({ key }, expiry), field("result"), options);
  }

  /** How long a key has to live, in seconds and in ms: null without expiry, -2 for a missing key. */
  ttl(key: string, options?: CallOptions): Promise<KvTtlReply> {
    return this.#commander.send("kv.ttl", { key }, reply, options);
  }

  /** When a key expires, in ms since the epoch: null without expiry, -2 for a missing key. */
  expiretime(key: string, options?: CallOptions): Promise<number | null> {
    return this.#commander.send("kv.expiretime", { key }, field("at_ms"), options);
  }

  /** Takes a key's expiry away. @returns whether it had one. */
  persist(key: string, options?: CallOptions): Promise<boolean> {
    return this.#commander.send("kv.persist", { key }, field("result"), options);
  }

  /** The server's time, by which keys expire, in ms since the epoch. */
  time(options?: CallOptions): Promise<number> {
    return this.#commander.send("kv.time", {}, field("now_ms"), options);
  }

  /** One page of keys in order; `keysOf` walks all pages. */
  scan(options?: KvScanOptions & CallOptions): Promise<KvScanReply> {
    return this.#commander.send("kv.scan", payloadOf({}, options), reply, options);
  }

  /** Every key, in order, page by page; one that stays put is seen exactly once. */
  async *keysOf(
    options?: Pick<KvScanOptions, "prefix" | "pattern" | "limit" | "type"> & CallOptions,
  ): AsyncGenerator<string> {
    let cursor: string | undefined;
    do {
      const page = await this.scan({ ...options, ...(cursor === undefined ? {} : { cursor }) });
      yield* page.keys;
      cursor = page.cursor ?? undefined;
    } while (cursor !== undefined);
  }

  /** Every key that matches a glob, in order; refused where that is too many. */
  keys(pattern: string, options?: CallOptions): Promise<string[]> {
    return this.#commander.send("kv.keys", { pattern }, field("keys"), options);
  }

  /** How many keys there are. */
  dbsize(options?: CallOptions): Promise<number> {
    return this.#commander.send("kv.dbsize", {}, field("size"), options);
  }

  /** Removes every key; queues and rooms stay. @returns how many there were. */
  flushdb(options?: CallOptions): Promise<number> {
    return this.#commander.send("kv.flushdb", {}, field("flushed"), options);
  }

  /** As `flushdb`. */
  flushall(options?: CallOptions): Promise<number> {
    return this.#commander.send("kv.flushall", {}, field("flushed"), options);
  }

  /** How many keys there are, what they take, and what was done with them on this node. */
  stats(options?: CallOptions): Promise<KvStatsReply> {
    return this.#commander.send("kv.stats", {}, reply, options);
  }

  /**
   * Follows the changes of the keys that match a glob, or begin with `options.prefix`. After a lost connection it goes on, and
   * says so with a `resubscribed`: changes may have been missed in between, so read again what matters.
   */
  watch<T = unknown>(
    pattern: string | { readonly prefix: string },
    options?: WatchOptions<T>,
  ): Subscription<KeyChange<T>> {
    return this.#subscriber.watch(pattern, options);
  }
}

/** Bounds of a counter, and how long it lives if this creates it. */
export type CounterOptions = Omit<KvIncrOptions, "amount"> & CallOptions;

/** A counter after `incrWithin`. */
export interface BoundedSum {
  readonly value: number | bigint;
  readonly limited: boolean;
}

function boundedSum(payload: unknown): BoundedSum {
  // By the registry; `limited` is there only where it is true.
  const { value, limited = false } = payload as { value: number | bigint; limited?: boolean };
  return { value, limited };
}

function oneOrSeveral(key: string | readonly string[]): object {
  return typeof key === "string" ? { key } : { keys: key };
}
