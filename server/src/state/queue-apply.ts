/**
 * What each operation on messages does. Apply obeys: where an operation finds a message that is not there or in another
 * state than plan has seen, there is a bug, and it throws.
 *
 *                         deliver              ack
 *     publish ---> ready ----------> pending -------> gone
 *        |         ^ ^ ^               | |
 *        |   ready | | |    requeue    | | bury         drop: as bury, where no dead letters are kept
 *        v         | | '---------------' v
 *      delayed ----' '---- retry ----- dead -------> gone, when there are too many
 *         '------------- bury -----------^             (ready ones are buried too, when they expire)
 *
 * A message that is requeued with a delay is delayed first.
 */
import { readUint16, readUint32, readUint48 } from "./operation.ts";
import type { Queue } from "./queue.ts";
import type { QueueDuplicates } from "./queue-duplicates.ts";
import type { QueueMessages } from "./queue-messages.ts";
import {
  OP_ACK,
  OP_BURY,
  OP_DELIVER,
  OP_DROP,
  OP_EXTEND,
  OP_READY,
  OP_REQUEUE,
  OP_RETRY,
  PUBLISH_HEADER_BYTES,
} from "./queue-operation.ts";
import {
  DEATH_EXPIRED,
  DEATH_NONE,
  type DeathReason,
  type DeliveryEnd,
  ENDED_NACKED,
  ENDED_RELEASED,
  ENDED_TIMED_OUT,
  EXPIRES_AT,
  INSTANT,
  PUBLISHED_AT,
  STATE_DEAD,
  STATE_DELAYED,
  STATE_NAMES,
  STATE_PENDING,
  STATE_READY,
} from "./queue-record.ts";

export class QueueTransitions {
  /** Queues whose dead letters are being retried: those with a `retryThrough`. */
  readonly retrying = new Set<Queue>();
  readonly #messages: QueueMessages;
  readonly #duplicates: QueueDuplicates;
  readonly #onGained: (queue: Queue) => void;

  /** @param onGained called when a queue has a new ready message. */
  constructor(messages: QueueMessages, duplicates: QueueDuplicates, onGained: (queue: Queue) => void) {
    this.#messages = messages;
    this.#duplicates = duplicates;
    this.#onGained = onGained;
  }

  /** @returns where the next operation begins. */
  publish(queue: Queue, bytes: Uint8Array, at: number, offset: number): number {
    const messages = this.#messages;
    const dedupBytes = readUint16(bytes, at + 11);
    const payloadBytes = readUint32(bytes, at + 13);
    const headersBytes = readUint32(bytes, at + 17);
    const publishedAtMs = readUint48(bytes, at + 21);
    const readyAtMs = readUint48(bytes, at + 27);
    const content = at + PUBLISH_HEADER_BYTES;
    const ref = messages.create(
      offset,
      bytes[at + 7],
      bytes[at + 8],
      readUint16(bytes, at + 9),
      bytes,
      content,
      payloadBytes,
      headersBytes,
    );
    messages.setLong(ref, PUBLISHED_AT, publishedAtMs);
    messages.setLong(ref, EXPIRES_AT, readUint48(bytes, at + 33));
    this.#enterWaiting(ref, queue, readyAtMs, publishedAtMs);
    queue.totals.published++;
    const dedupAt = content + payloadBytes + headersBytes;
    const next = dedupAt + dedupBytes;
    if (dedupBytes > 0) {
      this.#duplicates.add(queue, bytes, dedupAt, next, offset, readUint48(bytes, at + 39));
      this.setDedupDeadline(queue);
    }
    return next;
  }

