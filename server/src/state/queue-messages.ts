/**
 * The messages of all queues: their records, what finds them by id, the lanes that order them, and their deadlines. It knows
 * how a message moves, and no rule of when; that is queue-apply.ts.
 *
 * A message is known by a reference, a signed 32-bit integer, 0 for none. References, and ranges over payloads, live until
 * the next change of the store: `evacuate` may move any record.
 */
import { type ByteRange, copyBytes } from "../structures/byte-range.ts";
import { DeadlineHeap } from "../structures/deadline-heap.ts";
import { HashTable } from "../structures/hash-table.ts";
import type { PageHeap } from "../structures/page-heap.ts";
import { SlabAllocator } from "../structures/slab-allocator.ts";
import { Lane, lanePlace, type Queue } from "./queue.ts";
import { copyWords } from "./queue-duplicates.ts";
import { QueueMarks } from "./queue-marks.ts";
import type { QueueObserver } from "./queue-observer.ts";
import { QueueOrder } from "./queue-order.ts";
import * as record from "./queue-record.ts";
import { type DeathReason, type MessageState, STATE_DELAYED, STATE_PENDING, STATE_READY } from "./queue-record.ts";
import type { Value, ValueTag } from "./value.ts";

/** Buckets per message, at most, in bytes. */
const BUCKET_BYTES = 8;

