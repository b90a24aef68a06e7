/**
 * A queue and its lanes. A lane holds the messages of one state, and of one priority where they are ready:
 *
 *     queue.lanes   | ready 0 | ready 1 | ... | ready 9 | delayed | pending | dead |
 *
 * made when the first message comes. A message knows its lane by number, and by the lane its queue and whether it is still
 * there: a purge takes whole lanes away from their queue, and what was in them is gone at once.
 */
import {
  type MessageState,
  STATE_COUNT,
  STATE_DEAD,
  STATE_DELAYED,
  STATE_PENDING,
  STATE_READY,
} from "./queue-record.ts";

export const PRIORITY_COUNT = 10;
export const LANE_COUNT = PRIORITY_COUNT + STATE_COUNT - 1;
/** About what a queue takes in the JavaScript heap, its lanes included. */
export const QUEUE_BYTES = 2048;

export interface QueueConfig {
  /** Ready and delayed messages; 0 for no limit. */
  readonly maxDepth: number;
  /** Bytes of payloads and headers of ready and delayed messages; 0 for no limit. */
  readonly maxBytes: number;
  readonly ackDeadlineMs: number;
  /** Of messages that do not say, 0 to 65,535. */
  readonly maxRetries: number;
  /** Of messages that do not say, 0 to 9. */
  readonly defaultPriority: number;
  /** Of messages that do not say; 0 for never. */
  readonly messageTtlMs: number;
  readonly retryBackoff: {
    readonly initialMs: number;
    readonly factor: number;
    readonly maxMs: number;
  };
  readonly deadLetter: {
    readonly enabled: boolean;
    /** 0 for no limit. */
    readonly maxDepth: number;
  };
  /** How long a dedup id is remembered; 0 where they are not. */
  readonly dedupWindowMs: number;
}

/** How long a message waits before its next delivery: initialMs * factor^retryCount, maxMs at most. Whole ms. */
export function retryDelayMs({ retryBackoff }: QueueConfig, retryCount: number): number {
  const { initialMs, factor, maxMs } = retryBackoff;
  // 0 times a power beyond all numbers would be none.
  return initialMs === 0 ? 0 : Math.min(maxMs, Math.round(initialMs * factor ** retryCount));
}

/** Since the queue was created; part of the state. */
export class QueueTotals {
  published = 0;
  /** Deliveries. */
  consumed = 0;
  acked = 0;
  nacked = 0;
  timedOut = 0;
  released = 0;
  deadLettered = 0;
  /** By their TTL, whether they became dead letters or not. */
  expired = 0;
  /** Removed undelivered or rejected: where dead letters are off, and dead letters beyond their limit. */
  dropped = 0;
  /** Sum over all deliveries of how long the message had been ready. */
  waitMs = 0;
}

/** Messages in order; see queue-order.ts. Only the store changes it. */
export class Lane {
  readonly queue: Queue;
  readonly state: MessageState;
  /** Where it is in `queue.lanes`. */
  readonly place: number;
  /** By which its messages know it. */
  readonly number: number;
  /** Ordered by turn, not by message id. */
  readonly byTurn: boolean;
  root = 0;
  first = 0;
  last = 0;
  count = 0;
  /** Of payloads and headers. */
  bytes = 0;
  /** Its queue has dropped it: what is in it does not exist any more. */
  detached = false;

  constructor(queue: Queue, state: MessageState, place: number, number: number) {
    this.queue = queue;
    this.state = state;
    this.place = place;
    this.number = number;
    this.byTurn = state === STATE_PENDING || state === STATE_DEAD;
  }
}

const textDecoder = new TextDecoder();

export class Queue {
  /** Offset of the operation that created it. */
  readonly id: number;
  readonly name: string;
  readonly nameBytes: Uint8Array;
  readonly config: QueueConfig;
  /** Where the store keeps it; used again after it is gone. */
  readonly slot: number;
  readonly totals = new QueueTotals();
  readonly lanes: (Lane | undefined)[] = new Array<Lane | undefined>(LANE_COUNT).fill(undefined);
  readonly counts = [0, 0, 0, 0];
  readonly #bytes = [0, 0, 0, 0];
  /** A bit for each priority that has ready messages. */
  readyMask = 0;
  /** Dead letters at a position before this are being retried; 0 for none. */
  retryThrough = 0;
  /** In the list of those that gained ready messages. */
  gained = false;
  deleted = false;
  /** Remembered dedup ids, the oldest first: references of the first and the last. */
  dedupFirst = 0;
  dedupLast = 0;
  dedupCount = 0;
  /** Handle of the deadline of the oldest, -1 without. */
  dedupHandle = -1;

  constructor(id: number, slot: number, nameBytes: Uint8Array, config: QueueConfig) {
    this.id = id;
    this.slot = slot;
    this.nameBytes = nameBytes;
    this.name = textDecoder.decode(nameBytes);
    this.config = config;
  }

  get ready(): number {
    return this.counts[STATE_READY];
  }

  get delayed(): number {
    return this.counts[STATE_DELAYED];
  }

  get pending(): number {
    return this.counts[STATE_PENDING];
  }

  get dead(): number {
    return this.counts[STATE_DEAD];
  }

  /** Messages that wait: ready and delayed. What `maxDepth` limits. */
  get depth(): number {
    return this.counts[STATE_READY] + this.counts[STATE_DELAYED];
  }

  /** Bytes of payloads and headers of the messages that wait. What `maxBytes` limits. */
  get depthBytes(): number {
    return this.#bytes[STATE_READY] + this.#bytes[STATE_DELAYED];
  }

  /** Bytes of payloads and headers. */
  bytesIn(state: MessageState): number {
    return this.#bytes[state];
  }

  /** The store adds or takes away messages. */
  count(lane: Lane, messages: number, bytes: number): void {
    lane.count += messages;
    lane.bytes += bytes;
    if (lane.detached) return;
    this.counts[lane.state] += messages;
    this.#bytes[lane.state] += bytes;
    if (lane.state === STATE_READY) this.#updateMask(lane);
  }

  /** Lets go of a lane with all that is in it. */
  detach(lane: Lane): void {
    this.counts[lane.state] -= lane.count;
    this.#bytes[lane.state] -= lane.bytes;
    this.lanes[lane.place] = undefined;
    lane.detached = true;
    if (lane.state === STATE_READY) this.readyMask &= ~(1 << lane.place);
    if (lane.state === STATE_DEAD) this.retryThrough = 0;
  }

  #updateMask(lane: Lane): void {
    if (lane.count > 0) this.readyMask |= 1 << lane.place;
    else this.readyMask &= ~(1 << lane.place);
  }
}

/** Where in `Queue#lanes` messages of a state and priority are. */
export function lanePlace(state: MessageState, priority: number): number {
  return state === STATE_READY ? priority : PRIORITY_COUNT - 1 + state;
}
