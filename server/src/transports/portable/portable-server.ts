/**
 * HTTP and WebSocket by what every Node has: node:http, with ws for frames and radix3 for paths.
 *
 *     net.Server --> PortableConnection --> node:http's parser -- request --> route, or `otherwise`
 *                                                              '- upgrade --> ws, or an answer like any other
 *
 * The listener is a plain one of node:net, so that it can stop while connections go on, and all deadlines are swept by the
 * server's own ticker: those of node:http are off.
 */
import {
  createServer,
  type ServerOptions as HttpOptions,
  type Server as HttpServer,
  type IncomingMessage,
  ServerResponse,
} from "node:http";
import type { Server as Listener, Socket } from "node:net";
import { createRouter, type RadixRouter } from "radix3";
import { type ServerOptions, WebSocketServer } from "ws";
import type { Certificate } from "../../access/certificate.ts";
import type { Handle, Route, SocketServer, SocketServerParts, WebSocketRoute } from "../http/socket-server.ts";
import { Overdue } from "../overdue.ts";
import { createServerListener, listenOn, renewListener } from "../server-listener.ts";
import { PortableConnection } from "./portable-connection.ts";
import { PortableRequest } from "./portable-request.ts";
import type { PortableResponse } from "./portable-response.ts";
import { PortableSocket } from "./portable-socket.ts";

/** As in uWebSockets.js, so that clients meet the same limits everywhere. */
const HEAD_BYTES_MAX = 4096;
const HEADERS_MAX = 98;
const IDLE_MS_MAX = 10_000;
/** A peer that does not answer a close frame. */
const CLOSE_MS_MAX = 5000;
const CLOSE = { Connection: "close" } as const;
const TOO_LARGE = "431 Request Header Fields Too Large";
const KEY = /^[+/0-9A-Za-z]{22}==$/;
const OFF = 0;

/** What a path has. */
interface Place {
  readonly handles: Partial<Record<Route["method"], Handle>>;
  webSocket: { readonly route: WebSocketRoute; readonly server: WebSocketServer } | undefined;
}

class PortableServer implements SocketServer {
  readonly #parts: SocketServerParts;
  readonly #listener: Listener;
  readonly #http: HttpServer;
  readonly #router: RadixRouter<Place>;
  readonly #connections = new Map<Socket, PortableConnection>();
  readonly #webSockets = new Set<PortableSocket>();
  /** Those that have not taken their reply. */
  readonly #behind = new Set<PortableConnection>();
  /** Those from which a request is awaited. */
  readonly #idle = new Overdue<PortableConnection>(IDLE_MS_MAX);

  constructor(parts: SocketServerParts) {
    this.#parts = parts;
    this.#router = createRouter({ routes: placesOf(parts), strictTrailingSlash: true });
    this.#http = this.#createHttp();
    this.#listener = createServerListener(parts.certificate, (socket) => this.#accept(socket));
  }

