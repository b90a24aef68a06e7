/** Listing keys: kv.scan page by page, kv.keys, kv.dbsize. */
import { expect } from "vitest";
import { type Case, failure, type Reply, run, type Step } from "../case.ts";

const fill = (names: readonly string[]): Step =>
  run("kv.mset", { pairs: names.map((key) => ({ key, value: key })) }, { success: true, count: names.length });
const page = (keys: readonly string[], more: boolean) => ({
  keys,
  cursor: more ? (expect.stringMatching(/./) as string) : null,
  has_more: more,
  count: keys.length,
});
const numbered = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `k${`${index}`.padStart(2, "0")}`);

const positive = expect.toSatisfy((value: unknown) => Number.isSafeInteger(value) && Number(value) > 0) as number;

function integerCursorIn({ payload }: Reply): unknown {
  if (typeof payload === "object" && payload !== null && "integer_cursor" in payload) return payload.integer_cursor;
  throw new Error("the reply has no integer cursor");
}

function cursorIn(reply: Reply): unknown {
  const { payload } = reply;
  if (typeof payload === "object" && payload !== null && "cursor" in payload) return payload.cursor;
  throw new Error("the reply has no cursor");
}
const last = (earlier: readonly Reply[]): unknown => cursorIn(earlier[earlier.length - 1]);

