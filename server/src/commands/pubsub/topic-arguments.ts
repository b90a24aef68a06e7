/** How topics and patterns come in, and what is said about those that cannot be. */
import type { ByteRange } from "../../structures/byte-range.ts";
import { patternProblem, topicProblem } from "../../structures/topic-problem.ts";
import { type CommandError, fail } from "../errors.ts";
import { List, Name } from "../schema.ts";

/** Keeps what one command does within the step that the loop allows. */
const PATTERNS_PER_COMMAND_MAX = 1000;

export const patternList = List(
  Name({ description: "Levels joined by '.'. '*' is exactly one level, '#' any number of them, none included." }),
  { maxItems: PATTERNS_PER_COMMAND_MAX },
);

export function checkTopic({ bytes, start, end }: ByteRange): CommandError | undefined {
  const problem = topicProblem(bytes, start, end);
  return problem === undefined ? undefined : fail("INVALID_PAYLOAD", problem, { path: "topic" });
}

export function checkPatterns(patterns: readonly ByteRange[]): CommandError | undefined {
  for (const [index, { bytes, start, end }] of patterns.entries()) {
    const problem = patternProblem(bytes, start, end);
    if (problem !== undefined) return fail("INVALID_PAYLOAD", problem, { path: `topics[${index}]` });
  }
  return undefined;
}
