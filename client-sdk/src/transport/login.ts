/**
 * With which token a lane connects, and how long that is good for. One that was refused is not tried again at once, since the
 * server counts wrong ones by address and soon looks at none (refused-tokens.ts); a signed one is renewed on the living connection.
 *
 *     connect --> accepted --(3/4 of what is left)--> token() --> auth --> accepted ...      no: again, 3/4 of the rest
 *        '------> refused --(a second or more)--> connect      what is issued meanwhile gets the refusal that is known
 */
import { ServerError, serverError, UnauthorizedError } from "../errors.ts";
import type { ResolvedOptions } from "../options.ts";
import { unref } from "../timer.ts";
import type { Connection } from "./connection.ts";
import type { Refusal, Refusals, RefusedTokens } from "./refused-tokens.ts";
import { expiryMsOf, tokenOf } from "./token.ts";

/** Between two calls of `token()` to renew one. */
const RENEWAL_MS_MIN = 1_000;
/**
 * How long commands wait for an attempt with a token that was refused before. A server that has had too many wrong ones takes
 * a second or two to say so.
 */
const DOUBT_MS = 250;
/** Past that a timer fires at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export class Login {
  readonly #options: ResolvedOptions;
  readonly #refused: RefusedTokens;
  /** Those of the server that was tried last. */
  #refusals: Refusals | undefined;
  #token: string | undefined;
  #triedAtMs = Number.POSITIVE_INFINITY;
  #connection: Connection | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ResolvedOptions, refused: RefusedTokens) {
    this.#options = options;
    this.#refused = refused;
  }

  /** What to answer with while it is too early to try a server again. */
  refusal(url: string): Error | undefined {
    const refusal = this.#refused.of(url).early;
    if (refusal === undefined) return undefined;
    return typeof this.#options.token === "function" && !refusal.isAsked ? undefined : again(refusal);
  }

  /** What to answer with while an attempt goes on that will hardly end otherwise than the one before. */
  get doubt(): Error | undefined {
    const refusal = this.#refusals?.last;
    if (refusal === undefined || refusal.token !== this.#token) return undefined;
    return performance.now() - this.#triedAtMs > DOUBT_MS ? again(refusal) : undefined;
  }

  /**
   * The token of a new connection to a server.
   *
   * @throws UnauthorizedError when it is too early for the one that is there.
   */
  async token(url: string): Promise<string | undefined> {
    this.#refusals = this.#refused.of(url);
    // A function may take its time, and give another one: that is no doubt yet.
    this.#triedAtMs = Number.POSITIVE_INFINITY;
    const token = await tokenOf(this.#options);
    const refusal = this.#refusals.early;
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
    const known = this.#refusals?.last;
    if (known !== undefined && error.cause === known.error) return error;
    // That wrong tokens are too many is no more than was known, and nothing that waiting for here would help.
    const isStill = known !== undefined && error instanceof ServerError && error.code === "RATE_LIMIT_EXCEEDED";
    if (this.#refusals === undefined || !(isStill || error instanceof UnauthorizedError)) return error;
    return again(this.#refusals.add(isStill ? known.error : error, this.#token));
  }

  accepted(connection: Connection): void {
    this.#refusals?.forget();
    this.#connection = connection;
    this.#renewLater();
  }

  /** The connection has ended. */
  ended(): void {
    this.#connection = undefined;
    clearTimeout(this.#timer);
  }

  #renewLater(): void {
    clearTimeout(this.#timer);
    if (typeof this.#options.token !== "function" || this.#token === undefined) return;
    const leftMs = (expiryMsOf(this.#token) ?? 0) - Date.now();
    // Where it is over by this clock, either it does not expire, or the clocks differ: then the server ends the connection.
    if (leftMs <= 0) return;
    const delayMs = Math.min(TIMER_MS_MAX, Math.max(RENEWAL_MS_MIN, (leftMs * 3) / 4));
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
