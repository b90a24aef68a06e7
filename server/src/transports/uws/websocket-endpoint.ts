/** `GET /api/v1/ws`: the handshake, and uWS's events handed to the connection they are for. */
import { isRefusal } from "../../access/access-control.ts";
import { addressText } from "../peer-address.ts";
import { admit, refuseAccess } from "./admission.ts";
import type { HttpTraffic } from "./http-traffic.ts";
import { handshakeExchange, refuseHandshake, refuseUpgrade } from "./page-endpoint.ts";
import {
  COMPRESSION_OFF,
  HEADER,
  type HttpRequest,
  type HttpResponse,
  type TemplatedApp,
  type us_socket_context_t,
} from "./uws.ts";
import { type SocketData, WebSocketConnection } from "./websocket-connection.ts";
import type { WebSocketTraffic } from "./websocket-traffic.ts";

/** uWS pings this long before it would close a silent peer. Its margin is 16 s from 46 s of silence up. */
const SILENCE_SECS_MAX = 46;
const SILENCE_SECS_MIN = 8;
/** No close frame came from the peer; the reason is then uWS's. */
const ABNORMAL = 1006;
const VIOLATIONS: ReadonlySet<string> = new Set([
  "Received too big message",
  "Received invalid UTF-8",
  "Received invalid WebSocket frame",
]);
/** Room for the `closing` push and for pongs beside the replies; what goes past it is dropped by uWS. */
const OUTBOX_RESERVE_BYTES = 64 * 1024;

export function serveWebSockets(app: TemplatedApp, path: string, http: HttpTraffic, traffic: WebSocketTraffic): void {
  const { idleTimeoutSecs, outboxBytesMax, requestBytesMax } = http.options;
  app.ws<SocketData>(path, {
    // permessage-deflate would run on the main thread, in one piece per message: a large reply would stall everybody.
    compression: COMPRESSION_OFF,
    // Also what an unfinished message may hold: uWS collects it and does not tell how much there is of it, so that all
    // together hold at most connections times this. One that has never finished a message is cut off by the deadline.
    maxPayloadLength: requestBytesMax,
    maxBackpressure: outboxBytesMax + OUTBOX_RESERVE_BYTES,
    idleTimeout: silenceSecs(idleTimeoutSecs),
    sendPingsAutomatically: true,
    upgrade: (response, request, context) => upgrade(http, traffic, response, request, context),
    open: (socket) => socket.getUserData().connection.opened(socket),
    message: (socket, message, isBinary) => socket.getUserData().connection.receive(new Uint8Array(message), isBinary),
    drain: (socket) => socket.getUserData().connection.drained(),
    dropped: (socket) => socket.getUserData().connection.refuseSlowLater(),
    close: (socket, code, reason) => {
      if (isViolation(code, reason)) traffic.connections.invalidMessages += 1;
      socket.getUserData().connection.closed();
    },
  });
}

function upgrade(
  http: HttpTraffic,
  traffic: WebSocketTraffic,
  response: HttpResponse,
  request: HttpRequest,
  context: us_socket_context_t,
): void {
  const { refusal } = http.originRules.judge(request.getHeader(HEADER.host), request.getHeader(HEADER.origin));
  if (refusal !== "") {
    refuseHandshake(http, "FORBIDDEN", refusal, response);
  } else if (http.isStopping) {
    refuseHandshake(http, "SERVICE_UNAVAILABLE", "The server is shutting down.", response);
  } else if (request.getHeader("sec-websocket-version") !== "13") {
    refuseUpgrade(http, response, request);
  } else {
    const { connections } = http;
    const address = addressText(response.getRemoteAddress());
    const grant = admit(http, request, { address, protocol: "websocket" }, request.getQuery());
    if (isRefusal(grant)) {
      refuseAccess(handshakeExchange(http, response), grant, "json");
      return;
    }
    const connection = new WebSocketConnection(traffic, connections.nextId(), address, http.clock.nowMs(), grant);
    // uWS does not tell the filter that this socket is no HTTP connection any more.
    connections.httpActive -= 1;
    connections.websocketActive += 1;
    const key = request.getHeader("sec-websocket-key");
    response.upgrade<SocketData>({ connection }, key, "", request.getHeader("sec-websocket-extensions"), context);
  }
}

/**
 * uWS has cut the socket off for what it sent. It sends no close frame then, so the peer sees 1006 (or a reset) where RFC
 * 6455 would have 1009, 1007 or 1002.
 */
function isViolation(code: number, reason: ArrayBuffer): boolean {
  return code === ABNORMAL && VIOLATIONS.has(Buffer.from(reason).toString());
}

/** 46 s of silence make a ping after 30 s. Shorter limits ping sooner; uWS allows none below 8 s. */
function silenceSecs(idleTimeoutSecs: number): number {
  if (idleTimeoutSecs === 0) return SILENCE_SECS_MAX;
  return Math.max(SILENCE_SECS_MIN, Math.min(SILENCE_SECS_MAX, idleTimeoutSecs));
}
