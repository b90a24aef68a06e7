/** When keys expire: conditions, instants, and reading with a new expiry. */
import { expect } from "vitest";
import { type Case, earlierField, failure, run, type Step, someInteger } from "../case.ts";

const stored = (key: string) => ({ success: true, key, version: someInteger });
const set = (key: string, value: unknown, more: Record<string, unknown> = {}): Step =>
  run("kv.set", { key, value, ...more }, stored(key));

/** A whole number of seconds or milliseconds not over `most`, and over zero. */
const upTo = (most: number): number =>
  expect.toSatisfy((value: unknown) => Number.isInteger(value) && Number(value) > 0 && Number(value) <= most) as number;

const HOUR_MS = 3_600_000;

export const expiries: readonly Case[] = [
  {
    name: "kv.expire with conditions: nx, xx, gt and lt",
    steps: [
      ...["nx", "xx", "gt", "lt"].map((word) =>
        run("kv.expire", { key: "none", ttl: 10, [word]: true }, { result: false }),
      ),
      set("a", 1),
      run("kv.expire", { key: "a", ttl: 100, xx: true }, { result: false }),
      run("kv.expire", { key: "a", ttl: 100, gt: true }, { result: false }),
      run("kv.expire", { key: "a", ttl: 100, xx: true, lt: true }, { result: false }),
      run("kv.expire", { key: "a", ttl: 100, lt: true }, { result: true }),
      run("kv.persist", { key: "a" }, { result: true }),
      run("kv.expire", { key: "a", ttl: 100, nx: true }, { result: true }),
      run("kv.expire", { key: "a", ttl: 200, nx: true }, { result: false }),
      run("kv.expire", { key: "a", ttl: 200, lt: true }, { result: false }),
      run("kv.expire", { key: "a", ttl: 50, gt: true }, { result: false }),
      run("kv.ttl", { key: "a" }, { ttl: upTo(100), ttl_ms: upTo(100_000) }),
      run("kv.expire", { key: "a", ttl: 200, gt: true, xx: true }, { result: true }),
      run("kv.expire", { key: "a", ttl: 50, lt: true, xx: true }, { result: true }),
      run("kv.expire", { key: "a", ttl: 30, xx: true }, { result: true }),
      run("kv.ttl", { key: "a" }, { ttl: upTo(30), ttl_ms: upTo(30_000) }),
      run("kv.expire", { key: "a", at_ms: 1, gt: true }, { result: false }),
      run("kv.expire", { key: "a", at_ms: 1, lt: true }, { result: true }),
      run("kv.exists", { key: "a" }, { exists: false }),
      ...["xx", "gt", "lt"].map((word) =>
        run("kv.expire", { key: "a", ttl: 1, nx: true, [word]: true }, failure("INVALID_PAYLOAD", { path: "nx" })),
      ),
      run("kv.expire", { key: "a", ttl: 1, gt: true, lt: true }, failure("INVALID_PAYLOAD", { path: "lt" })),
    ],
  },
  {
    name: "kv.expiretime answers with the instant",
    steps: [
      run("kv.expiretime", { key: "none" }, { at_ms: -2 }),
      set("a", 1),
      run("kv.expiretime", { key: "a" }, { at_ms: null }),
      run("kv.expire", { key: "a", at_ms: 2 ** 47 }, { result: true }),
      run("kv.expiretime", { key: "a" }, { at_ms: 2 ** 47 }),
      set("b", 1, { at_ms: 2 ** 47 - 1 }),
      run("kv.expiretime", { key: "b" }, { at_ms: 2 ** 47 - 1 }),
      set("b", 2, { at_ms: 1 }),
      run("kv.get", { key: "b" }, null),
      run("kv.set", { key: "b", value: 1, at_ms: 1, ttl: 1 }, failure("INVALID_PAYLOAD", { path: "at_ms" })),
      run("kv.set", { key: "b", value: 1, at_ms: 1, keep_ttl: true }, failure("INVALID_PAYLOAD", { path: "keep_ttl" })),
      run("kv.set", { key: "b", value: 1, at_ms: 0 }, failure("INVALID_PAYLOAD", { path: "at_ms" })),
    ],
  },
  {
    name: "kv.time is the time that keys expire by",
    steps: [
      run("kv.time", {}, { now_ms: someInteger }),
      run(
        "kv.set",
        (earlier) => ({ key: "a", value: 1, at_ms: Number(earlierField(earlier, 0, "now_ms")) + HOUR_MS }),
        stored("a"),
      ),
      run("kv.ttl", { key: "a" }, { ttl: 3_600, ttl_ms: upTo(HOUR_MS) }),
    ],
  },
  {
    name: "kv.getex reads, and changes the expiry if asked to",
    steps: [
      run("kv.getex", { key: "none", ttl: 10 }, null),
      set("a", { b: 1 }),
      run("kv.getex", { key: "a" }, { b: 1 }),
      run("kv.ttl", { key: "a" }, { ttl: null, ttl_ms: null }),
      run("kv.getex", { key: "a", ttl: 100 }, { b: 1 }),
      run("kv.ttl", { key: "a" }, { ttl: upTo(100), ttl_ms: upTo(100_000) }),
      run("kv.getex", { key: "a" }, { b: 1 }),
      run("kv.ttl", { key: "a" }, { ttl: upTo(100), ttl_ms: upTo(100_000) }),
      run("kv.getex", { key: "a", ttl_ms: 5_000 }, { b: 1 }),
      run("kv.ttl", { key: "a" }, { ttl: upTo(5), ttl_ms: upTo(5_000) }),
      run("kv.getex", { key: "a", persist: true }, { b: 1 }),
      run("kv.ttl", { key: "a" }, { ttl: null, ttl_ms: null }),
      run("kv.getex", { key: "a", at_ms: 2 ** 47 }, { b: 1 }),
      run("kv.expiretime", { key: "a" }, { at_ms: 2 ** 47 }),
      run("kv.getex", { key: "a", at_ms: 1 }, { b: 1 }),
      run("kv.get", { key: "a" }, null),
      run("kv.getex", { key: "a", ttl: 0 }, failure("INVALID_PAYLOAD", { path: "ttl" })),
      run("kv.getex", { key: "a", ttl: 1, ttl_ms: 1 }, failure("INVALID_PAYLOAD", { path: "ttl_ms" })),
      run("kv.getex", { key: "a", ttl: 1, persist: true }, failure("INVALID_PAYLOAD", { path: "persist" })),
    ],
  },
];
