/** What the configuration says about queues: limits, and what a queue has that was created without saying. */
import type { QueueConfig } from "../../state/queue.ts";

export interface QueueLimits {
  readonly defaults: QueueConfig;
  /** Payload and headers of one message. */
  readonly messageBytesMax: number;
  readonly queuesMax: number;
  readonly waitMsMax: number;
}
