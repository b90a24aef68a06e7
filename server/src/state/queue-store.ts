/**
 * The queues. Deterministic: `apply` is what changes them, it reads no clock and no random source.
 *
 *     QueueStore          queues by id; what plan asks; apply
 *       QueueNames        the queues in the order of their names
 *       QueueMessages     the messages: records in slabs, found by id, in lanes, with deadlines
 *       QueueDuplicates   the dedup ids that are remembered
 *       QueueTransitions  what each operation on messages does
 *
 * What is due is staged by `QueueDue.stage` (queue-due.ts), as operations. What a purge or a delete leaves is not there any more
 * for anybody, and is freed by `freeDetached` in slices.
 */
import { ByteRange } from "../structures/byte-range.ts";
import { DEADLINE_ENTRY_BYTES } from "../structures/deadline-heap.ts";
import { PAGE_BYTES_DEFAULT, PageHeap } from "../structures/page-heap.ts";
import { readUint32, readUint48 } from "./operation.ts";
import { lanePlace, QUEUE_BYTES, Queue, type QueueConfig } from "./queue.ts";
import { QueueTransitions } from "./queue-apply.ts";
import { checkQueues, dumpQueues } from "./queue-dump.ts";
import { QueueDuplicates } from "./queue-duplicates.ts";
import { QueueMessages } from "./queue-messages.ts";
import { QueueNames } from "./queue-names.ts";
import type { QueueObserver } from "./queue-observer.ts";
import {
  OP_FORGET,
  OP_PUBLISH,
  OP_QUEUE_CREATE,
  OP_QUEUE_DELETE,
  OP_QUEUE_PURGE,
  OP_RETRY_ALL,
  OP_RETRY_SOME,
  QUEUE_CREATE_HEADER_BYTES,
  readConfig,
} from "./queue-operation.ts";
import { type MessageState, STATE_READY } from "./queue-record.ts";

const MESSAGES = 0;
const DUPLICATES = 1;
/** Larger messages get pages of their own; smaller spans are emptied in less time. */
const SPAN_BYTES_MAX = 2 ** 18;

export interface QueueStoreOptions {
  /** For the hashes of dedup ids, which clients choose: a random number that is not part of the state. */
  readonly hashSeed: number;
  /** A power of two from 4 KB to 64 KB: less for stores of a few megabytes. */
  readonly pageBytes?: number;
}

export class QueueStore {
  /** What a message is: accessors by reference. Only the store changes it. */
  readonly messages: QueueMessages;
  /** Called in the middle of an apply when a queue was deleted. */
  onDeleted: ((queue: Queue) => void) | undefined;
  readonly #heap: PageHeap;
  readonly #duplicates: QueueDuplicates;
  readonly #transitions: QueueTransitions;
  readonly #names = new QueueNames();
  readonly #byId = new Map<number, Queue>();
  /** By slot, with those deleted whose dedup ids are still in memory. */
  readonly #slots: (Queue | undefined)[] = [];
  readonly #freeSlots: number[] = [];
  /** Deleted, with dedup ids to free. */
  readonly #retired: Queue[] = [];
  #retiredCount = 0;
  #gained: Queue[] = [];
  #drained: Queue[] = [];

  constructor({ hashSeed, pageBytes = PAGE_BYTES_DEFAULT }: QueueStoreOptions) {
    this.#heap = new PageHeap(pageBytes);
    this.messages = new QueueMessages(this.#heap, MESSAGES, SPAN_BYTES_MAX);
    this.#duplicates = new QueueDuplicates(this.#heap, DUPLICATES, SPAN_BYTES_MAX, hashSeed);
    this.#transitions = new QueueTransitions(this.messages, this.#duplicates, (queue) => this.#gain(queue));
  }

  // Queues

  /** The queue of this name. */
  find(name: ByteRange): Queue | undefined {
    return this.#names.find(name);
  }

  queueOf(queueId: number): Queue | undefined {
    return this.#byId.get(queueId);
  }

  /** All queues, in unsigned byte order of their names. Changes with the store. */
  queues(): readonly Queue[] {
    return this.#names.queues;
  }

  /** All queues, those that were created first come first. */
  queuesById(): IterableIterator<Queue> {
    return this.#byId.values();
  }

  /** The place in `queues` of the first one whose name is above `name`. */
  placeAfter(name: ByteRange): number {
    return this.#names.placeAfter(name);
  }

  /** The places in `queues` of those whose names begin with `prefix`: from `start` up to `end`, exclusive. */
  placesOf(prefix: ByteRange): { start: number; end: number } {
    return this.#names.placesOf(prefix);
  }

  // Messages

  /** The message with this id; 0 where there is none. It may be of any queue and in any state. */
  findMessage(messageId: number): number {
    return this.messages.find(messageId);
  }

  /** The ready message that is delivered next; 0 for none. One whose TTL has passed is shown too. */
  firstReady(queue: Queue): number {
    return this.#firstBelow(queue, queue.readyMask);
  }

  /** The ready message of the same queue that is delivered after this one; 0 for none. */
  nextReady(queue: Queue, ref: number): number {
    const next = this.messages.order.next(ref);
    if (next !== 0) return next;
    const below = (1 << this.messages.priorityOf(ref)) - 1;
    return this.#firstBelow(queue, queue.readyMask & below);
  }

  #firstBelow(queue: Queue, mask: number): number {
    return mask === 0 ? 0 : (queue.lanes[31 - Math.clz32(mask)]?.first ?? 0);
  }

