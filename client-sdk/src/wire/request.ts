/**
 * One command on its way: what it says, its bytes, and the promise of its caller. It is encoded when it is issued, so that
 * what the caller does to its objects afterwards changes nothing, and keeps its bytes until it is answered, so that it can
 * be sent again.
 */
import { onAbort } from "../abort-signals.ts";
import type { ErrorContext, SynapError } from "../errors.ts";

/**
 * What may be done with a command whose answer was lost.
 *
 * - `read`: sent again, it changes nothing.
 * - `numbered`: sent again under the same number; the server runs it once.
 * - `unsafe`: not sent again; the caller is told that it may have happened.
 */
export type Safety = "read" | "numbered" | "unsafe";

/** The server remembers a number for 300 s, unless it was told otherwise; a minute is left for the way and for its clock. */
const RESEND_WINDOW_MS = 240_000;

/** What a number of its own adds to a command. */
const NUMBER_BYTES_MAX = 64;

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
}

export class Request {
  readonly command: string;
  readonly payload: object;
  readonly safety: Safety;
  /** What makes the method's result of the reply's payload. */
  readonly convert: ((payload: unknown) => unknown) | undefined;
  readonly promise: Promise<unknown>;
  /** Of a numbered write, the same in every attempt of which one may have run it; else that of the frame it was last sent in. */
  id: number;
  /** Of a numbered write whose `id` is that of the frame it was first sent in: its place there. Else -1. */
  index = -1;
  /** Set for what must be a frame of its own: commands that wait or answer at length, and a batch that its caller made. */
  isAlone: boolean;
  /** In a frame whose commands run once it says that it does not. */
  isExempt = false;
  /** The commands of a batch that its caller made. */
  readonly items: readonly Request[] | undefined;
  readonly isAtomic: boolean;
  isDone = false;
  /** Its place in the order of issue, over all lanes. */
  order = 0;
  /** Its place in the order of its lane. */
  sequence = 0;
  /** When the first attempt that is not answered left, by the wall clock: this process may have been held up. */
  #firstSentAtMs = 0;
  /** Attempts that are not answered, on their way or lost: any of them may have run it. */
  unansweredCount = 0;
  /** How many connections ended while nothing but this was on its way. */
  blame = 0;
  /** How often a server said that another one is the master. */
  redirects = 0;
  /** How long it may still take; undefined until somebody has looked. */
  remainingMs: number | undefined;
  readonly timeoutMs: number | undefined;
  /** The encoded command, without a number: text, or the bytes from `start` to `end`, whose head is that of the frame they were in last. */
  source: string | Uint8Array = "";
  start = 0;
  end = 0;
  /** Told of a reply that nobody waits for any more. */
  onOrphan: ((payload: unknown) => void) | undefined;
  #resolve!: (value: unknown) => void;
  #reject!: (reason: unknown) => void;
  #endListening: (() => void) | undefined;

  constructor(
    command: string,
    payload: object,
    safety: Safety,
    convert: ((payload: unknown) => unknown) | undefined,
    options?: RequestOptions,
    batch?: { readonly items: readonly Request[]; readonly isAtomic: boolean },
  ) {
    this.command = command;
    this.payload = payload;
    this.safety = safety;
    this.convert = convert;
    this.id = 0;
    this.isAlone = batch !== undefined;
    this.items = batch?.items;
    this.isAtomic = batch?.isAtomic ?? false;
    this.timeoutMs = options?.timeoutMs;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    if (options?.signal !== undefined) this.#listen(options.signal);
  }

  /** Whether it is a write with a number of its own. */
  get isNumbered(): boolean {
    return this.safety === "numbered";
  }

  /** Bytes on the wire at the most, about. */
  get bytes(): number {
    const bytes = typeof this.source === "string" ? this.source.length : this.end - this.start;
    return this.isNumbered ? bytes + NUMBER_BYTES_MAX : bytes;
  }

  /** Whether it may have taken effect, by all that is known now. */
  get mayHaveHappened(): boolean {
    return this.safety !== "read" && this.unansweredCount > 0;
  }

  /** Whether the server may have forgotten its number since it was sent, so that it could run twice. */
  get isPastWindow(): boolean {
    if (!this.isNumbered || this.unansweredCount === 0) return false;
    return Date.now() - this.#firstSentAtMs > RESEND_WINDOW_MS;
  }

  /** Whether it has a number, under which it may have run. */
  get hasNumber(): boolean {
    return this.isNumbered && this.id !== 0;
  }

  /** No attempt can have run it any more, so it is as if there had been none: it gets another number. */
  forgetNumber(): void {
    this.id = 0;
    this.index = -1;
  }

  /** It leaves once more. @param nowMs by the wall clock. */
  sent(nowMs: number): void {
    if (this.unansweredCount === 0) this.#firstSentAtMs = nowMs;
    this.unansweredCount += 1;
  }

  /** What an error about it tells. */
  get errorContext(): ErrorContext {
    const { command, id, mayHaveHappened } = this;
    return { command, requestId: id === 0 ? undefined : id, mayHaveHappened };
  }

  succeed(payload: unknown): void {
    if (this.isDone) {
      this.onOrphan?.(payload);
      return;
    }
    this.#settle();
    if (this.convert === undefined) {
      this.#resolve(payload);
      return;
    }
    try {
      this.#resolve(this.convert(payload));
    } catch (error) {
      this.#reject(error);
    }
  }

  /** @param error a SynapError, or what an AbortSignal was aborted with. */
  fail(error: SynapError | unknown): void {
    if (this.isDone) return;
    this.#settle();
    this.#reject(error);
  }

  #settle(): void {
    this.isDone = true;
    this.#endListening?.();
  }

  #listen(signal: AbortSignal): void {
    if (signal.aborted) {
      this.fail(signal.reason);
      return;
    }
    this.#endListening = onAbort(signal, () => this.fail(signal.reason));
  }
}
