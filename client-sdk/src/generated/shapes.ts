// Generated from the server's registry by `npm run generate -w client-sdk`. Do not edit.

/** What `kv.set` takes beside what it needs. */
export interface KvSetOptions {
  /** Seconds to live; 0 is for ever. */
  readonly ttl?: number;
  /** Milliseconds to live. */
  readonly ttlMs?: number;
  /** The instant it expires; one that has passed is at once. */
  readonly atMs?: number;
  /** Only if the key does not exist. */
  readonly nx?: boolean;
  /** Only if the key exists. */
  readonly xx?: boolean;
  /** Keep the expiry that the key has. */
  readonly keepTtl?: boolean;
  /** Only if the key has this version; 0 is that of a missing key. */
  readonly ifVersion?: number;
  /** Answer with the value before, in `previous`. */
  readonly get?: boolean;
}

/** What `kv.set` answers. */
export interface KvSetReply {
  readonly success: boolean;
  /** At most 65535 bytes of UTF-8. */
  readonly key?: string;
  /** The key's new version. */
  readonly version?: number;
  /** Why not. */
  readonly reason?: "exists" | "missing" | "version";
  readonly previous?: unknown;
}

/** What `kv.get` takes beside what it needs. */
export interface KvGetOptions {
  /** Answer with an object that tells more. */
  readonly meta?: boolean;
}

/** What `kv.del` takes beside what it needs. */
export interface KvDelOptions {
  /** The key; the answer is whether it was there. At most 65535 bytes of UTF-8. */
  readonly key?: string;
  /** The keys; the answer is a count. */
  readonly keys?: readonly string[];
}

/** What `kv.del` answers. */
export interface KvDelReply {
  readonly deleted: boolean | number;
}

/** What `kv.exists` takes beside what it needs. */
export interface KvExistsOptions {
  /** The key; the answer is whether it is there. At most 65535 bytes of UTF-8. */
  readonly key?: string;
  /** The keys; the answer is a count, in which one named twice counts twice. */
  readonly keys?: readonly string[];
}

/** What `kv.exists` answers. */
export interface KvExistsReply {
  readonly exists: boolean | number;
}

/** What `kv.incr` takes beside what it needs. */
export interface KvIncrOptions {
  /** By how much. */
  readonly amount?: number | bigint;
  /** Refuse to go below; the value stays as it is. */
  readonly min?: number | bigint;
  /** Refuse to go above; the value stays as it is. */
  readonly max?: number | bigint;
  /** Seconds to live, only when this creates the key. */
  readonly ttl?: number;
}

/** What `kv.incr` answers. */
export interface KvIncrReply {
  readonly value: number | bigint;
  readonly limited?: boolean;
}

/** What `kv.decr` takes beside what it needs. */
export interface KvDecrOptions {
  /** By how much. */
  readonly amount?: number | bigint;
  /** Refuse to go below; the value stays as it is. */
  readonly min?: number | bigint;
  /** Refuse to go above; the value stays as it is. */
  readonly max?: number | bigint;
  /** Seconds to live, only when this creates the key. */
  readonly ttl?: number;
}

/** What `kv.decr` answers. */
export interface KvDecrReply {
  readonly value: number | bigint;
  readonly limited?: boolean;
}

/** What `kv.incrbyfloat` answers. */
export interface KvIncrbyfloatReply {
  readonly value: unknown;
}

/** What `kv.mset` takes beside what it needs. */
export interface KvMsetOptions {
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
}

/** What `kv.mset` answers. */
export interface KvMsetReply {
  readonly success: boolean;
  readonly count: number;
}

/** What `kv.msetnx` takes beside what it needs. */
export interface KvMsetnxOptions {
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
}

/** What `kv.msetnx` answers. */
export interface KvMsetnxReply {
  readonly success: boolean;
  readonly count: number;
}

/** What `kv.mget` answers. */
export interface KvMgetReply {
  readonly values: readonly unknown[];
}

/** What `kv.mdel` answers. */
export interface KvMdelReply {
  readonly deleted: number;
}

/** What `kv.cas` takes beside what it needs. */
export interface KvCasOptions {
  /** The value that must be there; null expects no key. */
  readonly expect?: unknown;
  /** The version it must have; 0 expects no key. */
  readonly version?: number;
}

/** What `kv.cas` answers. */
export interface KvCasReply {
  readonly success: boolean;
  /** The key's version now. */
  readonly version: number;
  /** The value found instead. */
  readonly current?: unknown;
}

