/**
 * One WebSocket from its opening to its end: frames go out, replies come back and settle the commands they belong to.
 * It never comes back to life; what was not answered when it ends is handed to its lane, which knows what may be sent again.
 *
 *     lane --send(requests)--> frame n in flight --reply n--> request.succeed / fail
 *                                                        '--> listener.resend    not run: too much for one frame
 *                                                        '--> listener.moved     not run: the master is another
 *                                    '-- closed --------------> listener.lost    not known
 */
import { ConnectionFailedError, ProtocolError, serverError } from "../errors.ts";
import type { Codec, Message, Numbering } from "../wire/codec.ts";
import { Request } from "../wire/request.ts";
import type { Session } from "../wire/session.ts";
import { Flights } from "./flights.ts";
import { type Frame, openSocket, type Socket } from "./socket.ts";

export interface ConnectionListener {
  /** Some of what was in flight is answered: there is room for more. */
  answered(): void;
  /** The server did not run it, and it may go out again. */
  resend(requests: readonly Request[]): void;
  /** The server did not run it since it is a replica. @param master where the master is, if it said so. */
  moved(request: Request, master: string | undefined): void;
  push(message: Message): void;
  /** It is over. @param unanswered in the order in which they were sent. */
  lost(unanswered: readonly Request[], reason: Error): void;
}

export interface ConnectionOptions {
  readonly url: string;
  readonly token: string | undefined;
  readonly codec: Codec;
  readonly session: Session;
  readonly isNumbering: boolean;
  /** Whether what a replica refuses is to go to its master, and is not refused then. */
  readonly followMaster: boolean;
  readonly timeoutMs: number;
}

/** How the server answers one command. */
interface Result {
  readonly success?: unknown;
  readonly payload?: unknown;
  readonly error?: unknown;
  readonly code?: unknown;
  readonly details?: unknown;
}

/** Refusals of a batch that are about all of its commands. They come before a command's number is looked at. */
const FOR_ALL = /^(?:UNAUTHORIZED|FORBIDDEN|RATE_LIMIT_EXCEEDED|SERVICE_UNAVAILABLE|READ_ONLY_REPLICA|INTERNAL_ERROR)$/;

export class Connection {
  /** Whether the server takes numbered writes. */
  isNumbering = false;
  /** It has refused the write that it was greeted with. */
  isReplica = false;
  masterUrl: string | undefined;
  /** The server has said that it will close: nothing more is sent. */
  isClosing = false;
  /** Something beside the greeting was answered. */
  hasAnswered = false;
  readonly #codec: Codec;
  readonly #session: Session;
  readonly #listener: ConnectionListener;
  readonly #followMaster: boolean;
  readonly #flights = new Flights();
  #socket: Socket | undefined;
  #isHeard = true;
  #lostReason: Error | undefined;
  /** Until then its end is a failure to open. */
  #isGreeted = false;

  private constructor(options: ConnectionOptions, listener: ConnectionListener) {
    this.#codec = options.codec;
    this.#session = options.session;
    this.#listener = listener;
    this.#followMaster = options.followMaster;
  }

