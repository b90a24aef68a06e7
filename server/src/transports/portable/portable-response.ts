/**
 * The response of node:http, as the rest of the transports knows it.
 *
 * Whatever it is given it keeps until the socket has taken it; nothing tells beforehand how much that would be. So bytes are
 * copied, for their owner uses them again, and a socket that has not taken all of them is given a deadline.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { HttpResponse, ResponseOwner } from "../http/socket-server.ts";
import { STATUS_LINES } from "../http/status-lines.ts";
import { plainAddress } from "../peer-address.ts";

const NOTHING = new Uint8Array(0);
/** A body up to this size leaves in one string with the headers: one small write costs half of what two pieces do. */
const SMALL_BODY_BYTES_MAX = 16 * 1024;

/** The connection under a response. */
export interface ResponseConnection {
  readonly socket: Socket;
  /** It has been answered, and the socket has it all. @param wasLast the connection ends with this reply. */
  answered(wasLast: boolean): void;
  /** Some of the reply waits in the socket's buffer. */
  fellBehind(): void;
  /** The socket has taken what it was given. */
  caughtUp(): void;
  /** Cuts the connection. */
  cut(): void;
}

export class PortableResponse implements HttpResponse {
  readonly #connection: ResponseConnection;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  #owner: ResponseOwner | undefined;
  /** Some of the reply waits in the socket's buffer, and the owner waits to hear that it does not. */
  #isBehind = false;
  #status = 200;
  /** Names and values in turn. */
  readonly #headers: string[] = [];
  /** The connection ends with this reply. */
  #isLast: boolean;
  /** Of a stream. */
  #onFlushed: (() => void) | undefined;

  constructor(connection: ResponseConnection, request: IncomingMessage, response: ServerResponse, isLast = false) {
    this.#connection = connection;
    this.#request = request;
    this.#response = response;
    this.#isLast = isLast;
    response.once("finish", () => this.#finished());
  }

  own(owner: ResponseOwner): void {
    this.#owner = owner;
  }

  address(): string {
    return plainAddress(this.#connection.socket.remoteAddress);
  }

  readBody(): void {
    const { headers } = this.#request;
    if (headers["transfer-encoding"] !== undefined) {
      this.#request.on("data", (chunk: Buffer) => this.#owner?.received(chunk, false));
      this.#request.on("end", () => this.#owner?.received(NOTHING, true));
      return;
    }
    let missingBytes = Number(headers["content-length"] ?? 0);
    if (missingBytes === 0) {
      this.#owner?.received(NOTHING, true);
      return;
    }
    this.#request.on("data", (chunk: Buffer) => {
      missingBytes -= chunk.length;
      this.#owner?.received(chunk, missingBytes === 0);
    });
  }

  writeHead(status: number, contentType: string): void {
    this.#status = status;
    this.#headers.push("Content-Type", contentType);
  }

  writeHeader(name: string, value: string): void {
    if (name === "Connection") this.#isLast = value === "close";
    else this.#headers.push(name, value);
  }

  end(body: Uint8Array, close: boolean): number {
    this.#isLast ||= close;
    this.#headers.push("Content-Length", String(body.length));
    this.#sendHead();
    if (body.length > SMALL_BODY_BYTES_MAX) this.#response.end(Buffer.from(body));
    else this.#response.end(latin1Of(body), "latin1");
    const { socket } = this.#connection;
    if (socket.writableLength === 0) {
      this.#owner = undefined;
      return 0;
    }
    this.#fallBehind();
    return Math.min(body.length, socket.writableLength);
  }

  endHead(bodyBytes: number, close: boolean): void {
    this.#owner = undefined;
    this.#isLast ||= close;
    this.#headers.push("Content-Length", String(bodyBytes));
    this.#sendHead();
    this.#response.end();
    if (this.#connection.socket.writableLength > 0) this.#fallBehind();
  }

  /** Needs no filler: what is kept leaves by itself. */
  beginStream(): void {
    this.#onFlushed = () => this.#flushed();
    this.#sendHead();
  }

  write(piece: Uint8Array): boolean {
    const { socket } = this.#connection;
    const response = this.#response;
    // Left alone, node:http keeps the parts of a chunk until the end of the tick: older versions in the socket, newer ones in the
    // response. Here they leave at once, and in one piece.
    socket.cork();
    response.cork();
    response.write(Buffer.from(piece), this.#onFlushed);
    response.uncork();
    socket.uncork();
    if (socket.writableLength === 0) return true;
    this.#fallBehind();
    return false;
  }

  endStream(lastBytes: Uint8Array): number {
    this.#response.end(Buffer.from(lastBytes));
    const unsentBytes = Math.min(lastBytes.length, this.#connection.socket.writableLength);
    if (unsentBytes > 0) this.#fallBehind();
    else this.#owner = undefined;
    return unsentBytes;
  }

  /** node:http does it itself. */
  cork(work: () => void): void {
    work();
  }

  close(): void {
    this.#connection.cut();
  }

  /** The socket is for something else now. */
  leave(): void {
    this.#response.detachSocket(this.#connection.socket);
  }

  /** The connection has ended. */
  gone(): void {
    const owner = this.#owner;
    this.#owner = undefined;
    owner?.gone();
  }

  #sendHead(): void {
    if (this.#isLast) this.#headers.push("Connection", "close");
    // The number, a space and the reason.
    const reason = STATUS_LINES[this.#status]?.slice(4);
    if (reason === undefined) this.#response.writeHead(this.#status, this.#headers);
    else this.#response.writeHead(this.#status, reason, this.#headers);
  }

  #fallBehind(): void {
    this.#isBehind = true;
    this.#connection.fellBehind();
  }

  /** A piece of the stream has been taken. */
  #flushed(): void {
    const { socket } = this.#connection;
    if (!this.#isBehind || socket.writableLength > 0 || this.#response.writableEnded) return;
    this.#isBehind = false;
    this.#connection.caughtUp();
    this.#owner?.drained();
  }

  #finished(): void {
    if (this.#isBehind) this.#connection.caughtUp();
    this.#isBehind = false;
    const owner = this.#owner;
    this.#owner = undefined;
    owner?.ended();
    this.#connection.answered(this.#isLast);
  }
}

/** A character per byte, which node:http turns into the same bytes again. */
function latin1Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}