/** What `kv.getex` takes beside what it needs. */
export interface KvGetexOptions {
  /** Seconds from now. */
  readonly ttl?: number;
  /** Milliseconds from now. */
  readonly ttlMs?: number;
  /** The instant, in milliseconds since the epoch; one that has passed removes the key. */
  readonly atMs?: number;
  /** Take the expiry away. */
  readonly persist?: boolean;
}

/** What `kv.append` answers. */
export interface KvAppendReply {
  readonly length: number;
}

/** What `kv.setrange` answers. */
export interface KvSetrangeReply {
  readonly length: number;
}

/** What `kv.strlen` answers. */
export interface KvStrlenReply {
  readonly length: number;
}

/** What `kv.touch` answers. */
export interface KvTouchReply {
  readonly touched: number;
}

/** What `kv.expire` takes beside what it needs. */
export interface KvExpireOptions {
  /** Seconds from now. */
  readonly ttl?: number;
  /** Milliseconds from now. */
  readonly ttlMs?: number;
  /** The instant, in milliseconds since the epoch. */
  readonly atMs?: number;
  /** Only if the key does not expire. */
  readonly nx?: boolean;
  /** Only if it does. */
  readonly xx?: boolean;
  /** Only if it expires later then than now; without expiry it never does. */
  readonly gt?: boolean;
  /** Only if it expires earlier then than now, or does not expire. */
  readonly lt?: boolean;
}

/** What `kv.expire` answers. */
export interface KvExpireReply {
  readonly result: boolean;
}

/** What `kv.ttl` answers. */
export interface KvTtlReply {
  readonly ttl: number | null;
  readonly ttlMs: number | null;
}

/** What `kv.expiretime` answers. */
export interface KvExpiretimeReply {
  readonly atMs: number | null;
}

/** What `kv.time` answers. */
export interface KvTimeReply {
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
}

/** What `kv.persist` answers. */
export interface KvPersistReply {
  readonly result: boolean;
}

/** What `kv.scan` takes beside what it needs. */
export interface KvScanOptions {
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
  readonly integerCursor?: number;
}

/** What `kv.scan` answers. */
export interface KvScanReply {
  readonly keys: readonly string[];
  /** One for each key. */
  readonly values?: readonly unknown[];
  /** Null at the end. */
  readonly cursor: string | null;
  /** Where that was asked for: 0 at the end. This node remembers some thousands of them, the last used. */
  readonly integerCursor?: number;
  readonly hasMore: boolean;
  readonly count: number;
}

/** What `kv.keys` answers. */
export interface KvKeysReply {
  readonly keys: readonly string[];
}

/** What `kv.dbsize` answers. */
export interface KvDbsizeReply {
  readonly size: number;
}

/** What `kv.flushdb` answers. */
export interface KvFlushdbReply {
  /** Keys removed. */
  readonly flushed: number;
}

/** What `kv.flushall` answers. */
export interface KvFlushallReply {
  /** Keys removed. */
  readonly flushed: number;
}

/** What `kv.stats` answers. */
export interface KvStatsReply {
  readonly totalKeys: number;
  /** Bytes of keys, values and their index. */
  readonly totalMemoryBytes: number;
  readonly operations: {
    readonly gets: number;
    readonly sets: number;
    readonly dels: number;
    readonly hits: number;
    readonly misses: number;
  };
  /** hits / (hits + misses), 0 before the first read. */
  readonly hitRate: number;
  readonly expired: number;
  readonly evicted: number;
}

/** What `kv.watch` takes beside what it needs. */
export interface KvWatchOptions {
  /** A glob, as in kv.scan; without a wildcard it is one key. Keys of over 1,024 bytes are found by prefixes alone. At most 255 bytes of UTF-8. */
  readonly pattern?: string;
  /** Keys that begin with this, in the place of `pattern`. At most 255 bytes of UTF-8. */
  readonly prefix?: string;
  /** `notify` says what happened and leaves the value out. */
  readonly mode?: "value" | "notify";
}

/** What `kv.watch` answers. */
export interface KvWatchReply {
  /** In every push of this watch; the same for all who watch the same. */
  readonly subscriptionId: number;
}

