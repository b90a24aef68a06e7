/** Work queues. */
import { type CallOptions, type Commander, field, type ReadOptions, reply } from "../commander.ts";
import type {
  QueueAckReply,
  QueueCreateOptions,
  QueueCreateReply,
  QueueDeadListOptions,
  QueueDeadListReply,
  QueueDeadRetryReply,
  QueueListOptions,
  QueueListReply,
  QueueNackOptions,
  QueueNackReply,
  QueuePublishOptions,
  QueuePublishReply,
  QueueStatsReply,
} from "../generated/shapes.ts";
import { configurationOf, payloadOf } from "../naming.ts";
import { validated } from "../standard-schema.ts";
import type { Delivery, QueueMessage, QueueSubscribeOptions } from "../subscriptions/delivery.ts";
import type { Subscriber } from "../subscriptions/subscriber.ts";
import type { Subscription } from "../subscriptions/subscription.ts";
import { type Handler, Worker, type WorkerOptions } from "../worker.ts";

/** A message to publish among others. */
export interface NewMessage extends QueuePublishOptions {
  readonly payload: unknown;
}

/** How to take messages. */
export interface ConsumeOptions<T> extends ReadOptions<T> {
  /**
   * How long to wait where there is none, in ms. Default: not at all. `timeoutMs` is counted on top of it. At most 1,000 calls of a
   * connection wait at a time; the server refuses one more with InvalidRequestError.
   */
  readonly waitMs?: number;
  /** How long the message may be worked on, in seconds; else what the queue says. */
  readonly ackDeadline?: number;
}

/** What identifies a delivery: a message, or its id alone, which means whichever delivery of it is current. */
export type MessageReference = number | { readonly id: number; readonly deliveryId: number };

/**
 * `synap.queue`. A message is delivered at least once: a handler must be able to see it twice. Publishing and acknowledging
 * are numbered: after a lost connection they are sent again and run once. `consume` is not: a message that it took, and whose
 * delivery was lost on the way, comes back after its deadline.
 */
export class Queue {
  /** Messages that died: rejected, expired, or out of retries. */
  readonly dead: DeadLetters;
  readonly #commander: Commander;
  readonly #subscriber: Subscriber;

  constructor(commander: Commander, subscriber: Subscriber) {
    this.#commander = commander;
    this.#subscriber = subscriber;
    this.dead = new DeadLetters(commander);
  }

  /** Creates a queue. One that is there is left as it is. @throws QueueExistsError when its configuration differs. */
  create(queue: string, config?: QueueConfig, options?: CallOptions): Promise<QueueCreateReply> {
    const payload = config === undefined ? { name: queue } : { name: queue, config: configurationOf(config) };
    return this.#commander.send("queue.create", payload, reply, options);
  }

  /** Publishes a message; the queue is created where it is not there. @throws QueueFullError */
  publish(queue: string, payload: unknown, options?: QueuePublishOptions & CallOptions): Promise<QueuePublishReply> {
    return this.#commander.send("queue.publish", payloadOf({ queue, payload }, options), reply, options);
  }

  /** Publishes up to 1,000 messages, all or none. @returns their ids in order. */
  publishBatch(queue: string, messages: readonly NewMessage[], options?: CallOptions): Promise<number[]> {
    const payload = { queue, messages: messages.map((message) => payloadOf({}, message)) };
    return this.#commander.send("queue.publish_batch", payload, field("message_ids"), options);
  }

  /**
   * Takes the next message, or null when there is none in time. It is yours until its deadline; acknowledge it with `ack`.
   * For a steady flow `worker` and `subscribe` cost less.
   */
  consume<T = unknown>(queue: string, options?: ConsumeOptions<T>): Promise<QueueMessage<T> | null> {
    const convert = (payload: unknown): unknown => {
      // By the registry.
      const { message } = reply(payload) as { readonly message: QueueMessage<T> | null };
      return message === null ? null : withSchema(queue, message, options);
    };
    return this.#consume(queue, {}, convert, options);
  }

  /** Takes up to `count` (1,000) messages; with `waitMs` it waits for the first. */
  consumeMany<T = unknown>(queue: string, count: number, options?: ConsumeOptions<T>): Promise<QueueMessage<T>[]> {
    const convert = (payload: unknown): unknown => {
      // By the registry.
      const { messages } = reply(payload) as { readonly messages: QueueMessage<T>[] };
      if (options?.schema === undefined) return messages;
      return Promise.all(messages.map((message) => withSchema(queue, message, options)));
    };
    return this.#consume(queue, { count }, convert, options);
  }

  /** Acknowledges a message: it is done. @throws StaleDeliveryError, MessageNotFoundError when it is not yours any more. */
  async ack(queue: string, message: MessageReference, options?: CallOptions): Promise<void> {
    await this.#commander.send("queue.ack", { queue, ...referenceOf(message) }, undefined, options);
  }

  /** Acknowledges up to 1,000 messages by id; those that are not pending are left alone and named in `failed`. */
  ackMany(queue: string, messageIds: readonly number[], options?: CallOptions): Promise<QueueAckReply> {
    return this.#commander.send("queue.ack", { queue, message_ids: messageIds }, reply, options);
  }

  /** Gives a message back for a retry after the queue's backoff, or `delayMs`; with `requeue: false` it dies. */
  nack(queue: string, message: MessageReference, options?: QueueNackOptions & CallOptions): Promise<QueueNackReply> {
    const { deliveryId: _, ...rest } = options ?? {};
    return this.#commander.send("queue.nack", payloadOf({ queue, ...referenceOf(message) }, rest), reply, options);
  }