  /** @throws ConnectionFailedError, ProtocolError */
  static async open(options: ConnectionOptions, listener: ConnectionListener): Promise<Connection> {
    const connection = new Connection(options, listener);
    const startedAt = performance.now();
    connection.#socket = await openSocket(
      options.url,
      options.token,
      {
        message: (frame) => connection.#received(frame),
        closed: (code, reason) => connection.#closed(code, reason),
      },
      options.timeoutMs,
    );
    try {
      await connection.#greet(options, Math.max(1, options.timeoutMs - (performance.now() - startedAt)));
    } catch (error) {
      connection.#isGreeted = false;
      connection.#socket.close();
      throw error;
    }
    connection.#isGreeted = true;
    return connection;
  }

  /** Whether something came since the last call. */
  wasHeard(): boolean {
    const heard = this.#isHeard;
    this.#isHeard = false;
    return heard;
  }

  get inFlightCount(): number {
    return this.#flights.commandCount;
  }

  get inFlightBytes(): number {
    return this.#flights.bytes;
  }

  /** Requests that are sent and not answered, in order. */
  unanswered(): Iterable<Request> {
    return this.#flights.requests();
  }

  /**
   * Whether a frame may leave now. The server may run a part of a shared frame alone, when it has taken too long or its answers
   * are too many; the rest is sent again, and must not come behind what was issued after it. So shared frames of reads may
   * be on their way together, and one that writes only alone; nothing waits for single commands.
   */
  mayFollow(requests: readonly Request[]): boolean {
    const { sharedCount, writingCount } = this.#flights;
    return writingCount === 0 && (sharedCount === 0 || !requests.some(isWriting));
  }

  /** One frame. Several requests become a batch. */
  send(requests: readonly Request[]): void {
    const [first] = requests;
    for (const request of requests) if (request.unansweredCount === 0) request.forgetNumber();
    // A single command has no place to say which of a batch it was.
    const isShared = first.items === undefined && (requests.length > 1 || first.index >= 0);
    const id = !isShared && this.isNumbering && first.hasNumber ? first.id : this.#session.next();
    const numbering = this.isNumbering ? giveNumbers(requests, id, isShared) : "none";
    const frame = this.#frame(requests, id, isShared, numbering);
    const nowMs = Date.now();
    for (const request of requests) {
      request.sent(nowMs);
      if (!request.hasNumber) request.id = id;
    }
    const bytes = typeof frame === "string" ? frame.length : frame.byteLength;
    this.#flights.add(id, { requests, isShared, isWriting: isShared && requests.some(isWriting), bytes });
    this.#socket?.send(frame);
  }

  /** Gives this connection another token. @throws ServerError, ConnectionLostError, CommandTimeoutError */
  async authenticate(token: string): Promise<void> {
    // It is of this connection: never sent again over another.
    const request = new Request("auth", { token }, "unsafe", undefined);
    this.#codec.encode(request);
    this.send([request]);
    await request.promise;
  }

  /** Ends it for a reason of ours; `lost` follows. */
  end(reason: Error): void {
    this.#lostReason ??= reason;
    this.#socket?.close();
  }

  #frame(requests: readonly Request[], id: number, isShared: boolean, numbering: Numbering): Frame {
    const [first] = requests;
    if (isShared) return this.#codec.batch(requests, id, numbering, false);
    if (first.items === undefined) return this.#codec.single(first, id, numbering !== "none");
    return this.#codec.batch(first.items, id, numbering, first.isAtomic);
  }

  /**
   * The first request is a numbered write without arguments. It does nothing, whatever the server is, and how it is refused
   * tells what the server can do: INVALID_REQUEST that it does not number writes, READ_ONLY_REPLICA that it is a replica, and
   * SERVICE_UNAVAILABLE that it takes no writes, or cannot do anything yet since it is still reading its data.
   */
  async #greet({ isNumbering }: ConnectionOptions, timeoutMs: number): Promise<void> {
    this.isNumbering = true;
    const timer = setTimeout(() => {
      this.end(new ConnectionFailedError(`the server did not answer within ${Math.round(timeoutMs)} ms`));
    }, timeoutMs);
    try {
      const { code, details, error } = await this.#ask(new Request("kv.del", {}, "numbered", undefined));
      this.isNumbering = isNumbering && code !== "INVALID_REQUEST";
      this.isReplica = code === "READ_ONLY_REPLICA";
      if (this.#followMaster) this.masterUrl = masterOf(details);
      if (code === "UNAUTHORIZED") throw serverError(code, "the server wants a valid token");
      if (code === "SERVICE_UNAVAILABLE" && !(await this.#isReadable())) {
        throw new ConnectionFailedError(`the server is not ready: ${String(error)}`);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** With a full disk, or without the replicas that writes need, it takes no writes and can still be read. */
  async #isReadable(): Promise<boolean> {
    const { code } = await this.#ask(new Request("kv.time", {}, "read", undefined));
    return code !== "SERVICE_UNAVAILABLE";
  }

  #ask(request: Request): Promise<Result> {
    this.#codec.encode(request);
    const answer = new Promise<Result>((resolve, reject) => {
      this.#onGreeted = resolve;
      request.promise.catch(reject);
    });
    this.send([request]);
    return answer;
  }

  #onGreeted: ((result: Result) => void) | undefined;

  #received(frame: Frame): void {
    this.#isHeard = true;
    try {
      this.#read(this.#codec.decode(frame));
    } catch (error) {
      // What is not the protocol makes everything after it doubtful.
      if (!(error instanceof ProtocolError)) throw error;
      this.end(error);
    }
  }

  #read(message: Message): void {
    if (typeof message.success !== "boolean") {
      if (typeof message.type !== "string") throw new ProtocolError("a message is neither a reply nor a push");
      if (message.type === "closing") this.isClosing = true;
      this.#listener.push(message);
      return;
    }
    const id = Number(message.request_id);
    const flight = this.#flights.take(id);
    if (flight === undefined) throw unknownReply(message);
    if (this.#onGreeted !== undefined) {
      this.#onGreeted(message);
      this.#onGreeted = undefined;
      return;
    }
    try {
      if (flight.isShared) this.#settleShared(flight.requests, message);
      else this.#settleAlone(flight.requests[0], message);
    } catch (error) {
      // It was no reply: nothing of this frame is answered.
      this.#flights.add(id, flight);
      throw error;
    }
    this.hasAnswered = true;
    this.#listener.answered();
  }

  #settleAlone(request: Request, message: Message): void {
    if (message.success !== true || request.items === undefined) {
      this.#settle(request, message, false);
      return;
    }
    const results = resultsOf(message, request.items.length);
    const refused = results.find(({ code }) => code === "READ_ONLY_REPLICA");
    // Its reads have been answered, and none of its writes has happened: all of it can run at the master.
    if (refused !== undefined) this.#settle(request, refused, false);
    else request.succeed(results);
  }

  #settleShared(requests: readonly Request[], message: Message): void {
    if (message.success === true) {
      const results = resultsOf(message, requests.length);
      for (let i = 0; i < requests.length; i++) this.#settle(requests[i], results[i], requests.length > 1);
      return;
    }
    if (requests.length === 1 || FOR_ALL.test(String(message.code))) {
      for (const request of requests) this.#settle(request, message, false, true);
      return;
    }
    // Together they were too much, or one of them spoils the frame: each goes alone, and gets what is its own.
    const done = Number(detailsOf(message).commands_done ?? 0);
    const again: Request[] = [];
    for (const [index, request] of requests.entries()) {
      request.isAlone = true;
      if (index >= done) request.unansweredCount -= 1;
      if (index >= done || this.#isRepeatable(request)) again.push(request);
      else this.#settle(request, { code: "INTERNAL_ERROR", error: LOST_ANSWER, details: message.details }, false);
    }
    this.#listener.resend(again);
  }

  /** Whether a command that may have run can be sent once more. */
  #isRepeatable(request: Request): boolean {
    return request.safety === "read" || (request.isNumbered && this.isNumbering);
  }

  /** @param isOfFrame the frame was refused, before the numbers in it were looked at. */
  #settle(request: Request, result: Result, isShared: boolean, isOfFrame = false): void {
    if (result.success === true) {
      request.succeed(result.payload);
      return;
    }
    const code = String(result.code);
    const details = detailsOf(result);
    // This attempt has not run it, unless it is a part of a batch. Where the server came to its number, no other has either.
    if (!(Number(details.commands_done ?? 0) > 0 && request.items !== undefined)) {
      const isOthers = isOfFrame || FOR_ALL.test(code) || code === "PAYLOAD_TOO_LARGE";
      request.unansweredCount = isOthers ? request.unansweredCount - 1 : 0;
    }
    // The frame had had its time before this command, or no room was left for its answer: it has not happened, and may
    // well go alone.
    const isCrowdedOut =
      code === "PAYLOAD_TOO_LARGE" && (isShared || (request.index >= 0 && details.limit_ms !== undefined));
    if (isCrowdedOut || (this.isClosing && code === "SERVICE_UNAVAILABLE")) {
      request.isAlone ||= details.limit_ms === undefined;
      this.#listener.resend([request]);
      return;
    }
    if (code === "READ_ONLY_REPLICA" && this.#followMaster) {
      this.isReplica = true;
      this.#listener.moved(request, masterOf(details));
      return;
    }
    request.fail(serverError(code, String(result.error), { ...request.errorContext, details }));
  }

  #closed(code: number, reason: string): void {
    const why = reason === "" ? `code ${code}` : `code ${code}, ${reason}`;
    const error = this.#lostReason ?? new ConnectionFailedError(`the connection ended (${why})`);
    const unanswered = [...this.unanswered()];
    this.#flights.clear();
    if (this.#isGreeted) this.#listener.lost(unanswered, error);
    else for (const request of unanswered) request.fail(error);
  }
}