/** What `kv.unwatch` takes beside what it needs. */
export interface KvUnwatchOptions {
  /** The watch, in the place of what it watches. */
  readonly subscriptionId?: number;
  /** A glob, as in kv.scan; without a wildcard it is one key. Keys of over 1,024 bytes are found by prefixes alone. At most 255 bytes of UTF-8. */
  readonly pattern?: string;
  /** Keys that begin with this, in the place of `pattern`. At most 255 bytes of UTF-8. */
  readonly prefix?: string;
  /** Absent for the watches of either mode. */
  readonly mode?: "value" | "notify";
}

/** What `kv.unwatch` answers. */
export interface KvUnwatchReply {
  /** How many watches ended. */
  readonly unwatched: number;
}

/** What `key.type` answers. */
export interface KeyTypeReply {
  /** At most 65535 bytes of UTF-8. */
  readonly key: string;
  readonly type: "text" | "bytes" | "integer" | "json" | "none";
}

/** What `key.exists` answers. */
export interface KeyExistsReply {
  /** At most 65535 bytes of UTF-8. */
  readonly key: string;
  readonly exists: boolean;
}

/** What `key.rename` answers. */
export interface KeyRenameReply {
  readonly success: boolean;
  /** At most 65535 bytes of UTF-8. */
  readonly source: string;
  /** At most 65535 bytes of UTF-8. */
  readonly destination: string;
}

/** What `key.renamenx` answers. */
export interface KeyRenamenxReply {
  readonly success: boolean;
  /** At most 65535 bytes of UTF-8. */
  readonly source: string;
  /** At most 65535 bytes of UTF-8. */
  readonly destination: string;
}

/** What `key.copy` takes beside what it needs. */
export interface KeyCopyOptions {
  /** Write over a destination that exists. */
  readonly replace?: boolean;
  /** A source that is not there is no error: the answer is `success: false`. */
  readonly ifExists?: boolean;
}

/** What `key.copy` answers. */
export interface KeyCopyReply {
  readonly success: boolean;
  /** At most 65535 bytes of UTF-8. */
  readonly source: string;
  /** At most 65535 bytes of UTF-8. */
  readonly destination: string;
}

/** What `key.randomkey` answers. */
export interface KeyRandomkeyReply {
  readonly key: string | null;
}

/** What `key.object` answers. */
export interface KeyObjectReply {
  readonly type: "text" | "bytes" | "integer" | "json";
  /** How Redis would keep the value. */
  readonly encoding: "int" | "embstr" | "raw";
  /** Length of the value. */
  readonly bytes: number;
  /** What key and value take in the store; 0 while a batch has only planned them. */
  readonly memoryBytes: number;
  /** Since the last access; null unless the eviction policy is lru. */
  readonly idleMs: number | null;
  /** Logarithmic count of accesses, 0 to 255; null unless the eviction policy is lfu. */
  readonly frequency: number | null;
}

/** What `queue.create` takes beside what it needs. */
export interface QueueCreateOptions {
  /** What is left out has the server's default. */
  readonly config?: {
    /** Ready and delayed messages; 0: any. */
    readonly maxDepth?: number;
    /** Of their content; 0: any. */
    readonly maxBytes?: number;
    readonly ackDeadlineSecs?: number;
    readonly defaultMaxRetries?: number;
    readonly defaultPriority?: number;
    /** 0 is for ever. */
    readonly messageTtlSecs?: number;
    readonly retryBackoffMs?: {
      /** Before the first retry. */
      readonly initial?: number;
      /** Each wait is so many times the one before: 1 to 1000, also a fraction. */
      readonly factor?: unknown;
      readonly max?: number;
    };
    readonly deadLetter?: {
      /** Else messages that die are dropped. */
      readonly enabled?: boolean;
      /** Past it the oldest go; 0: any. */
      readonly maxDepth?: number;
    };
    /** How long a dedup_id is remembered; 0: not at all. */
    readonly dedupWindowSecs?: number;
  };
}

/** What `queue.create` answers. */
export interface QueueCreateReply {
  readonly success: boolean;
  /** At most 255 bytes of UTF-8. */
  readonly queue: string;
  readonly created: boolean;
}

/** What `queue.publish` takes beside what it needs. */
export interface QueuePublishOptions {
  /** 9 goes first. */
  readonly priority?: number;
  /** Deliveries after the first. */
  readonly maxRetries?: number;
  /** A JSON object. */
  readonly headers?: unknown;
  /** Seconds until it expires undelivered; 0: never. */
  readonly ttl?: number;
  /** Until it may be delivered. */
  readonly delayMs?: number;
  /** When it may be delivered, in ms since the epoch. */
  readonly atMs?: number;
  /** The same one within the queue's window is published once; up to 255 bytes. At most 255 bytes of UTF-8. */
  readonly dedupId?: string;
}

