import { describe, expect, it } from "vitest";
import { bytes, choice, flag, list, showBytes, text, whole } from "./setting.ts";

const about = { description: "for a test" };

describe("a whole number", () => {
  const port = whole("ports", { ...about, default: 5, min: 1, max: 65535 });

  it.each([
    [1, 1],
    [65535, 65535],
    ["80", 80],
    [" 80 ", 80],
  ])("reads %j", (raw, value) => expect(port.read(raw)).toBe(value));

  it.each([
    0,
    65536,
    "0",
    "65536",
    "",
    " ",
    "8o",
    "1e3",
    "0x50",
    "1.5",
    1.5,
    Number.NaN,
    true,
    null,
    undefined,
    [],
    {},
  ])("refuses %j", (raw) => expect(port.read(raw)).toBeUndefined());

  it("takes 0 below its bounds only where 0 has a meaning", () => {
    const limit = whole("keys", { ...about, default: 5, min: 10, max: 20, zero: "no limit" });
    expect([0, 9, 10, 20, 21].map((raw) => limit.read(raw))).toEqual([0, undefined, 10, 20, undefined]);
    expect(limit.allowed).toBe("an integer from 10 to 20, or 0 for no limit");
  });

  it("reads negative numbers where they are in its bounds", () => {
    expect(whole("ms", { ...about, default: 0, min: -1, max: 5 }).read("-1")).toBe(-1);
  });
});

describe("a size", () => {
  const size = bytes({ ...about, default: 1024, min: 0, max: 2 ** 50 });

  it.each([
    [1000, 1000],
    ["1000", 1000],
    ["1000b", 1000],
    ["1k", 1024],
    ["64kb", 65536],
    ["512mb", 512 * 2 ** 20],
    ["512 MB", 512 * 2 ** 20],
    ["4gb", 4 * 2 ** 30],
    ["1.5gb", 1.5 * 2 ** 30],
    ["1tb", 2 ** 40],
  ])("reads %j", (raw, value) => expect(size.read(raw)).toBe(value));

  it.each(["mb", "4pb", "-1mb", "1..5gb", "0.3kb", "4gb!", -1, 1.5, true, null, []])("refuses %j", (raw) =>
    expect(size.read(raw)).toBeUndefined(),
  );

  it("refuses what is out of its bounds", () => {
    const small = bytes({ ...about, default: 1024, min: 1024, max: 2048 });
    expect(["1023", "1kb", "2kb", "2049"].map((raw) => small.read(raw))).toEqual([undefined, 1024, 2048, undefined]);
    expect(small.allowed).toBe("a size from 1kb to 2kb");
  });

  it("is shown in the largest unit that says it exactly, and what is shown reads back", () => {
    expect([0, 1000, 1024, 1536, 2 ** 31, 2 ** 40].map(showBytes)).toEqual([0, 1000, "1kb", 1536, "2gb", "1tb"]);
    for (const value of [0, 1, 1000, 1024, 1536, 2 ** 31, 2 ** 40]) expect(size.read(showBytes(value))).toBe(value);
  });
});

it("a flag is true or false, also as text, and nothing else", () => {
  const setting = flag({ ...about, default: true });
  expect([true, "true", false, "false"].map((raw) => setting.read(raw))).toEqual([true, true, false, false]);
  for (const raw of ["yes", "1", 1, 0, null, ""]) expect(setting.read(raw)).toBeUndefined();
});

it("a choice is one of its words", () => {
  const setting = choice(["none", "lru"], { ...about, default: "none" });
  expect(["lru", "LRU", "", "constructor", null].map((raw) => setting.read(raw))).toEqual([
    "lru",
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  expect(setting.allowed).toBe("one of none, lru");
});

it("a text matches its pattern", () => {
  const setting = text(/^a+$/, { ...about, default: "a", allowed: "letters a" });
  expect(["aa", "ab", 1].map((raw) => setting.read(raw))).toEqual(["aa", undefined, undefined]);
});

it("a list is a YAML list or text with commas, and every item matches", () => {
  const setting = list(/^\w+$/, { ...about, default: [], allowed: "words" });
  expect(setting.read("a, b,c")).toEqual(["a", "b", "c"]);
  expect(setting.read(["a", "b"])).toEqual(["a", "b"]);
  expect(setting.read("")).toEqual([]);
  for (const raw of ["a,,b", ["a", 1], ["a!"], { a: 1 }, null, 5]) expect(setting.read(raw)).toBeUndefined();
  expect(Object.isFrozen(setting.read(["a"]))).toBe(true);
});