export class QueueMessages {
  readonly slab: SlabAllocator;
  /** Of messages, and of queues for their dedup ids: `queue.slot * 2 + 1`, where a message's reference is even. */
  readonly deadlines = new DeadlineHeap();
  readonly order: QueueOrder;
  /** Called in the middle of an apply when a delivery has ended, but for those of a queue that is deleted. */
  onDeliveryEnded: ((deliveryId: number) => void) | undefined;
  /** Shown messages before they change. */
  observer: QueueObserver | undefined = undefined;
  /** Of snapshots, for `setMark`. */
  readonly marks = new QueueMarks(() => this.#clearMarks());
  readonly #table: HashTable;
  /** By number. */
  readonly #lanes: (Lane | undefined)[] = [];
  readonly #freeNumbers: number[] = [];
  readonly #detached: Lane[] = [];
  detachedCount = 0;
  #detachedContentBytes = 0;

  constructor(heap: PageHeap, owner: number, spanBytesMax: number) {
    this.slab = new SlabAllocator(heap, owner, spanBytesMax);
    this.order = new QueueOrder(this.slab.words);
    this.#table = new HashTable(this.slab.words, record.HASH_NEXT);
  }

  get usedBytes(): number {
    return this.slab.usedBytes + this.#table.usedBytes + this.deadlines.usedBytes;
  }

  /** Outside the heap's pages. */
  get heldBytes(): number {
    return this.#table.heldBytes + this.deadlines.heldBytes;
  }

  /** About what is left of detached messages, in `usedBytes`. */
  get detachedBytes(): number {
    return this.detachedCount * record.RECORD_BYTES + this.#detachedContentBytes;
  }

  /** What a message adds to `usedBytes`, its dedup id aside. */
  bytesNeeded(payloadBytes: number, headersBytes: number): number {
    return this.slab.slotBytesFor(record.RECORD_BYTES + payloadBytes + headersBytes) + BUCKET_BYTES;
  }

  /** The message with this id; 0 where there is none, not any more or not yet. */
  find(messageId: number): number {
    for (let ref = this.#table.first(record.hashOfId(messageId)); ref !== 0; ref = this.#table.next(ref)) {
      const words = this.slab.words[ref >>> 24];
      const at = ref & 0xfffffe;
      if (record.readLong(words, at + record.ID) === messageId) return this.laneOf(ref).detached ? 0 : ref;
    }
    return 0;
  }

  /** The lane a message is in. A detached one where it does not exist any more. */
  laneOf(ref: number): Lane {
    return this.#lanes[this.#word(ref, record.LANE)]!; // A lane keeps its number until it is empty.
  }

  queueOf(ref: number): Queue {
    return this.laneOf(ref).queue;
  }

  stateOf(ref: number): MessageState {
    return record.stateOf(this.slab.words[ref >>> 24], ref & 0xfffffe);
  }

  priorityOf(ref: number): number {
    return record.priorityOf(this.slab.words[ref >>> 24], ref & 0xfffffe);
  }

  idOf(ref: number): number {
    return this.longOf(ref, record.ID);
  }

  /** The id of a pending message's delivery; else 0. */
  deliveryIdOf(ref: number): number {
    return this.stateOf(ref) === STATE_PENDING ? this.longOf(ref, record.TURN) : 0;
  }

  /** Where a message is among those of its state: what `QueueStore#scan` goes on after. */
  positionOf(ref: number): number {
    return this.order.keyOf(this.laneOf(ref), ref);
  }

  retryCountOf(ref: number): number {
    return this.#word(ref, record.RETRIES) & 0xffff;
  }

  maxRetriesOf(ref: number): number {
    return this.#word(ref, record.RETRIES) >>> 16;
  }

  publishedAtMsOf(ref: number): number {
    return this.longOf(ref, record.PUBLISHED_AT);
  }

  /** Since when a ready message is, when a delayed one will be, until when a pending one must be acknowledged, when a dead one died. */
  instantMsOf(ref: number): number {
    return this.longOf(ref, record.INSTANT);
  }

  /** 0 for never. */
  expiresAtMsOf(ref: number): number {
    return this.longOf(ref, record.EXPIRES_AT);
  }

  deathReasonOf(ref: number): DeathReason {
    return ((this.#word(ref, 0) >>> 12) & 0xf) as DeathReason; // Only `writeReason` writes it.
  }

  /** See queue-marks.ts. */
  markOf(ref: number): number {
    return record.markOf(this.slab.words[ref >>> 24], ref & 0xfffffe);
  }

  setMark(ref: number, mark: number): void {
    record.writeMark(this.slab.words[ref >>> 24], ref & 0xfffffe, mark);
  }

  #clearMarks(): void {
    this.slab.walk((ref) => {
      this.setMark(ref, 0);
      return true;
    });
  }

  /** Of payload and headers. */
  contentBytesOf(ref: number): number {
    return record.contentBytesOf(this.slab.words[ref >>> 24], ref & 0xfffffe);
  }

  /** Lets `into` show the payload, in place. */
  readPayload(ref: number, into: Value): void {
    const words = this.slab.words[ref >>> 24];
    const at = ref & 0xfffffe;
    into.tag = ((words[at] >>> 8) & 0xf) as ValueTag; // Plan wrote one of the four tags.
    into.bytes = this.slab.bytes[ref >>> 24];
    into.start = (at + record.RECORD_WORDS) * 4;
    into.end = into.start + words[at + record.PAYLOAD_BYTES];
  }

  /** Lets `into` show the headers, in place: JSON text, or empty. */
  readHeaders(ref: number, into: ByteRange): void {
    const words = this.slab.words[ref >>> 24];
    const at = ref & 0xfffffe;
    into.bytes = this.slab.bytes[ref >>> 24];
    into.start = (at + record.RECORD_WORDS) * 4 + words[at + record.PAYLOAD_BYTES];
    into.end = into.start + words[at + record.HEADERS_BYTES];
  }

  /**
   * Takes room for a new message with its content. The caller sets its instants and then `enter`s it.
   * @param at of the payload in `bytes`; the headers follow it.
   */
  create(
    messageId: number,
    tag: number,
    priority: number,
    maxRetries: number,
    bytes: Uint8Array,
    at: number,
    payloadBytes: number,
    headersBytes: number,
  ): number {
    const contentBytes = payloadBytes + headersBytes;
    const ref = this.slab.allocate(record.RECORD_BYTES + contentBytes);
    const words = this.slab.words[ref >>> 24];
    const word = ref & 0xfffffe;
    words[word] = (priority << 4) | (tag << 8);
    record.writeLong(words, word + record.ID, messageId);
    words[word + record.DEADLINE_HANDLE] = -1;
    words[word + record.RETRIES] = maxRetries << 16;
    words[word + record.PAYLOAD_BYTES] = payloadBytes;
    words[word + record.HEADERS_BYTES] = headersBytes;
    copyBytes(bytes, at, at + contentBytes, this.slab.bytes[ref >>> 24], (word + record.RECORD_WORDS) * 4);
    this.#table.add(ref, record.hashOfId(messageId));
    return ref;
  }

  setLong(ref: number, field: number, value: number): void {
    record.writeLong(this.slab.words[ref >>> 24], (ref & 0xfffffe) + field, value);
  }

  setRetryCount(ref: number, retryCount: number): void {
    const words = this.slab.words[ref >>> 24];
    const at = (ref & 0xfffffe) + record.RETRIES;
    words[at] = (words[at] & ~0xffff) | retryCount;
  }

  setReason(ref: number, reason: DeathReason): void {
    record.writeReason(this.slab.words[ref >>> 24], ref & 0xfffffe, reason);
  }

  /**
   * Puts a message that is in no lane into one.
   * @param instantMs see `instantMsOf`.
   * @param turn orders it among pending and dead messages; 0 for others.
   */
  enter(ref: number, queue: Queue, state: MessageState, instantMs: number, turn: number): void {
    const words = this.slab.words[ref >>> 24];
    const at = ref & 0xfffffe;
    const place = lanePlace(state, record.priorityOf(words, at));
    const lane = queue.lanes[place] ?? this.#addLane(queue, state, place);
    record.writeState(words, at, state);
    record.writeLong(words, at + record.TURN, turn);
    record.writeLong(words, at + record.INSTANT, instantMs);
    words[at + record.LANE] = lane.number;
    this.order.insert(lane, ref);
    queue.count(lane, 1, record.contentBytesOf(words, at));
    this.setDeadline(ref);
  }

  /** Takes a message out of its lane; the caller lets it enter another, or destroys it. */
  leave(ref: number): void {
    const lane = this.laneOf(ref);
    this.observer?.beforeMessage(ref, lane);
    if (lane.state === STATE_PENDING && !lane.detached) this.onDeliveryEnded?.(this.longOf(ref, record.TURN));
    this.order.remove(lane, ref);
    lane.queue.count(lane, -1, -this.contentBytesOf(ref));
  }

  /** Frees a message that is in no lane. */
  destroy(ref: number): void {
    this.#table.remove(ref);
    const handle = this.#word(ref, record.DEADLINE_HANDLE);
    if (handle >= 0) this.deadlines.remove(handle);
    this.slab.free(ref);
  }

  /** Brings a message's deadline in line with its state and instants. */
  setDeadline(ref: number): void {
    const words = this.slab.words[ref >>> 24];
    const at = ref & 0xfffffe;
    const deadlineMs = deadlineMsOf(words, at);
    const handle = words[at + record.DEADLINE_HANDLE];
    if (deadlineMs !== 0) {
      if (handle >= 0) this.deadlines.change(handle, deadlineMs);
      else words[at + record.DEADLINE_HANDLE] = this.deadlines.add(deadlineMs, ref);
    } else if (handle >= 0) {
      this.deadlines.remove(handle);
      words[at + record.DEADLINE_HANDLE] = -1;
    }
  }

  /** Takes away the deadline of a message that does not exist any more. */
  forgetDeadline(ref: number): void {
    const at = (ref & 0xfffffe) + record.DEADLINE_HANDLE;
    this.deadlines.remove(this.slab.words[ref >>> 24][at]);
    this.slab.words[ref >>> 24][at] = -1;
  }

  #addLane(queue: Queue, state: MessageState, place: number): Lane {
    const number = this.#freeNumbers.pop() ?? this.#lanes.length;
    const lane = new Lane(queue, state, place, number);
    this.#lanes[number] = lane;
    queue.lanes[place] = lane;
    return lane;
  }

  /** All messages of a lane cease to exist, in O(1). The memory goes with `freeDetached`. */
  detach(lane: Lane): void {
    if (lane.count > 0) this.observer?.beforeDetach(lane);
    lane.queue.detach(lane);
    if (lane.count === 0) {
      this.#dropLane(lane);
      return;
    }
    this.#detached.push(lane);
    this.detachedCount += lane.count;
    this.#detachedContentBytes += lane.bytes;
  }

  #dropLane(lane: Lane): void {
    this.#lanes[lane.number] = undefined;
    this.#freeNumbers.push(lane.number);
  }

