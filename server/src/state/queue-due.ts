/**
 * What is due in the queues, as operations: deliveries that time out, delayed messages that become ready, messages that
 * expire, dedup ids to forget, dead letters to retry. Plan's side of the store: it reads the state and changes nothing of it.
 */
import type { OperationWriter } from "./operation.ts";
import { type Queue, retryDelayMs } from "./queue.ts";
import { writeBury, writeDrop, writeForget, writeReady, writeRequeue, writeRetrySome } from "./queue-operation.ts";
import {
  DEATH_EXPIRED,
  DEATH_MAX_RETRIES,
  DEATH_NACKED,
  type DeathReason,
  type DeliveryEnd,
  ENDED_NONE,
  ENDED_TIMED_OUT,
  STATE_DELAYED,
  STATE_PENDING,
} from "./queue-record.ts";
import type { QueueStore } from "./queue-store.ts";

export type Rejection = "requeued" | "dead_lettered" | "dropped";

/** A retry of all takes this part of the work, so that time-outs go on beside it. */
const RETRY_PART = 2;

/**
 * Ends the delivery of a pending message that was not acknowledged: it is requeued with one retry more, or dies where it
 * may not be, has no retries left, or has expired.
 * @param ended `ENDED_NACKED` or `ENDED_TIMED_OUT`.
 * @param requeue false to let it die.
 * @param delayMs until it is ready again; without it, the queue's backoff.
 */
export function stageRejection(
  store: QueueStore,
  writer: OperationWriter,
  ref: number,
  ended: DeliveryEnd,
  requeue: boolean,
  delayMs: number | undefined,
  nowMs: number,
): Rejection {
  const { messages } = store;
  const retryCount = messages.retryCountOf(ref);
  if (!requeue) return stageDeath(store, writer, ref, DEATH_NACKED, ended, nowMs);
  if (isExpired(store, ref, nowMs)) return stageDeath(store, writer, ref, DEATH_EXPIRED, ended, nowMs);
  if (retryCount >= messages.maxRetriesOf(ref)) return stageDeath(store, writer, ref, DEATH_MAX_RETRIES, ended, nowMs);
  const waitMs = delayMs ?? retryDelayMs(messages.queueOf(ref).config, retryCount);
  writeRequeue(writer, messages.idOf(ref), ended, retryCount + 1, waitMs === 0 ? 0 : nowMs + waitMs, nowMs);
  return "requeued";
}

/** Makes a message a dead letter, or drops it where its queue keeps none. */
export function stageDeath(
  store: QueueStore,
  writer: OperationWriter,
  ref: number,
  reason: DeathReason,
  ended: DeliveryEnd,
  nowMs: number,
): Rejection {
  const messageId = store.messages.idOf(ref);
  if (store.messages.queueOf(ref).config.deadLetter.enabled) {
    writeBury(writer, messageId, reason, ended, nowMs);
    return "dead_lettered";
  }
  writeDrop(writer, messageId, reason, ended);
  return "dropped";
}

/** Whether a message's TTL has passed. Readers hide it; it is buried by `QueueDue.stage`. */
export function isExpired(store: QueueStore, ref: number, nowMs: number): boolean {
  const expiresAtMs = store.messages.expiresAtMsOf(ref);
  return expiresAtMs !== 0 && expiresAtMs <= nowMs;
}

/** Stages what is due. */
export class QueueDue {
  readonly #store: QueueStore;
  /** Handles of deadlines that are due; reused. */
  readonly #handles: number[] = [];

  constructor(store: QueueStore) {
    this.#store = store;
  }

  /**
   * Writes operations for what is due at `nowMs`. Nothing else may be staged that names the same messages.
   * @param limit messages and dedup ids to deal with, at least 1. What is left is due at once: see `nextDeadlineMs`.
   * @returns the number of operations. It may be 0 where all that was due was of messages that do not exist any more.
   */
  stage(nowMs: number, writer: OperationWriter, limit: number): number {
    const { messages, retrying } = this.#store;
    const { count } = writer;
    let left = limit;
    for (const queue of retrying) {
      const slice = Math.min(queue.dead, Math.ceil(limit / RETRY_PART));
      writeRetrySome(writer, queue.id, slice, nowMs);
      left -= slice;
      break;
    }
    messages.deadlines.collectDue(nowMs, left, this.#handles);
    for (const handle of this.#handles) {
      const owner = messages.deadlines.ownerOf(handle);
      if ((owner & 1) !== 0) left -= this.#stageForget(this.#store.queueOfDeadline(owner), nowMs, writer, left);
      else if (messages.laneOf(owner).detached) messages.forgetDeadline(owner);
      else this.#stageMessage(owner, nowMs, writer);
    }
    return writer.count - count;
  }

  /** Returns how many ids are to be forgotten; 0 where nothing is left of the work. */
  #stageForget(queue: Queue, nowMs: number, writer: OperationWriter, limit: number): number {
    const due = this.#store.countForgettable(queue, nowMs, limit);
    if (due > 0) writeForget(writer, queue.id, due);
    return due;
  }

  #stageMessage(ref: number, nowMs: number, writer: OperationWriter): void {
    const store = this.#store;
    const state = store.messages.stateOf(ref);
    if (state === STATE_PENDING) stageRejection(store, writer, ref, ENDED_TIMED_OUT, true, undefined, nowMs);
    else if (isExpired(store, ref, nowMs)) stageDeath(store, writer, ref, DEATH_EXPIRED, ENDED_NONE, nowMs);
    else if (state === STATE_DELAYED) writeReady(writer, store.messages.idOf(ref));
  }
}