  /** @param readyAtMs 0 for ready since `atMs`. */
  #enterWaiting(ref: number, queue: Queue, readyAtMs: number, atMs: number): void {
    if (readyAtMs === 0) {
      this.#messages.enter(ref, queue, STATE_READY, atMs, 0);
      this.#onGained(queue);
    } else {
      this.#messages.enter(ref, queue, STATE_DELAYED, readyAtMs, 0);
    }
  }

  /** Applies an operation that begins with the id of a message; returns where the next begins. */
  applyToMessage(kind: number, bytes: Uint8Array, at: number, offset: number): number {
    const messageId = readUint48(bytes, at + 1);
    const ref = this.#messages.find(messageId);
    if (ref === 0) throw new Error(`operation ${kind} at offset ${offset} names no message: ${messageId}`);
    this.#messages.observer?.beforeMessage(ref, this.#messages.laneOf(ref));
    switch (kind) {
      case OP_DELIVER:
        this.#deliver(ref, readUint48(bytes, at + 7), readUint48(bytes, at + 13), offset);
        return at + 19;
      case OP_ACK:
        this.#expect(ref, STATE_PENDING, kind, offset);
        this.#messages.queueOf(ref).totals.acked++;
        this.#remove(ref);
        return at + 7;
      case OP_REQUEUE:
        this.#requeue(ref, bytes, at, offset);
        return at + 22;
      case OP_BURY:
        this.#bury(ref, bytes, at, offset);
        return at + 15;
      case OP_DROP:
        this.#drop(ref, bytes, at, offset);
        return at + 9;
      case OP_EXTEND:
        this.#expect(ref, STATE_PENDING, kind, offset);
        this.#messages.setLong(ref, INSTANT, readUint48(bytes, at + 7));
        this.#messages.setDeadline(ref);
        return at + 13;
      case OP_READY:
        this.#ready(ref, offset);
        return at + 7;
      case OP_RETRY:
        this.#expect(ref, STATE_DEAD, kind, offset);
        this.#retry(ref, readUint48(bytes, at + 7));
        return at + 13;
      default:
        throw new Error(`unknown operation kind ${kind} at offset ${offset}`);
    }
  }

  #deliver(ref: number, deadlineMs: number, atMs: number, offset: number): void {
    const messages = this.#messages;
    this.#expect(ref, STATE_READY, OP_DELIVER, offset);
    const queue = messages.queueOf(ref);
    queue.totals.consumed++;
    queue.totals.waitMs += Math.max(0, atMs - messages.instantMsOf(ref));
    messages.leave(ref);
    messages.enter(ref, queue, STATE_PENDING, deadlineMs, offset);
  }

  #requeue(ref: number, bytes: Uint8Array, at: number, offset: number): void {
    this.#expect(ref, STATE_PENDING, OP_REQUEUE, offset);
    const messages = this.#messages;
    const queue = messages.queueOf(ref);
    countEnd(queue, bytes[at + 7] as DeliveryEnd); // Plan wrote one.
    messages.leave(ref);
    messages.setRetryCount(ref, readUint16(bytes, at + 8));
    this.#enterWaiting(ref, queue, readUint48(bytes, at + 10), readUint48(bytes, at + 16));
  }

  #bury(ref: number, bytes: Uint8Array, at: number, offset: number): void {
    const messages = this.#messages;
    const reason = bytes[at + 7] as DeathReason; // Plan wrote one.
    const queue = this.#die(ref, reason, bytes[at + 8] as DeliveryEnd, OP_BURY, offset); // And here.
    queue.totals.deadLettered++;
    messages.leave(ref);
    messages.setReason(ref, reason);
    messages.enter(ref, queue, STATE_DEAD, readUint48(bytes, at + 9), offset);
    const { maxDepth } = queue.config.deadLetter;
    if (maxDepth === 0 || queue.dead <= maxDepth) return;
    const dead = queue.lanes.at(-1);
    if (dead === undefined) throw new Error(`queue ${queue.id} counts dead letters and has none`);
    this.#remove(dead.first);
    queue.totals.dropped++;
    this.#endRetry(queue);
  }

  #drop(ref: number, bytes: Uint8Array, at: number, offset: number): void {
    // Plan wrote one of each.
    const queue = this.#die(ref, bytes[at + 7] as DeathReason, bytes[at + 8] as DeliveryEnd, OP_DROP, offset);
    queue.totals.dropped++;
    this.#remove(ref);
  }

  /** Checks and counts what `bury` and `drop` have in common. */
  #die(ref: number, reason: DeathReason, ended: DeliveryEnd, kind: number, offset: number): Queue {
    const queue = this.#messages.queueOf(ref);
    const state = this.#messages.stateOf(ref);
    if (state === STATE_DEAD) throw this.#wrongState(ref, kind, offset);
    if (reason === DEATH_EXPIRED) queue.totals.expired++;
    countEnd(queue, ended);
    return queue;
  }

  #ready(ref: number, offset: number): void {
    this.#expect(ref, STATE_DELAYED, OP_READY, offset);
    const messages = this.#messages;
    const queue = messages.queueOf(ref);
    const readyAtMs = messages.instantMsOf(ref);
    messages.leave(ref);
    this.#enterWaiting(ref, queue, 0, readyAtMs);
  }

  #retry(ref: number, atMs: number): void {
    const messages = this.#messages;
    const queue = messages.queueOf(ref);
    messages.leave(ref);
    messages.setRetryCount(ref, 0);
    messages.setReason(ref, DEATH_NONE);
    messages.setLong(ref, EXPIRES_AT, 0);
    this.#enterWaiting(ref, queue, 0, atMs);
    this.#endRetry(queue);
  }

  /** The dead letters of now are to be retried, by `retrySome`. */
  retryAll(queue: Queue, offset: number): void {
    if (queue.dead === 0) return;
    queue.retryThrough = offset;
    this.retrying.add(queue);
  }

  /** Retries the oldest of those that a retry of all has left, up to `count`. */
  retrySome(queue: Queue, count: number, atMs: number): void {
    for (let i = 0; i < count && queue.retryThrough !== 0; i++) {
      const dead = queue.lanes.at(-1);
      if (dead === undefined) throw new Error(`queue ${queue.id} has no dead letters to retry`);
      this.#retry(dead.first, atMs);
    }
  }

  /** The retry of all is over when those that were dead then are gone. */
  #endRetry(queue: Queue): void {
    if (queue.retryThrough === 0) return;
    const first = queue.lanes.at(-1)?.first ?? 0;
    if (first !== 0 && this.#messages.positionOf(first) < queue.retryThrough) return;
    queue.retryThrough = 0;
    this.retrying.delete(queue);
  }

  forget(queue: Queue, count: number, offset: number): void {
    if (count > queue.dedupCount) throw new Error(`forget at offset ${offset} finds ${queue.dedupCount} dedup ids`);
    for (let i = 0; i < count; i++) this.#duplicates.removeFirst(queue);
    this.setDedupDeadline(queue);
  }

  /** Brings the deadline of a queue's dedup ids in line with the oldest. */
  setDedupDeadline(queue: Queue): void {
    const { deadlines } = this.#messages;
    if (queue.dedupCount > 0) {
      const untilMs = this.#duplicates.firstUntilMs(queue);
      if (queue.dedupHandle < 0) queue.dedupHandle = deadlines.add(untilMs, queue.slot * 2 + 1);
      else if (deadlines.deadlineMsOf(queue.dedupHandle) !== untilMs) deadlines.change(queue.dedupHandle, untilMs);
    } else if (queue.dedupHandle >= 0) {
      deadlines.remove(queue.dedupHandle);
      queue.dedupHandle = -1;
    }
  }

  #remove(ref: number): void {
    this.#messages.leave(ref);
    this.#messages.destroy(ref);
  }

  #expect(ref: number, state: number, kind: number, offset: number): void {
    if (this.#messages.stateOf(ref) !== state) throw this.#wrongState(ref, kind, offset);
  }

  #wrongState(ref: number, kind: number, offset: number): Error {
    const state = STATE_NAMES[this.#messages.stateOf(ref)];
    return new Error(`operation ${kind} at offset ${offset} finds message ${this.#messages.idOf(ref)} ${state}`);
  }
}

function countEnd({ totals }: Queue, ended: DeliveryEnd): void {
  if (ended === ENDED_NACKED) totals.nacked++;
  else if (ended === ENDED_TIMED_OUT) totals.timedOut++;
  else if (ended === ENDED_RELEASED) totals.released++;
}
