/**
 * A replica's link to its master: opened, kept, and opened again when it breaks, until the node is promoted, starts again from
 * a snapshot, or stops. What is said over it is a `CopySession`, one for each time.
 *
 *     tick --> session --ended--> (pause, longer each time) --> session ...
 */

import type { TurnEndTask } from "../runtime/turn-end.ts";
import { Backoff } from "./backoff.ts";
import { CopySession, type SessionParts, type SessionState } from "./copy-session.ts";
import type { LinkOpener } from "./link-socket.ts";

export interface MasterLinkOptions extends Omit<SessionParts, "onEnded" | "later"> {
  readonly turnEnd: { add(run: () => boolean): TurnEndTask };
  /** The link's URL, `ws:` or `wss:`. */
  readonly url: string;
  readonly opener: LinkOpener;
  /** Draws from [0, 1). */
  readonly random: () => number;
}

/** How a replica stands, as it knows itself. */
export interface MasterLinkReport {
  readonly state: SessionState | "waiting";
  /** Operations that are durable on the master and not here, as it was last told; infinite while it is not heard. */
  readonly lagOperations: number;
  /** For how long this node may have been behind; infinite where it has never been linked. */
  readonly lagMs: number;
  /** Why the last link ended. */
  readonly lastFailure: string | undefined;
  readonly fullSync: { readonly receivedBytes: number; readonly bytes: number } | undefined;
}

/** A full disk has room only when somebody has made some, and every try costs the master a part of a snapshot. */
const NO_ROOM_MS = 10_000;

export class MasterLink {
  /** Links that the master has accepted. */
  linkCount = 0;
  readonly #options: MasterLinkOptions;
  readonly #backoff: Backoff;
  /** Has the session go on with what has waited. */
  readonly #task: TurnEndTask;
  #session: CopySession | undefined;
  #retryAtMs: number;
  #lastFailure: string | undefined;
  /** When all that the master has told of was last here. */
  #currentAtMs = Number.NEGATIVE_INFINITY;
  #knownEpoch = 0;
  /** What the last session has still under way. */
  #work: Promise<void> | undefined;
  #isStopped = false;
  /** The node is to start again from a snapshot that has come. */
  #isAdopting = false;
  #wasLinked = false;

  constructor(options: MasterLinkOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.random);
    this.#task = options.turnEnd.add(() => this.#session?.goOn() ?? false);
    this.#retryAtMs = options.clock.monotonicMs();
  }

  /** Called often: opens the link where that is due, and looks after it. */
  tick(): void {
    const nowMs = this.#options.clock.monotonicMs();
    this.#session?.tick();
    this.#look(nowMs);
    const isFree = this.#session === undefined && this.#work === undefined;
    if (!this.#isStopped && isFree && nowMs >= this.#retryAtMs) this.#open();
  }

  #open(): void {
    const { opener, url } = this.#options;
    const session = new CopySession({
      ...this.#options,
      later: () => this.#task.request(),
      onEnded: (ended, why) => this.#ended(ended, why),
    });
    this.#session = session;
    this.#wasLinked = false;
    session.start((end) => opener.open(url, end));
  }

  #ended(session: CopySession, why: string): void {
    if (session !== this.#session) return;
    const { clock, logger, url } = this.#options;
    this.#knownEpoch = this.knownEpoch;
    this.#session = undefined;
    this.#work = session.work?.then(() => {
      this.#work = undefined;
    });
    this.#isAdopting ||= session.isAdopting;
    this.#isStopped ||= session.isAdopting;
    const delayMs = this.#backoff.delayMs();
    this.#retryAtMs = clock.monotonicMs() + (session.isOutOfRoom ? NO_ROOM_MS : delayMs);
    // Once for each reason: the master may be away for long.
    if (why !== this.#lastFailure && !this.#isStopped)
      logger.warn(`no link to the master ${url}: ${why}; trying again`);
    this.#lastFailure = why;
  }

  #look(nowMs: number): void {
    const session = this.#session;
    if (session === undefined) return;
    const isLinked = session.state === "log" || session.state === "snapshot";
    if (isLinked && !this.#wasLinked) {
      this.#wasLinked = true;
      this.linkCount++;
      this.#lastFailure = undefined;
      this.#backoff.reset();
    }
    if (this.#isCurrent(session)) this.#currentAtMs = nowMs;
  }

  /** Everything that the master was known to have is here, and it was heard of not long ago. */
  #isCurrent({ state, status, heardAtMs }: CopySession): boolean {
    const { clock, local, heartbeatMs } = this.#options;
    if (state !== "log" || status.nowMs === 0 || status.durableOffset > local.lastOffset) return false;
    return clock.monotonicMs() - heardAtMs < 2 * heartbeatMs;
  }

  /** More of the log here is durable. */
  durable(offset: number): void {
    this.#session?.durable(offset);
  }

  /** The latest epoch that a master has told of. */
  get knownEpoch(): number {
    return Math.max(this.#knownEpoch, this.#session?.masterEpoch ?? 0);
  }

  report(): MasterLinkReport {
    const { clock, local } = this.#options;
    const session = this.#session;
    const nowMs = clock.monotonicMs();
    this.#look(nowMs);
    const isHeard = session !== undefined && session.status.nowMs !== 0;
    return {
      state: session?.state ?? "waiting",
      lagOperations: isHeard ? Math.max(0, session.status.durableOffset - local.lastOffset) : Number.POSITIVE_INFINITY,
      lagMs: this.#lagMs(session, nowMs),
      lastFailure: this.#lastFailure,
      fullSync: session?.fullSync,
    };
  }

  /** A master that has told of something newer tells also for how long it has had that. */
  #lagMs(session: CopySession | undefined, nowMs: number): number {
    const sinceCurrentMs = nowMs - this.#currentAtMs;
    // Before its first status nothing is known of what the master has.
    if (session?.state !== "log" || session.status.nowMs === 0) return sinceCurrentMs;
    if (this.#isCurrent(session)) return 0;
    return Math.min(sinceCurrentMs, session.status.lagMs + nowMs - session.heardAtMs);
  }

  /** Opens it again, after a `stop` that was not too late. */
  resume(): void {
    this.#retryAtMs = this.#options.clock.monotonicMs() + this.#backoff.delayMs();
    this.#isStopped = false;
  }

  /**
   * Ends the link for good; resolves when nothing of it is under way.
   * @returns false where it was too late: a snapshot has come, and the node starts again from it.
   */
  async stop(why: string): Promise<boolean> {
    this.#isStopped = true;
    this.#session?.stop(why);
    await this.#work;
    return !this.#isAdopting;
  }
}