  listen(): Promise<number> {
    const { host, port, acceptFailed } = this.#parts;
    return listenOn(this.#listener, host, port, acceptFailed);
  }

  renew(certificate: Certificate): void {
    renewListener(this.#listener, certificate);
  }

  stopListening(): void {
    if (this.#listener.listening) this.#listener.close();
  }

  tick(): void {
    const nowMs = this.#parts.clock.monotonicMs();
    this.#idle.sweep(nowMs, (connection) => connection.cut());
    for (const connection of [...this.#behind]) connection.watch(nowMs);
    for (const socket of this.#webSockets) socket.watch(nowMs);
  }

  close(): void {
    for (const connection of [...this.#connections.values()]) connection.cut();
    // Also those that have ended already, and wait for their peers.
    for (const socket of [...this.#webSockets]) socket.close();
  }

  /** @param connection has no request under way. */
  idle(connection: PortableConnection): void {
    this.#idle.add(connection, this.#parts.clock.monotonicMs());
  }

  busy(connection: PortableConnection): void {
    this.#idle.remove(connection);
  }

  behind(connection: PortableConnection): void {
    this.#behind.add(connection);
  }

  caughtUp(connection: PortableConnection): void {
    this.#behind.delete(connection);
  }

  closed(connection: PortableConnection): void {
    this.#forget(connection);
    this.#parts.closed();
  }

  handle(message: IncomingMessage, response: PortableResponse): void {
    const request = new PortableRequest(message);
    const handles = this.#router.lookup(request.path)?.handles;
    const handle = handles?.[request.getMethod() as Route["method"]] ?? handles?.any ?? this.#parts.otherwise;
    handle(request, response);
  }

  #createHttp(): HttpServer {
    const options: HttpOptions & { readonly shouldUpgradeCallback: (message: IncomingMessage) => boolean } = {
      // Without what is between names and values, which node:http does not count.
      maxHeaderSize: HEAD_BYTES_MAX,
      keepAliveTimeout: OFF,
      headersTimeout: OFF,
      requestTimeout: OFF,
      // Since Node 24.9; earlier versions hand over all that want to become something else (`#readAgain`).
      shouldUpgradeCallback: (message) => this.#handshakeOf(message) !== undefined,
    };
    const http = createServer(options);
    http.on("request", (message, response) => this.#request(message, response));
    http.on("upgrade", (message, socket, head) => this.#upgrade(message, socket as Socket, head));
    http.on("clientError", (error, socket) => this.#refuse(error, socket as Socket));
    return http;
  }

  #accept(socket: Socket): void {
    const connection = new PortableConnection(socket, this);
    this.#connections.set(socket, connection);
    if (!this.#parts.opened()) {
      connection.cut();
      return;
    }
    this.idle(connection);
    this.#http.emit("connection", socket);
  }

  #request(message: IncomingMessage, response: ServerResponse): void {
    if (message.httpVersion !== "1.1") response.writeHead(505, CLOSE).end("HTTP/1.1 is needed.\n");
    else if (isHeadTooLarge(message)) response.writeHead(431, CLOSE).end();
    else this.#connections.get(message.socket)?.take(message, response);
  }

  /** What is no HTTP. */
  #refuse(error: NodeJS.ErrnoException, socket: Socket): void {
    const connection = this.#connections.get(socket);
    if (connection === undefined) return;
    if (connection.isBusy || !socket.writable) {
      connection.cut();
      return;
    }
    end(socket, error.code === "HPE_HEADER_OVERFLOW" ? TOO_LARGE : "400 Bad Request");
  }

  /** node:http has let go of the socket, whatever the request wanted to become. */
  #upgrade(message: IncomingMessage, socket: Socket, head: Buffer): void {
    const connection = this.#connections.get(socket);
    if (connection === undefined) return;
    if (connection.isBusy) {
      // Sent before the reply to the one before it.
      connection.cut();
      return;
    }
    if (isHeadTooLarge(message)) {
      end(socket, TOO_LARGE);
      return;
    }
    const handshake = this.#handshakeOf(message);
    if (handshake === undefined) {
      this.#readAgain(message, socket, head);
      return;
    }
    const { route, server } = handshake;
    const owner = route.accept(new PortableRequest(message), connection.takeLast(message, new ServerResponse(message)));
    if (owner === undefined) {
      connection.readNoMore();
      return;
    }
    connection.leave();
    this.#forget(connection);
    // None is agreed to, so what they are called does not matter, though ws would refuse some names.
    delete message.headers["sec-websocket-protocol"];
    let isOpen = false;
    server.handleUpgrade(message, socket, head, (opened) => {
      isOpen = true;
      const webSocket = new PortableSocket(opened, socket, owner, route);
      this.#webSockets.add(webSocket);
      opened.on("close", () => this.#webSockets.delete(webSocket));
    });
    // The peer has left meanwhile.
    if (!isOpen) owner.closed(false);
  }

  /**
   * A request after which the socket is no HTTP connection any more: either it becomes a WebSocket, or it is told why not and
   * closed. All others, whatever they offer, are answered as requests, and may have bodies.
   */
  #handshakeOf(message: IncomingMessage): Place["webSocket"] {
    const { method, headers } = message;
    const isHandshake = method === "GET" && headers.upgrade?.toLowerCase() === "websocket";
    if (!isHandshake || !KEY.test(headers["sec-websocket-key"] ?? "") || hasBody(message)) return undefined;
    return this.#router.lookup(new PortableRequest(message).path)?.webSocket;
  }

  /**
   * A client may offer another protocol with any request (Java's does, HTTP/2), and expects an answer in this one if it is
   * not taken up. node:http has stopped to read then, so the request is handed to it once more without the offer.
   */
  #readAgain(message: IncomingMessage, socket: Socket, head: Buffer): void {
    const lines = [`${message.method} ${message.url} HTTP/${message.httpVersion}`];
    const { rawHeaders } = message;
    for (let i = 0; i < rawHeaders.length; i += 2) {
      if (!/^(?:upgrade|connection)$/i.test(rawHeaders[i])) lines.push(`${rawHeaders[i]}: ${rawHeaders[i + 1]}`);
    }
    socket.unshift(Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"), head]));
    this.#http.emit("connection", socket);
  }

  #forget(connection: PortableConnection): void {
    this.#connections.delete(connection.socket);
    this.#idle.remove(connection);
    this.#behind.delete(connection);
  }
}

export function createPortableServer(parts: SocketServerParts): SocketServer {
  return new PortableServer(parts);
}

function end(socket: Socket, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
  socket.destroySoon();
}

function isHeadTooLarge({ method = "", url = "", rawHeaders }: IncomingMessage): boolean {
  const headers = rawHeaders.length / 2;
  // ` HTTP/1.1` and a space; then the lines' ends, colons and spaces.
  let bytes = method.length + url.length + 10 + 4 + headers * 4;
  for (const text of rawHeaders) bytes += text.length;
  return headers > HEADERS_MAX || bytes > HEAD_BYTES_MAX;
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

function placesOf({ routes, webSockets }: SocketServerParts): Record<string, Place> {
  const places: Record<string, Place> = {};
  for (const { path, method, handle } of routes) {
    places[path] ??= { handles: {}, webSocket: undefined };
    places[path].handles[method] = handle;
  }
  for (const route of webSockets) {
    places[route.path] ??= { handles: {}, webSocket: undefined };
    places[route.path].webSocket = { route, server: frames(route) };
  }
  return places;
}

function frames({ messageBytesMax }: WebSocketRoute): WebSocketServer {
  // The declarations are those of an earlier ws.
  const options: ServerOptions & { readonly closeTimeout: number } = {
    noServer: true,
    clientTracking: false,
    maxPayload: messageBytesMax,
    // It would run beside what is sent, so that what is unsent could not be told.
    perMessageDeflate: false,
    autoPong: false,
    handleProtocols: () => false,
    closeTimeout: CLOSE_MS_MAX,
  };
  return new WebSocketServer(options);
}
