/**
 * Who consumes the queues on this node, and what they get: messages go to the commands that wait and to the subscriptions
 * that may be sent more, oldest first. Consumers are not state; what they are given is, so every delivery and every return
 * is an operation in a record of its own.
 *
 *     commit --> committed --> lines whose queue gained messages, or whose consumers want more
 *                                waiter: attempt       plans and answers its command
 *                                subscription: deliver, commit, push
 *     ack, nack, timeout --> deliveryEnded --> the subscription may be sent more
 *     connection closed --> ended --> turn end: release what it had not acknowledged
 *
 * Serving commits, and each commit leads back here: the inner call only marks what is to be served. One round is bounded,
 * and what is left is done at the end of the turn, when others had theirs.
 */
import type { CommandError } from "../commands/errors.ts";
import { fail } from "../commands/errors.ts";
import type { Executor } from "../commands/execute.ts";
import type { TurnEnd, TurnEndTask } from "../runtime/turn-end.ts";
import type { Queue } from "../state/queue.ts";
import { QueueDue } from "../state/queue-due.ts";
import type { QueueStore } from "../state/queue-store.ts";
import type { ClientSession } from "./client-session.ts";
import { type Consumer, ConsumerLine, type QueueWaiter, WaitingConsumer } from "./consumer-line.ts";
import type { PushEncoder } from "./push-encoder.ts";
import { QueueDeliveries } from "./queue-deliveries.ts";
import { QueueSubscription } from "./queue-subscription.ts";
import type { SubscriptionCount } from "./subscription-count.ts";
import type { SubscriptionIds } from "./subscription-ids.ts";

export type { QueueWaiter } from "./consumer-line.ts";

/** Deliveries and answered waiters of one round; a large push counts as several. */
const ROUND_MAX = 256;
/** Deliveries given back by one record, at 2 to 5 us each. */
const RECORD_RELEASES_MAX = 250;
/** Heap of a consumer, of a line and of a delivery that is not acknowledged; measured. */
const CONSUMER_BYTES = 200;
const LINE_BYTES = 300;
const PENDING_BYTES = 150;

export interface QueueConsumersOptions {
  readonly store: QueueStore;
  readonly encoder: PushEncoder;
  readonly turnEnd: TurnEnd;
  readonly ids: SubscriptionIds;
  /** Of all kinds; shared. */
  readonly subscriptions: SubscriptionCount;
  readonly clock: { nowMs(): number };
  /** Waiters and subscriptions, over all queues. */
  readonly consumersMax: number;
  readonly prefetchMax: number;
}

export interface SubscribeOptions {
  /** The most that is pushed and not acknowledged. */
  readonly prefetch: number;
  /** `undefined` for what the queue says. */
  readonly ackDeadlineMs: number | undefined;
}

export class QueueConsumers {
  readonly #options: QueueConsumersOptions;
  readonly #store: QueueStore;
  readonly #due: QueueDue;
  readonly #task: TurnEndTask;
  #attached: Executor | undefined;
  /** By queue name; a line without consumers goes. */
  readonly #lines = new Map<string, ConsumerLine>();
  readonly #waiting = new Map<QueueWaiter, WaitingConsumer>();
  readonly #deliveries: QueueDeliveries;
  #subscriptionCount = 0;
  /** To be served, in this order. */
  #dueLines: ConsumerLine[] = [];
  /** Over, with deliveries to give back. */
  readonly #releasing: QueueSubscription[] = [];
  #isServing = false;
  readonly #gained = (queue: Queue): void => this.#markQueue(queue);

  constructor(options: QueueConsumersOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#due = new QueueDue(options.store);
    this.#deliveries = new QueueDeliveries(options.encoder);
    this.#task = options.turnEnd.add(() => this.#atTurnEnd());
    options.store.messages.onDeliveryEnded = (deliveryId) => this.#deliveryEnded(deliveryId);
    options.store.onDeleted = (queue) => this.#queueDeleted(queue);
  }

  /** Gives what commits; before anything else is called. */
  attach(executor: Executor): void {
    this.#attached = executor;
  }

