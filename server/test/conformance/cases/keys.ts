/** Setting, reading, removing, expiring and renaming whole keys. */
import { expect } from "vitest";
import { type Case, failure, type Reply, run, type Step, someInteger } from "../case.ts";

const stored = (key: string) => ({ success: true, key, version: someInteger });
const set = (key: string, value: unknown, more: Record<string, unknown> = {}): Step =>
  run("kv.set", { key, value, ...more }, stored(key));

/** The version in the payload of an earlier reply. */
function versionIn(reply: Reply): number {
  const { payload } = reply;
  if (typeof payload === "object" && payload !== null && "version" in payload) return Number(payload.version);
  throw new Error("the reply has no version");
}

/** A whole number of seconds or milliseconds not over `most`, and over zero. */
const upTo = (most: number): number =>
  expect.toSatisfy((value: unknown) => Number.isInteger(value) && Number(value) > 0 && Number(value) <= most) as number;

const HOUR_MS = 3_600_000;

export const keys: readonly Case[] = [
  {
    name: "kv.set, kv.get, kv.exists, kv.del",
    steps: [
      run("kv.get", { key: "a" }, null),
      run(
        "kv.get",
        { key: "a", meta: true },
        { found: false, value: null, ttl_ms: null, version: 0, type: null, bytes: 0 },
      ),
      run("kv.exists", { key: "a" }, { exists: false }),
      run("key.exists", { key: "a" }, { key: "a", exists: false }),
      run("key.type", { key: "a" }, { key: "a", type: "none" }),
      set("a", 1),
      set("a", "two"),
      run("kv.get", { key: "a" }, "two"),
      run("kv.get", { key: "a", meta: false }, "two"),
      run("kv.exists", { key: "a" }, { exists: true }),
      run("kv.del", { key: "a" }, { deleted: true }),
      run("kv.del", { key: "a" }, { deleted: false }),
      run("kv.get", { key: "a" }, null),
    ],
  },
  {
    name: "kv.set nx and xx",
    steps: [
      run("kv.set", { key: "a", value: 1, xx: true }, { success: false, reason: "missing" }),
      set("a", 1, { nx: true }),
      run("kv.set", { key: "a", value: 2, nx: true }, { success: false, reason: "exists" }),
      run("kv.get", { key: "a" }, 1),
      set("a", 3, { xx: true, nx: false }),
      run("kv.set", { key: "a", value: 1, nx: true, xx: true }, failure("INVALID_PAYLOAD", { path: "xx" })),
      run("kv.get", { key: "a" }, 3),
    ],
  },
  {
    name: "kv.set with get answers with what was there, also where the condition is not met",
    steps: [
      run("kv.set", { key: "a", value: 1, get: true }, { ...stored("a"), previous: null }),
      run("kv.set", { key: "a", value: { b: 2 }, get: true }, { ...stored("a"), previous: 1 }),
      run(
        "kv.set",
        { key: "a", value: 3, get: true, nx: true },
        { success: false, reason: "exists", previous: { b: 2 } },
      ),
      run("kv.set", { key: "b", value: 3, get: true, xx: true }, { success: false, reason: "missing", previous: null }),
    ],
  },
  {
    name: "kv.set if_version writes only over the version that was seen",
    steps: [
      set("a", 1, { if_version: 0 }),
      run("kv.set", { key: "a", value: 2, if_version: 0 }, { success: false, reason: "version" }),
      run("kv.set", (earlier) => ({ key: "a", value: 3, if_version: versionIn(earlier[0]) }), stored("a")),
      run("kv.set", (earlier) => ({ key: "a", value: 4, if_version: versionIn(earlier[0]) }), {
        success: false,
        reason: "version",
      }),
      run("kv.get", { key: "a" }, 3),
      run("kv.del", { key: "a" }, { deleted: true }),
      set("a", 5),
      run("kv.set", (earlier) => ({ key: "a", value: 6, if_version: versionIn(earlier[2]) }), {
        success: false,
        reason: "version",
      }),
      run("kv.set", { key: "a", value: 6, if_version: -1 }, failure("INVALID_PAYLOAD", { path: "if_version" })),
    ],
  },
  {
    name: "versions grow with every write of the key, over deletes and flushes",
    steps: [
      set("a", 1),
      run("kv.expire", { key: "a", ttl: 100 }, { result: true }),
      {
        command: "kv.get",
        payload: { key: "a", meta: true },
        expected: (_, earlier) => {
          const grown = expect.toSatisfy((version: unknown) => Number(version) > versionIn(earlier[0]));
          return { success: true, payload: expect.objectContaining({ version: grown }) };
        },
      },
      run("kv.flushall", {}, { flushed: 1 }),
      {
        command: "kv.set",
        payload: { key: "a", value: 1 },
        expected: (_, earlier) => {
          const grown = expect.toSatisfy((version: unknown) => Number(version) > versionIn(earlier[2]));
          return { success: true, payload: { success: true, key: "a", version: grown } };
        },
      },
    ],
  },
  {
    name: "kv.set with a time to live in both units, and without",
    steps: [
      set("s", 1, { ttl: 100 }),
      run("kv.ttl", { key: "s" }, { ttl: upTo(100), ttl_ms: upTo(100_000) }),
      set("m", 1, { ttl_ms: 90_500 }),
      run("kv.ttl", { key: "m" }, { ttl: upTo(91), ttl_ms: upTo(90_500) }),
      set("m", 2, { keep_ttl: true }),
      run("kv.ttl", { key: "m" }, { ttl: upTo(91), ttl_ms: upTo(90_500) }),
      set("m", 3),
      run("kv.ttl", { key: "m" }, { ttl: null, ttl_ms: null }),
      set("z", 1, { ttl: 0 }),
      run("kv.ttl", { key: "z" }, { ttl: null, ttl_ms: null }),
      set("new", 1, { keep_ttl: true }),
      run("kv.ttl", { key: "new" }, { ttl: null, ttl_ms: null }),
      run("kv.ttl", { key: "none" }, { ttl: -2, ttl_ms: -2 }),
      run(
        "kv.get",
        { key: "s", meta: true },
        { found: true, value: 1, ttl_ms: upTo(100_000), version: someInteger, type: "integer", bytes: 1 },
      ),
    ],
  },
  {
    name: "times to live that contradict each other or make no sense are refused",
    steps: [
      run("kv.set", { key: "a", value: 1, ttl: 1, ttl_ms: 1 }, failure("INVALID_PAYLOAD", { path: "ttl_ms" })),
      run("kv.set", { key: "a", value: 1, ttl: 1, keep_ttl: true }, failure("INVALID_PAYLOAD", { path: "keep_ttl" })),
      run("kv.set", { key: "a", value: 1, ttl: -1 }, failure("INVALID_PAYLOAD", { path: "ttl" })),
      run("kv.set", { key: "a", value: 1, ttl: 0.5 }, failure("INVALID_PAYLOAD", { path: "ttl" })),
      run("kv.set", { key: "a", value: 1, ttl: "10" }, failure("INVALID_PAYLOAD", { path: "ttl" })),
      run("kv.set", { key: "a", value: 1, ttl: Number.MAX_SAFE_INTEGER }, failure("INVALID_PAYLOAD", { path: "ttl" })),
      run("kv.set", { key: "a", value: 1, ttl_ms: 2n ** 63n - 1n }, failure("INVALID_PAYLOAD", { path: "ttl_ms" })),
      run("kv.exists", { key: "a" }, { exists: false }),
    ],
  },
  {
    name: "kv.expire and kv.persist",
    steps: [
      run("kv.expire", { key: "none", ttl: 10 }, { result: false }),
      run("kv.persist", { key: "none" }, { result: false }),
      set("a", 1),
      run("kv.persist", { key: "a" }, { result: false }),
      run("kv.expire", { key: "a", ttl: 10 }, { result: true }),
      run("kv.ttl", { key: "a" }, { ttl: upTo(10), ttl_ms: upTo(10_000) }),
      run("kv.expire", { key: "a", ttl_ms: 5_000 }, { result: true }),
      run("kv.ttl", { key: "a" }, { ttl: upTo(5), ttl_ms: upTo(5_000) }),
      run("kv.expire", () => ({ key: "a", at_ms: Date.now() + HOUR_MS }), { result: true }),
      run("kv.ttl", { key: "a" }, { ttl: upTo(3_601), ttl_ms: upTo(HOUR_MS + 1_000) }),
      run("kv.get", { key: "a" }, 1),
      run("kv.persist", { key: "a" }, { result: true }),
      run("kv.ttl", { key: "a" }, { ttl: null, ttl_ms: null }),
      run("kv.expire", { key: "a" }, failure("INVALID_PAYLOAD", { path: "ttl" })),
      run("kv.expire", { key: "a", ttl: 1, at_ms: 1 }, failure("INVALID_PAYLOAD", { path: "ttl" })),
      run("kv.expire", { key: "a", at_ms: 2 ** 47 + 1 }, failure("INVALID_PAYLOAD", { path: "at_ms" })),
    ],
  },
  {
    name: "kv.getdel reads and removes",
    steps: [
      run("kv.getdel", { key: "a" }, null),
      set("a", "value"),
      run("kv.getdel", { key: "a" }, "value"),
      run("kv.getdel", { key: "a" }, null),
      run("kv.dbsize", {}, { size: 0 }),
    ],
  },
  {
    name: "kv.exists and kv.touch count keys, each as often as it is named",
    steps: [
      set("a", 1),
      set("b", 2),
      run("kv.exists", { keys: ["a", "b", "none", "a"] }, { exists: 3 }),
      run("kv.exists", { keys: ["none"] }, { exists: 0 }),
      run("kv.exists", {}, failure("INVALID_PAYLOAD", { path: "key" })),
      run("kv.exists", { key: "a", keys: ["a"] }, failure("INVALID_PAYLOAD", { path: "key" })),
      run("kv.touch", { keys: ["a", "b", "none", "a"] }, { touched: 3 }),
      run("kv.touch", { keys: [] }, failure("INVALID_PAYLOAD", { path: "keys" })),
    ],
  },
  {
    name: "key.object tells how a key is kept",
    steps: [
      run("key.object", { key: "none" }, null),
      ...(
        [
          [7, "integer", "int", 1],
          ["-12", "text", "int", 3],
          ["012", "text", "embstr", 3],
          ["x".repeat(44), "text", "embstr", 44],
          [new Uint8Array(45).fill(0xff), "bytes", "raw", 45],
          [1.5, "json", "embstr", 3],
        ] as const
      ).flatMap(([value, type, encoding, bytes]) => [
        set("a", value),
        run(
          "key.object",
          { key: "a" },
          { type, encoding, bytes, memory_bytes: someInteger, idle_ms: null, frequency: null },
        ),
      ]),
    ],
  },
  {
    name: "key.copy with if_exists takes a missing source for an answer",
    steps: [
      run("key.copy", { source: "none", destination: "b" }, failure("KEY_NOT_FOUND", { path: "source" })),
      run(
        "key.copy",
        { source: "none", destination: "b", if_exists: true },
        { success: false, source: "none", destination: "b" },
      ),
    ],
  },
  {
    name: "an instant that has passed removes the key at once",
    steps: [
      ...[{ at_ms: 1 }, { at_ms: 0 }, { ttl: 0 }, { ttl_ms: 0 }].flatMap((when): Step[] => [
        set("a", 1),
        run("kv.expire", { key: "a", ...when }, { result: true }),
        run("kv.get", { key: "a" }, null),
        run("kv.expire", { key: "a", ...when }, { result: false }),
      ]),
      run("kv.dbsize", {}, { size: 0 }),
    ],
  },
  {
    name: "a key is gone when its time is over, and its removal is counted",
    steps: [
      set("a", 1, { ttl_ms: 1 }),
      { ...run("kv.get", { key: "a" }, null), eventually: true },
      { ...run("kv.dbsize", {}, { size: 0 }), eventually: true },
    ],
  },
  {
    name: "kv.del of several, and kv.mdel",
    steps: [
      run("kv.mset", { pairs: ["a", "b", "c", "d"].map((key) => ({ key, value: key })) }, { success: true, count: 4 }),
      run("kv.del", { keys: ["a", "none", "b", "a"] }, { deleted: 2 }),
      run("kv.mdel", { keys: ["c", "c", "d", "none"] }, { deleted: 2 }),
      run("kv.mdel", { keys: ["c"] }, { deleted: 0 }),
      run("kv.del", {}, failure("INVALID_PAYLOAD", { path: "key" })),
      run("kv.del", { key: "a", keys: ["a"] }, failure("INVALID_PAYLOAD", { path: "key" })),
      run("kv.del", { keys: [] }, failure("INVALID_PAYLOAD", { path: "keys" })),
      run("kv.mdel", { keys: "a" }, failure("INVALID_PAYLOAD", { path: "keys" })),
      run("kv.mdel", {}, failure("INVALID_PAYLOAD", { path: "keys" })),
      run("kv.mdel", { keys: Array(500).fill("k") }, { deleted: 0 }),
      run("kv.mdel", { keys: Array(501).fill("k") }, failure("INVALID_PAYLOAD", { path: "keys" })),
    ],
  },
  {
    name: "kv.mset and kv.mget; of a key named twice the last value counts",
    steps: [
      run(
        "kv.mset",
        {
          pairs: [
            { key: "a", value: 1 },
            { key: "b", value: "x", ttl: 50 },
            { key: "a", value: 2 },
          ],
        },
        { success: true, count: 3 },
      ),
      run("kv.mget", { keys: ["b", "a", "none", "a"] }, { values: ["x", 2, null, 2] }),
      run("kv.ttl", { key: "b" }, { ttl: upTo(50), ttl_ms: upTo(50_000) }),
      run("kv.mset", { key: "c", value: [1], ttl: 9 }, { success: true, count: 1 }),
      run("kv.get", { key: "c" }, [1]),
      run("kv.ttl", { key: "c" }, { ttl: upTo(9), ttl_ms: upTo(9_000) }),
      run("kv.mset", {}, failure("INVALID_PAYLOAD", { path: "pairs" })),
      run("kv.mset", { key: "c" }, failure("INVALID_PAYLOAD", { path: "pairs" })),
      run("kv.mset", { pairs: [] }, failure("INVALID_PAYLOAD", { path: "pairs" })),
      run(
        "kv.mset",
        { pairs: [{ key: "a", value: 1 }], key: "b", value: 2 },
        failure("INVALID_PAYLOAD", { path: "pairs" }),
      ),
      run(
        "kv.mset",
        { pairs: [{ key: "a", value: 9 }, { key: "b" }] },
        failure("INVALID_PAYLOAD", { path: "pairs[1].value" }),
      ),
      run(
        "kv.mset",
        {
          pairs: [
            { key: "a", value: 9 },
            { key: "b", value: 9, tll: 1 },
          ],
        },
        failure("INVALID_PAYLOAD", { path: "pairs[1].tll", did_you_mean: "ttl" }),
      ),
      run("kv.mset", { pairs: [{ key: "a", value: 9 }, 7] }, failure("INVALID_PAYLOAD", { path: "pairs[1]" })),
      run(
        "kv.mset",
        {
          pairs: [
            { key: "a", value: 9 },
            { key: "", value: 1 },
          ],
        },
        failure("INVALID_PAYLOAD", { path: "pairs[1].key" }),
      ),
      run("kv.get", { key: "a" }, 2),
      run("kv.mget", { keys: [] }, failure("INVALID_PAYLOAD", { path: "keys" })),
    ],
  },
  {
    name: "kv.msetnx stores all or none",
    steps: [
      run(
        "kv.msetnx",
        {
          pairs: [
            { key: "a", value: 1 },
            { key: "b", value: 2 },
          ],
        },
        { success: true, count: 2 },
      ),
      run(
        "kv.msetnx",
        {
          pairs: [
            { key: "c", value: 1 },
            { key: "b", value: 9 },
          ],
        },
        { success: false, count: 0 },
      ),
      run("kv.mget", { keys: ["a", "b", "c"] }, { values: [1, 2, null] }),
      run(
        "kv.msetnx",
        {
          pairs: [
            { key: "d", value: 1 },
            { key: "d", value: 2 },
          ],
        },
        { success: true, count: 2 },
      ),
      run("kv.get", { key: "d" }, 2),
      run("kv.msetnx", { key: "e", value: 5 }, { success: true, count: 1 }),
      run("kv.msetnx", { key: "e", value: 6 }, { success: false, count: 0 }),
    ],
  },
  {
    name: "kv.cas by the value expected; null expects no key",
    steps: [
      run("kv.cas", { key: "a", value: 1, expect: 0 }, { success: false, version: 0, current: null }),
      run("kv.cas", { key: "a", value: 1, expect: null }, { success: true, version: someInteger }),
      run("kv.cas", { key: "a", value: 2, expect: null }, { success: false, version: someInteger, current: 1 }),
      run("kv.cas", { key: "a", value: 2, expect: "1" }, { success: false, version: someInteger, current: 1 }),
      run("kv.cas", { key: "a", value: { x: [1, "two words"] }, expect: 1 }, { success: true, version: someInteger }),
      run(
        "kv.cas",
        { key: "a", value: 3, expect: { x: [1, "two  words"] } },
        { success: false, version: someInteger, current: { x: [1, "two words"] } },
      ),
      run(
        "kv.cas",
        { key: "a", value: "text", expect: { x: [1, "two words"] } },
        { success: true, version: someInteger },
      ),
      run("kv.cas", { key: "a", value: 4, expect: "text" }, { success: true, version: someInteger }),
      run("kv.get", { key: "a" }, 4),
      run("kv.cas", { key: "a", value: 1 }, failure("INVALID_PAYLOAD", { path: "expect" })),
      run("kv.cas", { key: "a", value: 1, expect: 4, version: 1 }, failure("INVALID_PAYLOAD", { path: "expect" })),
    ],
  },
  {
    name: "kv.cas by the version expected; 0 expects no key; the expiry is kept",
    steps: [
      run("kv.cas", { key: "a", value: 1, version: 1 }, { success: false, version: 0, current: null }),
      run("kv.cas", { key: "a", value: 1, version: 0 }, { success: true, version: someInteger }),
      run("kv.cas", (earlier) => ({ key: "a", value: 2, version: versionIn(earlier[1]) }), {
        success: true,
        version: someInteger,
      }),
      run("kv.cas", (earlier) => ({ key: "a", value: 3, version: versionIn(earlier[1]) }), {
        success: false,
        version: someInteger,
        current: 2,
      }),
      set("a", 5, { ttl: 100 }),
      run("kv.cas", (earlier) => ({ key: "a", value: 6, version: versionIn(earlier[4]) }), {
        success: true,
        version: someInteger,
      }),
      run("kv.ttl", { key: "a" }, { ttl: upTo(100), ttl_ms: upTo(100_000) }),
    ],
  },
  {
    name: "key.rename and key.renamenx move value and expiry",
    steps: [
      set("a", { x: 1 }, { ttl: 100 }),
      run("key.rename", { source: "a", destination: "b" }, { success: true, source: "a", destination: "b" }),
      run("kv.mget", { keys: ["a", "b"] }, { values: [null, { x: 1 }] }),
      run("kv.ttl", { key: "b" }, { ttl: upTo(100), ttl_ms: upTo(100_000) }),
      set("c", "over"),
      run("key.renamenx", { source: "b", destination: "c" }, { success: false, source: "b", destination: "c" }),
      run("key.rename", { source: "c", destination: "b" }, { success: true, source: "c", destination: "b" }),
      run("kv.ttl", { key: "b" }, { ttl: null, ttl_ms: null }),
      run("key.renamenx", { source: "b", destination: "d" }, { success: true, source: "b", destination: "d" }),
      run("kv.scan", {}, { keys: ["d"], cursor: null, has_more: false, count: 1 }),
      run("key.rename", { source: "d", destination: "d" }, { success: true, source: "d", destination: "d" }),
      run("key.renamenx", { source: "d", destination: "d" }, { success: false, source: "d", destination: "d" }),
      run("kv.get", { key: "d" }, "over"),
      run("key.rename", { source: "none", destination: "x" }, failure("KEY_NOT_FOUND", { path: "source" })),
      run("key.renamenx", { source: "none", destination: "d" }, failure("KEY_NOT_FOUND", { path: "source" })),
      run("key.rename", { source: "d" }, failure("INVALID_PAYLOAD", { path: "destination" })),
    ],
  },
  {
    name: "key.copy copies value and expiry, over a key only with replace, and never onto itself",
    steps: [
      set("a", 1, { ttl: 100 }),
      set("b", 2),
      run("key.copy", { source: "a", destination: "b" }, { success: false, source: "a", destination: "b" }),
      run("kv.get", { key: "b" }, 2),
      run(
        "key.copy",
        { source: "a", destination: "b", replace: true },
        { success: true, source: "a", destination: "b" },
      ),
      run("kv.mget", { keys: ["a", "b"] }, { values: [1, 1] }),
      run("kv.ttl", { key: "b" }, { ttl: upTo(100), ttl_ms: upTo(100_000) }),
      run("key.copy", { source: "a", destination: "c" }, { success: true, source: "a", destination: "c" }),
      run("kv.incr", { key: "c" }, { value: 2 }),
      run("kv.get", { key: "a" }, 1),
      run("key.copy", { source: "a", destination: "a" }, failure("INVALID_PAYLOAD", { path: "destination" })),
      run("key.copy", { source: "none", destination: "z" }, failure("KEY_NOT_FOUND", { path: "source" })),
    ],
  },
  {
    name: "key.randomkey draws a key that is there",
    steps: [
      run("key.randomkey", {}, { key: null }),
      set("only", 1),
      run("key.randomkey", {}, { key: "only" }),
      set("other", 1),
      run("key.randomkey", {}, { key: expect.stringMatching(/^(only|other)$/) }),
    ],
  },
  {
    name: "kv.flushdb and kv.flushall remove every key and say how many",
    steps: [
      run("kv.mset", { pairs: ["a", "b", "c"].map((key) => ({ key, value: key })) }, { success: true, count: 3 }),
      run("kv.flushdb", {}, { flushed: 3 }),
      run("kv.dbsize", {}, { size: 0 }),
      run("kv.get", { key: "a" }, null),
      set("a", 1),
      run("kv.flushall", {}, { flushed: 1 }),
      run("kv.flushall", {}, { flushed: 0 }),
    ],
  },
];
