/**
 * With which token a lane connects, and how long that is good for. One that was refused is not tried again at once, since the
 * server counts wrong ones by address and soon looks at none; a signed one is renewed on the living connection.
 *
 *     connect --> accepted --(3/4 of what is left)--> token() --> auth --> accepted ...      no: again, 3/4 of the rest
 *        '------> refused --(a second or more)--> connect      what is issued meanwhile gets the refusal that is known
 */
import { ServerError, serverError, UnauthorizedError } from "../errors.ts";
import type { ResolvedOptions } from "../options.ts";
import { unref } from "../timer.ts";
import { Backoff } from "./backoff.ts";
import type { Connection } from "./connection.ts";
import { expiryMsOf, tokenOf } from "./token.ts";

/** Between two attempts with a token that was refused, and between two calls of `token()` to renew one. */
const PAUSE_MS_MIN = 1_000;
/**
 * How long commands wait for an attempt with a token that was refused before. A server that has had too many wrong ones takes
 * a second or two to say so.
 */
const DOUBT_MS = 250;
/** Past that a timer fires at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

interface Refusal {
  readonly error: Error;
  readonly token: string | undefined;
  readonly untilMs: number;
  /** `token()` was asked since for another one: that may be tried at once, and only that. */
  isAsked: boolean;
}

export class Login {
  readonly #options: ResolvedOptions;
  readonly #backoff: Backoff;
  #token: string | undefined;
  #triedAtMs = Number.POSITIVE_INFINITY;
  #refusal: Refusal | undefined;
  #connection: Connection | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ResolvedOptions) {
    this.#options = options;
    this.#backoff = new Backoff({ ...options.reconnect, initialMs: PAUSE_MS_MIN * 2 });
  }

  /** What to answer with while it is too early to try again. */
  get refusal(): Error | undefined {
    const refusal = this.#earlyRefusal();
    if (refusal === undefined) return undefined;
    return typeof this.#options.token === "function" && !refusal.isAsked ? undefined : again(refusal);
  }

  /** What to answer with while an attempt goes on that will hardly end otherwise than the one before. */
  get doubt(): Error | undefined {
    const refusal = this.#refusal;
    if (refusal === undefined || refusal.token !== this.#token) return undefined;
    return performance.now() - this.#triedAtMs > DOUBT_MS ? again(refusal) : undefined;
  }

  /**
   * The token of a new connection.
   *
   * @throws UnauthorizedError when it is too early for the one that is there.
   */
  async token(): Promise<string | undefined> {
    // A function may take its time, and give another one: that is no doubt yet.
    this.#triedAtMs = Number.POSITIVE_INFINITY;
    const token = await tokenOf(this.#options);
    const refusal = this.#earlyRefusal();
    if (refusal !== undefined) {
      refusal.isAsked = true;
      if (token === refusal.token) throw again(refusal);
    }
    this.#token = token;
    this.#triedAtMs = performance.now();
    return token;
  }

  /** An attempt failed. @returns what it failed with, as far as that is known. */
  failed(error: Error): Error {
    const known = this.#refusal;
    if (known !== undefined && error.cause === known.error) return error;
    // That wrong tokens are too many is no more than was known, and nothing that waiting for here would help.
    const isStill = known !== undefined && error instanceof ServerError && error.code === "RATE_LIMIT_EXCEEDED";
    if (!isStill && !(error instanceof UnauthorizedError)) return error;
    const untilMs = performance.now() + Math.max(PAUSE_MS_MIN, this.#backoff.nextMs());
    const cause = isStill ? known.error : error;
    this.#refusal = { error: cause, token: this.#token, untilMs, isAsked: known !== undefined };
    return again(this.#refusal);
  }

  accepted(connection: Connection): void {
    this.#refusal = undefined;
    this.#backoff.reset();
    this.#connection = connection;
    this.#renewLater();
  }

  /** The connection has ended. */
  ended(): void {
    this.#connection = undefined;
    clearTimeout(this.#timer);
  }

  #earlyRefusal(): Refusal | undefined {
    const refusal = this.#refusal;
    return refusal !== undefined && performance.now() < refusal.untilMs ? refusal : undefined;
  }

  #renewLater(): void {
    clearTimeout(this.#timer);
    if (typeof this.#options.token !== "function" || this.#token === undefined) return;
    const leftMs = (expiryMsOf(this.#token) ?? 0) - Date.now();
    // Where it is over by this clock, either it does not expire, or the clocks differ: then the server ends the connection.
    if (leftMs <= 0) return;
    const delayMs = Math.min(TIMER_MS_MAX, Math.max(PAUSE_MS_MIN, (leftMs * 3) / 4));
    this.#timer = setTimeout(() => void this.#renew(), delayMs);
    unref(this.#timer);
  }

  async #renew(): Promise<void> {
    const connection = this.#connection;
    if (connection === undefined) return;
    let mayGoOn = true;
    try {
      const token = await tokenOf(this.#options);
      if (this.#connection !== connection || connection.isClosing) return;
      if (token !== undefined && token !== this.#token) {
        await connection.authenticate(token);
        if (this.#connection === connection) this.#token = token;
      }
    } catch (error) {
      // What has failed is tried again while the old token lasts, and then by a new connection, which tells of it. A server
      // that has had too many wrong ones answers this connection more slowly with each.
      mayGoOn = !(error instanceof ServerError && error.code === "RATE_LIMIT_EXCEEDED");
    }
    if (mayGoOn && this.#connection === connection) this.#renewLater();
  }
}

/** A new error each time: each is of another attempt. */
function again({ error }: Refusal): Error {
  return serverError("UNAUTHORIZED", error.message, { cause: error });
}