/** What `queue.publish` answers. */
export interface QueuePublishReply {
  /** That of the first message, where this one is a duplicate. */
  readonly messageId: number;
  /** Ready messages of its priority or above, which go before it; 0 for a duplicate. */
  readonly position: number;
  /** Its dedup_id was published already: nothing has happened. */
  readonly duplicate?: boolean;
}

/** What `queue.publish_batch` answers. */
export interface QueuePublishBatchReply {
  /** In the order of the messages; of a duplicate, that of the first. */
  readonly messageIds: readonly number[];
}

/** What `queue.consume` takes beside what it needs. */
export interface QueueConsumeOptions {
  /** At most so many, in `messages`; fewer where they are large. */
  readonly count?: number;
  /** How long to wait where there is none. */
  readonly waitMs?: number;
  /** As wait_ms, in seconds. */
  readonly timeout?: number;
  /** Seconds; else what the queue says. */
  readonly ackDeadline?: number;
}

/** What `queue.ack` takes beside what it needs. */
export interface QueueAckOptions {
  readonly messageId?: number;
  readonly messageIds?: readonly number[];
  /** Refused with STALE_DELIVERY if this is not the current delivery of the message. */
  readonly deliveryId?: number;
}

/** What `queue.ack` answers. */
export interface QueueAckReply {
  readonly success: boolean;
  readonly acked: number;
  /** Those of message_ids that were left alone, and why. */
  readonly failed?: readonly {
    readonly messageId: number;
    readonly code: string;
  }[];
}

/** What `queue.nack` takes beside what it needs. */
export interface QueueNackOptions {
  /** Refused with STALE_DELIVERY if this is not the current delivery of the message. */
  readonly deliveryId?: number;
  /** False lets it die at once. */
  readonly requeue?: boolean;
  /** Until the retry; else the queue's backoff. */
  readonly delayMs?: number;
}

/** What `queue.nack` answers. */
export interface QueueNackReply {
  readonly success: boolean;
  /** Dropped where the queue keeps no dead letters. */
  readonly action: "requeued" | "dead_lettered" | "dropped";
}

/** What `queue.extend` takes beside what it needs. */
export interface QueueExtendOptions {
  /** Refused with STALE_DELIVERY if this is not the current delivery of the message. */
  readonly deliveryId?: number;
}

/** What `queue.extend` answers. */
export interface QueueExtendReply {
  readonly deadlineAtMs: number;
}

/** What `queue.peek` takes beside what it needs. */
export interface QueuePeekOptions {
  /** Fewer where they are large. */
  readonly count?: number;
}

/** What `queue.peek` answers. */
export interface QueuePeekReply {
  readonly messages: readonly {
    /** Ids grow in publish order. */
    readonly id: number;
    readonly payload: unknown;
    readonly priority: number;
    /** Deliveries before that were not acknowledged. */
    readonly retryCount: number;
    readonly maxRetries: number;
    /** A JSON object. */
    readonly headers: unknown;
    readonly publishedAtMs: number;
  }[];
}

/** What `queue.stats` answers. */
export interface QueueStatsReply {
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
  readonly timedOut: number;
  /** Deliveries given back since their connection closed. */
  readonly released: number;
  readonly deadLettered: number;
  /** Rejected or expired where no dead letters are kept, and dead letters past their limit. */
  readonly dropped: number;
  readonly expired: number;
  /** Remembered now. */
  readonly dedupIds: number;
  /** Since the publishing of the oldest that is not dead; 0 for none. */
  readonly oldestMessageAgeSecs: number;
  /** From when a message was ready to its delivery, over all deliveries. */
  readonly avgWaitMs: number;
}

/** What `queue.list` takes beside what it needs. */
export interface QueueListOptions {
  /** The cursor of the page before; absent for the first page. */
  readonly cursor?: string;
  /** At most so many queues. */
  readonly limit?: number;
}

/** What `queue.list` answers. */
export interface QueueListReply {
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
  readonly hasMore: boolean;
}

/** What `queue.purge` answers. */
export interface QueuePurgeReply {
  readonly purged: number;
}

/** What `queue.delete` answers. */
export interface QueueDeleteReply {
  /** False where there was no such queue. */
  readonly deleted: boolean;
}

