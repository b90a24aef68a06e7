/**
 * A worker takes messages as they come and runs a handler on each, so many at a time.
 *
 *     pushed --> waiting --> handler --- returns --> ack    completed
 *                   |          '-------- throws ---> nack   failed: comes again after a backoff, or dies
 *                   '--- held ones get their deadline extended by one timer, at a third of it
 *
 * When the connection is lost, others get the messages at once: the handlers' signals are aborted, and what they still
 * do counts for nothing. A server that crashed had no time to give the messages to others: they stay this worker's to their
 * deadline, and can be acknowledged. Only the server knows which it was, so it is told in any case. `stop` lets the running ones finish and gives the waiting ones back without a retry spent.
 */
import { onAbort } from "./abort-signals.ts";
import type { ReadOptions } from "./commander.ts";
import { Emitter } from "./emitter.ts";
import { MessageNotFoundError, QueueNotFoundError, StaleDeliveryError } from "./errors.ts";
import { positive } from "./options.ts";
import type { Acknowledger, Delivery, QueueMessage, QueueSubscribeOptions } from "./subscriptions/delivery.ts";
import type { Subscription } from "./subscriptions/subscription.ts";
import { pause, unref } from "./timer.ts";
import { Backoff } from "./transport/backoff.ts";

/**
 * What is done with a message. When it returns, the message is acknowledged; when it throws, it comes again. The signal is
 * aborted when the message is not this worker's any more, or when `stop` waits no longer.
 */
export type Handler<T> = (message: QueueMessage<T>, signal: AbortSignal) => unknown;

/** What becomes of a message whose handler threw. */
export interface Retry {
  /** When it comes again, in ms; else by the queue's backoff, which doubles with each retry. */
  readonly delayMs?: number;
  /** False: not again. It becomes a dead letter at once. */
  readonly requeue?: boolean;
}

/** How a worker works. */
export interface WorkerOptions<T> extends Pick<ReadOptions<T>, "schema"> {
  /** Handlers at a time. Default 1. */
  readonly concurrency?: number | undefined;
  /** Messages held here, running or waiting. More saves a round trip, less spreads them better. Default twice the concurrency. */
  readonly prefetch?: number | undefined;
  /** How long a message is this worker's without a sign of life, in seconds. It is extended while held. Default 30. */
  readonly ackDeadline?: number | undefined;
  /** Decides about a message whose handler threw. Default: the queue's backoff. */
  readonly retry?: ((error: unknown, message: QueueMessage<T>) => Retry | undefined) | undefined;
  /** Stops the worker, as `stop` does. */
  readonly signal?: AbortSignal | undefined;
}

/** What a worker tells. */
export interface WorkerEvents<T> {
  /** A handler begins. */
  active: { readonly message: QueueMessage<T> };
  /** A handler returned, and the message is acknowledged. */
  completed: { readonly message: QueueMessage<T>; readonly durationMs: number };
  /** A handler threw, and the message was given back. */
  failed: { readonly message: QueueMessage<T>; readonly error: unknown };
  /** A message was taken away before its handler was done: it may have been done twice. */
  lost: { readonly message: QueueMessage<T> };
  /** Something else went wrong: an acknowledgement could not be delivered, a message did not fit the schema. */
  error: { readonly error: unknown };
  /** Nothing is running or waiting any more. */
  idle: Record<string, never>;
}

/** Counts of a worker, since it began; `active` and `waiting` are of now. */
export interface WorkerStats {
  readonly active: number;
  readonly waiting: number;
  readonly completed: number;
  readonly failed: number;
  readonly lost: number;
}

const ACK_DEADLINE_SECS = 30;
const STOP_TIMEOUT_MS = 30_000;

/** What a worker needs of `synap.queue`. */
export interface WorkerQueue extends Acknowledger {
  subscribe<T>(queue: string, options: QueueSubscribeOptions<T>): Subscription<Delivery<T>>;
}

