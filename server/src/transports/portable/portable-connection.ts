/**
 * One HTTP connection of node:http: who is answered, and who came before that.
 *
 * node:http hands over all requests of one read of a socket at once, before any of their bodies. They are taken one by one
 * here, each when the one before it has been answered; where one of them is not answered in the turn in which the next has
 * come, the connection is cut. So a client costs one reply, however much it pipelines.
 *
 *     read  | request, request, request | body, reply, | body, reply, | body, reply |  end of the turn: none may be left
 *
 * node:net tells apart who takes a part of a large reply from who takes nothing, as nothing else does, but its timeout begins
 * again with whatever is sent. So who takes nothing is cut by that timeout, and who sends meanwhile by a deadline.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { afterSockets } from "../../runtime/turn-end.ts";
import { PortableResponse, type ResponseConnection } from "./portable-response.ts";

/** A peer that takes nothing is cut after so long, or twice of it where it had just taken something (node:net looks now and then). */
const STALLED_MS_MAX = 5000;
const NO_TIMEOUT = 0;

export interface ConnectionOwner {
  /** Answers a request. */
  handle(request: IncomingMessage, response: PortableResponse): void;
  /** There is no request under way. */
  idle(connection: PortableConnection): void;
  busy(connection: PortableConnection): void;
  /** It has not taken all of its reply, and wants to be watched. */
  behind(connection: PortableConnection): void;
  caughtUp(connection: PortableConnection): void;
  closed(connection: PortableConnection): void;
}

interface Waiting {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

export class PortableConnection implements ResponseConnection {
  readonly socket: Socket;
  readonly #owner: ConnectionOwner;
  #current: PortableResponse | undefined;
  #waiting: Waiting[] = [];
  #isOpen = true;
  /** The reply that closes the connection has left. */
  #isLastAnswered = false;
  /** What had been read when the reply fell behind. */
  #readBytes = 0;
  /** Set for a peer that sends though it has not taken its reply. */
  #cutAtMs: number | undefined;

  constructor(socket: Socket, owner: ConnectionOwner) {
    this.socket = socket;
    this.#owner = owner;
    // A reset is one of the ways in which a peer leaves.
    socket.on("error", () => this.cut());
    socket.on("timeout", () => this.cut());
    socket.on("close", () => this.cut());
  }

  get isBusy(): boolean {
    return this.#current !== undefined;
  }

  take(request: IncomingMessage, response: ServerResponse): void {
    if (!this.#isOpen || this.#isLastAnswered) return;
    if (this.#current === undefined) {
      this.#start(request, response);
      return;
    }
    if (this.#waiting.length === 0) afterSockets(() => this.#cutIfWaiting());
    this.#waiting.push({ request, response });
  }

  /** For a handshake, after which node:http leaves the socket to us. Where it is refused the connection ends with the reply. */
  takeLast(request: IncomingMessage, response: ServerResponse): PortableResponse {
    response.assignSocket(this.socket);
    response.once("finish", () => this.socket.destroySoon());
    this.#current = new PortableResponse(this, request, response, true);
    return this.#current;
  }

  /** What the peer still sends is dropped, and that it leaves is seen; it has no more time than for a request. */
  readNoMore(): void {
    if (!this.#isOpen) return;
    this.#owner.busy(this);
    this.#owner.idle(this);
    this.socket.resume();
  }

  answered(wasLast: boolean): void {
    this.#current = undefined;
    if (wasLast) {
      // Their replies could not leave: a command that ran would have been answered by nothing.
      this.#isLastAnswered = true;
      this.#waiting = [];
    }
    const next = this.#waiting.shift();
    if (next !== undefined) this.#start(next.request, next.response);
    else if (this.#isOpen) this.#owner.idle(this);
  }

  fellBehind(): void {
    this.#readBytes = this.socket.bytesRead;
    this.#cutAtMs = undefined;
    this.socket.setTimeout(STALLED_MS_MAX);
    this.#owner.behind(this);
  }

  caughtUp(): void {
    this.socket.setTimeout(NO_TIMEOUT);
    this.#owner.caughtUp(this);
  }

  /** Called now and then while it is behind. */
  watch(nowMs: number): void {
    if (this.socket.bytesRead === this.#readBytes) return;
    this.#cutAtMs ??= nowMs + STALLED_MS_MAX;
    if (nowMs >= this.#cutAtMs) this.cut();
  }

  cut(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#waiting = [];
    this.socket.destroy();
    this.#current?.gone();
    this.#owner.closed(this);
  }

  /** The handshake is accepted, so that the socket is no HTTP connection any more and keeps nothing of it. */
  leave(): void {
    this.#isOpen = false;
    this.#current?.leave();
    this.#current = undefined;
  }

  #start(request: IncomingMessage, response: ServerResponse): void {
    this.#owner.busy(this);
    this.#current = new PortableResponse(this, request, response);
    this.#owner.handle(request, this.#current);
  }

  #cutIfWaiting(): void {
    if (this.#waiting.length > 0) this.cut();
  }
}
