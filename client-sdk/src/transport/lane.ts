/**
 * A line to one server that outlives its connections. Commands that are issued in the same turn of the event loop leave
 * together, in one frame, once nothing more is being issued; more than may be in flight wait here.
 *
 *     issued --> queue --(end of the turn, room in flight)--> connection --> answered
 *                  ^                                            |
 *                  '--- lost, and safe to send again -----------'    lost, and not safe: ConnectionLostError
 *
 * What is safe is tried until its time is over, unless it is what connections end with (suspects.ts).
 */
import {
  ClientClosedError,
  CommandTimeoutError,
  ConnectionLostError,
  serverError,
  TooManyCommandsError,
  UnauthorizedError,
} from "../errors.ts";
import type { ResolvedOptions } from "../options.ts";
import { unref } from "../timer.ts";
import type { Codec, Message } from "../wire/codec.ts";
import type { Request } from "../wire/request.ts";
import type { Session } from "../wire/session.ts";
import { Backoff } from "./backoff.ts";
import { Connection } from "./connection.ts";
import { Heartbeat } from "./heartbeat.ts";
import { Login } from "./login.ts";
import type { RefusedTokens } from "./refused-tokens.ts";
import { Suspects } from "./suspects.ts";

/** Commands of one frame: more do not make it faster. The server takes 1,000, or what `max_batch_commands` says. */
const FRAME_COMMANDS_MAX = 512;
const FRAME_BYTES_MAX = 262_144;
const IN_FLIGHT_BYTES_MAX = 8_388_608;
/** How often time limits are looked at. */
const SWEEP_MS = 100;
/** Its `then` is a hop of the microtask queue; Node's queueMicrotask costs several times as much. */
const NOW = Promise.resolve();
/** What a frame has beside its commands. */
const ENVELOPE_BYTES_MAX = 512;

/** What all connections of a client have in common. */
export interface ClientParts {
  readonly options: ResolvedOptions;
  readonly session: Session;
  readonly codec: Codec;
  readonly refused: RefusedTokens;
}

export interface LaneListener {
  /** A connection is there, and was greeted. */
  opened(lane: Lane, connection: Connection): void;
  /** A connection ended, or could not be made. The lane goes on trying while there is a reason to. */
  failed(lane: Lane, error: Error): void;
  /** As in ConnectionListener. */
  moved(request: Request, master: string | undefined): void;
  push(lane: Lane, message: Message): void;
}

export class Lane {
  /** It keeps a connection without commands: somebody is subscribed over it. */
  isWanted = false;
  readonly #url: () => string;
  readonly #options: ResolvedOptions;
  readonly #session: Session;
  readonly #codec: Codec;
  readonly #listener: LaneListener;
  readonly #backoff: Backoff;
  readonly #login: Login;
  readonly #heartbeat: Heartbeat;
  readonly #suspects = new Suspects();
  #queue: Request[] = [];
  #head = 0;
  #issuedCount = 0;
  #connection: Connection | undefined;
  #isConnecting = false;
  #isClosed = false;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #sweeper: ReturnType<typeof setInterval> | undefined;
  #isFlushDue = false;
  #queuedAtHop = -1;
  #lastFailure: Error | undefined;
  #sweptAt = 0;
  #drained: (() => void)[] = [];

  /** @param url is asked at each attempt: the master may have moved. */
  constructor(url: () => string, { options, session, codec, refused }: ClientParts, listener: LaneListener) {
    this.#url = url;
    this.#options = options;
    this.#session = session;
    this.#codec = codec;
    this.#listener = listener;
    this.#backoff = new Backoff(options.reconnect);
    this.#login = new Login(options, refused);
    this.#heartbeat = new Heartbeat(options.heartbeatMs, (ping) => this.issue(ping));
  }

  get isOpen(): boolean {
    return this.#connection !== undefined;
  }

  /** Whether commands of this turn are still being gathered. */
  get isGathering(): boolean {
    return this.#isFlushDue;
  }

  get queuedCount(): number {
    return this.#queue.length - this.#head;
  }

