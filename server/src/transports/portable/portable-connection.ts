/**
 * One HTTP connection of node:http: who is answered, and who came before that.
 *
 * node:http hands over all requests of one read of a socket at once, before any of their bodies. They are taken one by one
 * here, each when the one before it has been answered; where one of them is not answered in the turn in which the next has
 * come, the connection is cut. So a client costs one reply, however much it pipelines.
 *
 *     read  | request, request, request | body, reply, | body, reply, | body, reply |  end of the turn: none may be left
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { afterSockets } from "../../runtime/turn-end.ts";
import { PortableResponse, type ResponseConnection } from "./portable-response.ts";

export interface ConnectionOwner {
  /** Answers a request. */
  handle(request: IncomingMessage, response: PortableResponse): void;
  /** There is no request under way. */
  idle(connection: PortableConnection): void;
  busy(connection: PortableConnection): void;
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
    if (!this.#isOpen) return;
    if (this.#current === undefined) {
      this.#start(request, response);
      return;
    }
    if (this.#waiting.length === 0) afterSockets(() => this.#cutIfWaiting());
    this.#waiting.push({ request, response });
  }

  /** For a request after which node:http leaves the socket to us. The connection ends with the reply. */
  takeLast(request: IncomingMessage, response: ServerResponse): PortableResponse {
    response.assignSocket(this.socket);
    response.once("finish", () => this.socket.destroySoon());
    this.#owner.busy(this);
    this.#current = new PortableResponse(this, request, response, true);
    return this.#current;
  }

  answered(): void {
    this.#current = undefined;
    const next = this.#waiting.shift();
    if (next !== undefined) this.#start(next.request, next.response);
    else if (this.#isOpen) this.#owner.idle(this);
  }

  cut(): void {
    if (!this.#isOpen) return;
    this.leave();
    this.socket.destroy();
    this.#current?.gone();
    this.#owner.closed(this);
  }

  /** The socket is no HTTP connection any more. */
  leave(): void {
    this.#isOpen = false;
    this.#waiting = [];
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