  /** Asks for more time, counted from now, in seconds. @returns the new deadline in ms since the epoch. */
  extend(queue: string, message: MessageReference, ackDeadline: number, options?: CallOptions): Promise<number> {
    const payload = { queue, ...referenceOf(message), ack_deadline: ackDeadline };
    return this.#commander.send("queue.extend", payload, field("deadline_at_ms"), options);
  }

  /** Looks at the next messages without taking them. */
  peek<T = unknown>(
    queue: string,
    count = 1,
    options?: CallOptions,
  ): Promise<Omit<QueueMessage<T>, "deliveryId" | "deadlineAtMs">[]> {
    return this.#commander.send(
      "queue.peek",
      { queue, count },
      (payload) => reply(field("messages")(payload)),
      options,
    );
  }

  /** Counts of a queue. @throws QueueNotFoundError */
  stats(queue: string, options?: CallOptions): Promise<QueueStatsReply> {
    return this.#commander.send("queue.stats", { queue }, reply, options);
  }

  /** One page of queues. */
  list(options?: QueueListOptions & CallOptions): Promise<QueueListReply> {
    return this.#commander.send("queue.list", payloadOf({}, options), reply, options);
  }

  /** Removes what is ready or delayed. @returns how many messages. */
  purge(queue: string, options?: CallOptions): Promise<number> {
    return this.#commander.send("queue.purge", { queue }, field("purged"), options);
  }

  /** Removes a queue and all that is in it. @returns whether it was there. */
  delete(queue: string, options?: CallOptions): Promise<boolean> {
    return this.#commander.send("queue.delete", { queue }, field("deleted"), options);
  }

  /**
   * Has messages pushed, never more than `prefetch` (10) of them unacknowledged; each has `ack`, `nack` and `extend`. What is
   * not acknowledged when the subscription or its connection ends is delivered again at once. After a lost connection it goes on.
   */
  subscribe<T = unknown>(queue: string, options?: QueueSubscribeOptions<T>): Subscription<Delivery<T>> {
    return this.#subscriber.deliveries(this, queue, options);
  }

  /** Works on the messages of a queue until it is stopped: see Worker. It begins at once. */
  worker<T = unknown>(queue: string, handler: Handler<T>, options?: WorkerOptions<T>): Worker<T> {
    return new Worker(this, queue, handler, options);
  }

  #consume<T, R>(
    queue: string,
    counted: object,
    convert: (payload: unknown) => unknown,
    options?: ConsumeOptions<T>,
  ): Promise<R> {
    const { waitMs, timeoutMs } = options ?? {};
    const payload = payloadOf({ queue, ...counted }, options);
    // The wait is not part of the time that the answer may take.
    const patient = waitMs === undefined ? timeoutMs : waitMs + (timeoutMs ?? WAIT_SLACK_MS);
    const call = { signal: options?.signal, timeoutMs: patient };
    return this.#commander.send("queue.consume", payload, convert, call, (late) => this.#giveBack(queue, late));
  }

  /** What came for a caller that had given up. It costs the message a retry, but not the wait for its deadline. */
  #giveBack(queue: string, payload: unknown): void {
    // By the registry.
    const { message, messages } = reply(payload) as {
      message?: QueueMessage<unknown> | null;
      messages?: QueueMessage<unknown>[];
    };
    for (const each of messages ?? (message ? [message] : [])) {
      // Whatever goes wrong, its deadline gives it back.
      this.nack(queue, each, { delayMs: 0 }).catch((error: unknown) => error);
    }
  }
}

const WAIT_SLACK_MS = 10_000;

/** The settings of a queue, fixed when it is created. What is left out has the server's default. */
export type QueueConfig = NonNullable<QueueCreateOptions["config"]>;

/** `synap.queue.dead`. */
export class DeadLetters {
  readonly #commander: Commander;

  constructor(commander: Commander) {
    this.#commander = commander;
  }

  /** One page of dead letters in the order of their deaths, with the reason. */
  list(queue: string, options?: QueueDeadListOptions & CallOptions): Promise<QueueDeadListReply> {
    return this.#commander.send("queue.dead.list", payloadOf({ queue }, options), reply, options);
  }

  /** Makes some dead letters, or all, ready again, as if never delivered. */
  retry(queue: string, messageIds: readonly number[] | "all", options?: CallOptions): Promise<QueueDeadRetryReply> {
    const which = messageIds === "all" ? { all: true } : { message_ids: messageIds };
    return this.#commander.send("queue.dead.retry", { queue, ...which }, reply, options);
  }

  /** Removes all dead letters. @returns how many. */
  purge(queue: string, options?: CallOptions): Promise<number> {
    return this.#commander.send("queue.dead.purge", { queue }, field("purged"), options);
  }
}

function referenceOf(message: MessageReference): object {
  return typeof message === "number"
    ? { message_id: message }
    : { message_id: message.id, delivery_id: message.deliveryId };
}

function withSchema<T>(queue: string, message: QueueMessage<T>, options: ReadOptions<T> | undefined): unknown {
  if (options?.schema === undefined) return message;
  const payload = validated(options.schema, message.payload, `message ${message.id} of ${queue}`);
  return payload instanceof Promise ? payload.then((late) => ({ ...message, payload: late })) : { ...message, payload };
}
