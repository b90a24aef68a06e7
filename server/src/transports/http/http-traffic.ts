/** What all HTTP exchanges of one transport share: the way into the server, its limits, and how many are under way. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { HELD_BACK_MS } from "../../access/access-control.ts";
import type { TransportAccess } from "../../access/request-access.ts";
import type { ReleaseGate } from "../../runtime/release-gate.ts";
import type { Connections } from "../connections.ts";
import { GzipQueue } from "../gzip.ts";
import { OriginRules } from "../origin.ts";
import type { OutboxBudget } from "../outbox-budget.ts";
import { Overdue } from "../overdue.ts";
import type { PushWriter } from "../push-writer.ts";
import { BodyBudget } from "../request-body.ts";
import type { Dispatch, TransportOptions, TransportParts } from "../transport.ts";

/** Something that waits for a peer and is cut off when that takes too long. */
export interface Waiting {
  cutOff(): void;
}

/** An exchange whose refusal waits. */
export interface SlowRefusal {
  refuseNow(): void;
}

/** Unfinished bodies of all connections may hold this many of the largest ones together. */
const LARGEST_BODIES_MAX = 8;
const BODIES_BYTES_MIN = 64 * 1024 * 1024;

export class HttpTraffic {
  readonly options: TransportOptions;
  readonly dispatch: Dispatch;
  readonly connections: Connections;
  readonly clock: TransportParts["clock"];
  readonly reportBug: TransportParts["reportBug"];
  readonly originRules: OriginRules;
  readonly bodyBudget: BodyBudget;
  readonly outboxes: OutboxBudget;
  readonly pushWriter: PushWriter;
  readonly gate: ReleaseGate;
  readonly access: TransportAccess;
  readonly rates: TransportParts["rates"];
  readonly replicaLinks: TransportParts["replicaLinks"];
  readonly gzipQueue: GzipQueue;
  /** Requests whose body did not come whole at once. */
  readonly #slowBodies: Overdue<Waiting>;
  /**
   * The request whose body is awaited, and has no deadline yet: nearly all get it whole before the next request comes, and to
   * give each a deadline would cost more than a fortieth of all its time.
   */
  #awaited: Waiting | undefined;
  /** Refusals that are given slowly. */
  readonly heldBack = new Overdue<SlowRefusal>(HELD_BACK_MS);
  /** Replies tell their clients to close the connection. */
  isStopping = false;
  #inFlight = 0;
  #onIdle: (() => void) | undefined;

  constructor(parts: TransportParts, outboxes: OutboxBudget, pushWriter: PushWriter) {
    const { options } = parts;
    this.options = options;
    this.dispatch = parts.dispatch;
    this.connections = parts.connections;
    this.clock = parts.clock;
    this.reportBug = parts.reportBug;
    this.originRules = new OriginRules(options);
    this.bodyBudget = new BodyBudget(Math.max(BODIES_BYTES_MIN, options.requestBytesMax * LARGEST_BODIES_MAX));
    this.outboxes = outboxes;
    this.pushWriter = pushWriter;
    this.gate = parts.gate;
    this.access = parts.access;
    this.rates = parts.rates;
    this.replicaLinks = parts.replicaLinks;
    this.gzipQueue = new GzipQueue(options.requestBytesMax);
    this.#slowBodies = new Overdue(options.connectionTimeoutMs);
  }

  shouldCompress(bytes: number): boolean {
    return this.options.compression && bytes >= this.options.compressionThresholdBytes;
  }

  /** The body of a request has a deadline from now, or from the next request or tick, whichever comes first. */
  awaitBody(request: Waiting): void {
    this.#timeAwaited();
    this.#awaited = request;
  }

  /** It has come whole, or is not wanted any more. */
  forgetBody(request: Waiting): void {
    if (this.#awaited === request) this.#awaited = undefined;
    else this.#slowBodies.remove(request);
  }

  cutOffSlowBodies(): void {
    this.#timeAwaited();
    this.#slowBodies.sweep(this.clock.monotonicMs(), (request) => request.cutOff());
  }

  #timeAwaited(): void {
    if (this.#awaited !== undefined) this.#slowBodies.add(this.#awaited, this.clock.monotonicMs());
    this.#awaited = undefined;
  }

  begin(): void {
    this.#inFlight += 1;
    this.connections.httpRequests += 1;
  }

  finish(): void {
    this.#inFlight -= 1;
    if (this.#inFlight === 0) this.#onIdle?.();
  }

  /**
   * Resolves when every request that has begun is answered or gone. A reply counts as given while it is still
   * corked, and closing then would throw it away: it leaves the process in the turn of the loop after that.
   */
  async whenIdle(): Promise<void> {
    while (this.#inFlight > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
      await nextTurn();
    }
  }
}
