/**
 * What a subscriber holds: an async iterable over what is pushed, or a callback that gets it. Between the connection and the
 * reader is a buffer with a limit. What happens at the limit is the source's to say, since only a room can be read again.
 *
 *     pushes --> take() --> buffer --> for await
 *                  '-- full --> source.overflowed(), which says what to do with this one
 */

import { onAbort } from "../abort-signals.ts";
import { positive } from "../options.ts";

/** How the source of a subscription takes part in its life. */
export interface Source {
  /** The buffer is full. @returns whether there is room for one more now. */
  overflowed(): boolean;
  /** The reader has come down to half of the buffer. */
  relieved(): void;
  /** The reader is done. */
  ended(): Promise<void>;
}

/** What every subscription takes. */
export interface SubscriptionOptions<T> {
  /** Ends the subscription; the loop ends without an error. */
  readonly signal?: AbortSignal | undefined;
  /** How much may wait for the reader here. Default 1000. */
  readonly bufferSize?: number | undefined;
  /** Gets everything as it comes, in the place of a loop. What it throws goes to `onError`. */
  readonly onEvent?: ((event: T) => void) | undefined;
  /** With `onEvent`: why the subscription ended, or what `onEvent` threw. Without it such an error is thrown into the void. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

const DONE = { done: true, value: undefined } as const;

/**
 * A subscription. Loop over it (`for await`), or give `onEvent`; end it by leaving the loop, by `close()`, by its signal, or
 * with `await using`. One reader at a time.
 */
export class Subscription<T> implements AsyncIterableIterator<T, undefined>, AsyncDisposable {
  /** Settles when the server has confirmed the subscription, at first. @throws ServerError, ConnectionLostError */
  readonly ready: Promise<void>;
  /** What was dropped because the buffer was full; always 0 for rooms and queues, which drop nothing. */
  droppedCount = 0;
  readonly #bufferSize: number;
  readonly #onEvent: ((event: T) => void) | undefined;
  readonly #onError: ((error: unknown) => void) | undefined;
  #source: Source | undefined;
  #buffer: T[] = [];
  #head = 0;
  #isPressed = false;
  #isEnded = false;
  #error: unknown;
  #endListening: (() => void) | undefined;
  #waiting: { resolve(result: IteratorResult<T, undefined>): void; reject(error: unknown): void } | undefined;

  /** @param start subscribes; called at once. */
  constructor(options: SubscriptionOptions<T> | undefined, start: (subscription: Subscription<T>) => StartedSource) {
    const { bufferSize = 1_000, onEvent, onError, signal } = options ?? {};
    this.#bufferSize = positive("bufferSize", bufferSize);
    this.#onEvent = onEvent;
    this.#onError = onError;
    if (signal?.aborted === true) {
      this.#isEnded = true;
      this.ready = Promise.resolve();
      return;
    }
    const { source, ready } = start(this);
    this.#source = source;
    this.ready = ready;
    // Who does not look at `ready` is told by the loop, or by `onError`.
    ready.catch((error: unknown) => this.fail(error));
    if (signal !== undefined && !this.#isEnded) this.#endListening = onAbort(signal, () => void this.close());
  }

  /** What is here and was not read. */
  get bufferedCount(): number {
    return this.#buffer.length - this.#head;
  }

  /** Ends it, and tells the server. What is in the buffer can still be read. */
  async close(): Promise<void> {
    if (this.#isEnded) return;
    this.#end();
    await this.#source?.ended();
  }

  /** For `for await`. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The next event; done when the subscription has ended. */
  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#head < this.#buffer.length) return Promise.resolve({ done: false, value: this.#shift() });
    if (this.#error !== undefined) {
      const error = this.#error;
      this.#error = undefined;
      return Promise.reject(error);
    }
    if (this.#isEnded) return Promise.resolve(DONE);
    if (this.#waiting !== undefined) return Promise.reject(new TypeError("a subscription has one reader at a time"));
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  /** The loop was left. */
  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#buffer = [];
    this.#head = 0;
    await this.close();
    return DONE;
  }

  /** For `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** Of the source: something came. */
  take(event: T): void {
    if (this.#isEnded) return;
    if (this.#onEvent !== undefined) {
      this.#call(this.#onEvent, event);
      return;
    }
    if (this.#waiting !== undefined) {
      const { resolve } = this.#waiting;
      this.#waiting = undefined;
      resolve({ done: false, value: event });
      return;
    }
    if (this.bufferedCount >= this.#bufferSize) {
      this.#isPressed = true;
      if (this.#source?.overflowed() !== true) return;
    }
    this.#buffer.push(event);
  }

  /** Of the source: the oldest makes room, and is counted. */
  dropOldest(): void {
    this.#head += 1;
    this.#compact();
    this.droppedCount += 1;
  }

  /** Of the source: it is over, and why. */
  fail(error: unknown): void {
    if (this.#isEnded) return;
    this.#end(error);
    void this.#source?.ended();
  }

  #end(error?: unknown): void {
    this.#isEnded = true;
    this.#endListening?.();
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (error === undefined) waiting?.resolve(DONE);
    else if (waiting !== undefined) waiting.reject(error);
    else if (this.#onEvent === undefined) this.#error = error;
    else this.#report(error);
  }

  #shift(): T {
    const event = this.#buffer[this.#head];
    this.#head += 1;
    this.#compact();
    if (this.#isPressed && this.bufferedCount <= this.#bufferSize / 2) {
      this.#isPressed = false;
      this.#source?.relieved();
    }
    return event;
  }

  #compact(): void {
    if (this.#head < 256 && this.#head < this.#buffer.length) return;
    this.#buffer = this.#buffer.slice(this.#head);
    this.#head = 0;
  }

  #call(onEvent: (event: T) => void, event: T): void {
    try {
      onEvent(event);
    } catch (error) {
      this.#report(error);
    }
  }

  #report(error: unknown): void {
    const onError = this.#onError;
    if (onError !== undefined) onError(error);
    else
      queueMicrotask(() => {
        throw error;
      });
  }
}

/** How a subscription begins. */
export interface StartedSource {
  readonly source: Source;
  readonly ready: Promise<void>;
}
