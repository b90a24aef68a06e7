/** kv.watch: what is pushed about keys, and what is refused. Pushes are for WebSockets alone. */
import {
  atomic,
  batch,
  type Case,
  earlierField,
  failure,
  overHttpOnly,
  overWebSocketOnly,
  pushed,
  type Reply,
  refusedBatch,
  run,
  type Step,
  someInteger,
} from "../case.ts";
import { VALUE_TABLE } from "./values.ts";

/** The limit of the suite's server. */
const GLOBS_MAX = 2;
const WATCH = { subscription_id: someInteger };
const invalid = (path: string) => failure("INVALID_PAYLOAD", { path });

const set = (key: string, value: unknown): Step =>
  run("kv.set", { key, value }, { success: true, key, version: someInteger });

/** A push for the watch that step `from` made. */
function change(earlier: readonly Reply[], from: number, key: string | null, event: string, more: Reply = {}): Reply {
  const subscription_id = earlierField(earlier, from, "subscription_id");
  return { type: "watch", subscription_id, key, event, version: someInteger, ...more };
}

export const keyWatches: readonly Case[] = [
  {
    name: "a watch tells what becomes of a key",
    skip: overWebSocketOnly,
    steps: [
      run("kv.watch", { pattern: "k" }, WATCH),
      set("k", { a: 1 }),
      pushed((_, earlier) => [
        change(earlier, 0, "k", "set", { value: { a: 1 }, version: earlierField(earlier, 1, "version") }),
      ]),
      set("k2", 1),
      run("kv.expire", { key: "k", ttl: 100 }, { result: true }),
      run("kv.getset", { key: "k", value: "abc" }, { a: 1 }),
      run("kv.append", { key: "k", value: "d" }, { length: 4 }),
      run("kv.setrange", { key: "k", offset: 0, value: "A" }, { length: 4 }),
      run("kv.del", { key: "k" }, { deleted: true }),
      pushed((_, earlier) => [
        change(earlier, 0, "k", "expire"),
        change(earlier, 0, "k", "set", { value: "abc" }),
        change(earlier, 0, "k", "set", { value: "abcd" }),
        change(earlier, 0, "k", "set", { value: "Abcd" }),
        change(earlier, 0, "k", "del"),
      ]),
      run("kv.unwatch", { pattern: "k" }, { unwatched: 1 }),
      set("k", 1),
      run("kv.unwatch", { pattern: "k" }, { unwatched: 0 }),
      pushed([]),
    ],
  },
  {
    name: "a watch carries any value",
    skip: overWebSocketOnly,
    steps: [
      run("kv.watch", { prefix: "v" }, WATCH),
      ...VALUE_TABLE.flatMap(([, value]): Step[] => [
        set("v", value),
        pushed((_, earlier) => [change(earlier, 0, "v", "set", { value })]),
      ]),
      run("kv.unwatch", { prefix: "v" }, { unwatched: 1 }),
    ],
  },
  {
    name: "a watch tells of a key that expires by itself",
    skip: overWebSocketOnly,
    steps: [
      run("kv.watch", { prefix: "e:", mode: "notify" }, WATCH),
      run("kv.set", { key: "e:1", value: 1, ttl_ms: 1 }, { success: true, key: "e:1", version: someInteger }),
      pushed((_, earlier) => [change(earlier, 0, "e:1", "set"), change(earlier, 0, "e:1", "expired")]),
      run("kv.unwatch", { prefix: "e:", mode: "value" }, { unwatched: 0 }),
      run("kv.unwatch", { prefix: "e:", mode: "notify" }, { unwatched: 1 }),
    ],
  },
  {
    name: "patterns, prefixes and whole keys are watched",
    skip: overWebSocketOnly,
    steps: [
      run("kv.watch", { pattern: "a?c" }, WATCH),
      set("abc", 1),
      set("abd", 1),
      pushed((_, earlier) => [change(earlier, 0, "abc", "set", { value: 1 })]),
      run("kv.unwatch", { pattern: "a?c" }, { unwatched: 1 }),
      run("kv.watch", { prefix: "a?" }, WATCH),
      set("abc", 2),
      set("a?c", 2),
      pushed((_, earlier) => [change(earlier, 5, "a?c", "set", { value: 2 })]),
      run("kv.unwatch", { prefix: "a?" }, { unwatched: 1 }),
      run("kv.watch", { prefix: "" }, WATCH),
      set("žluť", 3),
      pushed((_, earlier) => [change(earlier, 10, "žluť", "set", { value: 3 })]),
      {
        command: "kv.unwatch",
        payload: (earlier) => ({ subscription_id: earlierField(earlier, 10, "subscription_id") }),
        expected: { success: true, payload: { unwatched: 1 } },
      },
    ],
  },
  {
    name: "a watch tells of every key of a batch, and of a flush once",
    skip: overWebSocketOnly,
    steps: [
      run("kv.watch", { pattern: "*" }, WATCH),
      run(
        "kv.mset",
        {
          pairs: [
            { key: "a", value: 1 },
            { key: "b", value: 2 },
          ],
        },
        { success: true, count: 2 },
      ),
      atomic(
        [
          ["kv.incr", { key: "a" }],
          ["kv.del", { key: "b" }],
        ],
        [{ value: 2 }, { deleted: true }],
      ),
      refusedBatch(
        [
          ["kv.del", { key: "a" }],
          ["kv.incr", { key: "a", amount: "x" }],
        ],
        failure("INVALID_PAYLOAD", { index: 1 }),
        { atomic: true },
      ),
      run("kv.flushall", {}, { flushed: someInteger }),
      pushed((_, earlier) => [
        change(earlier, 0, "a", "set", { value: 1 }),
        change(earlier, 0, "b", "set", { value: 2 }),
        change(earlier, 0, "a", "set", { value: 2 }),
        change(earlier, 0, "b", "del"),
        change(earlier, 0, null, "flush"),
      ]),
      run("kv.unwatch", { pattern: "*" }, { unwatched: 1 }),
    ],
  },
  {
    name: "the same watch again is the same, and the other mode another",
    skip: overWebSocketOnly,
    steps: [
      run("kv.watch", { pattern: "k" }, WATCH),
      {
        command: "kv.watch",
        payload: { pattern: "k", mode: "value" },
        expected: (_, earlier) => ({
          success: true,
          payload: { subscription_id: earlierField(earlier, 0, "subscription_id") },
        }),
      },
      run("kv.watch", { pattern: "k", mode: "notify" }, WATCH),
      set("k", 1),
      pushed((_, earlier) => [change(earlier, 0, "k", "set", { value: 1 }), change(earlier, 2, "k", "set")]),
      run("kv.unwatch", { pattern: "k" }, { unwatched: 2 }),
    ],
  },
  {
    name: "watching needs something to push to",
    skip: overHttpOnly,
    steps: [
      run("kv.watch", { pattern: "k" }, failure("INVALID_REQUEST")),
      run("kv.unwatch", { pattern: "k" }, failure("INVALID_REQUEST")),
    ],
  },
  {
    name: "a watch that cannot be is refused",
    skip: overWebSocketOnly,
    steps: [
      run("kv.watch", {}, invalid("pattern")),
      run("kv.watch", { pattern: "a", prefix: "a" }, invalid("pattern")),
      run("kv.watch", { pattern: "" }, invalid("pattern")),
      run("kv.watch", { pattern: "x".repeat(256) }, failure("PAYLOAD_TOO_LARGE", { path: "pattern" })),
      run("kv.watch", { prefix: "x".repeat(256) }, failure("PAYLOAD_TOO_LARGE", { path: "prefix" })),
      run("kv.watch", { pattern: "a", mode: "all" }, invalid("mode")),
      run("kv.watch", { key: "a" }, invalid("key")),
      run("kv.unwatch", {}, invalid("pattern")),
      run("kv.unwatch", { subscription_id: 1, pattern: "a" }, invalid("subscription_id")),
      run("kv.unwatch", { subscription_id: 0 }, { unwatched: 0 }),
    ],
  },
  {
    name: "globs end at their limit, other watches do not",
    skip: overWebSocketOnly,
    steps: [
      run("kv.watch", { pattern: "a?" }, WATCH),
      run("kv.watch", { pattern: "b?" }, WATCH),
      run("kv.watch", { pattern: "c?" }, failure("SERVICE_UNAVAILABLE", { globs_max: GLOBS_MAX })),
      run("kv.watch", { pattern: "c*" }, WATCH),
      run("kv.unwatch", { pattern: "a?" }, { unwatched: 1 }),
      run("kv.watch", { pattern: "c?" }, WATCH),
      ...["b?", "c?", "c*"].map((pattern) => run("kv.unwatch", { pattern }, { unwatched: 1 })),
    ],
  },
  {
    name: "watches are begun and ended in a batch, but not in an atomic one",
    skip: overWebSocketOnly,
    steps: [
      batch(
        [
          ["kv.watch", { pattern: "k" }],
          ["kv.set", { key: "k", value: 1 }],
          ["kv.unwatch", { pattern: "k" }],
          ["kv.set", { key: "k", value: 2 }],
        ],
        [
          WATCH,
          { success: true, key: "k", version: someInteger },
          { unwatched: 1 },
          { success: true, key: "k", version: someInteger },
        ],
      ),
      pushed([{ ...change([{ payload: {} }], 0, "k", "set", { value: 1 }), subscription_id: someInteger }]),
      refusedBatch([["kv.watch", { pattern: "k" }]], failure("INVALID_REQUEST", { index: 0 }), { atomic: true }),
    ],
  },
];
