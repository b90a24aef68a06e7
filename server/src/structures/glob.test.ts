import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ByteRange, rangeOf } from "./byte-range.ts";
import { Glob, literalPrefixLength } from "./glob.ts";

const matches = (pattern: string, text: string): boolean => new Glob(rangeOf(pattern)).matches(rangeOf(text));

describe("Glob", () => {
  it.each([
    ["", "", true],
    ["", "a", false],
    ["*", "", true],
    ["a*b*c", "aXbYc", true],
    ["a*b*c", "aXbYcZ", false],
    ["user:?", "user:1", true],
    ["user:?", "user:12", false],
    ["h[ae]llo", "hallo", true],
    ["h[^ae]llo", "hallo", false],
    ["h[a-c]llo", "hbllo", true],
    ["h[c-a]llo", "hbllo", true],
    ["a\\*b", "a*b", true],
    ["a\\*b", "aXb", false],
    ["[\\]]", "]", true],
    ["[abc", "c", true],
    ["[abc", "d", false],
    ["[]", "a", false],
    ["[^]", "a", true],
    ["a\\", "a\\", true],
    ["**a**", "bab", true],
  ])("%j against %j is %s", (pattern, text, expected) => {
    expect(matches(pattern, text)).toBe(expected);
  });

  it("agrees with a recursive reference on random patterns", () => {
    const alphabet = (letters: string) => fc.string({ unit: fc.constantFrom(...letters), maxLength: 10 });
    fc.assert(
      fc.property(alphabet("ab*?[]^-\\"), alphabet("abc]-"), (pattern, text) => {
        expect(matches(pattern, text)).toBe(matchesReference(parse(pattern), text));
      }),
      { numRuns: 20_000 },
    );
  });

  it("agrees with it on patterns of more elements than a word has bits", () => {
    const unit = fc.constantFrom(..."aab?*", "[ab]", "[^b]");
    fc.assert(
      fc.property(
        fc.array(unit, { minLength: 25, maxLength: 100 }),
        fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 100 }),
        (elements, text) => {
          const pattern = elements.join("");
          // Texts that match but for what the ends may bring: at random hardly any would.
          const fitting = elements.map((each) => (each === "b" || each === "[ab]" ? "b" : "a")).join("");
          for (const candidate of [text, fitting, `${fitting}b`, `${fitting.slice(1)}a`]) {
            expect(matches(pattern, candidate)).toBe(matchesTable(parse(pattern), candidate));
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it("looks only inside its ranges", () => {
    const pattern = rangeOf("zz[ab]*zz");
    const text = rangeOf("yybxxyy");
    expect(new Glob(new ByteRange(pattern.bytes, 2, 7)).matches(new ByteRange(text.bytes, 2, 5))).toBe(true);
    expect(new Glob(new ByteRange(pattern.bytes, 2, 5)).matches(new ByteRange(text.bytes, 2, 5))).toBe(false);
  });

  it("takes the time of a walk over the text for patterns that make matchers come back again and again", () => {
    const text = rangeOf("a".repeat(65_535));
    for (const pattern of [`${"a*".repeat(127)}b`, `*${"a".repeat(253)}b`, `*${"[a-z]".repeat(50)}b`]) {
      const glob = new Glob(rangeOf(pattern));
      expect(glob.words).toBeLessThanOrEqual(8);
      expect(glob.matches(text)).toBe(false);
    }
  });
});

describe("literalPrefixLength", () => {
  it.each([
    ["", 0],
    ["abc", 3],
    ["ab*", 2],
    ["a?c", 1],
    ["[a]", 0],
    ["a\\*", 1],
  ])("of %j is %i", (pattern, length) => {
    expect(literalPrefixLength(rangeOf(pattern))).toBe(length);
  });

  it("every match begins with the literal prefix", () => {
    const letters = fc.string({ unit: fc.constantFrom(..."ab*?["), maxLength: 6 });
    fc.assert(
      fc.property(letters, letters, (pattern, text) => {
        fc.pre(matches(pattern, text));
        expect(text.startsWith(pattern.slice(0, literalPrefixLength(rangeOf(pattern))))).toBe(true);
      }),
    );
  });
});

type Element = "star" | ((letter: string) => boolean);

/** The pattern cut into its elements, so that matching them below needs no parsing. */
function parse(pattern: string): Element[] {
  const elements: Element[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const letter = pattern[at];
    if (letter === "*") elements.push("star");
    else if (letter === "?") elements.push(() => true);
    else if (letter === "\\" && at + 1 < pattern.length) {
      const literal = pattern[++at];
      elements.push((other) => other === literal);
    } else if (letter === "[") {
      const { accepts, end } = parseClass(pattern, at + 1);
      elements.push(accepts);
      at = end;
    } else elements.push((other) => other === letter);
  }
  return elements;
}

function parseClass(pattern: string, start: number): { accepts: (letter: string) => boolean; end: number } {
  const negated = pattern[start] === "^";
  const members: [string, string][] = [];
  let at = negated ? start + 1 : start;
  while (at < pattern.length && pattern[at] !== "]") {
    if (pattern[at] === "\\" && at + 1 < pattern.length) {
      members.push([pattern[at + 1], pattern[at + 1]]);
      at += 2;
    } else if (pattern[at + 1] === "-" && at + 2 < pattern.length) {
      const [low, high] = [pattern[at], pattern[at + 2]].sort();
      members.push([low, high]);
      at += 3;
    } else {
      members.push([pattern[at], pattern[at]]);
      at++;
    }
  }
  const accepts = (letter: string) => members.some(([low, high]) => letter >= low && letter <= high) !== negated;
  return { accepts, end: at };
}

/** As `matchesReference`, for long patterns: from the end, what each rest of the pattern matches of each rest of the text. */
function matchesTable(elements: readonly Element[], text: string): boolean {
  let later = Array.from({ length: text.length + 1 }, (_, at) => at === text.length);
  for (const element of [...elements].reverse()) {
    const here: boolean[] = Array(text.length + 1).fill(false);
    for (let at = text.length; at >= 0; at--) {
      if (element === "star") here[at] = later[at] || here[at + 1] === true;
      else here[at] = at < text.length && element(text[at]) && later[at + 1];
    }
    later = here;
  }
  return later[0];
}

function matchesReference(elements: readonly Element[], text: string): boolean {
  if (elements.length === 0) return text === "";
  const [first, ...rest] = elements;
  if (first === "star") {
    return matchesReference(rest, text) || (text !== "" && matchesReference(elements, text.slice(1)));
  }
  return text !== "" && first(text[0]) && matchesReference(rest, text.slice(1));
}
