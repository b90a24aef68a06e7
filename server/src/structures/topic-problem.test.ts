import { describe, expect, it } from "vitest";
import { isCostly, patternProblem, topicProblem } from "./topic-problem.ts";

/** The text in the middle of other bytes, which must not matter. */
function placed(problem: typeof topicProblem, text: string): string | undefined {
  const bytes = new TextEncoder().encode(text);
  const buffer = new TextEncoder().encode(`.#${text}*.`);
  return problem(buffer, 2, 2 + bytes.length);
}

const levels = (count: number, level = "a"): string => Array.from({ length: count }, () => level).join(".");

describe("topicProblem", () => {
  it.each(["a", "a.b", "a-b.c d.é.日本", levels(32), "x".repeat(255), `${"x".repeat(127)}.${"y".repeat(127)}`])(
    "accepts %s",
    (text) => {
      expect(placed(topicProblem, text)).toBeUndefined();
    },
  );

  it.each([
    ["", "a topic has 1 to 255 bytes; this one is empty"],
    ["x".repeat(256), "a topic has 1 to 255 bytes; this one has 256"],
    ["é".repeat(128), "a topic has 1 to 255 bytes; this one has 256"],
    [".", "the levels of a topic, which '.' separates, cannot be empty; level 1 is"],
    [".a", "the levels of a topic, which '.' separates, cannot be empty; level 1 is"],
    ["a..b", "the levels of a topic, which '.' separates, cannot be empty; level 2 is"],
    ["a.b.", "the levels of a topic, which '.' separates, cannot be empty; level 3 is"],
    [levels(33), "a topic has at most 32 levels; this one has 33"],
    ["*", "'*' is a wildcard of patterns and cannot be in a topic; it is in level 1"],
    ["a.#", "'#' is a wildcard of patterns and cannot be in a topic; it is in level 2"],
    ["a.b.c*d", "'*' is a wildcard of patterns and cannot be in a topic; it is in level 3"],
  ])("says what is wrong with %s", (text, problem) => {
    expect(placed(topicProblem, text)).toBe(problem);
  });
});

describe("patternProblem", () => {
  it.each(["a", "a.b", "*", "#", "#.#", "*.#.a", "a.*.b.#", "#.a.#.b.#", levels(32), levels(32, "*"), "日.*.本"])(
    "accepts %s",
    (text) => {
      expect(placed(patternProblem, text)).toBeUndefined();
    },
  );

  it.each([
    ["", "a pattern has 1 to 255 bytes; this one is empty"],
    ["x".repeat(256), "a pattern has 1 to 255 bytes; this one has 256"],
    ["a..#", "the levels of a pattern, which '.' separates, cannot be empty; level 2 is"],
    ["#.", "the levels of a pattern, which '.' separates, cannot be empty; level 2 is"],
    [levels(33, "*"), "a pattern has at most 32 levels; this one has 33"],
    ["a.#b", "the wildcard '#' must be a whole level of a pattern; level 2 has more in it"],
    ["b#", "the wildcard '#' must be a whole level of a pattern; level 1 has more in it"],
    ["a.b*c.d", "the wildcard '*' must be a whole level of a pattern; level 2 has more in it"],
    ["**", "the wildcard '*' must be a whole level of a pattern; level 1 has more in it"],
    ["a.#.b.#.c.#.d.#", "a pattern has at most 3 levels that are '#'; this one has 4"],
  ])("says what is wrong with %s", (text, problem) => {
    expect(placed(patternProblem, text)).toBe(problem);
  });
});

describe("isCostly", () => {
  const costly = (pattern: string): boolean => {
    const bytes = new TextEncoder().encode(`*.#.${pattern}.*.#`);
    return isCostly(bytes, 4, bytes.length - 4);
  };

  it.each(["a.b", "*", "#", "a.#", "*.*", "*.*.*", "*.*.a.#", `*.*.${levels(30)}`])("accepts %s as cheap", (pattern) =>
    expect(costly(pattern)).toBe(false),
  );

  it.each(["#.a", "#.*", "a.#.b", "*.*.*.a", "*.a.*.b.*.*", "*.*.*.#"])("finds %s costly", (pattern) =>
    expect(costly(pattern)).toBe(true),
  );
});