export const scans: readonly Case[] = [
  {
    name: "kv.scan answers in key order, as unsigned bytes",
    steps: [
      run("kv.scan", {}, page([], false)),
      fill(["b", "a", "ž", "aa", "B", "a\0", "🐎"]),
      run("kv.scan", {}, page(["B", "a", "a\0", "aa", "b", "ž", "🐎"], false)),
      run("kv.scan", { prefix: "a" }, page(["a", "a\0", "aa"], false)),
      run("kv.scan", { prefix: "aaa" }, page([], false)),
      run("kv.scan", { prefix: "" }, page(["B", "a", "a\0", "aa", "b", "ž", "🐎"], false)),
    ],
  },
  {
    name: "kv.scan goes page by page, also under the alias count",
    steps: [
      fill(numbered(7)),
      run("kv.scan", { limit: 3 }, page(numbered(7).slice(0, 3), true)),
      run("kv.scan", (earlier) => ({ limit: 3, cursor: last(earlier) }), page(numbered(7).slice(3, 6), true)),
      run("kv.scan", (earlier) => ({ count: 3, cursor: last(earlier) }), page(numbered(7).slice(6), false)),
      run("kv.scan", { limit: 7 }, page(numbered(7), false)),
      run("kv.scan", { limit: 0 }, failure("INVALID_PAYLOAD", { path: "limit" })),
      run("kv.scan", { limit: 2_001 }, failure("INVALID_PAYLOAD", { path: "limit" })),
      run("kv.scan", { limit: 3, count: 3 }, failure("INVALID_PAYLOAD")),
    ],
  },
  {
    name: "kv.scan with integers as cursors, which this node remembers",
    steps: [
      fill(numbered(5)),
      run(
        "kv.scan",
        { limit: 3, integer_cursor: 0 },
        { ...page(numbered(5).slice(0, 3), true), integer_cursor: positive },
      ),
      run("kv.scan", (earlier) => ({ limit: 3, integer_cursor: integerCursorIn(earlier[1]) }), {
        ...page(numbered(5).slice(3), false),
        integer_cursor: 0,
      }),
      run("kv.scan", (earlier) => ({ limit: 2, integer_cursor: integerCursorIn(earlier[1]) }), {
        ...page(numbered(5).slice(3), false),
        integer_cursor: 0,
      }),
      run("kv.scan", { type: "list", integer_cursor: 0 }, { ...page([], false), integer_cursor: 0 }),
      run("kv.scan", { integer_cursor: 1 }, failure("INVALID_PAYLOAD", { path: "integer_cursor" })),
      run("kv.scan", { integer_cursor: -1 }, failure("INVALID_PAYLOAD", { path: "integer_cursor" })),
      run("kv.scan", { integer_cursor: 0, cursor: "kYQ" }, failure("INVALID_PAYLOAD", { path: "integer_cursor" })),
    ],
  },
  {
    name: "kv.scan of one type of value",
    steps: [
      run(
        "kv.mset",
        { pairs: ["text", 1, 1.5, new Uint8Array([0xff])].map((value, i) => ({ key: `k${i}`, value })) },
        { success: true, count: 4 },
      ),
      run("kv.scan", { type: "text" }, page(["k0"], false)),
      run("kv.scan", { type: "integer" }, page(["k1"], false)),
      run("kv.scan", { type: "json" }, page(["k2"], false)),
      run("kv.scan", { type: "bytes" }, page(["k3"], false)),
      run("kv.scan", { type: "string" }, page(["k0", "k1", "k2", "k3"], false)),
      run("kv.scan", { type: "json", limit: 1 }, page(["k2"], true)),
      run("kv.scan", { type: "hash" }, page([], false)),
      run("kv.scan", { type: "txt" }, failure("INVALID_PAYLOAD", { path: "type" })),
    ],
  },
  {
    name: "kv.scan sees each key that stays put exactly once, whatever comes and goes between its pages",
    steps: [
      fill(numbered(8)),
      run("kv.scan", { limit: 3 }, page(["k00", "k01", "k02"], true)),
      run("kv.del", { keys: ["k01", "k02", "k03"] }, { deleted: 3 }),
      fill(["k00a", "k04a", "k99"]),
      run("kv.scan", (earlier) => ({ limit: 3, cursor: cursorIn(earlier[1]) }), page(["k04", "k04a", "k05"], true)),
      run("kv.del", { keys: ["k05", "k06", "k07", "k99"] }, { deleted: 4 }),
      run("kv.scan", (earlier) => ({ limit: 3, cursor: cursorIn(earlier[4]) }), page([], false)),
      run("kv.flushall", {}, { flushed: 4 }),
      run("kv.scan", (earlier) => ({ limit: 3, cursor: cursorIn(earlier[1]) }), page([], false)),
    ],
  },
  {
    name: "kv.scan by pattern, by pattern and prefix, and with values",
    steps: [
      fill(["user:1", "user:2", "user:10", "order:1", "us?r"]),
      run("kv.scan", { pattern: "user:?" }, page(["user:1", "user:2"], false)),
      run("kv.scan", { pattern: "*:1" }, page(["order:1", "user:1"], false)),
      run("kv.scan", { pattern: "us\\?r" }, page(["us?r"], false)),
      run("kv.scan", { pattern: "us[e-f]r:*" }, page(["user:1", "user:10", "user:2"], false)),
      run("kv.scan", { pattern: "*1*", prefix: "user:" }, page(["user:1", "user:10"], false)),
      run("kv.scan", { pattern: "user:*", prefix: "user:1" }, page(["user:1", "user:10"], false)),
      run("kv.scan", { pattern: "order*", prefix: "user" }, page([], false)),
      run("kv.scan", { pattern: "" }, page([], false)),
      run("kv.scan", { prefix: "order", values: true }, { ...page(["order:1"], false), values: ["order:1"] }),
      run("kv.scan", { pattern: "a".repeat(256) }, failure("PAYLOAD_TOO_LARGE", { path: "pattern" })),
    ],
  },
  {
    name: "kv.scan refuses a cursor that it did not give",
    steps: [
      fill(numbered(3)),
      ...["", "0", "k", "kA", "k====", "xazAw", "k azAw", "k\0", "kazAw="].map((cursor) =>
        run("kv.scan", { cursor }, failure("INVALID_PAYLOAD", { path: "cursor" })),
      ),
      run("kv.scan", { cursor: 7 }, failure("INVALID_PAYLOAD", { path: "cursor" })),
      run("kv.scan", { cursor: "k".repeat(100_000) }, failure("INVALID_PAYLOAD", { path: "cursor" })),
      run("kv.scan", { cursor: null }, page(numbered(3), false)),
    ],
  },
  {
    name: "kv.keys answers with all that match, and is refused past its limit",
    steps: [
      fill(numbered(20)),
      run("kv.keys", { pattern: "*" }, { keys: numbered(20) }),
      run("kv.keys", { pattern: "k0[0-2]" }, { keys: ["k00", "k01", "k02"] }),
      run("kv.keys", { pattern: "none*" }, { keys: [] }),
      fill(["k99"]),
      run("kv.keys", { pattern: "*" }, failure("INVALID_PAYLOAD", { path: "pattern", keys_max: 20 })),
      run("kv.keys", { pattern: "k1*" }, { keys: numbered(20).slice(10) }),
      run("kv.keys", {}, failure("INVALID_PAYLOAD", { path: "pattern" })),
    ],
  },
  {
    name: "kv.dbsize counts keys",
    steps: [run("kv.dbsize", {}, { size: 0 }), fill(numbered(5)), run("kv.dbsize", {}, { size: 5 })],
  },
];
