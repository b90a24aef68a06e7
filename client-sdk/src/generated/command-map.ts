// Generated from the server's registry by `npm run generate -w client-sdk`. Do not edit.

/** Every command: what its payload and its reply are on the wire. */
export interface CommandMap {
  /** Stores a value under a key, with an optional time to live and conditions. */
  "kv.set": {
    payload: {
      /** The key. At most 65535 bytes of UTF-8. */
      readonly key: string;
      /** Any JSON value; raw bytes as {"$bytes": base64} or MessagePack bin. */
      readonly value: unknown;
      /** Seconds to live; 0 is for ever. */
      readonly ttl?: number;
      /** Milliseconds to live. */
      readonly ttl_ms?: number;
      /** The instant it expires; one that has passed is at once. */
      readonly at_ms?: number;
      /** Only if the key does not exist. */
      readonly nx?: boolean;
      /** Only if the key exists. */
      readonly xx?: boolean;
      /** Keep the expiry that the key has. */
      readonly keep_ttl?: boolean;
      /** Only if the key has this version; 0 is that of a missing key. */
      readonly if_version?: number;
      /** Answer with the value before, in `previous`. */
      readonly get?: boolean;
    };
    reply: {
      readonly success: boolean;
      /** At most 65535 bytes of UTF-8. */
      readonly key?: string;
      /** The key's new version. */
      readonly version?: number;
      /** Why not. */
      readonly reason?: "exists" | "missing" | "version";
      readonly previous?: unknown;
    };
  };
  /** Answers with the value of a key, or null; with `meta` also its expiry, version, type and size. */
  "kv.get": {
    payload: {
      /** At most 65535 bytes of UTF-8. */
      readonly key: string;
      /** Answer with an object that tells more. */
      readonly meta?: boolean;
    };
    reply: unknown;
  };
  /** Removes a key, or several. */
  "kv.del": {
    payload: {
      /** The key; the answer is whether it was there. At most 65535 bytes of UTF-8. */
      readonly key?: string;
      /** The keys; the answer is a count. */
      readonly keys?: readonly string[];
    };
    reply: {
      readonly deleted: boolean | number;
    };
  };
  /** Tells whether a key exists, or how many of several do. */
  "kv.exists": {
    payload: {
      /** The key; the answer is whether it is there. At most 65535 bytes of UTF-8. */
      readonly key?: string;
      /** The keys; the answer is a count, in which one named twice counts twice. */
      readonly keys?: readonly string[];
    };
    reply: {
      readonly exists: boolean | number;
    };
  };
  /** Adds to an integer, which begins at 0, and answers with the sum. */
  "kv.incr": {
    payload: {
      /** At most 65535 bytes of UTF-8. */
      readonly key: string;
      /** By how much. */
      readonly amount?: number | bigint;
      /** Refuse to go below; the value stays as it is. */
      readonly min?: number | bigint;
      /** Refuse to go above; the value stays as it is. */
      readonly max?: number | bigint;
      /** Seconds to live, only when this creates the key. */
      readonly ttl?: number;
    };
    reply: {
      readonly value: number | bigint;
      readonly limited?: boolean;
    };
  };
  /** Takes from an integer, which begins at 0, and answers with the rest. */
  "kv.decr": {
    payload: {
      /** At most 65535 bytes of UTF-8. */
      readonly key: string;
      /** By how much. */
      readonly amount?: number | bigint;
      /** Refuse to go below; the value stays as it is. */
      readonly min?: number | bigint;
      /** Refuse to go above; the value stays as it is. */
      readonly max?: number | bigint;
      /** Seconds to live, only when this creates the key. */
      readonly ttl?: number;
    };
    reply: {
      readonly value: number | bigint;
      readonly limited?: boolean;
    };
  };
  /** Adds to a number, which begins at 0, and answers with the sum, exact to 17 digits after the point. */
  "kv.incrbyfloat": {
    payload: {
      /** At most 65535 bytes of UTF-8. */
      readonly key: string;
      /** A number, or its decimal as a string; below zero it takes away. */
      readonly amount: unknown;
    };
    reply: {
      readonly value: unknown;
    };
  };
  /** Stores several values at once, all or none. */
  "kv.mset": {
    payload: {
      /** The keys and values. */
      readonly pairs?: readonly {
        /** At most 65535 bytes of UTF-8. */
        readonly key: string;
        readonly value: unknown;
        /** Seconds to live; 0 is for ever. */
        readonly ttl?: number;
      }[];
      /** With `value`: the only pair, in place of `pairs`. At most 65535 bytes of UTF-8. */
      readonly key?: string;
      readonly value?: unknown;
      readonly ttl?: number;
    };
    reply: {
      readonly success: boolean;
      readonly count: number;
    };
  };
  /** Stores several values at once, only if none of the keys exists. */
  "kv.msetnx": {
    payload: {
      /** The keys and values. */
      readonly pairs?: readonly {
        /** At most 65535 bytes of UTF-8. */
        readonly key: string;
        readonly value: unknown;
        /** Seconds to live; 0 is for ever. */
        readonly ttl?: number;
      }[];
      /** With `value`: the only pair, in place of `pairs`. At most 65535 bytes of UTF-8. */
      readonly key?: string;
      readonly value?: unknown;
      readonly ttl?: number;
    };
    reply: {
      readonly success: boolean;
      readonly count: number;
    };
  };
  /** Answers with the values of several keys in their order, null where there is none. */
  "kv.mget": {
    payload: {
      readonly keys: readonly string[];
    };
    reply: {
      readonly values: readonly unknown[];
    };
  };
  /** Removes several keys and answers how many were there. */
  "kv.mdel": {
    payload: {
      readonly keys: readonly string[];
    };
    reply: {
      readonly deleted: number;
    };
  };
  /** Stores a value only if the key still has the value, or the version, that the caller expects. */
  "kv.cas": {
    payload: {
      /** At most 65535 bytes of UTF-8. */
      readonly key: string;
      /** The new value. The key's expiry is kept. */
      readonly value: unknown;
      /** The value that must be there; null expects no key. */
      readonly expect?: unknown;
      /** The version it must have; 0 expects no key. */
      readonly version?: number;
    };
    reply: {
      readonly success: boolean;
      /** The key's version now. */
      readonly version: number;
      /** The value found instead. */
      readonly current?: unknown;
    };
  };
  /** Stores a value without expiry and answers with the value before, or null. */
  "kv.getset": {
    payload: {
      /** At most 65535 bytes of UTF-8. */
      readonly key: string;
      readonly value: unknown;
    };
    reply: unknown;
  };
  /** Removes a key and answers with the value it had, or null. */
  "kv.getdel": {
    payload: {
      /** At most 65535 bytes of UTF-8. */
      readonly key: string;
    };
    reply: unknown;
  };
  /** Answers with the value of a key, or null, and sets or takes away its expiry. */
  "kv.getex": {
    payload: {
      /** At most 65535 bytes of UTF-8. */
      readonly key: string;
      /** Seconds from now. */
      readonly ttl?: number;
      /** Milliseconds from now. */
      readonly ttl_ms?: number;
      /** The instant, in milliseconds since the epoch; one that has passed removes the key. */
      readonly at_ms?: number;
      /** Take the expiry away. */
      readonly persist?: boolean;
    };
    reply: unknown;
  };
  /** Answers with a part of a value, both ends inclusive, negative ends counted from the last byte. */
  "kv.getrange": {
    payload: {
      /** At most 65535 bytes of UTF-8. */
      readonly key: string;
      /** First byte; -1 is the last one. */
      readonly start: number | bigint;
      /** Last byte, inclusive. */
      readonly end: number | bigint;
    };
    reply: unknown;
  };
  /** Adds to the end of a string, which begins empty, and answers with its length in bytes. */
  "kv.append": {
    payload: {
      /** At most 65535 bytes of UTF-8. */
      readonly key: string;
      /** A string, bytes or a number. */
      readonly value: unknown;
    };
    reply: {
      readonly length: number;
    };
  };
  /** Writes over a part of a string, zero-filled up to the offset, and answers with its length in bytes. */
  "kv.setrange": {
    payload: {
      /** At most 65535 bytes of UTF-8. */
      readonly key: string;
      /** First byte to write. */
      readonly offset: number;
      /** A string, bytes or a number. */
      readonly value: unknown;
    };
    reply: {
      readonly length: number;
    };
  };
  /** Answers with the length of a value in bytes; 0 for a missing key. */
  "kv.strlen": {
    payload: {
      /** At most 65535 bytes of UTF-8. */
      readonly key: string;
    };
    reply: {
      readonly length: number;
    };
  };
  /** Counts an access to each of several keys, for LRU and LFU eviction, and answers how many there are. */
  "kv.touch": {
    payload: {
      readonly keys: readonly string[];
    };
    reply: {
      readonly touched: number;
    };
  };
  /** Sets when a key expires; an instant that has passed removes it. Answers whether that was done. */
  "kv.expire": {
    payload: {
      /** At most 65535 bytes of UTF-8. */
      readonly key: string;
      /** Seconds from now. */
      readonly ttl?: number;
      /** Milliseconds from now. */
      readonly ttl_ms?: number;
      /** The instant, in milliseconds since the epoch. */
      readonly at_ms?: number;
      /** Only if the key does not expire. */
      readonly nx?: boolean;
      /** Only if it does. */
      readonly xx?: boolean;
      /** Only if it expires later then than now; without expiry it never does. */
      readonly gt?: boolean;
      /** Only if it expires earlier then than now, or does not expire. */
      readonly lt?: boolean;
    };
    reply: {
      readonly result: boolean;
    };
  };
  /** Answers how long a key has to live: null without expiry, -2 for a missing key. */
  "kv.ttl": {
    payload: {
      /** At most 65535 bytes of UTF-8. */
      readonly key: string;
    };
    reply: {
      readonly ttl: number | null;
      readonly ttl_ms: number | null;
    };
  };
  /** Answers when a key expires: null without expiry, -2 for a missing key. */
  "kv.expiretime": {
    payload: {
      /** At most 65535 bytes of UTF-8. */
      readonly key: string;
    };
    reply: {
      readonly at_ms: number | null;
    };
  };
  /** Answers with the server's time, by which keys expire. */
  "kv.time": {
    payload: Readonly<Record<string, never>>;
    reply: {
      /** Milliseconds since the epoch. */
      readonly now_ms: number;
    };
  };
  /** Takes a key's expiry away. Answers whether it had one. */
  "kv.persist": {
    payload: {
      /** At most 65535 bytes of UTF-8. */
      readonly key: string;
    };
    reply: {
      readonly result: boolean;
    };
  };
  /** Answers with keys in order, page by page; a key that stays put is seen exactly once. */
  "kv.scan": {
    payload: {
      /** Only keys that begin with this. At most 65535 bytes of UTF-8. */
      readonly prefix?: string;
      /** Only keys that match this glob. At most 255 bytes of UTF-8. */
      readonly pattern?: string;
      /** The cursor of the page before; absent for the first page. */
      readonly cursor?: string;
      /** At most so many keys; a page may have fewer, even none, and still not be the last. Also accepted as `count`. */
      readonly limit?: number;
      /** Answer with the values too. */
      readonly values?: boolean;
      /** Only keys whose value is of this type; string is any of the first four, and of the others there is none. */
      readonly type?: "text" | "bytes" | "integer" | "json" | "string" | "list" | "set" | "zset" | "hash" | "stream";
      /** In place of `cursor`, for protocols whose cursors are integers: 0 for the first page. */
      readonly integer_cursor?: number;
    };
    reply: {
      readonly keys: readonly string[];
      /** One for each key. */
      readonly values?: readonly unknown[];
      /** Null at the end. */
      readonly cursor: string | null;
      /** Where that was asked for: 0 at the end. This node remembers some thousands of them, the last used. */
      readonly integer_cursor?: number;
      readonly has_more: boolean;
      readonly count: number;
    };
  };
  /** Answers with every key that matches a glob, in order; refused where that is too many: use kv.scan. */
  "kv.keys": {
    payload: {
      /** A glob: * ? [a-z] and \ as in Redis. At most 255 bytes of UTF-8. */
      readonly pattern: string;
    };
    reply: {
      readonly keys: readonly string[];
    };
  };
  /** Answers how many keys there are. */
  "kv.dbsize": {
    payload: Readonly<Record<string, never>>;
    reply: {
      readonly size: number;
    };
  };
  /** Removes every key; queues and rooms stay. The memory is given back in the background. */
  "kv.flushdb": {
    payload: Readonly<Record<string, never>>;
    reply: {
      /** Keys removed. */
      readonly flushed: number;
    };
  };
  /** Removes every key; queues and rooms stay. The memory is given back in the background. */
  "kv.flushall": {
    payload: Readonly<Record<string, never>>;
    reply: {
      /** Keys removed. */
      readonly flushed: number;
    };
  };
  /** Answers how many keys there are, what they take, and what was done with them on this node. */
  "kv.stats": {
    payload: Readonly<Record<string, never>>;
    reply: {
      readonly total_keys: number;
      /** Bytes of keys, values and their index. */
      readonly total_memory_bytes: number;
      readonly operations: {
        readonly gets: number;
        readonly sets: number;
        readonly dels: number;
        readonly hits: number;
        readonly misses: number;
      };
      /** hits / (hits + misses), 0 before the first read. */
      readonly hit_rate: number;
      readonly expired: number;
      readonly evicted: number;
    };
  };
  /** Has every change of some keys pushed to this connection, with the new value or without. */
  "kv.watch": {
    payload: {
      /** A glob, as in kv.scan; without a wildcard it is one key. Keys of over 1,024 bytes are found by prefixes alone. At most 255 bytes of UTF-8. */
      readonly pattern?: string;
      /** Keys that begin with this, in the place of `pattern`. At most 255 bytes of UTF-8. */
      readonly prefix?: string;
      /** `notify` says what happened and leaves the value out. */
      readonly mode?: "value" | "notify";
    };
    reply: {
      /** In every push of this watch; the same for all who watch the same. */
      readonly subscription_id: number;
    };
  };
  /** Ends a watch of this connection. */
  "kv.unwatch": {
    payload: {
      /** The watch, in the place of what it watches. */
      readonly subscription_id?: number;
      /** A glob, as in kv.scan; without a wildcard it is one key. Keys of over 1,024 bytes are found by prefixes alone. At most 255 bytes of UTF-8. */
      readonly pattern?: string;
      /** Keys that begin with this, in the place of `pattern`. At most 255 bytes of UTF-8. */
      readonly prefix?: string;
      /** Absent for the watches of either mode. */
      readonly mode?: "value" | "notify";
    };
    reply: {
      /** How many watches ended. */
      readonly unwatched: number;
    };
  };
  /** Answers with the type of a key's value: text, bytes, integer, json, or none for a missing key. */
  "key.type": {
    payload: {
      /** At most 65535 bytes of UTF-8. */
      readonly key: string;
    };
    reply: {
      /** At most 65535 bytes of UTF-8. */
      readonly key: string;
      readonly type: "text" | "bytes" | "integer" | "json" | "none";
    };
  };
  /** Tells whether a key exists. */
  "key.exists": {
    payload: {
      /** At most 65535 bytes of UTF-8. */
      readonly key: string;
    };
    reply: {
      /** At most 65535 bytes of UTF-8. */
      readonly key: string;
      readonly exists: boolean;
    };
  };
  /** Renames a key, with its expiry, over whatever is there. */
  "key.rename": {
    payload: {
      /** At most 65535 bytes of UTF-8. */
      readonly source: string;
      /** At most 65535 bytes of UTF-8. */
      readonly destination: string;
    };
    reply: {
      readonly success: boolean;
      /** At most 65535 bytes of UTF-8. */
      readonly source: string;
      /** At most 65535 bytes of UTF-8. */
      readonly destination: string;
    };
  };
  /** Renames a key, with its expiry, only if the new name is free. */
  "key.renamenx": {
    payload: {
      /** At most 65535 bytes of UTF-8. */
      readonly source: string;
      /** At most 65535 bytes of UTF-8. */
      readonly destination: string;
    };
    reply: {
      readonly success: boolean;
      /** At most 65535 bytes of UTF-8. */
      readonly source: string;
      /** At most 65535 bytes of UTF-8. */
      readonly destination: string;
    };
  };
  /** Copies a key, with its expiry; over a key that exists only with `replace`. */
  "key.copy": {
    payload: {
      /** At most 65535 bytes of UTF-8. */
      readonly source: string;
      /** At most 65535 bytes of UTF-8. */
      readonly destination: string;
      /** Write over a destination that exists. */
      readonly replace?: boolean;
      /** A source that is not there is no error: the answer is `success: false`. */
      readonly if_exists?: boolean;
    };
    reply: {
      readonly success: boolean;
      /** At most 65535 bytes of UTF-8. */
      readonly source: string;
      /** At most 65535 bytes of UTF-8. */
      readonly destination: string;
    };
  };
  /** Answers with a key drawn at random, or null when there is none. */
  "key.randomkey": {
    payload: Readonly<Record<string, never>>;
    reply: {
      readonly key: string | null;
    };
  };
  /** Answers how a key is kept, without counting as an access to it; null for a missing key. */
  "key.object": {
    payload: {
      /** At most 65535 bytes of UTF-8. */
      readonly key: string;
    };
    reply: {
      readonly type: "text" | "bytes" | "integer" | "json";
      /** How Redis would keep the value. */
      readonly encoding: "int" | "embstr" | "raw";
      /** Length of the value. */
      readonly bytes: number;
      /** What key and value take in the store; 0 while a batch has only planned them. */
      readonly memory_bytes: number;
      /** Since the last access; null unless the eviction policy is lru. */
      readonly idle_ms: number | null;
      /** Logarithmic count of accesses, 0 to 255; null unless the eviction policy is lfu. */
      readonly frequency: number | null;
    } | null;
  };
  /** Creates a queue; one that exists is left as it is, and refused where its config is not the one asked for. */
  "queue.create": {
    payload: {
      /** At most 255 bytes of UTF-8. Also accepted as `queue`. */
      readonly name: string;
      /** What is left out has the server's default. */
      readonly config?: {
        /** Ready and delayed messages; 0: any. */
        readonly max_depth?: number;
        /** Of their content; 0: any. */
        readonly max_bytes?: number;
        readonly ack_deadline_secs?: number;
        readonly default_max_retries?: number;
        readonly default_priority?: number;
        /** 0 is for ever. */
        readonly message_ttl_secs?: number;
        readonly retry_backoff_ms?: {
          /** Before the first retry. */
          readonly initial?: number;
          /** Each wait is so many times the one before: 1 to 1000, also a fraction. */
          readonly factor?: unknown;
          readonly max?: number;
        };
        readonly dead_letter?: {
          /** Else messages that die are dropped. */
          readonly enabled?: boolean;
          /** Past it the oldest go; 0: any. */
          readonly max_depth?: number;
        };
        /** How long a dedup_id is remembered; 0: not at all. */
        readonly dedup_window_secs?: number;
      };
    };
    reply: {
      readonly success: boolean;
      /** At most 255 bytes of UTF-8. */
      readonly queue: string;
      readonly created: boolean;
    };
  };
  /** Publishes a message to a queue, which is created with the defaults if there is none. */
  "queue.publish": {
    payload: {
      /** At most 255 bytes of UTF-8. Also accepted as `name`. */
      readonly queue: string;
      /** Also accepted as `message`. */
      readonly payload: unknown;
      /** 9 goes first. */
      readonly priority?: number;
      /** Deliveries after the first. */
      readonly max_retries?: number;
      /** A JSON object. */
      readonly headers?: unknown;
      /** Seconds until it expires undelivered; 0: never. */
      readonly ttl?: number;
      /** Until it may be delivered. */
      readonly delay_ms?: number;
      /** When it may be delivered, in ms since the epoch. */
      readonly at_ms?: number;
      /** The same one within the queue's window is published once; up to 255 bytes. At most 255 bytes of UTF-8. */
      readonly dedup_id?: string;
    };
    reply: {
      /** That of the first message, where this one is a duplicate. */
      readonly message_id: number;
      /** Ready messages of its priority or above, which go before it; 0 for a duplicate. */
      readonly position: number;
      /** Its dedup_id was published already: nothing has happened. */
      readonly duplicate?: boolean;
    };
  };
  /** Publishes several messages to a queue, all or none. */
  "queue.publish_batch": {
    payload: {
      /** At most 255 bytes of UTF-8. Also accepted as `name`. */
      readonly queue: string;
      readonly messages: readonly {
        /** Also accepted as `message`. */
        readonly payload: unknown;
        /** 9 goes first. */
        readonly priority?: number;
        /** Deliveries after the first. */
        readonly max_retries?: number;
        /** A JSON object. */
        readonly headers?: unknown;
        /** Seconds until it expires undelivered; 0: never. */
        readonly ttl?: number;
        /** Until it may be delivered. */
        readonly delay_ms?: number;
        /** When it may be delivered, in ms since the epoch. */
        readonly at_ms?: number;
        /** The same one within the queue's window is published once; up to 255 bytes. At most 255 bytes of UTF-8. */
        readonly dedup_id?: string;
      }[];
    };
    reply: {
      /** In the order of the messages; of a duplicate, that of the first. */
      readonly message_ids: readonly number[];
    };
  };
  /** Takes the next messages of a queue, and waits for one if asked to; each is to be acknowledged by its deadline. */
  "queue.consume": {
    payload: {
      /** At most 255 bytes of UTF-8. Also accepted as `name`. */
      readonly queue: string;
      /** At most so many, in `messages`; fewer where they are large. */
      readonly count?: number;
      /** How long to wait where there is none. */
      readonly wait_ms?: number;
      /** As wait_ms, in seconds. */
      readonly timeout?: number;
      /** Seconds; else what the queue says. */
      readonly ack_deadline?: number;
    };
    reply: {
      readonly message: {
        /** Ids grow in publish order. */
        readonly id: number;
        /** Of this delivery; grows with every delivery: a fencing token. */
        readonly delivery_id: number;
        readonly payload: unknown;
        readonly priority: number;
        /** Deliveries before that were not acknowledged. */
        readonly retry_count: number;
        readonly max_retries: number;
        /** A JSON object. */
        readonly headers: unknown;
        readonly published_at_ms: number;
        /** Until when it is to be acknowledged. */
        readonly deadline_at_ms: number;
      } | null;
    } | {
      /** Where `count` was given. */
      readonly messages: readonly {
        /** Ids grow in publish order. */
        readonly id: number;
        /** Of this delivery; grows with every delivery: a fencing token. */
        readonly delivery_id: number;
        readonly payload: unknown;
        readonly priority: number;
        /** Deliveries before that were not acknowledged. */
        readonly retry_count: number;
        readonly max_retries: number;
        /** A JSON object. */
        readonly headers: unknown;
        readonly published_at_ms: number;
        /** Until when it is to be acknowledged. */
        readonly deadline_at_ms: number;
      }[];
    };
  };
  /** Acknowledges pending messages: they are done with. Of a list, those that are not pending are left alone. */
  "queue.ack": {
    payload: {
      /** At most 255 bytes of UTF-8. Also accepted as `name`. */
      readonly queue: string;
      readonly message_id?: number;
      readonly message_ids?: readonly number[];
      /** Refused with STALE_DELIVERY if this is not the current delivery of the message. */
      readonly delivery_id?: number;
    };
    reply: {
      readonly success: boolean;
      readonly acked: number;
      /** Those of message_ids that were left alone, and why. */
      readonly failed?: readonly {
        readonly message_id: number;
        readonly code: string;
      }[];
    };
  };
  /** Rejects a pending message: it goes back to its place for a retry, or dies where it has none left. */
  "queue.nack": {
    payload: {
      /** At most 255 bytes of UTF-8. Also accepted as `name`. */
      readonly queue: string;
      readonly message_id: number;
      /** Refused with STALE_DELIVERY if this is not the current delivery of the message. */
      readonly delivery_id?: number;
      /** False lets it die at once. */
      readonly requeue?: boolean;
      /** Until the retry; else the queue's backoff. */
      readonly delay_ms?: number;
    };
    reply: {
      readonly success: boolean;
      /** Dropped where the queue keeps no dead letters. */
      readonly action: "requeued" | "dead_lettered" | "dropped";
    };
  };
  /** Gives a pending message another ack deadline, from now on. */
  "queue.extend": {
    payload: {
      /** At most 255 bytes of UTF-8. Also accepted as `name`. */
      readonly queue: string;
      readonly message_id: number;
      /** Refused with STALE_DELIVERY if this is not the current delivery of the message. */
      readonly delivery_id?: number;
      /** Seconds from now. */
      readonly ack_deadline: number;
    };
    reply: {
      readonly deadline_at_ms: number;
    };
  };
  /** Shows the messages that would be delivered next, and leaves them where they are. */
  "queue.peek": {
    payload: {
      /** At most 255 bytes of UTF-8. Also accepted as `name`. */
      readonly queue: string;
      /** Fewer where they are large. */
      readonly count?: number;
    };
    reply: {
      readonly messages: readonly {
        /** Ids grow in publish order. */
        readonly id: number;
        readonly payload: unknown;
        readonly priority: number;
        /** Deliveries before that were not acknowledged. */
        readonly retry_count: number;
        readonly max_retries: number;
        /** A JSON object. */
        readonly headers: unknown;
        readonly published_at_ms: number;
      }[];
    };
  };
  /** Answers how many messages a queue has in each state, and what has happened in it since it was created. */
  "queue.stats": {
    payload: {
      /** At most 255 bytes of UTF-8. Also accepted as `name`. */
      readonly queue: string;
    };
    reply: {
      /** Ready and delayed. */
      readonly depth: number;
      readonly ready: number;
      readonly delayed: number;
      /** Delivered and not acknowledged. */
      readonly pending: number;
      readonly dead: number;
      /** Subscribed or waiting, on this node. */
      readonly consumers: number;
      readonly published: number;
      /** Deliveries. */
      readonly consumed: number;
      readonly acked: number;
      readonly nacked: number;
      /** Deliveries whose ack deadline passed. */
      readonly timed_out: number;
      /** Deliveries given back since their connection closed. */
      readonly released: number;
      readonly dead_lettered: number;
      /** Rejected or expired where no dead letters are kept, and dead letters past their limit. */
      readonly dropped: number;
      readonly expired: number;
      /** Remembered now. */
      readonly dedup_ids: number;
      /** Since the publishing of the oldest that is not dead; 0 for none. */
      readonly oldest_message_age_secs: number;
      /** From when a message was ready to its delivery, over all deliveries. */
      readonly avg_wait_ms: number;
    };
  };
  /** Answers with queues in the order of their names, and how many messages each has, page by page. */
  "queue.list": {
    payload: {
      /** The cursor of the page before; absent for the first page. */
      readonly cursor?: string;
      /** At most so many queues. */
      readonly limit?: number;
    };
    reply: {
      readonly queues: readonly {
        readonly name: string;
        /** Ready and delayed. */
        readonly depth: number;
        readonly pending: number;
        readonly dead: number;
        readonly consumers: number;
      }[];
      /** Queues in this page. */
      readonly count: number;
      /** Queues in all, of those that the token permits. */
      readonly total: number;
      /** Null at the end. */
      readonly cursor: string | null;
      readonly has_more: boolean;
    };
  };
  /** Removes the messages that nobody has been given yet; those that are pending, and dead letters, stay. */
  "queue.purge": {
    payload: {
      /** At most 255 bytes of UTF-8. Also accepted as `name`. */
      readonly queue: string;
    };
    reply: {
      readonly purged: number;
    };
  };
  /** Removes a queue with all its messages; those who wait for one are told, subscriptions wait for the next queue. */
  "queue.delete": {
    payload: {
      /** At most 255 bytes of UTF-8. Also accepted as `name`. */
      readonly queue: string;
    };
    reply: {
      /** False where there was no such queue. */
      readonly deleted: boolean;
    };
  };
  /** Answers with the dead letters of a queue in the order of their deaths, page by page. */
  "queue.dead.list": {
    payload: {
      /** At most 255 bytes of UTF-8. Also accepted as `name`. */
      readonly queue: string;
      /** Fewer where they are large. */
      readonly limit?: number;
      /** The cursor of the page before; absent for the first page. */
      readonly cursor?: string;
    };
    reply: {
      readonly messages: readonly {
        /** Ids grow in publish order. */
        readonly id: number;
        readonly payload: unknown;
        readonly priority: number;
        /** Deliveries before that were not acknowledged. */
        readonly retry_count: number;
        readonly max_retries: number;
        /** A JSON object. */
        readonly headers: unknown;
        readonly published_at_ms: number;
        /** Why it is a dead letter. */
        readonly reason: "max_retries" | "nacked" | "expired";
        readonly died_at_ms: number;
      }[];
      /** Null at the end. */
      readonly cursor: string | null;
      readonly has_more: boolean;
    };
  };
  /** Makes dead letters ready again, as if they had never been delivered, whatever the queue's max_depth. */
  "queue.dead.retry": {
    payload: {
      /** At most 255 bytes of UTF-8. Also accepted as `name`. */
      readonly queue: string;
      readonly message_ids?: readonly number[];
      /** All that are dead letters now; many become ready bit by bit. */
      readonly all?: boolean;
    };
    reply: {
      readonly retried: number;
      /** Those of message_ids that were left alone, and why. */
      readonly failed?: readonly {
        readonly message_id: number;
        readonly code: string;
      }[];
    };
  };
  /** Removes the dead letters of a queue. */
  "queue.dead.purge": {
    payload: {
      /** At most 255 bytes of UTF-8. Also accepted as `name`. */
      readonly queue: string;
    };
    reply: {
      readonly purged: number;
    };
  };
  /** Has the messages of a queue pushed to this WebSocket, a second time with another prefetch or ack_deadline. */
  "queue.subscribe": {
    payload: {
      /** At most 255 bytes of UTF-8. Also accepted as `name`. */
      readonly queue: string;
      /** The most messages that are pushed and not acknowledged. */
      readonly prefetch?: number;
      /** Seconds; else what the queue says. */
      readonly ack_deadline?: number;
    };
    reply: {
      readonly subscription_id: number;
    };
  };
  /** Ends a subscription of this connection; what it has not acknowledged is ready again. */
  "queue.unsubscribe": {
    payload: {
      /** At most 255 bytes of UTF-8. Also accepted as `name`. */
      readonly queue?: string;
      readonly subscription_id?: number;
    };
    reply: {
      /** False where there was no such subscription. */
      readonly success: boolean;
    };
  };
  /** Creates an event room; it must not exist. */
  "stream.create": {
    payload: {
      /** The room's name. At most 255 bytes of UTF-8. */
      readonly room: string;
      /** Events kept; older ones go. */
      readonly max_events?: number;
      /** Bytes of events kept, with about 16 for each beside its own. */
      readonly max_bytes?: number;
      /** Age at which an event goes; 0 for none. */
      readonly retention_secs?: number;
    };
    reply: {
      readonly success: boolean;
      /** At most 255 bytes of UTF-8. */
      readonly room: string;
    };
  };
  /** Makes sure that there is an event room; one that exists is left as it is. */
  "stream.get_or_create": {
    payload: {
      /** The room's name. At most 255 bytes of UTF-8. */
      readonly room: string;
      /** Events kept; older ones go. */
      readonly max_events?: number;
      /** Bytes of events kept, with about 16 for each beside its own. */
      readonly max_bytes?: number;
      /** Age at which an event goes; 0 for none. */
      readonly retention_secs?: number;
    };
    reply: {
      readonly success: boolean;
      /** At most 255 bytes of UTF-8. */
      readonly room: string;
      readonly created: boolean;
    };
  };
  /** Adds an event to a room, which is created if there is none. */
  "stream.publish": {
    payload: {
      /** At most 255 bytes of UTF-8. */
      readonly room: string;
      /** What kind of event it is. At most 255 bytes of UTF-8. Also accepted as `event_type`. */
      readonly event: string;
      /** Any JSON value. */
      readonly data: unknown;
      /** An object that readers get beside the data. */
      readonly metadata?: unknown;
      /** An event with the same id that is still in the room makes this one a duplicate. At most 255 bytes of UTF-8. */
      readonly dedup_id?: string;
    };
    reply: {
      /** The room's generation and the event's offset. */
      readonly event_id: string;
      readonly offset: number;
      /** At most 255 bytes of UTF-8. */
      readonly room: string;
      /** Subscriptions to the room, those that are behind included. */
      readonly subscribers_notified: number;
      /** An event with this dedup id was there: id and offset are its own. */
      readonly duplicate?: boolean;
    };
  };
  /** Adds several events to a room, all or none, with nothing between them. */
  "stream.publish_batch": {
    payload: {
      /** At most 255 bytes of UTF-8. */
      readonly room: string;
      readonly events: readonly {
        /** What kind of event it is. At most 255 bytes of UTF-8. Also accepted as `event_type`. */
        readonly event: string;
        /** Any JSON value. */
        readonly data: unknown;
        /** An object that readers get beside the data. */
        readonly metadata?: unknown;
        /** An event with the same id that is still in the room makes this one a duplicate. At most 255 bytes of UTF-8. */
        readonly dedup_id?: string;
      }[];
    };
    reply: {
      /** Of the list's first event. */
      readonly first_offset: number;
      /** Of the list's last event. */
      readonly last_offset: number;
      /** Events of the list that were there already, by their dedup ids; absent for none. */
      readonly duplicates?: number;
    };
  };
  /** Answers with events of a room in order, page by page, and with what is missing of those asked for. */
  "stream.consume": {
    payload: {
      /** At most 255 bytes of UTF-8. */
      readonly room: string;
      /** The first event wanted; negative counts from the end; absent for the oldest. */
      readonly from_offset?: number;
      /** Of the room that the offsets were learned from; of another one all that is there is read. */
      readonly generation?: number;
      /** The last event wanted. */
      readonly to_offset?: number;
      /** At most so many events. A page has no more than 2000, or about a megabyte. */
      readonly limit?: number;
      /** Fail where events that were asked for are gone. */
      readonly strict?: boolean;
    };
    reply: {
      readonly events: readonly {
        readonly id: string;
        readonly offset: number;
        /** At most 255 bytes of UTF-8. */
        readonly event: string;
        readonly data: unknown;
        readonly metadata?: unknown;
        /** Milliseconds since the epoch. */
        readonly timestamp: number;
      }[];
      /** Of the oldest event that is there; the next event's if there is none. */
      readonly oldest_offset: number;
      /** Of the last event ever published; -1 before the first. */
      readonly newest_offset: number;
      /** Where to read on: all before it is in the events or in the gap. */
      readonly next_offset: number;
      /** Another one means another room of the same name, with offsets of its own. */
      readonly generation: number;
      /** Offsets asked for whose events are gone. */
      readonly gap?: {
        readonly from_offset: number;
        /** Inclusive. */
        readonly to_offset: number;
        /** `recreated` where the offsets were those of another room of this name; the events are of the new one. */
        readonly reason: "retention" | "recreated";
      };
    };
  };
  /** The same as stream.consume. */
  "stream.history": {
    payload: {
      /** At most 255 bytes of UTF-8. */
      readonly room: string;
      /** The first event wanted; negative counts from the end; absent for the oldest. */
      readonly from_offset?: number;
      /** Of the room that the offsets were learned from; of another one all that is there is read. */
      readonly generation?: number;
      /** The last event wanted. */
      readonly to_offset?: number;
      /** At most so many events. A page has no more than 2000, or about a megabyte. */
      readonly limit?: number;
      /** Fail where events that were asked for are gone. */
      readonly strict?: boolean;
    };
    reply: {
      readonly events: readonly {
        readonly id: string;
        readonly offset: number;
        /** At most 255 bytes of UTF-8. */
        readonly event: string;
        readonly data: unknown;
        readonly metadata?: unknown;
        /** Milliseconds since the epoch. */
        readonly timestamp: number;
      }[];
      /** Of the oldest event that is there; the next event's if there is none. */
      readonly oldest_offset: number;
      /** Of the last event ever published; -1 before the first. */
      readonly newest_offset: number;
      /** Where to read on: all before it is in the events or in the gap. */
      readonly next_offset: number;
      /** Another one means another room of the same name, with offsets of its own. */
      readonly generation: number;
      /** Offsets asked for whose events are gone. */
      readonly gap?: {
        readonly from_offset: number;
        /** Inclusive. */
        readonly to_offset: number;
        /** `recreated` where the offsets were those of another room of this name; the events are of the new one. */
        readonly reason: "retention" | "recreated";
      };
    };
  };
  /** Has a room's events pushed to this connection: history from an offset on, if one is given, then new ones. */
  "stream.subscribe": {
    payload: {
      /** At most 255 bytes of UTF-8. */
      readonly room: string;
      /** The first event wanted; negative counts from the end; absent for new events only. */
      readonly from_offset?: number;
      /** The generation of the room that from_offset was learned from. */
      readonly generation?: number;
    };
    reply: {
      /** In every push of this subscription. */
      readonly subscription_id: number;
      /** Where it begins: with this event, or with the gap that it is in. */
      readonly from_offset: number;
      /** Of the room's last event; -1 before the first. */
      readonly newest_offset: number;
      readonly generation: number;
    };
  };
  /** Ends a subscription of this connection to a room. */
  "stream.unsubscribe": {
    payload: {
      /** The room, or in its place the subscription. At most 255 bytes of UTF-8. */
      readonly room?: string;
      readonly subscription_id?: number;
    };
    reply: {
      /** 1, or 0 if there was no such subscription. */
      readonly unsubscribed: number;
    };
  };
  /** Answers with the names of rooms in order, page by page. */
  "stream.list": {
    payload: {
      /** The cursor of the page before; absent for the first page. */
      readonly cursor?: string;
      /** At most so many names. */
      readonly limit?: number;
    };
    reply: {
      readonly rooms: readonly string[];
      /** Names in this page. */
      readonly count: number;
      /** Rooms in all, of those that the token permits. */
      readonly total: number;
      /** Null at the end. */
      readonly cursor: string | null;
      readonly has_more: boolean;
    };
  };
  /** Removes a room and its events; its subscribers wait for the next room of the name. */
  "stream.delete": {
    payload: {
      /** At most 255 bytes of UTF-8. */
      readonly room: string;
    };
    reply: {
      /** False where there was no such room. */
      readonly deleted: boolean;
    };
  };
  /** Tells how much is in a room, and who is subscribed to it. */
  "stream.stats": {
    payload: {
      /** At most 255 bytes of UTF-8. */
      readonly room: string;
    };
    reply: {
      /** At most 255 bytes of UTF-8. */
      readonly name: string;
      /** Events that can be read. */
      readonly message_count: number;
      /** Of the oldest of them; the next event's if there is none. */
      readonly min_offset: number;
      /** Of the last event ever published; -1 before the first. */
      readonly max_offset: number;
      readonly subscriber_count: number;
      readonly total_published: number;
      /** Events read or pushed on this node, one for each reader. */
      readonly total_consumed: number;
      /** What counts for max_bytes. */
      readonly bytes: number;
      /** Milliseconds since the epoch. */
      readonly created_at: number;
      /** Grows with every creation of a room of this name. */
      readonly generation: number;
    };
  };
  /** Pushes a message to every subscription that matches its topic, at most once, to those connected now. */
  "pubsub.publish": {
    payload: {
      /** Levels joined by '.', without wildcards. At most 255 bytes of UTF-8. */
      readonly topic?: string;
      /** In the place of `topic`: a channel of Redis clients, of any bytes. One that could be a topic is that topic. At most 1024 bytes of UTF-8. */
      readonly channel?: string;
      /** Any JSON value. Also accepted as `message`, `data`. */
      readonly payload: unknown;
      /** An object that comes with the message. Also accepted as `metadata`. */
      readonly headers?: unknown;
    };
    reply: {
      readonly message_id: string;
      /** At most 255 bytes of UTF-8. */
      readonly topic?: string;
      /** At most 1024 bytes of UTF-8. */
      readonly channel?: string;
      /** Subscriptions that match; a connection may have several. */
      readonly subscribers_matched: number;
    };
  };
  /** Has the messages of topics and patterns pushed to this connection; the same list again changes nothing. */
  "pubsub.subscribe": {
    payload: {
      readonly topics: readonly string[];
    };
    reply: {
      /** Different topics and patterns of the list. */
      readonly subscribed: number;
      /** In every push of this list; the same for all connections that have the same list. */
      readonly subscription_id: number;
    };
  };
  /** Ends subscriptions of this connection: to some topics and patterns, in whichever lists, or one whole list. */
  "pubsub.unsubscribe": {
    payload: {
      readonly topics?: readonly string[];
      /** The list to end, in the place of `topics`. */
      readonly subscription_id?: number;
    };
    reply: {
      /** How many of them this connection was subscribed to. */
      readonly unsubscribed: number;
      /** As it was given. */
      readonly subscription_id?: number;
    };
  };
  /** Lists the topics and patterns that have subscribers, page by page and in no order that means anything. */
  "pubsub.topics": {
    payload: {
      /** The cursor of the page before; absent for the first page. */
      readonly cursor?: string;
      readonly limit?: number;
    };
    reply: {
      readonly topics: readonly string[];
      /** How many there are, on all pages. */
      readonly count: number;
      /** Null at the end. */
      readonly cursor: string | null;
    };
  };
  /** Tells of one topic or pattern, exactly as it was subscribed to; zeros where nobody is. */
  "pubsub.info": {
    payload: {
      /** At most 255 bytes of UTF-8. */
      readonly topic: string;
    };
    reply: {
      /** At most 255 bytes of UTF-8. */
      readonly topic: string;
      /** Subscriptions to exactly this topic or pattern. */
      readonly subscriber_count: number;
      /** Messages that matched it since it has subscribers. */
      readonly message_count: number;
      /** Since when it has subscribers; null where it has none. */
      readonly created_at: number | null;
    };
  };
  /** Counts topics, subscriptions and messages. */
  "pubsub.stats": {
    payload: Readonly<Record<string, never>>;
    reply: {
      /** Topics and patterns that have subscribers. */
      readonly total_topics: number;
      /** Subscriptions, one for each topic or pattern of a connection's lists. */
      readonly total_subscribers: number;
      /** Those to a pattern with a wildcard. */
      readonly total_wildcard_subscriptions: number;
      /** Channels and patterns that Redis clients are subscribed to. */
      readonly total_channels: number;
      /** Those that are patterns. */
      readonly total_channel_patterns: number;
      /** Their subscriptions, one for each of a connection. */
      readonly total_channel_subscriptions: number;
      readonly messages_published: number;
      /** Copies pushed to subscribers. */
      readonly messages_delivered: number;
      /** Connections cut off because they did not read what was pushed. */
      readonly slow_consumers_dropped: number;
    };
  };
  /** Lists the channels and topics that have subscribers, without patterns. */
  "pubsub.channels": {
    payload: {
      /** Only those that match this glob. At most 255 bytes of UTF-8. */
      readonly pattern?: string;
    };
    reply: {
      readonly channels: readonly string[];
    };
  };
  /** Counts the subscribers of each of some channels or topics, without those of patterns that match. */
  "pubsub.numsub": {
    payload: {
      readonly channels: readonly string[];
    };
    reply: {
      readonly channels: readonly {
        /** At most 1024 bytes of UTF-8. */
        readonly channel: string;
        readonly subscribers: number;
      }[];
    };
  };
  /** Begins a transaction: write commands that carry this client_id are queued until transaction.exec. */
  "transaction.multi": {
    payload: {
      /** Chosen by the client; its write commands carry it too. At most 255 bytes of UTF-8. */
      readonly client_id: string;
    };
    reply: {
      readonly success: boolean;
    };
  };
  /** Runs what was queued as one record: a command that fails leaves nothing, the others commit. Nothing runs where a watched key has changed. */
  "transaction.exec": {
    payload: {
      /** Chosen by the client; its write commands carry it too. At most 255 bytes of UTF-8. */
      readonly client_id: string;
    };
    reply: {
      readonly success: boolean;
      /** One for each queued command, in order. */
      readonly results: readonly {
        readonly success: boolean;
        /** What the command answers with. */
        readonly payload?: unknown;
        readonly error?: string;
        readonly code?: "INVALID_REQUEST" | "UNSUPPORTED_MEDIA_TYPE" | "INVALID_COMMAND" | "INVALID_PAYLOAD" | "UNAUTHORIZED" | "FORBIDDEN" | "KEY_NOT_FOUND" | "QUEUE_NOT_FOUND" | "ROOM_NOT_FOUND" | "MESSAGE_NOT_FOUND" | "QUEUE_EXISTS" | "ROOM_EXISTS" | "WRONG_TYPE" | "NOT_AN_INTEGER" | "NOT_A_NUMBER" | "OVERFLOW" | "STALE_DELIVERY" | "OFFSET_TRIMMED" | "PAYLOAD_TOO_LARGE" | "RATE_LIMIT_EXCEEDED" | "READ_ONLY_REPLICA" | "INTERNAL_ERROR" | "SERVICE_UNAVAILABLE" | "QUEUE_FULL" | "MEMORY_LIMIT_EXCEEDED";
        readonly details?: Readonly<Record<string, unknown>>;
      }[];
    } | {
      /** True: nothing has happened. */
      readonly aborted: boolean;
      readonly message: string;
    };
  };
  /** Drops what was queued, and the watches. */
  "transaction.discard": {
    payload: {
      /** Chosen by the client; its write commands carry it too. At most 255 bytes of UTF-8. */
      readonly client_id: string;
    };
    reply: {
      readonly success: boolean;
    };
  };
  /** Has the next transaction of this client_id run only if these keys are then as they are now. */
  "transaction.watch": {
    payload: {
      /** Chosen by the client; its write commands carry it too. At most 255 bytes of UTF-8. */
      readonly client_id: string;
      readonly keys: readonly string[];
    };
    reply: {
      readonly success: boolean;
    };
  };
  /** Watches no key any more. */
  "transaction.unwatch": {
    payload: {
      /** Chosen by the client; its write commands carry it too. At most 255 bytes of UTF-8. */
      readonly client_id: string;
    };
    reply: {
      readonly success: boolean;
    };
  };
  /** Answers what this server is and how it does: server, memory, log, clients, keyspace. */
  "admin.info": {
    payload: Readonly<Record<string, never>>;
    reply: Readonly<Record<string, unknown>>;
  };
  /** Answers with the effective configuration, secrets redacted. */
  "admin.config": {
    payload: Readonly<Record<string, never>>;
    reply: Readonly<Record<string, unknown>>;
  };
  /** Changes a setting until the server stops. */
  "admin.config.set": {
    payload: {
      readonly key: "pubsub.notify_keyspace_events";
      readonly value: string;
    };
    reply: {
      readonly key: string;
      /** As it is now. */
      readonly value: string;
    };
  };
  /** Answers with the connections, oldest first. */
  "admin.clients": {
    payload: {
      readonly limit?: number;
    };
    reply: {
      readonly clients: readonly {
        readonly id: number;
        readonly protocol: string;
        readonly address: string;
        readonly connected_at: number;
        /** Commands received. */
        readonly commands: number;
        /** Replies that the client has not read. */
        readonly unread_bytes: number;
        /** The name of its token; empty where it has none. */
        readonly token: string;
      }[];
      /** All connections, listed or not. */
      readonly count: number;
    };
  };
  /** Begins a snapshot and answers at once; admin.info shows what becomes of it. */
  "admin.snapshot": {
    payload: Readonly<Record<string, never>>;
    reply: {
      /** False where one is under way already: it is the one whose offset is told. */
      readonly started: boolean;
      /** The snapshot holds everything up to this offset. */
      readonly offset: number;
    };
  };
  /** Makes this replica the master of a new epoch, which is on disk before the answer. */
  "admin.promote": {
    payload: Readonly<Record<string, never>>;
    reply: {
      readonly epoch: number;
      /** The last offset copied from the old master: everything up to it is here. */
      readonly offset: number;
    };
  };
  /** Waits until so many replicas have everything written so far on disk, and answers how many have. */
  "admin.wait": {
    payload: {
      readonly replicas: number;
      /** Then the answer says how many have it by then. 0 is a day. */
      readonly timeout_ms?: number;
    };
    reply: {
      /** May be fewer than were asked for, or more. */
      readonly replicas: number;
    };
  };
  /** Answers with the last commands that took longer than slowlog.threshold_ms, newest first. */
  "admin.slowlog.get": {
    payload: {
      readonly limit?: number;
    };
    reply: {
      readonly entries: readonly {
        readonly id: number;
        /** When it ran, in milliseconds since the epoch. */
        readonly timestamp: number;
        readonly duration_ms: number;
        readonly command: string;
        readonly client_id: number;
        readonly client_address: string;
      }[];
      /** Entries kept. */
      readonly length: number;
    };
  };
  /** Forgets the slow log. */
  "admin.slowlog.reset": {
    payload: Readonly<Record<string, never>>;
    reply: {
      readonly removed: number;
    };
  };
  /** Makes a token of this node and answers with it, this once: only its hash is kept. */
  "admin.tokens.create": {
    payload: {
      /** What the token is known by: letters, digits and . _ - */
      readonly name: string;
      /** What it may do, such as kv:write:session: or queue:read:* or admin:* */
      readonly allow: readonly string[];
      /** How long it is valid, such as 30d, 12h or 15m; absent for ever. */
      readonly expires?: string;
    };
    reply: {
      readonly name: string;
      /** Permissions, as subsystem:access:prefix. */
      readonly allow: readonly string[];
      /** Milliseconds since the epoch. */
      readonly created_at: number;
      /** Null for one that does not expire. */
      readonly expires_at: number | null;
      /** To be kept by whoever uses it: it cannot be shown again. */
      readonly token: string;
    };
  };
  /** Answers with the tokens of this node, without what they are recognised by. */
  "admin.tokens.list": {
    payload: Readonly<Record<string, never>>;
    reply: {
      readonly tokens: readonly {
        readonly name: string;
        /** Permissions, as subsystem:access:prefix. */
        readonly allow: readonly string[];
        /** Milliseconds since the epoch. */
        readonly created_at: number;
        /** Null for one that does not expire. */
        readonly expires_at: number | null;
      }[];
      readonly count: number;
    };
  };
  /** Ends a token of this node; connections that have logged in with it are closed. */
  "admin.tokens.revoke": {
    payload: {
      readonly name: string;
    };
    reply: {
      readonly revoked: boolean;
      readonly name: string;
    };
  };
  /** Answers with every command: its name, access, summary and the JSON Schema of its payload. */
  "admin.commands": {
    payload: Readonly<Record<string, never>>;
    reply: {
      readonly commands: readonly {
        readonly name: string;
        readonly access: string;
        readonly atomic: boolean;
        readonly summary: string;
        /** A JSON Schema. */
        readonly arguments: Readonly<Record<string, unknown>>;
      }[];
      readonly count: number;
    };
  };
  /** Gives this connection the permissions of a token, in the place of those it had (WebSocket). */
  "auth": {
    payload: {
      readonly token: string;
    };
    reply: {
      readonly success: boolean;
      /** The token's; empty where nobody has to log in. */
      readonly name: string;
      /** Permissions, as subsystem:access:prefix. */
      readonly allow: readonly string[];
      /** Milliseconds since the epoch; null for one that does not expire. */
      readonly expires_at: number | null;
    };
  };
}