  get #executor(): Executor {
    if (this.#attached === undefined) throw new Error("consumers are attached to an executor first");
    return this.#attached;
  }

  /** Waiters and subscriptions, over all queues. */
  get count(): number {
    return this.#waiting.size + this.#subscriptionCount;
  }

  get waiterCount(): number {
    return this.#waiting.size;
  }

  get subscriptionCount(): number {
    return this.#subscriptionCount;
  }

  /** Heap bytes of all this; an estimate. */
  get heldBytes(): number {
    const consumers = this.count * CONSUMER_BYTES + this.#lines.size * LINE_BYTES;
    return consumers + this.#deliveries.pendingCount * PENDING_BYTES;
  }

  /** Messages pushed to subscriptions since the start. */
  get pushedCount(): number {
    return this.#deliveries.pushedCount;
  }

  /** Waiters and subscriptions of a queue. */
  consumerCount(queueId: number): number {
    const queue = this.#store.queueOf(queueId);
    return queue === undefined ? 0 : (this.#lines.get(queue.name)?.consumerCount ?? 0);
  }

  // Waiters

  /** Why nobody more can wait or subscribe; `undefined` where somebody can. Error: SERVICE_UNAVAILABLE. */
  refusal(): CommandError | undefined {
    const { consumersMax } = this.#options;
    if (this.count < consumersMax) return undefined;
    return fail("SERVICE_UNAVAILABLE", "there are as many consumers as there may be: try again later", {
      consumers_max: consumersMax,
    });
  }

  /** Puts a waiter at the end of its queue's line. It must have found nothing just now. */
  wait(waiter: QueueWaiter): void {
    const queue = this.#store.queueOf(waiter.queueId);
    if (queue === undefined) throw new Error(`there is no queue ${waiter.queueId} to wait for`);
    const line = this.#lineOf(queue);
    const consumer = new WaitingConsumer(waiter, line);
    line.append(consumer);
    line.waiterCount++;
    this.#waiting.set(waiter, consumer);
  }

  /** Takes a waiter out of its line: its time is over, or its connection is gone. */
  forget(waiter: QueueWaiter): void {
    const consumer = this.#waiting.get(waiter);
    if (consumer !== undefined) this.#leave(consumer);
  }

  #leave(consumer: WaitingConsumer): void {
    const { line, waiter } = consumer;
    this.#waiting.delete(waiter);
    line.remove(consumer);
    line.waiterCount--;
    this.#dropIfEmpty(line);
  }

  // Subscriptions

  /**
   * Pushes a queue's messages to a session, from now on. A session has one subscription to a queue: a second call changes
   * it. Errors: INVALID_REQUEST on a connection without pushes, SERVICE_UNAVAILABLE, INVALID_PAYLOAD.
   */
  subscribe(session: ClientSession, queue: Queue, options: SubscribeOptions): QueueSubscription | CommandError {
    const { outbox } = session.caller;
    if (outbox === undefined) return needsWebSocket();
    const { prefetchMax } = this.#options;
    if (options.prefetch > prefetchMax) {
      const message = `prefetch may be at most ${prefetchMax}`;
      return fail("INVALID_PAYLOAD", message, { path: "prefetch", maximum: prefetchMax });
    }
    const there = this.find(session, queue.name);
    const refusal = there === undefined ? this.#takeSubscription() : undefined;
    if (refusal !== undefined) return refusal;
    const subscription = there ?? this.#addSubscription(session, outbox, queue, options);
    subscription.format = session.format;
    subscription.prefetch = options.prefetch;
    subscription.ackDeadlineMs = options.ackDeadlineMs;
    this.wanting(subscription);
    return subscription;
  }

