/** `GET /api/v1/ws`: who may open a WebSocket, and its limits. */
import { isRefusal } from "../../access/access-control.ts";
import { admit, chargedOrRefusal, refuseAccess, TOO_MANY_CONNECTIONS } from "./admission.ts";
import type { HttpTraffic } from "./http-traffic.ts";
import { handshakeExchange, hasBody, refuseHandshake, refuseHandshakeBody, refuseUpgrade } from "./page-endpoint.ts";
import { HEADER, type HttpRequest, type HttpResponse, type WebSocketRoute } from "./socket-server.ts";
import { WebSocketConnection } from "./websocket-connection.ts";
import type { WebSocketTraffic } from "./websocket-traffic.ts";

/** 46 s of silence make a ping after 30 s. */
const SILENCE_SECS_MAX = 46;
/** Room for the `closing` push and for pongs beside the replies; what goes past it is dropped. */
const OUTBOX_RESERVE_BYTES = 64 * 1024;

export function webSocketRoute(path: string, http: HttpTraffic, traffic: WebSocketTraffic): WebSocketRoute {
  const { idleTimeoutSecs, outboxBytesMax, requestBytesMax } = http.options;
  return {
    path,
    messageBytesMax: requestBytesMax,
    unreadBytesMax: outboxBytesMax + OUTBOX_RESERVE_BYTES,
    silenceSecsMax: idleTimeoutSecs === 0 ? SILENCE_SECS_MAX : Math.min(SILENCE_SECS_MAX, idleTimeoutSecs),
    accept: (request, response) => accept(http, traffic, request, response),
  };
}

function accept(
  http: HttpTraffic,
  traffic: WebSocketTraffic,
  request: HttpRequest,
  response: HttpResponse,
): WebSocketConnection | undefined {
  const { refusal } = http.originRules.judge(request.getHeader(HEADER.host), request.getHeader(HEADER.origin));
  if (refusal !== "") {
    refuseHandshake(http, "FORBIDDEN", refusal, response);
  } else if (http.isStopping) {
    refuseHandshake(http, "SERVICE_UNAVAILABLE", "The server is shutting down.", response);
  } else if (request.getHeader("sec-websocket-version") !== "13") {
    refuseUpgrade(http, request, response);
  } else {
    const { connections } = http;
    const address = response.address();
    const tooFast = chargedOrRefusal(http, request, response);
    if (tooFast !== undefined) {
      refuseAccess(handshakeExchange(http, response), tooFast, "json");
      return undefined;
    }
    if (hasBody(request)) {
      refuseHandshakeBody(http, response);
      return undefined;
    }
    if (connections.isFullFor(address)) {
      refuseAccess(handshakeExchange(http, response), TOO_MANY_CONNECTIONS, "json");
      return undefined;
    }
    const grant = admit(http, request, { address, protocol: "websocket" }, request.getQuery());
    if (isRefusal(grant)) {
      refuseAccess(handshakeExchange(http, response), grant, "json");
      return undefined;
    }
    connections.httpActive -= 1;
    connections.websocketActive += 1;
    return new WebSocketConnection(traffic, connections.nextId(), address, http.clock.nowMs(), grant);
  }
  return undefined;
}