/** What `queue.dead.list` takes beside what it needs. */
export interface QueueDeadListOptions {
  /** Fewer where they are large. */
  readonly limit?: number;
  /** The cursor of the page before; absent for the first page. */
  readonly cursor?: string;
}

/** What `queue.dead.list` answers. */
export interface QueueDeadListReply {
  readonly messages: readonly {
    /** Ids grow in publish order. */
    readonly id: number;
    readonly payload: unknown;
    readonly priority: number;
    /** Deliveries before that were not acknowledged. */
    readonly retryCount: number;
    readonly maxRetries: number;
    /** A JSON object. */
    readonly headers: unknown;
    readonly publishedAtMs: number;
    /** Why it is a dead letter. */
    readonly reason: "max_retries" | "nacked" | "expired";
    readonly diedAtMs: number;
  }[];
  /** Null at the end. */
  readonly cursor: string | null;
  readonly hasMore: boolean;
}

/** What `queue.dead.retry` takes beside what it needs. */
export interface QueueDeadRetryOptions {
  readonly messageIds?: readonly number[];
  /** All that are dead letters now; many become ready bit by bit. */
  readonly all?: boolean;
}

/** What `queue.dead.retry` answers. */
export interface QueueDeadRetryReply {
  readonly retried: number;
  /** Those of message_ids that were left alone, and why. */
  readonly failed?: readonly {
    readonly messageId: number;
    readonly code: string;
  }[];
}

/** What `queue.dead.purge` answers. */
export interface QueueDeadPurgeReply {
  readonly purged: number;
}

/** What `queue.subscribe` takes beside what it needs. */
export interface QueueSubscribeOptions {
  /** The most messages that are pushed and not acknowledged. */
  readonly prefetch?: number;
  /** Seconds; else what the queue says. */
  readonly ackDeadline?: number;
}

/** What `queue.subscribe` answers. */
export interface QueueSubscribeReply {
  readonly subscriptionId: number;
}

/** What `queue.unsubscribe` takes beside what it needs. */
export interface QueueUnsubscribeOptions {
  /** At most 255 bytes of UTF-8. Also accepted as `name`. */
  readonly queue?: string;
  readonly subscriptionId?: number;
}

/** What `queue.unsubscribe` answers. */
export interface QueueUnsubscribeReply {
  /** False where there was no such subscription. */
  readonly success: boolean;
}

/** What `stream.create` takes beside what it needs. */
export interface StreamCreateOptions {
  /** Events kept; older ones go. */
  readonly maxEvents?: number;
  /** Bytes of events kept, with about 16 for each beside its own. */
  readonly maxBytes?: number;
  /** Age at which an event goes; 0 for none. */
  readonly retentionSecs?: number;
}

/** What `stream.create` answers. */
export interface StreamCreateReply {
  readonly success: boolean;
  /** At most 255 bytes of UTF-8. */
  readonly room: string;
}

/** What `stream.get_or_create` takes beside what it needs. */
export interface StreamGetOrCreateOptions {
  /** Events kept; older ones go. */
  readonly maxEvents?: number;
  /** Bytes of events kept, with about 16 for each beside its own. */
  readonly maxBytes?: number;
  /** Age at which an event goes; 0 for none. */
  readonly retentionSecs?: number;
}

/** What `stream.get_or_create` answers. */
export interface StreamGetOrCreateReply {
  readonly success: boolean;
  /** At most 255 bytes of UTF-8. */
  readonly room: string;
  readonly created: boolean;
}

/** What `stream.publish` takes beside what it needs. */
export interface StreamPublishOptions {
  /** An object that readers get beside the data. */
  readonly metadata?: unknown;
  /** An event with the same id that is still in the room makes this one a duplicate. At most 255 bytes of UTF-8. */
  readonly dedupId?: string;
}

/** What `stream.publish` answers. */
export interface StreamPublishReply {
  /** The room's generation and the event's offset. */
  readonly eventId: string;
  readonly offset: number;
  /** At most 255 bytes of UTF-8. */
  readonly room: string;
  /** Subscriptions to the room, those that are behind included. */
  readonly subscribersNotified: number;
  /** An event with this dedup id was there: id and offset are its own. */
  readonly duplicate?: boolean;
}

/** What `stream.publish_batch` answers. */
export interface StreamPublishBatchReply {
  /** Of the list's first event. */
  readonly firstOffset: number;
  /** Of the list's last event. */
  readonly lastOffset: number;
  /** Events of the list that were there already, by their dedup ids; absent for none. */
  readonly duplicates?: number;
}