  /** Counts one more, or returns why there can be none. */
  #takeSubscription(): CommandError | undefined {
    const { subscriptions } = this.#options;
    return this.refusal() ?? (subscriptions.take(1) ? undefined : subscriptions.refusal());
  }

  #addSubscription(
    session: ClientSession,
    outbox: QueueSubscription["outbox"],
    queue: Queue,
    options: SubscribeOptions,
  ): QueueSubscription {
    const line = this.#lineOf(queue);
    const { format } = session;
    const subscription = new QueueSubscription(this, { session, outbox, format, line, ...options });
    line.addSubscription(subscription);
    this.#subscriptionCount++;
    session.add(subscription, subscription.id);
    return subscription;
  }

  /** The subscription of a session by its id or by the name of its queue. */
  find(session: ClientSession, key: number | string): QueueSubscription | undefined {
    const id = typeof key === "string" ? this.#lines.get(key)?.subscriptionId : key;
    const part = id === undefined ? undefined : session.find(id);
    return part instanceof QueueSubscription ? part : undefined;
  }

  /** Ends a subscription. What it has not acknowledged is given back at the end of the turn. */
  unsubscribe(subscription: QueueSubscription): void {
    subscription.session.remove(subscription.id);
    this.ended(subscription);
  }

  /** The subscription is over. For itself; see `unsubscribe`. */
  ended(subscription: QueueSubscription): void {
    const { line } = subscription;
    subscription.isClosed = true;
    line.remove(subscription);
    line.removeSubscription(subscription);
    this.#subscriptionCount--;
    this.#options.subscriptions.give(1);
    this.#dropIfEmpty(line);
    if (subscription.pending.size === 0) return;
    this.#releasing.push(subscription);
    this.#task.request();
  }

  /** The subscription may be sent more than before. For itself. */
  wanting(subscription: QueueSubscription): void {
    if (!this.#joinLine(subscription)) return;
    this.#mark(subscription.line);
    this.#task.request();
  }

  /** Whether it stands in its line now and did not before. */
  #joinLine(subscription: QueueSubscription): boolean {
    const { line, isClosed, isInLine, credit } = subscription;
    if (isClosed || isInLine || credit <= 0 || subscription.isBehind) return false;
    line.append(subscription);
    return true;
  }

  // What the store tells, in the middle of an apply: nothing may be committed here

  #deliveryEnded(deliveryId: number): void {
    const subscription = this.#deliveries.ended(deliveryId);
    if (subscription !== undefined && this.#joinLine(subscription)) this.#mark(subscription.line);
  }

  #queueDeleted(queue: Queue): void {
    for (const subscription of this.#releasing) {
      if (subscription.line.name === queue.name) this.#deliveries.forget(subscription);
    }
    const line = this.#lines.get(queue.name);
    if (line === undefined) return;
    line.queue = undefined;
    for (const subscription of line.subscriptions) {
      this.#deliveries.forget(subscription);
      this.#joinLine(subscription);
    }
    this.#mark(line);
  }

  // Lines

  #lineOf(queue: Queue): ConsumerLine {
    let line = this.#lines.get(queue.name);
    if (line === undefined) {
      line = new ConsumerLine(this.#options.ids.next(), queue.name);
      this.#lines.set(queue.name, line);
    }
    line.queue = queue;
    return line;
  }

  #dropIfEmpty(line: ConsumerLine): void {
    if (line.consumerCount === 0 && this.#lines.get(line.name) === line) this.#lines.delete(line.name);
  }

  #markQueue(queue: Queue): void {
    const line = this.#lines.get(queue.name);
    if (line === undefined) return;
    line.queue = queue;
    this.#mark(line);
  }

  #mark(line: ConsumerLine): void {
    if (line.isDue || line.first === undefined) return;
    line.isDue = true;
    this.#dueLines.push(line);
  }

  // Serving

  /** A record was applied that changed queues. Commits records of its own. */
  committed(): void {
    this.#store.drainGained(this.#gained);
    if (this.#isServing || this.#dueLines.length === 0) return;
    this.#serve();
  }

  /** Serves what is due, up to a round; the rest at the end of the turn. */
  #serve(): void {
    // Who is due stays so, until `runDue` comes, which is when the log takes deliveries again.
    if (!this.#executor.mayPlan) return;
    this.#isServing = true;
    try {
      let left = ROUND_MAX;
      for (let i = 0; i < this.#dueLines.length && left > 0; i++) {
        const line = this.#dueLines[i];
        left -= this.#serveLine(line, left);
        if (left > 0) line.isDue = false;
        else this.#dueLines = this.#dueLines.slice(i);
      }
      if (left > 0) this.#dueLines.length = 0;
      else this.#task.request();
    } finally {
      this.#isServing = false;
    }
  }

  /** Returns how much work that was; `limit` or more where more may be to do. */
  #serveLine(line: ConsumerLine, limit: number): number {
    let done = this.#answerOrphans(line, limit);
    while (done < limit) {
      const { first, queue } = line;
      if (first === undefined || queue === undefined || queue.ready === 0) return done;
      const before = done;
      if (first instanceof WaitingConsumer) done += this.#attempt(first) ? 1 : 0;
      else done += this.#deliveries.deliver(this.#executor, line, queue, limit - done);
      // Those that may not be sent more have left the line: then the next one is there to be served.
      if (done === before && line.first === first) return done;
    }
    return done;
  }

  /** Those who wait for a queue that is gone get to know. */
  #answerOrphans(line: ConsumerLine, limit: number): number {
    if (line.queue !== undefined || line.waiterCount === 0) return 0;
    let done = 0;
    for (let consumer = line.first; consumer !== undefined && done < limit; ) {
      const after: Consumer | undefined = consumer.after;
      if (consumer instanceof WaitingConsumer && this.#attempt(consumer)) done++;
      consumer = after;
    }
    return done;
  }

  #attempt(consumer: WaitingConsumer): boolean {
    if (!consumer.waiter.attempt()) return false;
    if (consumer.isInLine) this.#leave(consumer);
    return true;
  }

  // The end of a turn

  #atTurnEnd(): boolean {
    if (!this.#executor.mayPlan) return false;
    this.#executor.at(this.#options.clock.nowMs());
    this.#releaseSome();
    if (this.#dueLines.length > 0) this.#serve();
    return this.#releasing.length > 0 || this.#dueLines.length > 0;
  }

  /** Gives deliveries of subscriptions that are over back, in one record. */
  #releaseSome(): void {
    if (this.#releasing.length === 0) return;
    const executor = this.#executor;
    executor.begin();
    const { queues, writer } = executor.planner;
    let left = RECORD_RELEASES_MAX;
    for (let subscription = this.#releasing[0]; subscription !== undefined && left > 0; ) {
      for (const [deliveryId, messageId] of subscription.pending) {
        if (left === 0) break;
        left--;
        if (!queues.release(messageId, deliveryId)) throw new Error(`delivery ${deliveryId} has ended unnoticed`);
      }
      if (left === 0) break;
      this.#releasing.shift();
      subscription = this.#releasing[0];
    }
    if (writer.count > 0) executor.commit();
  }

  // What is due

  /** When `runDue` has something to do; infinite for never. */
  get nextDueMs(): number {
    return this.#store.nextDeadlineMs;
  }

  /**
   * Deals with what is due in the queues, in one record: deliveries that time out, delayed messages, expired ones, old
   * dedup ids, retries of all dead letters. Also has those served who were due while the log took nothing.
   * @param limit messages and dedup ids, at least 2.
   * @returns `limit` where more is due, else less.
   */
  runDue(nowMs: number, limit: number): number {
    const count = this.nextDueMs <= nowMs ? this.#runDeadlines(nowMs, limit) : 0;
    if (this.#releasing.length > 0 || this.#dueLines.length > 0) this.#task.request();
    return this.nextDueMs <= nowMs ? limit : Math.min(count, limit - 1);
  }

  #runDeadlines(nowMs: number, limit: number): number {
    const executor = this.#executor;
    executor.at(nowMs);
    executor.begin();
    const count = this.#due.stage(nowMs, executor.planner.writer, limit);
    executor.commit();
    return count;
  }
}

function needsWebSocket(): CommandError {
  return fail("INVALID_REQUEST", "a subscription to a queue needs a WebSocket (GET /api/v1/ws)");
}