  /**
   * Visits messages of one state, delayed ones in publish order, pending ones in the order of their deliveries, dead ones in
   * that of their deaths, until `visit` answers false. Ready ones are `firstReady` and `nextReady`'s.
   * @param after the `positionOf` the last message of the page before; 0 to begin.
   */
  scan(
    queue: Queue,
    state: Exclude<MessageState, typeof STATE_READY>,
    after: number,
    visit: (ref: number) => boolean,
  ): void {
    const { order } = this.messages;
    const lane = queue.lanes[lanePlace(state, 0)];
    if (lane === undefined) return;
    for (let ref = order.firstAfter(lane, after); ref !== 0 && visit(ref); ) ref = order.next(ref);
  }

  /** The ready message that was published first, whatever its priority; 0 for none. */
  oldestRef(queue: Queue): number {
    let oldest = 0;
    for (let mask = queue.readyMask; mask !== 0; mask &= mask - 1) {
      const first = this.#firstBelow(queue, mask & -mask);
      if (oldest === 0 || this.messages.idOf(first) < this.messages.idOf(oldest)) oldest = first;
    }
    return oldest;
  }

  /** The message that was published to the queue with this dedup id, not longer ago than is remembered; 0 for none. */
  findDuplicate(queue: Queue, dedupId: ByteRange, nowMs: number): number {
    return this.#duplicates.find(queue, dedupId, nowMs);
  }

  /**
   * Visits the queues that have gained ready messages since the last call, and that are still there. What they gain
   * meanwhile is for the next call.
   */
  drainGained(visit: (queue: Queue) => void): void {
    const gained = this.#gained;
    this.#gained = this.#drained;
    this.#drained = gained;
    for (const queue of gained) {
      queue.gained = false;
      if (!queue.deleted) visit(queue);
    }
    gained.length = 0;
  }

