/** One `queue.subscribe`: what was pushed by it and not acknowledged, and how much more it may be pushed. */
import type { Outbox, PushFormat } from "../dispatch/caller.ts";
import type { ClientSession, SessionPart } from "./client-session.ts";
import { Consumer, type ConsumerLine } from "./consumer-line.ts";

/** A consumer that has not read so many bytes gets nothing more until it has. */
export const UNREAD_BYTES_MAX = 2 ** 20;

/** What a subscription tells its owner. */
export interface SubscriptionOwner {
  ended(subscription: QueueSubscription): void;
  wanting(subscription: QueueSubscription): void;
}

/** Delivery id -> message id; shared, and so never added to. */
const NOTHING_PENDING = new Map<number, number>();

export class QueueSubscription extends Consumer implements SessionPart {
  readonly session: ClientSession;
  readonly outbox: Outbox;
  format: PushFormat;
  readonly line: ConsumerLine;
  /** Among the subscriptions of the line. Owned by the line. */
  index = 0;
  prefetch: number;
  /** `undefined` for what the queue says. */
  ackDeadlineMs: number | undefined;
  /** What is not acknowledged. */
  #pending = NOTHING_PENDING;
  isClosed = false;
  readonly #owner: SubscriptionOwner;

  constructor(
    owner: SubscriptionOwner,
    parts: Pick<QueueSubscription, "session" | "outbox" | "format" | "line" | "prefetch" | "ackDeadlineMs">,
  ) {
    super();
    this.#owner = owner;
    this.session = parts.session;
    this.outbox = parts.outbox;
    this.format = parts.format;
    this.line = parts.line;
    this.prefetch = parts.prefetch;
    this.ackDeadlineMs = parts.ackDeadlineMs;
  }

  get id(): number {
    return this.line.subscriptionId;
  }

  /** Delivery id -> message id of what is not acknowledged; never more than `prefetch` but after that was lowered. */
  get pending(): ReadonlyMap<number, number> {
    return this.#pending;
  }

  get credit(): number {
    return this.prefetch - this.#pending.size;
  }

  delivered(deliveryId: number, messageId: number): void {
    if (this.#pending === NOTHING_PENDING) this.#pending = new Map();
    this.#pending.set(deliveryId, messageId);
  }

  settled(deliveryId: number): void {
    this.#pending.delete(deliveryId);
  }

  allSettled(): void {
    this.#pending = NOTHING_PENDING;
  }

  get isBehind(): boolean {
    return this.session.caller.unreadBytes() >= UNREAD_BYTES_MAX;
  }

  closed(): void {
    this.#owner.ended(this);
  }

  drained(): void {
    this.#owner.wanting(this);
  }
}
