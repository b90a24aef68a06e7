/**
 * What commands plan with where queues are concerned: it finds queues and messages as they will be once the operations
 * staged before are applied, and stages operations on them. Part of `Planner`, whose rules hold here: nothing has changed
 * until the record is committed, and a refusal that any write can meet is in `planner.failure`.
 */
import { QUEUE_BYTES, type Queue, type QueueConfig } from "../../state/queue.ts";
import { isExpired, type Rejection, stageDeath, stageRejection } from "../../state/queue-due.ts";
import {
  PUBLISH_HEADER_BYTES,
  QUEUE_CREATE_HEADER_BYTES,
  writeAck,
  writeDeliver,
  writeExtend,
  writePublish,
  writeQueueCreate,
  writeQueueDelete,
  writeQueuePurge,
  writeRequeue,
  writeRetry,
  writeRetryAll,
} from "../../state/queue-operation.ts";
import {
  DEATH_EXPIRED,
  type DeliveryEnd,
  ENDED_NACKED,
  ENDED_NONE,
  ENDED_RELEASED,
  STATE_DEAD,
  STATE_DELAYED,
  STATE_PENDING,
  STATE_READY,
} from "../../state/queue-record.ts";
import type { QueueStore } from "../../state/queue-store.ts";
import { TAG_JSON, Value } from "../../state/value.ts";
import { ByteRange } from "../../structures/byte-range.ts";
import { type CommandError, fail } from "../errors.ts";
import type { Planner } from "../planner.ts";
import { type DeliveredMessage, deliveredMessage, pageBytesOf } from "./message-reply.ts";
import { lettersOf, type StagedQueue, StagedQueues } from "./staged-queues.ts";

const NOTHING = new Uint8Array(0);
/** The longest operation on a message but `publish`, with room to spare. */
const MESSAGE_OPERATION_BYTES = 32;
/** Messages whose TTL has passed that one record buries on the way to those it delivers, at less than 1 us each. */
const BURIED_MAX = 1_000;
const PURGED_STATES = (1 << STATE_READY) | (1 << STATE_DELAYED);
const DEAD_STATES = 1 << STATE_DEAD;

/** A queue as a plan sees it. The planner has one, which each look-up fills anew. */
export class QueueEntry {
  id = 0;
  config!: QueueConfig; // Filled before anybody sees the entry.
  /** In the store; `undefined` for a queue that this record creates. */
  queue: Queue | undefined;
  /** What the record changes of it. */
  staged: StagedQueue | undefined;

  get depth(): number {
    return (this.queue?.depth ?? 0) + (this.staged?.depth ?? 0);
  }

  get depthBytes(): number {
    return (this.queue?.depthBytes ?? 0) + (this.staged?.depthBytes ?? 0);
  }

  /** How many ready messages go before the next one of this priority. */
  readyBefore(priority: number): number {
    let count = 0;
    const lanes = this.queue?.lanes;
    const more = this.staged?.ready;
    for (let p = priority; p <= 9; p++) count += (lanes?.[p]?.count ?? 0) + (more?.[p] ?? 0);
    return count;
  }
}

/** A message to publish, its times still relative to the present. */
export interface PublishRequest {
  readonly payload: Value;
  /** A JSON object, if there is one. */
  readonly headers: ByteRange | undefined;
  readonly priority: number | undefined;
  readonly maxRetries: number | undefined;
  /** Absolute; 0 or past for at once. */
  readonly readyAtMs: number;
  /** From now on; 0 for never, `undefined` for what the queue says. */
  readonly ttlMs: number | undefined;
  readonly dedupId: ByteRange | undefined;
}

export interface Published {
  readonly messageId: number;
  /** Ready messages that go before it. */
  readonly position: number;
  readonly duplicate: true | undefined;
}