/**
 * Gives their numbers to those writes of a frame that have none: the frame's id and, where it is shared, the place in it.
 *
 *     frame 7    [ set  get  set ]   the answer is lost, and the first is given up
 *                  7/0       7/2
 *     frame 9    [ get  set  set ]
 *                       7/2  9/2
 */
function giveNumbers(requests: readonly Request[], id: number, isShared: boolean): Numbering {
  let numbering: Numbering = "none";
  for (let index = 0; index < requests.length; index++) {
    const request = requests[index];
    if (!request.isNumbered) continue;
    if (request.hasNumber && isShared) {
      if (numbering === "none") numbering = "own";
      continue;
    }
    numbering = "whole";
    request.id = id;
    if (isShared) request.index = index;
  }
  return numbering;
}

function isWriting({ safety }: Request): boolean {
  return safety !== "read";
}

const LOST_ANSWER = "the command ran, but its answer did not fit beside the others' and cannot be asked for again";

/** A reply to nothing: either ours is a bug, or the server says that it could not read a frame. */
function unknownReply(message: Message): ProtocolError {
  const said = message.success === false ? `: ${String(message.code)}, ${String(message.error)}` : "";
  return new ProtocolError(`a reply came to a request that was not made, or was answered already${said}`);
}

function resultsOf(message: Message, count: number): readonly Result[] {
  const { results } = message;
  if (!Array.isArray(results) || results.length !== count) {
    throw new ProtocolError("the reply of a batch has not as many results as the batch had commands");
  }
  if (!results.every((result) => typeof result === "object" && result !== null)) {
    throw new ProtocolError("the reply of a batch has something that is no result");
  }
  // Each is an object, and its fields are looked at one by one.
  return results as readonly Result[];
}

function detailsOf({ details }: Result): Readonly<Record<string, unknown>> {
  return typeof details === "object" && details !== null ? (details as Readonly<Record<string, unknown>>) : {};
}

function masterOf(details: unknown): string | undefined {
  const { master } = detailsOf({ details });
  return typeof master === "string" && master !== "" ? master : undefined;
}
