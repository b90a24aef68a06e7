/**
 * The response of uWebSockets.js, as the rest of the transports knows it.
 *
 * A reply is offered with `tryEnd`, which takes no more than the socket takes. The rest waits here, and while it waits uWS
 * holds the exchange for unanswered: it closes a connection whose next request comes before that (it answers one at a time),
 * and one that takes nothing for about 8 s. So a client that does not read costs one reply, however much it pipelines; with
 * `end` it would cost memory without bound.
 *
 * Of a stream uWS takes whatever it is given and keeps without bound what the socket does not take. It tells when the socket
 * can take more, but then sends what it keeps only together with something new, which is the filler.
 */

import type { HttpResponse, ResponseOwner } from "../http/socket-server.ts";
import { STATUS_LINES } from "../http/status-lines.ts";
import { addressText } from "../peer-address.ts";
import type { HttpResponse as UwsResponse } from "./uws.ts";

/** Header names and values of every reply, as bytes: uWS converts a string each time. */
const CONTENT_TYPE = bytesOf("Content-Type");
const APPLICATION_JSON = bytesOf("application/json");
const APPLICATION_MSGPACK = bytesOf("application/msgpack");

export class NativeResponse implements HttpResponse {
  readonly #response: UwsResponse;
  #owner: ResponseOwner | undefined;
  /** Of a stream: the last piece was. */
  #isTaken = true;

  constructor(response: UwsResponse) {
    this.#response = response;
  }

  own(owner: ResponseOwner): void {
    this.#owner = owner;
    this.#response.onAborted(() => owner.gone());
  }

  address(): string {
    return addressText(this.#response.getRemoteAddress());
  }

  readBody(): void {
    const owner = this.#owner;
    this.#response.onData((chunk, isLast) => owner?.received(new Uint8Array(chunk), isLast));
  }

  writeHead(status: number, contentType: string): void {
    if (status !== 200) this.#response.writeStatus(STATUS_LINES[status] ?? String(status));
    this.#response.writeHeader(CONTENT_TYPE, contentTypeBytes(contentType));
  }

  writeHeader(name: string, value: string): void {
    this.#response.writeHeader(name, value);
  }

  end(body: Uint8Array, close: boolean): number {
    const response = this.#response;
    if (close) {
      response.end(body, true);
      return 0;
    }
    return response.tryEnd(body, body.length)[1] ? 0 : this.#keepRest(body);
  }

  /**
   * The connection can take no more requests: this version of uWS goes on waiting for the body it has been told the length
   * of. The client is told to close, and closed if it does not.
   */
  endHead(bodyBytes: number): void {
    this.#response.endWithoutBody(bodyBytes, true);
  }

  beginStream(filler: Uint8Array): void {
    this.#response.onWritable(() => {
      // What uWS keeps leaves before it.
      if (this.write(filler)) this.#owner?.drained();
      return this.#isTaken;
    });
  }

  write(piece: Uint8Array): boolean {
    const response = this.#response;
    // Of a corked piece uWS does not tell whether the socket took it, but says later that there is room again.
    response.cork(() => {
      this.#isTaken = response.write(piece);
    });
    return this.#isTaken;
  }

  /**
   * The connection could take another request, and is closed by uWS if none comes. (To have it closed at once is no use
   * here: uWS then writes a `Connection` header, into the middle of the body.) What is unsent uWS keeps, and tells no more of.
   */
  endStream(lastBytes: Uint8Array): number {
    const response = this.#response;
    response.cork(() => {
      response.end(lastBytes);
    });
    return 0;
  }

  cork(work: () => void): void {
    this.#response.cork(work);
  }

  close(): void {
    this.#response.close();
  }

  /** Keeps the part of a reply that the socket did not take, and offers it again when there is room. */
  #keepRest(body: Uint8Array): number {
    const response = this.#response;
    const restAt = response.getWriteOffset();
    const rest = body.slice(restAt);
    response.onWritable((offset) => {
      const [taken, isDone] = response.tryEnd(rest.subarray(offset - restAt), body.length);
      if (isDone) this.#owner?.ended();
      return taken;
    });
    return rest.length;
  }
}

function contentTypeBytes(contentType: string): Uint8Array | string {
  if (contentType === "application/json") return APPLICATION_JSON;
  return contentType === "application/msgpack" ? APPLICATION_MSGPACK : contentType;
}

function bytesOf(name: string): Uint8Array {
  return new TextEncoder().encode(name);
}
