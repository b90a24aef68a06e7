/**
 * Writes for which no master is known, in the order of their issue. While there are any, new ones join them. When nothing is
 * on its way any more, the first goes alone; when a server has run it, that is the master, and the others follow.
 *
 *     refused, or their server is gone --> [ 4 5 6 ] <-- new writes
 *                                            '-- first, alone --> refused: back to its place, and again after a while
 *                                                                 '-- run: [ 5 6 7 ] go all at once
 */
import type { Request } from "../wire/request.ts";

/** How often it is looked whether something may go. */
const LOOK_MS = 10;

export interface WaitingWritesListener {
  /** Whether writes are on their way that may yet be refused, and come before those that wait. */
  isBusy(): boolean;
  send(request: Request): void;
  /** It has waited for longer than it may take. */
  expired(request: Request): void;
  limitMsOf(request: Request): number;
}

export class WaitingWrites {
  readonly #listener: WaitingWritesListener;
  /** Ascending by `order`. */
  #requests: Request[] = [];
  /** The one that was sent alone. */
  #probe: Request | undefined;
  #dueAt = 0;
  #lookedAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #onEmpty: (() => void)[] = [];

  constructor(listener: WaitingWritesListener) {
    this.#listener = listener;
  }

  get count(): number {
    return this.#requests.length;
  }

  /** Whether new writes are to join. */
  get isHolding(): boolean {
    return this.#requests.length > 0 || this.#probe !== undefined;
  }

  /** @param waitMs nothing goes out before. */
  join(request: Request, waitMs: number): void {
    if (request === this.#probe) this.#probe = undefined;
    const nowMs = performance.now();
    if (this.#requests.length === 0) this.#lookedAt = nowMs;
    this.#dueAt = Math.max(this.#dueAt, nowMs + waitMs);
    request.remainingMs ??= this.#listener.limitMsOf(request);
    // Its place is nearly always the last.
    let at = this.#requests.length;
    while (at > 0 && this.#requests[at - 1].order > request.order) at -= 1;
    this.#requests.splice(at, 0, request);
    this.#timer ??= setTimeout(this.#look, Math.min(LOOK_MS, waitMs));
  }

  /** Resolves when nothing waits. */
  async empty(): Promise<void> {
    if (this.#requests.length > 0) await new Promise<void>((resolve) => this.#onEmpty.push(resolve));
  }

  /** Takes all of them away. */
  take(): Request[] {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const taken = this.#requests;
    this.#requests = [];
    for (const resolve of this.#onEmpty.splice(0)) resolve();
    return taken;
  }

  readonly #look = (): void => {
    // Called from elsewhere as well: one timer at a time.
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const nowMs = performance.now();
    this.#expire(nowMs - this.#lookedAt);
    this.#lookedAt = nowMs;
    if (this.#probe === undefined && nowMs >= this.#dueAt && !this.#listener.isBusy()) this.#sendFirst();
    if (this.#requests.length > 0) this.#timer ??= setTimeout(this.#look, LOOK_MS);
    else for (const resolve of this.#onEmpty.splice(0)) resolve();
  };

  #expire(stepMs: number): void {
    for (const request of this.#requests) {
      request.remainingMs = (request.remainingMs ?? this.#listener.limitMsOf(request)) - stepMs;
      if (request.remainingMs <= 0) this.#listener.expired(request);
    }
    this.#requests = this.#requests.filter(({ isDone }) => !isDone);
  }

  #sendFirst(): void {
    const first = this.#requests.shift();
    if (first === undefined) return;
    this.#probe = first;
    first.promise.then(
      () => this.#settled(first, true),
      () => this.#settled(first, false),
    );
    this.#listener.send(first);
  }

  #settled(request: Request, isRun: boolean): void {
    if (this.#probe !== request) return;
    this.#probe = undefined;
    // An error is no proof of a master: the next one is tried.
    if (isRun) for (const each of this.take()) this.#listener.send(each);
    else if (this.#requests.length > 0) this.#look();
  }
}
