/**
 * All that differs between the libraries which speak HTTP and WebSocket. There are two: native/ is uWebSockets.js, portable/
 * is node:http with ws. Everything else (limits, gzip, outboxes, slow consumers, what waits for the log) knows this page
 * alone, and cannot tell which of them it runs on.
 *
 *     SocketServer -- Route.handle --> HttpRequest, HttpResponse   <---> ResponseOwner   an exchange
 *                  '- WebSocketRoute.accept --> MessageSocket      <---> MessageOwner    a connection
 *
 * Bytes handed over, either way, are borrowed: who wants to keep them copies them before returning. An owner is told that
 * its peer is gone once, and of nothing after that.
 */
import type { Certificate } from "../../access/certificate.ts";

export interface SocketServer {
  /** Resolves with the port; rejects with `ListenError`. */
  listen(): Promise<number>;
  /** Takes no new connection. Those that are open go on, also with new requests. */
  stopListening(): void;
  /** Cuts off who is overdue, and pings who is silent. About once a second. */
  tick(): void;
  /** Connections that come from now on get this certificate. Throws where it cannot be used; then nothing changes. */
  renew(certificate: Certificate): void;
  /** Cuts all that is open. */
  close(): void;
}

export type CreateSocketServer = (parts: SocketServerParts) => SocketServer;

export interface SocketServerParts {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** Undefined for no TLS. */
  readonly certificate: Certificate | undefined;
  readonly routes: readonly Route[];
  readonly webSockets: readonly WebSocketRoute[];
  /** Answers what no route is for. */
  readonly otherwise: Handle;
  /** A socket has been accepted. @returns false where it must be cut at once. */
  opened(): boolean;
  /** Of each that was opened; but not of one that has become a WebSocket. */
  closed(): void;
  readonly clock: { monotonicMs(): number };
  /** A connection could not be accepted. Told once for each kind of failure in a row; not by uWebSockets.js. */
  acceptFailed(error: Error): void;
}

/** @param request gone when this returns. */
export type Handle = (request: HttpRequest, response: HttpResponse) => void;

export interface Route {
  readonly path: string;
  /** `any` is for those that no other route of the path has. */
  readonly method: "get" | "head" | "post" | "options" | "any";
  readonly handle: Handle;
}

export interface HttpRequest {
  /** In lower case. */
  getMethod(): string;
  getCaseSensitiveMethod(): string;
  /** Without the `?`; empty where there is none. */
  getQuery(): string;
  /** @param name in lower case, or one of `HEADER`. @returns empty where there is no such header. */
  getHeader(name: string | Uint8Array): string;
}

/** It must have an owner as soon as it has a handler, and must not be touched when it is over. */
export interface HttpResponse {
  own(owner: ResponseOwner): void;
  /** Of the peer, as text. */
  address(): string;
  /** Has the owner told of the body: what comes before this is asked for may be dropped. */
  readBody(): void;
  /** The status line and the type; then other headers; then one of `end`, `endHead` and `beginStream`. */
  writeHead(status: number, contentType: string): void;
  writeHeader(name: string, value: string): void;
  /** The whole body. @returns how much of it the socket did not take: 0 when it is over, else `ended` tells. */
  end(body: Uint8Array, close: boolean): number;
  /** The reply to a HEAD, and it is over. */
  endHead(bodyBytes: number, close: boolean): void;
  /** @param filler what may be sent without meaning anything, where something has to be. */
  beginStream(filler: Uint8Array): void;
  /** @returns false where the socket has not taken all of it: `drained` tells when it has, and nothing is to be sent until then. */
  write(piece: Uint8Array): boolean;
  /** The last bytes of a stream. @returns as `end`. */
  endStream(lastBytes: Uint8Array): number;
  /** What `work` writes leaves in one piece. Needed outside the calls that come from here. */
  cork(work: () => void): void;
  /** Ends the connection without a word; the owner is told that it is gone. */
  close(): void;
}

export interface ResponseOwner {
  /** Of a body whose length was announced the last chunk is its end; any other ends with an empty one. */
  received(chunk: Uint8Array, isLast: boolean): void;
  /** The rest of what `end` was given has been taken: it is over. */
  ended(): void;
  /** A stream can be written to again. */
  drained(): void;
  /** The peer has left, has not read for 10 s, or has sent its next request before this one was answered: it is over. */
  gone(): void;
}

export interface WebSocketRoute {
  readonly path: string;
  /** A larger message ends the connection. */
  readonly messageBytesMax: number;
  /** What a socket may have sent and its peer not read: past that messages are dropped. 0 = no limit. */
  readonly unreadBytesMax: number;
  /** A peer that is silent for so long is cut, and pinged well before; 0 = the owner sees to it. */
  readonly silenceSecsMax: number;
  /** Judges a handshake. @returns undefined where it was refused, by `response`. */
  accept(request: HttpRequest, response: HttpResponse): MessageOwner | undefined;
}

/** One WebSocket. It must not be touched after its owner was told that it is closed. */
export interface MessageSocket {
  /** @returns `SENT`, or `DROPPED`, or anything else where some of it waits: `drained` tells when less does. */
  send(message: Uint8Array, isBinary: boolean, compress: false): number;
  getBufferedAmount(): number;
  /** What `work` sends leaves in one piece. What `send` returns in it means nothing but `DROPPED`. */
  cork(work: () => void): void;
  /** Sends a close frame behind what was sent, and closes. The owner is told so at once. */
  end(code: number, reason: string): void;
  /** Cuts it. */
  close(): void;
}

export const SENT = 1;
export const DROPPED = 2;

export interface MessageOwner {
  opened(socket: MessageSocket): void;
  receive(message: Uint8Array, isBinary: boolean): void;
  /** The peer has read some of what was buffered. */
  drained(): void;
  /** A message was not sent: too much was unread. */
  dropped(): void;
  /** @param isViolation it was cut off for what it sent: a message too large, text that is not UTF-8, a broken frame. */
  closed(isViolation: boolean): void;
}

/**
 * Header names that are read from every request, as bytes: uWS converts a string each time it is asked by one, which costs
 * 0.1 us per header, and a whole request costs 8.
 */
export const HEADER = {
  accept: bytesOf("accept"),
  apiKey: bytesOf("x-api-key"),
  authorization: bytesOf("authorization"),
  acceptEncoding: bytesOf("accept-encoding"),
  contentEncoding: bytesOf("content-encoding"),
  contentLength: bytesOf("content-length"),
  contentType: bytesOf("content-type"),
  host: bytesOf("host"),
  origin: bytesOf("origin"),
} as const;

function bytesOf(name: string): Uint8Array {
  return new TextEncoder().encode(name);
}
