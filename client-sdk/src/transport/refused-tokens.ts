/**
 * What a client knows of tokens that servers have refused, from all of its connections together: a server counts wrong ones by
 * address, whichever connection they come over. Each node has tokens of its own, so what one refuses says nothing of another.
 */
import type { ResolvedOptions } from "../options.ts";
import { Backoff, type BackoffOptions } from "./backoff.ts";

/** Between two attempts with a token that was refused. */
const PAUSE_MS_MIN = 1_000;

export interface Refusal {
  readonly error: Error;
  readonly token: string | undefined;
  readonly untilMs: number;
  /** `token()` was asked since for another one: that may be tried at once, and only that. */
  isAsked: boolean;
}

/** Of one server. */
export class Refusals {
  readonly #backoff: Backoff;
  #last: Refusal | undefined;

  constructor(options: BackoffOptions) {
    this.#backoff = new Backoff({ ...options, initialMs: PAUSE_MS_MIN * 2 });
  }

  get last(): Refusal | undefined {
    return this.#last;
  }

  /** The last one, while it is too early to try the same again. */
  get early(): Refusal | undefined {
    return this.#last !== undefined && performance.now() < this.#last.untilMs ? this.#last : undefined;
  }

  add(error: Error, token: string | undefined): Refusal {
    const { early } = this;
    // Two connections have tried it at the same time.
    if (early !== undefined && early.token === token) return early;
    const untilMs = performance.now() + Math.max(PAUSE_MS_MIN, this.#backoff.nextMs());
    this.#last = { error, token, untilMs, isAsked: this.#last !== undefined };
    return this.#last;
  }

  /** A token was accepted. */
  forget(): void {
    this.#last = undefined;
    this.#backoff.reset();
  }
}

export class RefusedTokens {
  readonly #options: BackoffOptions;
  readonly #servers = new Map<string, Refusals>();

  constructor({ reconnect }: Pick<ResolvedOptions, "reconnect">) {
    this.#options = reconnect;
  }

  of(url: string): Refusals {
    const known = this.#servers.get(url);
    if (known !== undefined) return known;
    const none = new Refusals(this.#options);
    this.#servers.set(url, none);
    return none;
  }
}