/** The name of a command. */
export type CommandName = keyof CommandMap;

/** What a command may do, as the registry declares it. */
export type Access = "read" | "write" | "admin";

/** Access of each command. */
export const COMMANDS: Readonly<Record<CommandName, Access>> = {
  "kv.set": "write",
  "kv.get": "read",
  "kv.del": "write",
  "kv.exists": "read",
  "kv.incr": "write",
  "kv.decr": "write",
  "kv.incrbyfloat": "write",
  "kv.mset": "write",
  "kv.msetnx": "write",
  "kv.mget": "read",
  "kv.mdel": "write",
  "kv.cas": "write",
  "kv.getset": "write",
  "kv.getdel": "write",
  "kv.getex": "write",
  "kv.getrange": "read",
  "kv.append": "write",
  "kv.setrange": "write",
  "kv.strlen": "read",
  "kv.touch": "read",
  "kv.expire": "write",
  "kv.ttl": "read",
  "kv.expiretime": "read",
  "kv.time": "read",
  "kv.persist": "write",
  "kv.scan": "read",
  "kv.keys": "read",
  "kv.dbsize": "read",
  "kv.flushdb": "write",
  "kv.flushall": "write",
  "kv.stats": "read",
  "kv.watch": "read",
  "kv.unwatch": "read",
  "key.type": "read",
  "key.exists": "read",
  "key.rename": "write",
  "key.renamenx": "write",
  "key.copy": "write",
  "key.randomkey": "read",
  "key.object": "read",
  "queue.create": "write",
  "queue.publish": "write",
  "queue.publish_batch": "write",
  "queue.consume": "write",
  "queue.ack": "write",
  "queue.nack": "write",
  "queue.extend": "write",
  "queue.peek": "read",
  "queue.stats": "read",
  "queue.list": "read",
  "queue.purge": "write",
  "queue.delete": "write",
  "queue.dead.list": "read",
  "queue.dead.retry": "write",
  "queue.dead.purge": "write",
  "queue.subscribe": "write",
  "queue.unsubscribe": "write",
  "stream.create": "write",
  "stream.get_or_create": "write",
  "stream.publish": "write",
  "stream.publish_batch": "write",
  "stream.consume": "read",
  "stream.history": "read",
  "stream.subscribe": "read",
  "stream.unsubscribe": "read",
  "stream.list": "read",
  "stream.delete": "write",
  "stream.stats": "read",
  "pubsub.publish": "write",
  "pubsub.subscribe": "read",
  "pubsub.unsubscribe": "read",
  "pubsub.topics": "read",
  "pubsub.info": "read",
  "pubsub.stats": "read",
  "pubsub.channels": "read",
  "pubsub.numsub": "read",
  "transaction.multi": "write",
  "transaction.exec": "write",
  "transaction.discard": "write",
  "transaction.watch": "read",
  "transaction.unwatch": "read",
  "admin.info": "read",
  "admin.config": "read",
  "admin.config.set": "admin",
  "admin.clients": "read",
  "admin.snapshot": "admin",
  "admin.promote": "admin",
  "admin.wait": "admin",
  "admin.slowlog.get": "read",
  "admin.slowlog.reset": "admin",
  "admin.tokens.create": "admin",
  "admin.tokens.list": "admin",
  "admin.tokens.revoke": "admin",
  "admin.commands": "read",
  "auth": "read",
};
