import { describe, expect, it } from "vitest";
import { Engine } from "../../../test/engine.ts";

interface Page {
  readonly keys: readonly string[];
  readonly cursor: string | null;
  readonly has_more: boolean;
}

/** All pages from the first to the last. */
function pagesOf(engine: Engine, payload: Readonly<Record<string, unknown>>): Page[] {
  const pages: Page[] = [];
  let cursor: string | undefined;
  do {
    // The shape is that of the command's reply.
    const page = engine.run("kv.scan", cursor === undefined ? payload : { ...payload, cursor }) as Page;
    pages.push(page);
    cursor = page.cursor ?? undefined;
  } while (cursor !== undefined);
  return pages;
}

describe("a page of kv.scan", () => {
  it("ends once it has looked at a megabyte of keys times the words of the pattern, and the next goes on", () => {
    const engine = new Engine();
    const keys = Array.from({ length: 20 }, (_, index) => "a".repeat(65_000) + String(index).padStart(4, "0"));
    for (const key of keys) engine.run("kv.set", { key, value: 1 });
    const hostile = `*${"a".repeat(253)}b`;
    // Eight words: three keys are more than a megabyte.
    const pages = pagesOf(engine, { pattern: hostile });
    expect(pages).toHaveLength(7);
    expect(pages.flatMap((page) => page.keys)).toEqual([]);
    const narrow = pagesOf(engine, { pattern: "*0" });
    expect(narrow.map((page) => page.keys.length)).toEqual([2, 0]);
    expect(pagesOf(engine, {}).flatMap((page) => page.keys)).toEqual(keys);
  });

  it("ends once its values come to a megabyte, and has at least one", () => {
    const engine = new Engine({ limits: { valueBytesMax: 4 * 2 ** 20 } });
    const sizes = [2 ** 21, 2 ** 19, 2 ** 19, 2 ** 19, 1];
    sizes.forEach((size, index) => {
      engine.run("kv.set", { key: `k${index}`, value: "x".repeat(size) });
    });
    const counts = pagesOf(engine, { values: true }).map((page) => page.keys.length);
    expect(counts).toEqual([1, 2, 2]);
    expect(pagesOf(engine, {})).toHaveLength(1);
  });
});

describe("kv.keys", () => {
  const engine = new Engine({ limits: { keysReplyMax: 10 } });
  for (let index = 0; index < 60; index++) engine.run("kv.set", { key: `k${index}`, value: 1 });

  it("says which limit it met: keys that match, or keys to look at", () => {
    expect(engine.run("kv.keys", { pattern: "k1*" })).toMatchObject({
      message: expect.stringContaining("match for one"),
    });
    expect(engine.run("kv.keys", { pattern: "*zz" })).toMatchObject({ message: expect.stringContaining("look at") });
    expect(engine.run("kv.keys", { pattern: "k2?" })).toMatchObject({ keys: { length: 10 } });
  });

  it("is refused where the keys are too long for the pattern", () => {
    const long = new Engine();
    for (let index = 0; index < 10; index++) long.run("kv.set", { key: `${"a".repeat(65_000)}${index}`, value: 1 });
    expect(long.run("kv.keys", { pattern: `*${"a".repeat(253)}b` })).toMatchObject({
      code: "INVALID_PAYLOAD",
      message: expect.stringContaining("look at"),
    });
    expect(long.run("kv.keys", { pattern: "*8" })).toMatchObject({ keys: { length: 1 } });
  });
});