export class QueuePlanner {
  readonly store: QueueStore;
  readonly #planner: Planner;
  readonly #staged: StagedQueues;
  readonly #entry = new QueueEntry();
  readonly #noHeaders = new ByteRange(NOTHING, 0, 0);
  readonly #noDedupId = new ByteRange(NOTHING, 0, 0);
  readonly #message = {
    queueId: 0,
    payload: new Value(TAG_JSON, NOTHING, 0, 0),
    headers: this.#noHeaders,
    priority: 0,
    maxRetries: 0,
    publishedAtMs: 0,
    readyAtMs: 0,
    expiresAtMs: 0,
    dedupId: this.#noDedupId,
    dedupUntilMs: 0,
  };
  /** Where `takeNext` goes on. */
  #takingFrom: Queue | undefined;
  #nextRef = 0;
  /** What `takeNext` may still take, by `pageBytesOf`. */
  #pageBytesLeft = 0;
  #isPageEmpty = true;
  #buriedCount = 0;

  constructor(store: QueueStore, planner: Planner) {
    this.store = store;
    this.#planner = planner;
    this.#staged = new StagedQueues(store);
  }

  /** A new record begins. */
  begin(): void {
    this.#staged.clear();
    this.#takingFrom = undefined;
  }

  // Queues

  /** The queue of this name. The entry lives until the next look-up. */
  find(name: ByteRange): QueueEntry | undefined {
    this.#show();
    const queue = this.store.find(name);
    if (queue !== undefined) return this.#fill(queue.id, queue.config, queue);
    const created = this.#staged.createdAs(name);
    // One that is created has its config.
    return created === undefined ? undefined : this.#fill(created.id, created.config as QueueConfig, undefined);
  }

  /** As `find`. Error: QUEUE_NOT_FOUND. */
  require(name: ByteRange): QueueEntry | CommandError {
    return this.find(name) ?? queueNotFound(name);
  }

  /** As `require`, for commands that cannot stand in an atomic batch. */
  requireStored(name: ByteRange): Queue | CommandError {
    return this.store.find(name) ?? queueNotFound(name);
  }

  #show(): void {
    this.#staged.show(this.#planner.writer.bytes);
  }

  #fill(id: number, config: QueueConfig, queue: Queue | undefined): QueueEntry {
    const entry = this.#entry;
    entry.id = id;
    entry.config = config;
    entry.queue = queue;
    entry.staged = this.#staged.queueOf(id);
    return entry;
  }

  /** Stages a queue of a name that none has. Error: MEMORY_LIMIT_EXCEEDED where there are `queuesMax` already. */
  create(name: ByteRange, config: QueueConfig, queuesMax: number): QueueEntry | CommandError {
    if (this.store.queues().length + this.#staged.createdCount >= queuesMax) {
      const message = "there are as many queues as there may be: delete some, or raise queue.max_queues";
      return fail("MEMORY_LIMIT_EXCEEDED", message, { queues_max: queuesMax });
    }
    const nameBytes = name.end - name.start;
    this.#planner.reserveBytes(QUEUE_BYTES + nameBytes, this.store);
    if (!this.#planner.admit(QUEUE_CREATE_HEADER_BYTES + nameBytes)) return this.#fill(0, config, undefined);
    const id = this.#note();
    writeQueueCreate(this.#planner.writer, name, config);
    return this.#fill(id, config, undefined);
  }

  /** Stages the end of the ready and delayed messages of a queue; pending ones stay. */
  purge(queue: Queue): void {
    if (this.#admit()) writeQueuePurge(this.#planner.writer, queue.id, PURGED_STATES);
  }

  purgeDead(queue: Queue): void {
    if (this.#admit()) writeQueuePurge(this.#planner.writer, queue.id, DEAD_STATES);
  }

  delete(queue: Queue): void {
    if (this.#admit()) writeQueueDelete(this.#planner.writer, queue.id);
  }

  /** Stages a retry of all that are dead letters now. */
  retryAll(queue: Queue): void {
    if (this.#admit()) writeRetryAll(this.#planner.writer, queue.id);
  }

  // Messages

  /** Stages a message. Error: QUEUE_FULL. */
  publish(entry: QueueEntry, request: PublishRequest): Published | CommandError {
    const { payload, headers = this.#noHeaders } = request;
    const { config } = entry;
    const dedupId = config.dedupWindowMs > 0 ? request.dedupId : undefined;
    if (dedupId !== undefined) {
      const messageId = this.#duplicateOf(entry, dedupId);
      if (messageId !== 0) return { messageId, position: 0, duplicate: true };
    }
    const payloadBytes = payload.end - payload.start;
    const headersBytes = headers.end - headers.start;
    const dedupBytes = dedupId === undefined ? 0 : dedupId.end - dedupId.start;
    const full = whyFull(entry, payloadBytes + headersBytes);
    if (full !== undefined) return full;
    const priority = request.priority ?? config.defaultPriority;
    const position = entry.readyBefore(priority);
    const neededBytes = this.store.messageBytesNeeded(payloadBytes, headersBytes, dedupBytes);
    this.#planner.reserveBytes(neededBytes, this.store);
    if (!this.#planner.admit(PUBLISH_HEADER_BYTES + payloadBytes + headersBytes + dedupBytes))
      return { messageId: 0, position: 0, duplicate: undefined };
    const { nowMs } = this.#planner;
    const ttlMs = request.ttlMs ?? config.messageTtlMs;
    const message = this.#message;
    message.queueId = entry.id;
    message.payload = payload;
    message.headers = headers;
    message.priority = priority;
    message.maxRetries = request.maxRetries ?? config.maxRetries;
    message.publishedAtMs = nowMs;
    message.readyAtMs = request.readyAtMs > nowMs ? request.readyAtMs : 0;
    message.expiresAtMs = ttlMs === 0 ? 0 : nowMs + ttlMs;
    message.dedupId = dedupId ?? this.#noDedupId;
    message.dedupUntilMs = dedupId === undefined ? 0 : nowMs + config.dedupWindowMs;
    const messageId = this.#note();
    writePublish(this.#planner.writer, message);
    return { messageId, position, duplicate: undefined };
  }

  /** Brings an entry up to date with what was staged since it was looked up. */
  refresh(entry: QueueEntry): void {
    this.#show();
    entry.staged = this.#staged.queueOf(entry.id);
  }

  /** 0 for none. */
  #duplicateOf(entry: QueueEntry, dedupId: ByteRange): number {
    const staged = entry.staged?.dedupIds?.get(lettersOf(dedupId));
    if (staged !== undefined) return staged;
    return entry.queue === undefined ? 0 : this.store.findDuplicate(entry.queue, dedupId, this.#planner.nowMs);
  }

  /**
   * A pending message of the queue, as a reference of the store.
   * Errors: MESSAGE_NOT_FOUND; STALE_DELIVERY where it is not pending, its deadline has passed, or its delivery is another.
   * @param deliveryId what the caller believes; `undefined` for any.
   */
  findPending(entry: QueueEntry, messageId: number, deliveryId: number | undefined): number | CommandError {
    this.#show();
    const staged = this.#staged.messageOf(messageId);
    const ref = staged === "gone" ? 0 : this.store.findMessage(messageId);
    const { messages } = this.store;
    if (ref === 0 || messages.queueOf(ref).id !== entry.id) {
      if (ref === 0 && this.#staged.isPublished(this.#planner.writer.bytes, messageId, entry.id)) {
        return stale(messageId, "the message was not delivered yet");
      }
      return messageNotFound(messageId);
    }
    if (staged === "returned" || messages.stateOf(ref) !== STATE_PENDING) {
      return stale(messageId, "the message is not pending: its delivery has ended");
    }
    const deadlineMs = typeof staged === "number" ? staged : messages.instantMsOf(ref);
    if (deadlineMs <= this.#planner.nowMs) {
      return stale(messageId, "the ack deadline of the delivery has passed");
    }
    const current = messages.deliveryIdOf(ref);
    if (deliveryId === undefined || deliveryId === current) return ref;
    return stale(messageId, "this is not the current delivery of the message");
  }

  /** Stages the end of a message that `findPending` has found. */
  ack(ref: number): void {
    if (!this.#admit()) return;
    this.#note();
    writeAck(this.#planner.writer, this.store.messages.idOf(ref));
  }

  /**
   * Stages the return of a message that `findPending` has found, or its death.
   * @param delayMs until it is ready again; `undefined` for what the queue says.
   */
  nack(ref: number, requeue: boolean, delayMs: number | undefined): Rejection {
    if (!this.#admit()) return "requeued";
    this.#note();
    return stageRejection(this.store, this.#planner.writer, ref, ENDED_NACKED, requeue, delayMs, this.#planner.nowMs);
  }

  /** Stages a new deadline for a message that `findPending` has found. */
  extend(ref: number, deadlineMs: number): void {
    if (!this.#admit()) return;
    this.#note();
    writeExtend(this.#planner.writer, this.store.messages.idOf(ref), deadlineMs);
  }

  /** Stages that a delivery is given back unspent, if it still is the message's; returns whether it was. */
  release(messageId: number, deliveryId: number): boolean {
    const { messages } = this.store;
    const ref = this.store.findMessage(messageId);
    if (ref === 0 || messages.deliveryIdOf(ref) !== deliveryId || !this.#admit()) return false;
    this.#giveBack(ref, ENDED_RELEASED);
    return true;
  }

  #giveBack(ref: number, ended: DeliveryEnd): void {
    const { writer, nowMs } = this.#planner;
    const { messages } = this.store;
    if (isExpired(this.store, ref, nowMs)) stageDeath(this.store, writer, ref, DEATH_EXPIRED, ended, nowMs);
    else writeRequeue(writer, messages.idOf(ref), ended, messages.retryCountOf(ref), 0, nowMs);
  }

  /** Stages the retry of a dead letter of the queue. Errors: MESSAGE_NOT_FOUND, also for a message that is not dead. */
  retry(queue: Queue, messageId: number): CommandError | undefined {
    const { messages } = this.store;
    const ref = this.store.findMessage(messageId);
    if (ref === 0 || messages.queueOf(ref) !== queue || messages.stateOf(ref) !== STATE_DEAD) {
      return messageNotFound(messageId);
    }
    if (this.#admit()) writeRetry(this.#planner.writer, messageId, this.#planner.nowMs);
    return undefined;
  }

  // Deliveries

  /**
   * `takeNext` begins with the first ready message of this queue. Nothing staged before may concern its messages.
   * @param pageBytesMax what all of them may have together, by `pageBytesOf`; the first one may have more.
   */
  beginTaking(queue: Queue, pageBytesMax = Number.POSITIVE_INFINITY): void {
    this.#takingFrom = queue;
    this.#pageBytesLeft = pageBytesMax;
    this.#isPageEmpty = true;
    this.#nextRef = this.store.firstReady(queue);
    this.#buriedCount = 0;
  }

  /** Whether `takeNext` has stopped early, since too many on its way were overdue: there may be more to take. */
  get hasGivenUp(): boolean {
    return this.#buriedCount >= BURIED_MAX;
  }

  /**
   * Stages the delivery of the next ready message, and buries those on the way to it whose TTL has passed.
   * @returns how a consumer sees it, in place: encode it before the record is committed. `undefined` for none, or none
   * that the page has room for.
   */
  takeNext(ackDeadlineMs: number): DeliveredMessage | undefined {
    const { nowMs, writer } = this.#planner;
    const queue = this.#takingFrom;
    if (queue === undefined) throw new Error("takeNext comes after beginTaking");
    for (let ref = this.#nextRef; ref !== 0; ref = this.#nextRef) {
      if (this.hasGivenUp || !this.#admit()) return undefined;
      const isDead = isExpired(this.store, ref, nowMs);
      if (!isDead && !this.#fitsPage(ref)) return undefined;
      this.#nextRef = this.store.nextReady(queue, ref);
      if (isDead) {
        stageDeath(this.store, writer, ref, DEATH_EXPIRED, ENDED_NONE, nowMs);
        this.#buriedCount++;
        continue;
      }
      this.#isPageEmpty = false;
      const deliveryId = this.#planner.nextOffset;
      writeDeliver(writer, this.store.messages.idOf(ref), nowMs + ackDeadlineMs, nowMs);
      return deliveredMessage(this.store, ref, deliveryId, nowMs + ackDeadlineMs);
    }
    return undefined;
  }

  /** Takes a message's share of the page. */
  #fitsPage(ref: number): boolean {
    this.#pageBytesLeft -= pageBytesOf(this.store, ref);
    return this.#pageBytesLeft >= 0 || this.#isPageEmpty;
  }

  #admit(): boolean {
    return this.#planner.admit(MESSAGE_OPERATION_BYTES);
  }

  /** Notes the operation that is written next; returns its offset. */
  #note(): number {
    const { nextOffset, writer } = this.#planner;
    this.#staged.note(writer.length, nextOffset);
    return nextOffset;
  }
}

function whyFull(entry: QueueEntry, contentBytes: number): CommandError | undefined {
  const { maxDepth, maxBytes } = entry.config;
  const hasRoom = maxDepth === 0 || entry.depth < maxDepth;
  const hasBytes = maxBytes === 0 || entry.depthBytes + contentBytes <= maxBytes;
  if (hasRoom && hasBytes) return undefined;
  return fail("QUEUE_FULL", "the queue has no room for this message: let it be consumed first", {
    limit: hasRoom ? "max_bytes" : "max_depth",
    depth: entry.depth,
    max_depth: maxDepth,
    bytes: entry.depthBytes,
    max_bytes: maxBytes,
  });
}

export function queueNotFound(name: ByteRange): CommandError {
  return fail("QUEUE_NOT_FOUND", "there is no queue of this name: create it, or publish to it", {
    queue: name.toString(),
  });
}

function messageNotFound(messageId: number): CommandError {
  return fail("MESSAGE_NOT_FOUND", "the queue has no such message: it was acknowledged, dropped, or never there", {
    message_id: messageId,
  });
}

function stale(messageId: number, message: string): CommandError {
  return fail("STALE_DELIVERY", message, { message_id: messageId });
}
