/** What a snapshot sees of the queues while they change: everything is shown before it happens. */
import type { Lane, Queue } from "./queue.ts";

export interface QueueObserver {
  /** The queue, what it has counted, or anything of it is about to change or to go. */
  beforeQueue(queue: Queue): void;
  /** A message is about to change, to leave its lane or to be freed; it may be one of a detached lane. */
  beforeMessage(ref: number, lane: Lane): void;
  /** The messages of a lane cease to exist; they are freed later. */
  beforeDetach(lane: Lane): void;
  /** The queue ceases to exist; its dedup ids are freed later. */
  beforeDelete(queue: Queue): void;
  /** The oldest dedup id of the queue is about to be freed; the queue may be a deleted one. */
  beforeForget(queue: Queue, ref: number): void;
}
