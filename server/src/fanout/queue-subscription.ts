/** One `queue.subscribe`: what was pushed by it and not acknowledged, and how much more it may be pushed. */
import type { Outbox, PushFormat } from "../dispatch/caller.ts";
import type { ClientSession, SessionPart } from "./client-session.ts";
import { type ConsumerLine, Place } from "./consumer-line.ts";

/** A consumer that has not read so many bytes gets nothing more until it has. */
export const UNREAD_BYTES_MAX = 2 ** 20;

/** What a subscription tells its owner. */
export interface SubscriptionOwner {
  ended(subscription: QueueSubscription): void;
  wanting(subscription: QueueSubscription): void;
}

export class QueueSubscription implements SessionPart {
  readonly id: number;
  readonly session: ClientSession;
  readonly outbox: Outbox;
  readonly format: PushFormat;
  readonly line: ConsumerLine;
  readonly place = new Place(this);
  prefetch: number;
  /** `undefined` for what the queue says. */
  ackDeadlineMs: number | undefined;
  /** Delivery id -> message id of what is not acknowledged; never more than `prefetch` but after that was lowered. */
  readonly pending = new Map<number, number>();
  isClosed = false;
  readonly #owner: SubscriptionOwner;

  constructor(
    owner: SubscriptionOwner,
    parts: Pick<QueueSubscription, "id" | "session" | "outbox" | "format" | "line" | "prefetch" | "ackDeadlineMs">,
  ) {
    this.#owner = owner;
    this.id = parts.id;
    this.session = parts.session;
    this.outbox = parts.outbox;
    this.format = parts.format;
    this.line = parts.line;
    this.prefetch = parts.prefetch;
    this.ackDeadlineMs = parts.ackDeadlineMs;
  }

  get credit(): number {
    return this.prefetch - this.pending.size;
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
