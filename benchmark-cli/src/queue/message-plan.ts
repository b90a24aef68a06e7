/** Which messages a queue benchmark publishes; publisher and checker work it out alike from a message's number. */
export type PriorityDistribution = "uniform" | "equal";

const PRIORITIES = 10;
const EQUAL_PRIORITY = 5;

/** The priority of a message, spread evenly over 0 to 9 without a pattern that a queue could profit from. */
export function priorityOf(message: number, distribution: PriorityDistribution): number {
  return distribution === "equal" ? EQUAL_PRIORITY : (Math.imul(message + 1, 0x9e3779b1) >>> 8) % PRIORITIES;
}