  /** Frees up to `limit` messages that were detached and returns how many. */
  freeDetached(limit: number): number {
    let freed = 0;
    for (let lane = this.#detached.at(-1); lane !== undefined && freed < limit; lane = this.#detached.at(-1)) {
      for (; lane.count > 0 && freed < limit; freed++) {
        const ref = lane.first;
        this.detachedCount--;
        this.#detachedContentBytes -= this.contentBytesOf(ref);
        this.leave(ref);
        this.destroy(ref);
      }
      if (lane.count > 0) break;
      this.#dropLane(lane);
      this.#detached.pop();
    }
    return freed;
  }

  /** Moves a message to another slot, as `SlabAllocator#evacuate` asks for. */
  move(old: number): void {
    const contentBytes = this.contentBytesOf(old);
    const ref = this.slab.allocate(record.RECORD_BYTES + contentBytes);
    copyWords(this.slab, old, ref, record.RECORD_WORDS + ((contentBytes + 3) >> 2));
    this.#table.replace(old, ref);
    this.order.replace(this.laneOf(ref), old, ref);
    const handle = this.#word(ref, record.DEADLINE_HANDLE);
    if (handle >= 0) this.deadlines.setOwner(handle, ref);
    this.slab.free(old);
  }

  #word(ref: number, field: number): number {
    return this.slab.words[ref >>> 24][(ref & 0xfffffe) + field];
  }

  /** A number of two words of the record (queue-record.ts). */
  longOf(ref: number, field: number): number {
    return record.readLong(this.slab.words[ref >>> 24], (ref & 0xfffffe) + field);
  }

  /** Throws where a lane, or what its messages say of themselves, is wrong. For tests. */
  checkLane(lane: Lane): void {
    this.order.checkInvariants(lane);
    let bytes = 0;
    for (let ref = lane.first; ref !== 0; ref = this.order.next(ref)) {
      const id = this.idOf(ref);
      if (this.laneOf(ref) !== lane || this.stateOf(ref) !== lane.state) throw new Error(`${id} is in another lane`);
      if (lane.state === STATE_READY && this.priorityOf(ref) !== lane.place)
        throw new Error(`${id} is out of priority`);
      if (!lane.detached && this.find(id) !== ref) throw new Error(`${id} is not found`);
      const handle = this.#word(ref, record.DEADLINE_HANDLE);
      const deadlineMs = deadlineMsOf(this.slab.words[ref >>> 24], ref & 0xfffffe);
      if (handle >= 0 ? this.deadlines.ownerOf(handle) !== ref : deadlineMs !== 0 && !lane.detached)
        throw new Error(`the deadline of ${id} is not its own`);
      if (handle >= 0 && this.deadlines.deadlineMsOf(handle) !== deadlineMs)
        throw new Error(`the deadline of ${id} differs`);
      bytes += this.contentBytesOf(ref);
    }
    if (bytes !== lane.bytes) throw new Error(`${bytes} bytes are in a lane, ${lane.bytes} counted`);
  }

  /** Checks everything, and returns how many messages exist. For tests. */
  checkInvariants(): number {
    this.slab.checkInvariants();
    this.#table.checkInvariants();
    this.deadlines.checkInvariants();
    let count = 0;
    let detached = 0;
    for (const lane of this.#lanes) {
      if (lane === undefined) continue;
      this.checkLane(lane);
      if (lane.detached) detached += lane.count;
      else count += lane.count;
    }
    if (detached !== this.detachedCount) throw new Error(`${detached} messages are detached`);
    if (count + detached !== this.slab.count || this.#table.count !== this.slab.count)
      throw new Error("messages are lost");
    return count;
  }
}

/** When something is due for a message; 0 for never. */
function deadlineMsOf(words: Int32Array, at: number): number {
  const state = record.stateOf(words, at);
  if (state === STATE_PENDING) return record.readLong(words, at + record.INSTANT);
  if (state !== STATE_READY && state !== STATE_DELAYED) return 0;
  const expiresAtMs = record.readLong(words, at + record.EXPIRES_AT);
  if (state === STATE_READY) return expiresAtMs;
  const readyAtMs = record.readLong(words, at + record.INSTANT);
  return expiresAtMs === 0 ? readyAtMs : Math.min(readyAtMs, expiresAtMs);
}