/** What `stream.consume` takes beside what it needs. */
export interface StreamConsumeOptions {
  /** The first event wanted; negative counts from the end; absent for the oldest. */
  readonly fromOffset?: number;
  /** Of the room that the offsets were learned from; of another one all that is there is read. */
  readonly generation?: number;
  /** The last event wanted. */
  readonly toOffset?: number;
  /** At most so many events. A page has no more than 2000, or about a megabyte. */
  readonly limit?: number;
  /** Fail where events that were asked for are gone. */
  readonly strict?: boolean;
}

/** What `stream.consume` answers. */
export interface StreamConsumeReply {
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
  readonly oldestOffset: number;
  /** Of the last event ever published; -1 before the first. */
  readonly newestOffset: number;
  /** Where to read on: all before it is in the events or in the gap. */
  readonly nextOffset: number;
  /** Another one means another room of the same name, with offsets of its own. */
  readonly generation: number;
  /** Offsets asked for whose events are gone. */
  readonly gap?: {
    readonly fromOffset: number;
    /** Inclusive. */
    readonly toOffset: number;
    /** `recreated` where the offsets were those of another room of this name; the events are of the new one. */
    readonly reason: "retention" | "recreated";
  };
}

/** What `stream.history` takes beside what it needs. */
export interface StreamHistoryOptions {
  /** The first event wanted; negative counts from the end; absent for the oldest. */
  readonly fromOffset?: number;
  /** Of the room that the offsets were learned from; of another one all that is there is read. */
  readonly generation?: number;
  /** The last event wanted. */
  readonly toOffset?: number;
  /** At most so many events. A page has no more than 2000, or about a megabyte. */
  readonly limit?: number;
  /** Fail where events that were asked for are gone. */
  readonly strict?: boolean;
}

/** What `stream.history` answers. */
export interface StreamHistoryReply {
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
  readonly oldestOffset: number;
  /** Of the last event ever published; -1 before the first. */
  readonly newestOffset: number;
  /** Where to read on: all before it is in the events or in the gap. */
  readonly nextOffset: number;
  /** Another one means another room of the same name, with offsets of its own. */
  readonly generation: number;
  /** Offsets asked for whose events are gone. */
  readonly gap?: {
    readonly fromOffset: number;
    /** Inclusive. */
    readonly toOffset: number;
    /** `recreated` where the offsets were those of another room of this name; the events are of the new one. */
    readonly reason: "retention" | "recreated";
  };
}

/** What `stream.subscribe` takes beside what it needs. */
export interface StreamSubscribeOptions {
  /** The first event wanted; negative counts from the end; absent for new events only. */
  readonly fromOffset?: number;
  /** The generation of the room that from_offset was learned from. */
  readonly generation?: number;
}

/** What `stream.subscribe` answers. */
export interface StreamSubscribeReply {
  /** In every push of this subscription. */
  readonly subscriptionId: number;
  /** Where it begins: with this event, or with the gap that it is in. */
  readonly fromOffset: number;
  /** Of the room's last event; -1 before the first. */
  readonly newestOffset: number;
  readonly generation: number;
}

/** What `stream.unsubscribe` takes beside what it needs. */
export interface StreamUnsubscribeOptions {
  /** The room, or in its place the subscription. At most 255 bytes of UTF-8. */
  readonly room?: string;
  readonly subscriptionId?: number;
}

/** What `stream.unsubscribe` answers. */
export interface StreamUnsubscribeReply {
  /** 1, or 0 if there was no such subscription. */
  readonly unsubscribed: number;
}

/** What `stream.list` takes beside what it needs. */
export interface StreamListOptions {
  /** The cursor of the page before; absent for the first page. */
  readonly cursor?: string;
  /** At most so many names. */
  readonly limit?: number;
}

/** What `stream.list` answers. */
export interface StreamListReply {
  readonly rooms: readonly string[];
  /** Names in this page. */
  readonly count: number;
  /** Rooms in all, of those that the token permits. */
  readonly total: number;
  /** Null at the end. */
  readonly cursor: string | null;
  readonly hasMore: boolean;
}

/** What `stream.delete` answers. */
export interface StreamDeleteReply {
  /** False where there was no such room. */
  readonly deleted: boolean;
}

