/** HTTP and WebSocket by uWebSockets.js: its app, its events handed to the owners, and the life of the listener. */
import { createServer } from "node:net";
import type { Certificate } from "../../access/certificate.ts";
import type { MessageOwner, Route, SocketServer, SocketServerParts, WebSocketRoute } from "../http/socket-server.ts";
import { addressOf, explainListenFailure } from "../listen-failure.ts";
import { ListenError } from "../transport.ts";
import { NativeResponse } from "./native-response.ts";
import {
  COMPRESSION_OFF,
  createApp,
  type HttpResponse,
  type ListenSocket,
  listenAgain,
  listenOn,
  portOf,
  stopListening,
  type TemplatedApp,
  type WebSocketBehavior,
} from "./uws.ts";

const SILENCE_SECS_MIN = 8;
/** uWS matches a WebSocket's route only where there is a key, and leaves the rest of the handshake to `upgrade`. */
const KEY = "sec-websocket-key";
const EXTENSIONS = "sec-websocket-extensions";
const NO_PROTOCOL = "";
/** No close frame came from the peer; the reason is then uWS's. */
const ABNORMAL = 1006;
const VIOLATIONS: ReadonlySet<string> = new Set([
  "Received too big message",
  "Received invalid UTF-8",
  "Received invalid WebSocket frame",
]);

/** uWS copies the fields of this object to its own; an instance of a class would lose its methods. */
interface SocketData {
  readonly owner: MessageOwner;
}

class NativeServer implements SocketServer {
  readonly #parts: SocketServerParts;
  /** The last one listens; those before it had another certificate, and go on with the connections that they have. */
  readonly #apps: TemplatedApp[];
  #listenSocket: ListenSocket | undefined;
  #port: number;

  constructor(parts: SocketServerParts) {
    this.#parts = parts;
    this.#port = parts.port;
    this.#apps = [this.#createApp(parts.certificate)];
  }

  async listen(): Promise<number> {
    const { host, certificate } = this.#parts;
    // The next certificate comes with an app of its own, on the same port. That of others nobody may share, so it is tried first.
    const isShared = certificate !== undefined;
    if (isShared) this.#port = await bindable(host, this.#port);
    this.#listenSocket = await listenOn(this.#apps[0], host, this.#port, isShared);
    if (this.#listenSocket === undefined) {
      // uWS does not say why; Node does.
      await bindable(host, this.#port);
      const address = addressOf(host, this.#port);
      throw new ListenError(`Cannot listen on ${address}, though the address is free now; try again.`);
    }
    this.#port = portOf(this.#listenSocket);
    return this.#port;
  }

  renew(certificate: Certificate): void {
    const app = this.#createApp(certificate);
    const before = this.#listenSocket;
    if (before === undefined) return;
    const socket = listenAgain(app, this.#parts.host, this.#port);
    if (socket === undefined) {
      app.close();
      throw new Error(`Port ${this.#port} could not be listened on again, with the renewed certificate.`);
    }
    // The one before goes only now, so that there is always one that listens.
    this.#apps.push(app);
    this.#listenSocket = socket;
    stopListening(before);
  }

  #createApp(certificate: Certificate | undefined): TemplatedApp {
    const parts = this.#parts;
    const app = createApp(certificate);
    app.filter((response, change) => this.#count(response, change));
    for (const route of parts.webSockets) app.ws(route.path, behaviorOf(route));
    for (const route of parts.routes) add(app, route);
    app.any("/*", (response, request) => parts.otherwise(request, new NativeResponse(response)));
    return app;
  }

  stopListening(): void {
    if (this.#listenSocket !== undefined) stopListening(this.#listenSocket);
    this.#listenSocket = undefined;
  }

  /** uWS has timers of its own. */
  tick(): void {}

  close(): void {
    for (const app of this.#apps) app.close();
  }

  /** uWS tells of every socket that opens (+1), and of every HTTP socket that closes (-1). */
  #count(response: HttpResponse, change: number): void {
    if (change < 0) this.#parts.closed();
    else if (!this.#parts.opened()) response.close();
  }
}

function add(app: TemplatedApp, { path, method, handle }: Route): void {
  app[method](path, (response, request) => handle(request, new NativeResponse(response)));
}

/** The port, or a free one for 0, which nobody listens on; throws `ListenError`. */
async function bindable(host: string, port: number): Promise<number> {
  const probe = createServer();
  return new Promise((resolve, reject) => {
    probe.once("error", (cause: NodeJS.ErrnoException) => {
      reject(new ListenError(explainListenFailure(cause, addressOf(host, port)), { cause }));
    });
    probe.listen({ host, port, exclusive: true }, () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : port));
    });
  });
}

export function createNativeServer(parts: SocketServerParts): SocketServer {
  return new NativeServer(parts);
}

function behaviorOf(route: WebSocketRoute): WebSocketBehavior<SocketData> {
  return {
    // permessage-deflate would run on the main thread, in one piece per message: a large reply would stall everybody.
    compression: COMPRESSION_OFF,
    // Also what an unfinished message may hold: uWS collects it and does not tell how much there is of it, so that all
    // together hold at most connections times this. One that has never finished a message is cut off by the deadline.
    maxPayloadLength: route.messageBytesMax,
    maxBackpressure: route.unreadBytesMax,
    idleTimeout: silenceSecs(route.silenceSecsMax),
    sendPingsAutomatically: route.silenceSecsMax > 0,
    upgrade(response, request, context) {
      const owner = route.accept(request, new NativeResponse(response));
      if (owner === undefined) return;
      response.upgrade<SocketData>(
        { owner },
        request.getHeader(KEY),
        NO_PROTOCOL,
        request.getHeader(EXTENSIONS),
        context,
      );
    },
    open: (socket) => socket.getUserData().owner.opened(socket),
    message: (socket, message, isBinary) => socket.getUserData().owner.receive(new Uint8Array(message), isBinary),
    drain: (socket) => socket.getUserData().owner.drained(),
    dropped: (socket) => socket.getUserData().owner.dropped(),
    close: (socket, code, reason) => socket.getUserData().owner.closed(isViolation(code, reason)),
  };
}

/**
 * uWS has cut the socket off for what it sent. It sends no close frame then, so the peer sees 1006 (or a reset) where RFC
 * 6455 would have 1009, 1007 or 1002.
 */
function isViolation(code: number, reason: ArrayBuffer): boolean {
  return code === ABNORMAL && VIOLATIONS.has(Buffer.from(reason).toString());
}

/** uWS pings 16 s before the silence is over, or 8 s where it is short, and allows none below 8 s. */
function silenceSecs(secsMax: number): number {
  return secsMax === 0 ? 0 : Math.max(SILENCE_SECS_MIN, secsMax);
}
