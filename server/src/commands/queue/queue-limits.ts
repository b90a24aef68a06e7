/** What the configuration says about queues: limits, and what a queue has that was created without saying. */
import type { QueueConfig } from "../../state/queue.ts";

/** Queues in one page of `queue.list`. */
export const QUEUES_LISTED_MAX = 2_000;

export interface QueueLimits {
  readonly defaults: QueueConfig;
  /** Payload and headers of one message. */
  readonly messageBytesMax: number;
  /** What the messages of one reply may have together, by `pageBytesOf`; a larger one comes alone. */
  readonly pageBytesMax: number;
  readonly queuesMax: number;
  readonly waitMsMax: number;
}