  #gain(queue: Queue): void {
    if (queue.gained) return;
    queue.gained = true;
    this.#gained.push(queue);
  }

  // What is due

  /** When `QueueDue.stage` has something to do; `Infinity` for never, and never later than that. */
  get nextDeadlineMs(): number {
    return this.retrying.size > 0 ? 0 : this.messages.deadlines.nextDeadlineMs;
  }

  /** Queues whose dead letters are being retried. */
  get retrying(): ReadonlySet<Queue> {
    return this.#transitions.retrying;
  }

  /** The queue whose dedup ids a deadline is about. */
  queueOfDeadline(owner: number): Queue {
    return this.#slots[owner >> 1]!; // A queue's deadline goes before its slot does.
  }

  /** How many of the oldest dedup ids of a queue have had their time, up to `limit`. */
  countForgettable(queue: Queue, nowMs: number, limit: number): number {
    return this.#duplicates.countDue(queue, nowMs, limit);
  }

  // Apply

  /**
   * Applies the operation at `at`, of a kind from `OP_QUEUE_CREATE` to `OP_QUEUE_LAST`. Throws where plan cannot have
   * written it.
   * @param end of the record, which the operation may not run past.
   * @param offset of the operation in the log.
   * @returns where the next operation begins.
   */
  apply(bytes: Uint8Array, at: number, end: number, offset: number): number {
    const kind = bytes[at];
    let next: number;
    if (kind === OP_QUEUE_CREATE) next = this.#create(bytes, at, offset);
    else if (kind < OP_PUBLISH || kind >= OP_RETRY_ALL) next = this.#applyToQueue(kind, bytes, at, offset);
    else if (kind === OP_PUBLISH) next = this.#transitions.publish(this.#queueAt(bytes, at, offset), bytes, at, offset);
    else next = this.#transitions.applyToMessage(kind, bytes, at, offset);
    if (next > end) throw new Error(`operation of kind ${kind} at byte ${at} runs ${next - end} bytes past its record`);
    return next;
  }

  #applyToQueue(kind: number, bytes: Uint8Array, at: number, offset: number): number {
    const queue = this.#queueAt(bytes, at, offset);
    switch (kind) {
      case OP_QUEUE_DELETE:
        this.#delete(queue);
        return at + 7;
      case OP_QUEUE_PURGE:
        this.#purge(queue, bytes[at + 7]);
        return at + 8;
      case OP_RETRY_ALL:
        this.#transitions.retryAll(queue, offset);
        return at + 7;
      case OP_RETRY_SOME:
        this.#transitions.retrySome(queue, readUint32(bytes, at + 7), readUint48(bytes, at + 11));
        return at + 17;
      case OP_FORGET:
        this.#transitions.forget(queue, readUint32(bytes, at + 7), offset);
        return at + 11;
      default:
        throw new Error(`unknown operation kind ${kind} at offset ${offset}`);
    }
  }

  #queueAt(bytes: Uint8Array, at: number, offset: number): Queue {
    const queue = this.#byId.get(readUint48(bytes, at + 1));
    if (queue === undefined)
      throw new Error(`operation ${bytes[at]} at offset ${offset} names no queue: ${readUint48(bytes, at + 1)}`);
    this.messages.observer?.beforeQueue(queue);
    return queue;
  }

  #create(bytes: Uint8Array, at: number, offset: number): number {
    const nameAt = at + QUEUE_CREATE_HEADER_BYTES;
    const name = new ByteRange(bytes, nameAt, nameAt + bytes[at + 1]);
    this.add(offset, name, readConfig(bytes, at));
    return name.end;
  }

  /** A new queue; throws where there is one of this name. Only apply and a restore add any. */
  add(id: number, name: ByteRange, config: QueueConfig): Queue {
    const there = this.#names.find(name);
    if (there !== undefined) throw new Error(`create at offset ${id} finds the queue ${there.name}`);
    const slot = this.#freeSlots.pop() ?? this.#slots.length;
    const queue = new Queue(id, slot, new Uint8Array(name.bytes.subarray(name.start, name.end)), config);
    this.#slots[slot] = queue;
    this.#names.add(queue);
    this.#byId.set(id, queue);
    return queue;
  }

  #delete(queue: Queue): void {
    this.messages.observer?.beforeDelete(queue);
    this.#purge(queue, -1);
    this.#names.remove(queue);
    this.#byId.delete(queue.id);
    queue.deleted = true;
    if (queue.dedupHandle >= 0) this.messages.deadlines.remove(queue.dedupHandle);
    queue.dedupHandle = -1;
    this.#retired.push(queue);
    this.#retiredCount += queue.dedupCount;
    if (queue.dedupCount === 0) this.#freeRetired(1);
    this.onDeleted?.(queue);
  }

  #purge(queue: Queue, states: number): void {
    for (const lane of queue.lanes)
      if (lane !== undefined && (states & (1 << lane.state)) !== 0) this.messages.detach(lane);
    if (queue.retryThrough === 0) this.#transitions.retrying.delete(queue);
  }

  // Snapshots

  /** Shows a snapshot everything before it changes, until this is called with undefined. */
  observe(observer: QueueObserver | undefined): void {
    this.messages.observer = observer;
    this.#duplicates.observer = observer;
  }

  /** For snapshots to read, and for a restore to fill. */
  get duplicates(): QueueDuplicates {
    return this.#duplicates;
  }

  /** Puts a message that a restore has created where it was. */
  enterRestored(ref: number, queue: Queue, state: MessageState, instantMs: number, turn: number): void {
    this.messages.enter(ref, queue, state, instantMs, turn);
    if (state === STATE_READY) this.#gain(queue);
  }

  /** Queues were restored in any order: the first created come first again, and what follows from their content is set. */
  finishRestore(): void {
    const queues = [...this.#byId.values()].sort((a, b) => a.id - b.id);
    this.#byId.clear();
    for (const queue of queues) {
      this.#byId.set(queue.id, queue);
      this.#transitions.setDedupDeadline(queue);
      if (queue.retryThrough !== 0) this.#transitions.retrying.add(queue);
    }
  }

  // Memory

  /** Bytes in use: of messages, with those that are detached, of dedup ids, deadlines and queues. */
  get usedBytes(): number {
    return this.messages.usedBytes + this.#duplicates.usedBytes + this.#queueBytes;
  }

  /** Bytes of the pages these are in. */
  get heldBytes(): number {
    return this.#heap.heldBytes + this.#otherBytes;
  }

  /** What the process has: `heldBytes` and pages that are free now. */
  get residentBytes(): number {
    return this.#heap.residentBytes + this.#otherBytes;
  }

  get #otherBytes(): number {
    return this.messages.heldBytes + this.#duplicates.heldBytes + this.#queueBytes;
  }

  get #queueBytes(): number {
    return (this.#slots.length - this.#freeSlots.length) * QUEUE_BYTES;
  }

  /** About how much of `usedBytes` goes with `freeDetached`. */
  get detachedBytes(): number {
    return this.messages.detachedBytes + this.#retiredCount * this.#duplicates.bytesNeeded(0);
  }

  /** What a message adds to `usedBytes` at most, the deadline that it may come to have included. */
  messageBytesNeeded(payloadBytes: number, headersBytes: number, dedupBytes: number): number {
    const dedup = dedupBytes === 0 ? 0 : this.#duplicates.bytesNeeded(dedupBytes) + DEADLINE_ENTRY_BYTES;
    return this.messages.bytesNeeded(payloadBytes, headersBytes) + DEADLINE_ENTRY_BYTES + dedup;
  }

  /** Whether there are addresses for messages of so many bytes altogether. */
  canTake(bytes: number): boolean {
    return this.#heap.canTake(bytes);
  }

  /** Frees up to `limit` messages and dedup ids of purged and deleted queues; returns whether there are more. */
  freeDetached(limit: number): boolean {
    const left = limit - this.messages.freeDetached(limit);
    if (left > 0) this.#freeRetired(left);
    return this.messages.detachedCount > 0 || this.#retired.length > 0;
  }

  #freeRetired(limit: number): void {
    let left = limit;
    for (let queue = this.#retired.at(-1); queue !== undefined && left > 0; queue = this.#retired.at(-1)) {
      for (; queue.dedupCount > 0 && left > 0; left--) {
        this.#duplicates.removeFirst(queue);
        this.#retiredCount--;
      }
      if (queue.dedupCount > 0) return;
      this.#retired.pop();
      this.#slots[queue.slot] = undefined;
      this.#freeSlots.push(queue.slot);
    }
  }

  /** Bytes that `evacuate` can give back. */
  get reclaimableBytes(): number {
    return this.messages.slab.reclaimableBytes + this.#duplicates.slab.reclaimableBytes;
  }

  /**
   * Empties sparse spans, which messages of other sizes have left behind, so that their pages serve any size. Moves what is
   * in them: references change.
   * @param spans how many at most, each of 256 KB or less.
   * @returns whether it has emptied any.
   */
  evacuate(spans: number): boolean {
    let emptied = false;
    for (let i = 0; i < spans; i++) {
      const found =
        this.messages.slab.evacuate((ref) => this.messages.move(ref)) ||
        this.#duplicates.slab.evacuate((ref) =>
          this.#duplicates.move(ref, this.queueOfDeadline(this.#duplicates.queueSlotOf(ref) * 2)),
        );
      if (!found) break;
      emptied = true;
    }
    return emptied;
  }

  // For tests

  /** All of the state as text, the same for the same operations, however they were cut into records. */
  dump(): string {
    return dumpQueues(this.#names.queues, this.messages, this.#duplicates);
  }

  /** Checks the structures against each other; throws where they disagree. */
  checkInvariants(): void {
    checkQueues(this.#slots, this.#names.queues, this.messages, this.#duplicates);
    if (this.messages.slab.heldBytes + this.#duplicates.slab.heldBytes !== this.#heap.heldBytes)
      throw new Error("pages are lost");
  }
}