/** What `stream.stats` answers. */
export interface StreamStatsReply {
  /** At most 255 bytes of UTF-8. */
  readonly name: string;
  /** Events that can be read. */
  readonly messageCount: number;
  /** Of the oldest of them; the next event's if there is none. */
  readonly minOffset: number;
  /** Of the last event ever published; -1 before the first. */
  readonly maxOffset: number;
  readonly subscriberCount: number;
  readonly totalPublished: number;
  /** Events read or pushed on this node, one for each reader. */
  readonly totalConsumed: number;
  /** What counts for max_bytes. */
  readonly bytes: number;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Grows with every creation of a room of this name. */
  readonly generation: number;
}

/** What `pubsub.publish` takes beside what it needs. */
export interface PubsubPublishOptions {
  /** Levels joined by '.', without wildcards. At most 255 bytes of UTF-8. */
  readonly topic?: string;
  /** In the place of `topic`: a channel of Redis clients, of any bytes. One that could be a topic is that topic. At most 1024 bytes of UTF-8. */
  readonly channel?: string;
  /** An object that comes with the message. Also accepted as `metadata`. */
  readonly headers?: unknown;
}

/** What `pubsub.publish` answers. */
export interface PubsubPublishReply {
  readonly messageId: string;
  /** At most 255 bytes of UTF-8. */
  readonly topic?: string;
  /** At most 1024 bytes of UTF-8. */
  readonly channel?: string;
  /** Subscriptions that match; a connection may have several. */
  readonly subscribersMatched: number;
}

/** What `pubsub.subscribe` answers. */
export interface PubsubSubscribeReply {
  /** Different topics and patterns of the list. */
  readonly subscribed: number;
  /** In every push of this list; the same for all connections that have the same list. */
  readonly subscriptionId: number;
}

/** What `pubsub.unsubscribe` takes beside what it needs. */
export interface PubsubUnsubscribeOptions {
  readonly topics?: readonly string[];
  /** The list to end, in the place of `topics`. */
  readonly subscriptionId?: number;
}

/** What `pubsub.unsubscribe` answers. */
export interface PubsubUnsubscribeReply {
  /** How many of them this connection was subscribed to. */
  readonly unsubscribed: number;
  /** As it was given. */
  readonly subscriptionId?: number;
}

/** What `pubsub.topics` takes beside what it needs. */
export interface PubsubTopicsOptions {
  /** The cursor of the page before; absent for the first page. */
  readonly cursor?: string;
  readonly limit?: number;
}

/** What `pubsub.topics` answers. */
export interface PubsubTopicsReply {
  readonly topics: readonly string[];
  /** How many there are, on all pages. */
  readonly count: number;
  /** Null at the end. */
  readonly cursor: string | null;
}

/** What `pubsub.info` answers. */
export interface PubsubInfoReply {
  /** At most 255 bytes of UTF-8. */
  readonly topic: string;
  /** Subscriptions to exactly this topic or pattern. */
  readonly subscriberCount: number;
  /** Messages that matched it since it has subscribers. */
  readonly messageCount: number;
  /** Since when it has subscribers; null where it has none. */
  readonly createdAt: number | null;
}

/** What `pubsub.stats` answers. */
export interface PubsubStatsReply {
  /** Topics and patterns that have subscribers. */
  readonly totalTopics: number;
  /** Subscriptions, one for each topic or pattern of a connection's lists. */
  readonly totalSubscribers: number;
  /** Those to a pattern with a wildcard. */
  readonly totalWildcardSubscriptions: number;
  /** Channels and patterns that Redis clients are subscribed to. */
  readonly totalChannels: number;
  /** Those that are patterns. */
  readonly totalChannelPatterns: number;
  /** Their subscriptions, one for each of a connection. */
  readonly totalChannelSubscriptions: number;
  readonly messagesPublished: number;
  /** Copies pushed to subscribers. */
  readonly messagesDelivered: number;
  /** Connections cut off because they did not read what was pushed. */
  readonly slowConsumersDropped: number;
}

/** What `pubsub.channels` takes beside what it needs. */
export interface PubsubChannelsOptions {
  /** Only those that match this glob. At most 255 bytes of UTF-8. */
  readonly pattern?: string;
}

/** What `pubsub.channels` answers. */
export interface PubsubChannelsReply {
  readonly channels: readonly string[];
}

/** What `pubsub.numsub` answers. */
export interface PubsubNumsubReply {
  readonly channels: readonly {
    /** At most 1024 bytes of UTF-8. */
    readonly channel: string;
    readonly subscribers: number;
  }[];
}

/** What `transaction.multi` answers. */
export interface TransactionMultiReply {
  readonly success: boolean;
}

