/** Watching keys. */
import type { ReadOptions } from "../commander.ts";
import { validated } from "../standard-schema.ts";
import { Feed, type Push, type Subscribing } from "./feed.ts";
import type { Feeds } from "./feeds.ts";
import { followLossy, type LossyOptions, type Resubscribed } from "./lossy-reader.ts";
import type { Subscription } from "./subscription.ts";

/** A change of a key, or the notice that the watch is back after a lost connection. */
export type KeyChange<T> = WatchedChange<T> | Resubscribed;

/** A change of a key. */
export interface WatchedChange<T> {
  readonly type: "watch";
  /** Null for a flush, which is of all keys. */
  readonly key: string | null;
  readonly event: "set" | "del" | "expired" | "evicted" | "expire" | "flush";
  /** Grows with every change. */
  readonly version: number;
  /** Of a `set`, unless `mode` is `notify`, or the same write changed the key again. */
  readonly value?: T;
}

/** How to watch. */
export interface WatchOptions<T> extends LossyOptions<KeyChange<T>>, Pick<ReadOptions<T>, "schema"> {
  /** `value` (the default) has new values pushed, `notify` only that there are some. */
  readonly mode?: "value" | "notify" | undefined;
}

class WatchFeed extends Feed {
  readonly slot: string;
  readonly isShareable = true;
  readonly #payload: object;

  constructor(what: object) {
    super();
    this.#payload = what;
    this.slot = `watch ${JSON.stringify(what)}`;
  }

  subscribing(): Subscribing {
    return { command: "kv.watch", payload: this.#payload };
  }

  unsubscribing(subscriptionId: number): Subscribing {
    return { command: "kv.unwatch", payload: { subscription_id: subscriptionId } };
  }
}

export function followKeys<T>(
  feeds: Feeds,
  pattern: string | { readonly prefix: string },
  options: WatchOptions<T> | undefined,
): Subscription<KeyChange<T>> {
  const what = typeof pattern === "string" ? { pattern } : { prefix: pattern.prefix };
  const schema = options?.schema;
  return followLossy<KeyChange<T>>(
    feeds,
    new WatchFeed({ ...what, mode: options?.mode ?? "value" }),
    options,
    (push) => {
      if (schema === undefined || push.value === undefined) return changeOf(push, push.value as T);
      const value = validated(schema, push.value, `the new value of ${String(push.key)}`);
      return value instanceof Promise ? value.then((late) => changeOf(push, late)) : changeOf(push, value);
    },
  );
}

function changeOf<T>(push: Push, value: T | undefined): WatchedChange<T> {
  // The server's own push, field by field.
  const { key, event, version } = push as unknown as WatchedChange<T>;
  return value === undefined ? { type: "watch", key, event, version } : { type: "watch", key, event, version, value };
}