  /** Whether numbered writes wait here, or are on their way. */
  get hasWrites(): boolean {
    for (let i = this.#head; i < this.#queue.length; i++) if (isOpenWrite(this.#queue[i])) return true;
    for (const request of this.#connection?.unanswered() ?? []) if (isOpenWrite(request)) return true;
    return false;
  }

  /** Commands that are not answered. */
  get load(): number {
    return this.queuedCount + (this.#connection?.inFlightCount ?? 0);
  }

  get lastFailure(): Error | undefined {
    return this.#lastFailure;
  }

  /** Takes a command; its promise tells how it went. */
  issue(request: Request): void {
    if (request.isDone) return;
    if (this.#isClosed) {
      request.fail(new ClientClosedError("the client is closed", request.errorContext));
      return;
    }
    if (this.queuedCount >= this.#options.maxQueued) {
      const text = `${this.queuedCount} commands wait to be sent already`;
      request.fail(new TooManyCommandsError(text, request.errorContext));
      return;
    }
    if (!this.prepare(request)) return;
    this.#issuedCount += 1;
    request.sequence = this.#issuedCount;
    this.#queue.push(request);
    this.#flushSoon();
  }

  /** Opens a connection if there is none. Failures are told to the listener and tried again. */
  open(): void {
    if (this.#connection !== undefined || this.#isConnecting || this.#isClosed) return;
    if (this.#retryTimer !== undefined) return;
    if (!this.#refuse(this.#login.refusal(this.#url()))) void this.#connect();
  }

  /** Resolves when no command waits to be sent. */
  drained(): Promise<void> {
    if (this.queuedCount === 0) return Promise.resolve();
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  /** Takes what is not sent yet away from here, for another lane. */
  takeQueued(): Request[] {
    this.#prune();
    const taken = this.#queue;
    this.#queue = [];
    this.#tellDrained();
    return taken;
  }

  /** Ends it. What is not answered fails. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#retryTimer);
    clearInterval(this.#sweeper);
    this.#login.ended();
    const text = "the client was closed";
    for (const request of this.takeQueued()) request.fail(new ClientClosedError(text, request.errorContext));
    this.#connection?.end(new ClientClosedError(text));
  }

  /** Ends the connection, as if it had been lost: what is safe is sent again over a new one. */
  drop(reason: Error): void {
    this.#connection?.end(reason);
  }

  /** Encodes it, unless it is. @returns false where it cannot be, and has failed. */
  prepare(request: Request): boolean {
    if (request.source !== "") return true;
    const { items } = request;
    try {
      if (items === undefined) this.#codec.encode(request);
      else for (const item of items) if (item.source === "") this.#codec.encode(item);
      const bytes = items === undefined ? request.bytes : items.reduce((sum, item) => sum + item.bytes, 0);
      if (bytes > this.#options.maxRequestBytes - ENVELOPE_BYTES_MAX) throw tooLarge(request, bytes);
      return true;
    } catch (error) {
      request.fail(error);
      return false;
    }
  }

  #flushSoon(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    this.#queuedAtHop = -1;
    void NOW.then(this.#hop);
  }

  /**
   * One turn issues commands over several hops of the microtask queue: a caller that awaits an async function is a hop
   * or two behind one that awaits the command itself. So the frame leaves when a whole hop has added nothing.
   */
  readonly #hop = (): void => {
    if (this.#queue.length !== this.#queuedAtHop) {
      this.#queuedAtHop = this.#queue.length;
      void NOW.then(this.#hop);
      return;
    }
    this.#isFlushDue = false;
    this.#flush();
  };

  #flush(): void {
    this.#sweeper ??= this.#startSweeper();
    const connection = this.#connection;
    if (connection === undefined) {
      this.open();
      return;
    }
    while (this.#hasRoom(connection)) {
      const before = this.#head;
      const requests = this.#take();
      if (requests.length === 0) break;
      const mustWait = this.#suspects.has(requests[0]) && connection.inFlightCount > 0;
      if (mustWait || !connection.mayFollow(requests)) {
        this.#head = before;
        break;
      }
      connection.send(requests);
    }
    this.#shorten();
    if (this.queuedCount === 0) this.#tellDrained();
  }

  /** Forgets what has left. A queue of one is used again: its room would be made anew for each command that is awaited. */
  #shorten(): void {
    if (this.#head === 1 && this.#queue.length === 1) this.#queue.pop();
    else if (this.#head > 1_024 || this.#head === this.#queue.length) this.#queue = this.#queue.slice(this.#head);
    else return;
    this.#head = 0;
  }

  #hasRoom(connection: Connection): boolean {
    return (
      !connection.isClosing &&
      connection.inFlightCount < this.#options.maxInFlight &&
      connection.inFlightBytes < IN_FLIGHT_BYTES_MAX
    );
  }

  /** The next frame: as many as may share one, or one that goes alone. */
  #take(): Request[] {
    const taken: Request[] = [];
    let bytes = 0;
    while (this.#head < this.#queue.length && taken.length < FRAME_COMMANDS_MAX) {
      const request = this.#queue[this.#head];
      if (request.isPastWindow) this.#giveUp(request, this.#lastFailure);
      if (!request.isDone) {
        if ((request.isAlone || this.#suspects.has(request)) && taken.length > 0) break;
        if (taken.length > 0 && bytes + request.bytes > FRAME_BYTES_MAX) break;
        taken.push(request);
        bytes += request.bytes;
      }
      this.#head += 1;
      if (taken.length > 0 && (request.isAlone || this.#suspects.has(request))) break;
    }
    return taken;
  }

  /** Forgets what is over and was never sent. */
  #prune(): void {
    this.#queue = this.#queue.slice(this.#head).filter(({ isDone }) => !isDone);
    this.#head = 0;
  }

  #tellDrained(): void {
    if (this.#drained.length === 0) return;
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  async #connect(): Promise<void> {
    this.#isConnecting = true;
    this.#sweeper ??= this.#startSweeper();
    const { connectTimeoutMs: timeoutMs, idempotentWrites: isNumbering, followMaster } = this.#options;
    let connection: Connection;
    try {
      const url = this.#url();
      const options = {
        token: await this.#login.token(url),
        url,
        codec: this.#codec,
        session: this.#session,
        isNumbering,
        followMaster,
        timeoutMs,
      };
      connection = await Connection.open(options, {
        answered: () => this.#answered(),
        resend: (requests) => this.#sendAgain(requests),
        moved: (request, master) => this.#listener.moved(request, master),
        push: (message) => this.#listener.push(this, message),
        lost: (unanswered, reason) => this.#lost(connection, unanswered, reason),
      });
    } catch (error) {
      this.#isConnecting = false;
      this.#failed(this.#login.failed(error instanceof Error ? error : new Error(String(error))));
      return;
    }
    this.#isConnecting = false;
    if (this.#isClosed) {
      connection.end(new ClientClosedError("the client was closed"));
      return;
    }
    this.#connection = connection;
    this.#backoff.reset();
    this.#login.accepted(connection);
    this.#lastFailure = undefined;
    this.#listener.opened(this, connection);
    this.#flush();
  }

  #answered(): void {
    if (this.queuedCount > 0 && !this.#isFlushDue) this.#flush();
  }

  /** Back to where they were in the order of issue. */
  #sendAgain(requests: readonly Request[]): void {
    if (requests.length === 0) return;
    this.#queue = [...requests, ...this.#queue.slice(this.#head)].sort((a, b) => a.sequence - b.sequence);
    this.#head = 0;
    this.#flushSoon();
  }

  #lost(connection: Connection, unanswered: readonly Request[], reason: Error): void {
    this.#connection = undefined;
    this.#login.ended();
    this.#suspects.lost(unanswered, connection.hasAnswered);
    const again: Request[] = [];
    for (const request of unanswered) {
      const isSafe = request.safety === "read" || (request.isNumbered && connection.isNumbering);
      if (!this.#isClosed && isSafe && !this.#suspects.isGuilty(request)) again.push(request);
      else this.#giveUp(request, reason);
    }
    if (this.#isClosed) return;
    this.#sendAgain(again);
    this.#failed(reason);
  }

  #giveUp(request: Request, cause: Error | undefined): void {
    const { command, mayHaveHappened, errorContext } = request;
    const text = `the connection ended before ${command} was answered`;
    request.fail(new ConnectionLostError(text, mayHaveHappened, { ...errorContext, cause }));
  }

  #failed(error: Error): void {
    this.#lastFailure = error;
    if (this.#isClosed) return;
    this.#listener.failed(this, error);
    if (error instanceof UnauthorizedError) this.#refuse(error);
    else if (this.queuedCount > 0 || this.isWanted) {
      this.#retryTimer ??= setTimeout(() => {
        this.#retryTimer = undefined;
        // Also where it is too early for a token that another connection was refused with: the listener is to be told.
        void this.#connect();
      }, this.#backoff.nextMs());
    }
  }

  /** A token that is refused will be refused again: what waits for it waits for nothing. */
  #refuse(error: Error | undefined): boolean {
    if (error === undefined) return false;
    this.#lastFailure = error;
    for (const request of this.takeQueued()) {
      request.fail(serverError("UNAUTHORIZED", error.message, { ...request.errorContext, cause: error }));
    }
    return true;
  }

  #startSweeper(): ReturnType<typeof setInterval> {
    this.#sweptAt = performance.now();
    const timer = setInterval(() => this.#sweep(performance.now()), SWEEP_MS);
    unref(timer);
    return timer;
  }

  /**
   * Ends what has waited too long, and finds out whether a silent server is still there. Time passes here in steps of two
   * sweeps at the most: when this process was held up, what has come meanwhile is still to be read.
   */
  #sweep(nowMs: number): void {
    const stepMs = Math.min(nowMs - this.#sweptAt, SWEEP_MS * 2);
    this.#sweptAt = nowMs;
    for (let i = this.#head; i < this.#queue.length; i++) this.#checkTime(this.#queue[i], stepMs);
    const connection = this.#connection;
    if (connection === undefined) {
      if (!this.#isConnecting || !this.#refuse(this.#login.doubt)) this.#prune();
      return;
    }
    for (const request of connection.unanswered()) this.#checkTime(request, stepMs);
    this.#heartbeat.passed(connection, stepMs);
  }

  #checkTime(request: Request, stepMs: number): void {
    if (request.isDone) return;
    const limitMs = request.timeoutMs ?? this.#options.timeoutMs;
    // It came within this step: its time begins now.
    request.remainingMs = request.remainingMs === undefined ? limitMs : request.remainingMs - stepMs;
    if (request.remainingMs > 0) return;
    const { command, mayHaveHappened, errorContext } = request;
    const context = { ...errorContext, cause: this.#lastFailure };
    request.fail(new CommandTimeoutError(`${command} was not answered within ${limitMs} ms`, mayHaveHappened, context));
  }
}

function tooLarge({ command }: Request, bytes: number): Error {
  return serverError("PAYLOAD_TOO_LARGE", `the command has ${bytes} bytes, more than maxRequestBytes`, { command });
}

function isOpenWrite({ isNumbered, isDone }: Request): boolean {
  return isNumbered && !isDone;
}