/** What `transaction.discard` answers. */
export interface TransactionDiscardReply {
  readonly success: boolean;
}

/** What `transaction.watch` answers. */
export interface TransactionWatchReply {
  readonly success: boolean;
}

/** What `transaction.unwatch` answers. */
export interface TransactionUnwatchReply {
  readonly success: boolean;
}

/** What `admin.config.set` answers. */
export interface AdminConfigSetReply {
  readonly key: string;
  /** As it is now. */
  readonly value: string;
}

/** What `admin.clients` takes beside what it needs. */
export interface AdminClientsOptions {
  readonly limit?: number;
}

/** What `admin.clients` answers. */
export interface AdminClientsReply {
  readonly clients: readonly {
    readonly id: number;
    readonly protocol: string;
    readonly address: string;
    readonly connectedAt: number;
    /** Commands received. */
    readonly commands: number;
    /** Replies that the client has not read. */
    readonly unreadBytes: number;
    /** The name of its token; empty where it has none. */
    readonly token: string;
  }[];
  /** All connections, listed or not. */
  readonly count: number;
}

/** What `admin.snapshot` answers. */
export interface AdminSnapshotReply {
  /** False where one is under way already: it is the one whose offset is told. */
  readonly started: boolean;
  /** The snapshot holds everything up to this offset. */
  readonly offset: number;
}

/** What `admin.promote` answers. */
export interface AdminPromoteReply {
  readonly epoch: number;
  /** The last offset copied from the old master: everything up to it is here. */
  readonly offset: number;
}

/** What `admin.wait` takes beside what it needs. */
export interface AdminWaitOptions {
  /** Then the answer says how many have it by then. 0 is a day. */
  readonly timeoutMs?: number;
}

/** What `admin.wait` answers. */
export interface AdminWaitReply {
  /** May be fewer than were asked for, or more. */
  readonly replicas: number;
}

/** What `admin.slowlog.get` takes beside what it needs. */
export interface AdminSlowlogGetOptions {
  readonly limit?: number;
}

/** What `admin.slowlog.get` answers. */
export interface AdminSlowlogGetReply {
  readonly entries: readonly {
    readonly id: number;
    /** When it ran, in milliseconds since the epoch. */
    readonly timestamp: number;
    readonly durationMs: number;
    readonly command: string;
    readonly clientId: number;
    readonly clientAddress: string;
  }[];
  /** Entries kept. */
  readonly length: number;
}

/** What `admin.slowlog.reset` answers. */
export interface AdminSlowlogResetReply {
  readonly removed: number;
}

/** What `admin.tokens.create` takes beside what it needs. */
export interface AdminTokensCreateOptions {
  /** How long it is valid, such as 30d, 12h or 15m; absent for ever. */
  readonly expires?: string;
}

/** What `admin.tokens.create` answers. */
export interface AdminTokensCreateReply {
  readonly name: string;
  /** Permissions, as subsystem:access:prefix. */
  readonly allow: readonly string[];
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Null for one that does not expire. */
  readonly expiresAt: number | null;
  /** To be kept by whoever uses it: it cannot be shown again. */
  readonly token: string;
}

/** What `admin.tokens.list` answers. */
export interface AdminTokensListReply {
  readonly tokens: readonly {
    readonly name: string;
    /** Permissions, as subsystem:access:prefix. */
    readonly allow: readonly string[];
    /** Milliseconds since the epoch. */
    readonly createdAt: number;
    /** Null for one that does not expire. */
    readonly expiresAt: number | null;
  }[];
  readonly count: number;
}

/** What `admin.tokens.revoke` answers. */
export interface AdminTokensRevokeReply {
  readonly revoked: boolean;
  readonly name: string;
}

/** What `admin.commands` answers. */
export interface AdminCommandsReply {
  readonly commands: readonly {
    readonly name: string;
    readonly access: string;
    readonly atomic: boolean;
    readonly summary: string;
    /** A JSON Schema. */
    readonly arguments: Readonly<Record<string, unknown>>;
  }[];
  readonly count: number;
}

/** What `auth` answers. */
export interface AuthReply {
  readonly success: boolean;
  /** The token's; empty where nobody has to log in. */
  readonly name: string;
  /** Permissions, as subsystem:access:prefix. */
  readonly allow: readonly string[];
  /** Milliseconds since the epoch; null for one that does not expire. */
  readonly expiresAt: number | null;
}
