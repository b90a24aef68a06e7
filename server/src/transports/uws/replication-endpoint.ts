/**
 * `GET /api/v1/replication`: WebSockets of replicas, binary, whose messages are for replication/ alone. It has its own
 * heartbeats and its own bounds on what is unsent, so uWS neither pings nor drops here.
 */
import { type AccessRefusal, isRefusal } from "../../access/access-control.ts";
import { type Grant, slotOf } from "../../access/grant.ts";
import type { LinkEnd, LinkSocket } from "../../replication/link-socket.ts";
import { addressText } from "../peer-address.ts";
import { admit, refusalOf, refuseAccess } from "./admission.ts";
import type { HttpTraffic } from "./http-traffic.ts";
import { handshakeExchange, refuseHandshake, refuseUpgrade } from "./page-endpoint.ts";
import {
  COMPRESSION_OFF,
  HEADER,
  type HttpRequest,
  type HttpResponse,
  type TemplatedApp,
  type us_socket_context_t,
  type WebSocket,
} from "./uws.ts";

/** Replicas say hello and acknowledge; nothing of it is large. */
const MESSAGE_BYTES_MAX = 256 * 1024;
const NORMAL_CLOSURE = 1000;
const UNSUPPORTED_DATA = 1003;
const ADMIN = slotOf("admin", "admin");
const NO_REPLICA: AccessRefusal = {
  code: "FORBIDDEN",
  message: "the token does not permit to link a replica: it needs admin:*",
  retryAfterSecs: 0,
};
const NEVER = 0;
const NO_LIMIT = 0;

/** uWS copies the fields of this object to its own; an instance of a class would lose its methods. */
interface LinkData {
  readonly link: ReplicaSocket;
}

/** One link, as long as its socket is there. */
class ReplicaSocket implements LinkSocket {
  /** Set from open to close; uWS's object must not be touched after that. */
  socket: WebSocket<LinkData> | undefined;
  end: LinkEnd | undefined;

  send(message: Uint8Array): void {
    this.socket?.send(message, true, false);
  }

  bufferedBytes(): number {
    return this.socket?.getBufferedAmount() ?? 0;
  }

  close(): void {
    this.socket?.end(NORMAL_CLOSURE);
  }

  cut(): void {
    this.socket?.close();
  }
}

export function serveReplicas(app: TemplatedApp, path: string, http: HttpTraffic): void {
  app.ws<LinkData>(path, {
    compression: COMPRESSION_OFF,
    maxPayloadLength: MESSAGE_BYTES_MAX,
    maxBackpressure: NO_LIMIT,
    idleTimeout: NEVER,
    sendPingsAutomatically: false,
    upgrade: (response, request, context) => upgrade(http, response, request, context),
    open: (socket) => opened(http, socket),
    message: (socket, message, isBinary) => {
      const { end } = socket.getUserData().link;
      if (isBinary) end?.received(new Uint8Array(message));
      else socket.end(UNSUPPORTED_DATA, "a link is binary");
    },
    drain: (socket) => socket.getUserData().link.end?.drained(),
    close: (socket) => {
      const { link } = socket.getUserData();
      link.socket = undefined;
      http.connections.replicaActive -= 1;
      link.end?.closed();
    },
  });
}

function upgrade(http: HttpTraffic, response: HttpResponse, request: HttpRequest, context: us_socket_context_t): void {
  const { refusal } = http.originRules.judge(request.getHeader(HEADER.host), request.getHeader(HEADER.origin));
  if (refusal !== "") {
    refuseHandshake(http, "FORBIDDEN", refusal, response);
  } else if (http.isStopping) {
    refuseHandshake(http, "SERVICE_UNAVAILABLE", "The server is shutting down.", response);
  } else if (http.replicaLinks() === undefined) {
    refuseHandshake(http, "SERVICE_UNAVAILABLE", "The server is reading its data.", response);
  } else if (request.getHeader("sec-websocket-version") !== "13") {
    refuseUpgrade(http, response, request);
  } else {
    const peer = { address: addressText(response.getRemoteAddress()), protocol: "replication" };
    const grant = admit(http, request, peer, undefined);
    const refused = refusalOf(http, grant) ?? (isReplica(grant) ? undefined : NO_REPLICA);
    if (refused !== undefined) {
      refuseAccess(handshakeExchange(http, response), refused, "json");
      return;
    }
    const { connections } = http;
    // uWS does not tell the filter that this socket is no HTTP connection any more.
    connections.httpActive -= 1;
    connections.replicaActive += 1;
    const key = request.getHeader("sec-websocket-key");
    const extensions = request.getHeader("sec-websocket-extensions");
    response.upgrade<LinkData>({ link: new ReplicaSocket() }, key, "", extensions, context);
  }
}

/** It gets all there is, and what it is told of the log decides what a master may answer. */
function isReplica(grant: Grant | AccessRefusal): boolean {
  return !isRefusal(grant) && (grant.isUnrestricted || grant.allowsAll(ADMIN));
}

function opened(http: HttpTraffic, socket: WebSocket<LinkData>): void {
  const { link } = socket.getUserData();
  link.socket = socket;
  link.end = http.replicaLinks()?.connected(link, addressText(socket.getRemoteAddress()));
  if (link.end === undefined) socket.close();
}