/** A running worker: see `synap.queue.worker`. */
export class Worker<T> implements AsyncDisposable {
  /** Settles when the server has confirmed the subscription, at first; a queue that is not there is waited for. */
  readonly ready: Promise<void>;
  readonly #handler: Handler<T>;
  readonly #options: WorkerOptions<T>;
  readonly #concurrency: number;
  readonly #ackDeadline: number;
  readonly #emitter = new Emitter<WorkerEvents<T>>();
  readonly #queue: WorkerQueue;
  readonly #name: string;
  readonly #backoff = new Backoff();
  #subscription: Subscription<Delivery<T>>;
  readonly #extender: ReturnType<typeof setInterval>;
  readonly #running = new Map<Delivery<T>, AbortController>();
  #waiting: Delivery<T>[] = [];
  #completed = 0;
  #failed = 0;
  #lost = 0;
  #stopping: Promise<void> | undefined;
  #endListening: (() => void) | undefined;
  #whenIdle: (() => void)[] = [];

  constructor(queue: WorkerQueue, name: string, handler: Handler<T>, options: WorkerOptions<T> = {}) {
    this.#queue = queue;
    this.#name = name;
    this.#handler = handler;
    this.#options = options;
    this.#concurrency = positive("concurrency", options.concurrency ?? 1);
    this.#ackDeadline = positive("ackDeadline", options.ackDeadline ?? ACK_DEADLINE_SECS);
    this.#subscription = this.#subscribe();
    this.ready = this.#begin();
    // Who does not look at `ready` is told by an `error` event.
    this.ready.catch((error: unknown) => error);
    this.#extender = setInterval(() => this.#extend(), (this.#ackDeadline * 1_000) / 3);
    unref(this.#extender);
    const { signal } = options;
    if (signal?.aborted === true) void this.stop();
    else if (signal !== undefined) this.#endListening = onAbort(signal, () => void this.stop());
  }

  /** Counts, for metrics. */
  get stats(): WorkerStats {
    const counts = { completed: this.#completed, failed: this.#failed, lost: this.#lost };
    return { active: this.#running.size, waiting: this.#waiting.length, ...counts };
  }

  /** Calls `listener` at each event of a name. @returns what ends it. */
  on<Name extends keyof WorkerEvents<T>>(name: Name, listener: (event: WorkerEvents<T>[Name]) => void): () => void {
    return this.#emitter.on(name, listener);
  }

  /**
   * Takes nothing more, lets the running handlers finish and be acknowledged, and gives the waiting messages back. After
   * `timeoutMs` (30,000) the signals of those still running are aborted, and their messages given back too.
   */
  stop(options?: { readonly timeoutMs?: number }): Promise<void> {
    this.#stopping ??= this.#stop(options?.timeoutMs ?? STOP_TIMEOUT_MS);
    return this.#stopping;
  }

  /** For `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #subscribe(): Subscription<Delivery<T>> {
    return this.#queue.subscribe<T>(this.#name, {
      schema: this.#options.schema,
      prefetch: this.#options.prefetch ?? this.#concurrency * 2,
      ackDeadline: this.#ackDeadline,
      onEvent: (delivery) => this.#take(delivery),
      onError: (error) => this.#emitter.emit("error", { error }),
    });
  }

  /** A queue that is not there may come yet: it is asked for until then, or until the worker is stopped. */
  async #begin(): Promise<void> {
    for (;;) {
      try {
        await this.#subscription.ready;
        return;
      } catch (error) {
        if (!(error instanceof QueueNotFoundError) || this.#stopping !== undefined) throw error;
      }
      await pause(this.#backoff.nextMs());
      if (this.#stopping !== undefined) return;
      this.#subscription = this.#subscribe();
    }
  }

  async #stop(timeoutMs: number): Promise<void> {
    // Unsubscribing now would take the running ones away as well. The waiting ones are still pushed, and held until then.
    this.#endListening?.();
    const timer = setTimeout(() => {
      for (const controller of this.#running.values()) controller.abort(new Error("the worker was stopped"));
      this.#tellIdle();
    }, timeoutMs);
    if (this.#running.size > 0) await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
    clearTimeout(timer);
    clearInterval(this.#extender);
    await this.#subscription.close();
    this.#waiting = [];
  }

  #take(delivery: Delivery<T>): void {
    this.#waiting.push(delivery);
    this.#fill();
  }

  #fill(): void {
    while (this.#running.size < this.#concurrency && this.#stopping === undefined) {
      const delivery = this.#waiting.shift();
      if (delivery === undefined) break;
      if (!delivery.signal.aborted) void this.#run(delivery);
      else void this.#giveBack(delivery);
    }
    if (this.#running.size === 0) this.#tellIdle();
  }

  async #run(delivery: Delivery<T>): Promise<void> {
    const controller = new AbortController();
    const lost = (): void => controller.abort(delivery.signal.reason);
    delivery.signal.addEventListener("abort", lost);
    this.#running.set(delivery, controller);
    this.#emitter.emit("active", { message: delivery });
    const startedAt = performance.now();
    try {
      await this.#handler(delivery, controller.signal);
      await this.#done(delivery, controller.signal, startedAt);
    } catch (error) {
      await this.#threw(delivery, controller.signal, error);
    } finally {
      delivery.signal.removeEventListener("abort", lost);
      this.#running.delete(delivery);
      this.#fill();
    }
  }

  async #done(delivery: Delivery<T>, signal: AbortSignal, startedAt: number): Promise<void> {
    if (!(await this.#settle(delivery, signal, () => delivery.ack()))) return;
    this.#completed += 1;
    this.#emitter.emit("completed", { message: delivery, durationMs: performance.now() - startedAt });
  }

  async #threw(delivery: Delivery<T>, signal: AbortSignal, error: unknown): Promise<void> {
    const retry = this.#retryOf(error, delivery);
    if (!(await this.#settle(delivery, signal, () => delivery.nack(retry)))) return;
    this.#failed += 1;
    this.#emitter.emit("failed", { message: delivery, error });
  }

  /** Where the caller's function throws itself, the queue's backoff holds. */
  #retryOf(error: unknown, delivery: Delivery<T>): Retry {
    try {
      return this.#options.retry?.(error, delivery) ?? {};
    } catch (thrown) {
      this.#emitter.emit("error", { error: thrown });
      return {};
    }
  }

  /** Tells the server. @returns whether the message was still this worker's. */
  async #settle(delivery: Delivery<T>, signal: AbortSignal, tell: () => Promise<unknown>): Promise<boolean> {
    try {
      await tell();
      return true;
    } catch (error) {
      if (!isGone(error) && !signal.aborted) {
        this.#emitter.emit("error", { error });
        return false;
      }
    }
    this.#lost += 1;
    this.#emitter.emit("lost", { message: delivery });
    return false;
  }

  /** Its connection ended while it waited. Somebody else has it; or nobody, after a crash, and then not to its deadline. */
  async #giveBack(delivery: Delivery<T>): Promise<void> {
    try {
      await delivery.nack({ delayMs: 0 });
    } catch (error) {
      if (!isGone(error)) this.#emitter.emit("error", { error });
    }
  }

  /** One more deadline for each message that is held. */
  #extend(): void {
    for (const delivery of this.#waiting) void this.#extendOne(delivery, undefined);
    for (const [delivery, controller] of this.#running) void this.#extendOne(delivery, controller);
  }

  async #extendOne(delivery: Delivery<T>, controller: AbortController | undefined): Promise<void> {
    if (delivery.signal.aborted) return;
    try {
      await delivery.extend(this.#ackDeadline);
    } catch (error) {
      if (!isGone(error)) this.#emitter.emit("error", { error });
      // Unless it was acknowledged while this was on its way, somebody else has it.
      else if (controller === undefined) this.#waiting = this.#waiting.filter((each) => each !== delivery);
      else if (this.#running.has(delivery)) controller.abort(error);
    }
  }

  #tellIdle(): void {
    if (this.#waiting.length === 0 || this.#stopping !== undefined) this.#emitter.emit("idle", {});
    for (const resolve of this.#whenIdle.splice(0)) resolve();
  }
}

function isGone(error: unknown): boolean {
  return error instanceof StaleDeliveryError || error instanceof MessageNotFoundError;
}
