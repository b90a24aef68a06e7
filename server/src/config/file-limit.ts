/** How many files, and so sockets, the operating system lets this process open. */
import { readFileSync } from "node:fs";
import { codeOf } from "../runtime/error-code.ts";

/** What the process opens beside its connections: libraries, log segments, listening sockets, and a margin. */
const RESERVED_FILES = 100;

/**
 * How many connections fit under the limit, infinitely many where it is not known (it is read from Linux's /proc; Node has
 * already raised the soft limit to the hard one).
 */
export function connectionsWithinFileLimit(path = "/proc/self/limits"): number {
  let limits: string;
  try {
    limits = readFileSync(path, "utf8");
  } catch (error) {
    // Not Linux, or a container without /proc: connections past the limit are then refused by the system itself.
    if (codeOf(error) !== undefined) return Number.POSITIVE_INFINITY;
    throw error;
  }
  const match = /^Max open files\s+(\d+)/m.exec(limits);
  return match === null ? Number.POSITIVE_INFINITY : Math.max(1, Number(match[1]) - RESERVED_FILES);
}
