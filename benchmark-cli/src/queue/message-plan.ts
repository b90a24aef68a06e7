/** Which messages a queue benchmark publishes; publisher and checker work it out alike from a message's number. */
export type PriorityDistribution = "uniform" | "equal";

export const PRIORITIES = 10;
const EQUAL_PRIORITY = 5;

/** The priority of a message, spread evenly over 0 to 9 without a pattern that a queue could profit from. */
export function priorityOf(message: number, distribution: PriorityDistribution): number {
  return distribution === "equal" ? EQUAL_PRIORITY : (Math.imul(message + 1, 0x9e3779b1) >>> 8) % PRIORITIES;
}

/** The connections that publish, which take commands in turn. */
export interface Lanes {
  readonly count: number;
  readonly messagesPerCommand: number;
}

export const ONE_LANE: Lanes = { count: 1, messagesPerCommand: 1 };

/** Which of them publishes a message. */
export function laneOf(message: number, { count, messagesPerCommand }: Lanes): number {
  return Math.floor(message / messagesPerCommand) % count;
}
