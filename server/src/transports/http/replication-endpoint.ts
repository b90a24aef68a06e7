/**
 * `GET /api/v1/replication`: WebSockets of replicas, binary, whose messages are for replication/ alone. It has its own
 * heartbeats and its own bounds on what is unsent, so nothing is pinged below, and the limit there is for peers that break off
 * reading and go on to ping.
 */
import { isRefusal } from "../../access/access-control.ts";
import type { Grant } from "../../access/grant.ts";
import type { LinkEnd, LinkSocket } from "../../replication/link-socket.ts";
import { afterSockets } from "../../runtime/turn-end.ts";
import type { GrantedLink } from "../connections.ts";
import { ratedGrant, refuseAccess } from "./admission.ts";
import type { HttpTraffic } from "./http-traffic.ts";
import { handshakeExchange, hasBody, refuseHandshake, refuseHandshakeBody, refuseUpgrade } from "./page-endpoint.ts";
import {
  DROPPED,
  HEADER,
  type HttpRequest,
  type HttpResponse,
  type MessageOwner,
  type MessageSocket,
  type WebSocketRoute,
} from "./socket-server.ts";

/** Replicas say hello and acknowledge; nothing of it is large. */
const MESSAGE_BYTES_MAX = 256 * 1024;
const NORMAL_CLOSURE = 1000;
const UNSUPPORTED_DATA = 1003;
const POLICY_VIOLATION = 1008;
const NEVER = 0;
/** A feed leaves some MB, and behind them one record, which may have 64 MB. */
const UNREAD_BYTES_MAX = 96 * 1024 * 1024;

export function replicaRoute(path: string, http: HttpTraffic): WebSocketRoute {
  return {
    path,
    messageBytesMax: MESSAGE_BYTES_MAX,
    unreadBytesMax: UNREAD_BYTES_MAX,
    silenceSecsMax: NEVER,
    accept: (request, response) => accept(http, request, response),
  };
}

function accept(http: HttpTraffic, request: HttpRequest, response: HttpResponse): ReplicaSocket | undefined {
  const { refusal } = http.originRules.judge(request.getHeader(HEADER.host), request.getHeader(HEADER.origin));
  if (refusal !== "") {
    refuseHandshake(http, "FORBIDDEN", refusal, response);
  } else if (http.isStopping) {
    refuseHandshake(http, "SERVICE_UNAVAILABLE", "The server is shutting down.", response);
  } else if (http.replicaLinks() === undefined) {
    refuseHandshake(http, "SERVICE_UNAVAILABLE", "The server is reading its data.", response);
  } else if (request.getHeader("sec-websocket-version") !== "13") {
    refuseUpgrade(http, request, response);
  } else if (hasBody(request)) {
    refuseHandshakeBody(http, response);
  } else {
    const peer = { address: response.address(), protocol: "replication" };
    // It gets all there is, and what it tells decides what a master may answer.
    const grant = ratedGrant(http, request, peer, { needs: "admin" });
    if (isRefusal(grant)) {
      refuseAccess(handshakeExchange(http, response), grant, "json");
      return undefined;
    }
    http.connections.httpActive -= 1;
    http.connections.replicaActive += 1;
    return new ReplicaSocket(http, peer.address, grant);
  }
  return undefined;
}

/** One link, as long as its socket is there. */
class ReplicaSocket implements LinkSocket, MessageOwner, GrantedLink {
  readonly grant: Grant;
  readonly #http: HttpTraffic;
  readonly #address: string;
  /** Set from open to close. */
  #socket: MessageSocket | undefined;
  #end: LinkEnd | undefined;

  constructor(http: HttpTraffic, address: string, grant: Grant) {
    this.#http = http;
    this.grant = grant;
    this.#address = address;
  }

  send(message: Uint8Array): void {
    // A link that lacks a message is of no use; the replica comes back, and asks for what it lacks.
    if (this.#socket?.send(message, true, false) === DROPPED) this.#cutLater();
  }

  bufferedBytes(): number {
    return this.#socket?.getBufferedAmount() ?? 0;
  }

  close(): void {
    this.#socket?.end(NORMAL_CLOSURE, "");
  }

  cut(): void {
    this.#socket?.close();
  }

  /** A replica that still has a token comes again with it. */
  expel(): void {
    this.#socket?.end(POLICY_VIOLATION, "UNAUTHORIZED");
  }

  opened(socket: MessageSocket): void {
    this.#socket = socket;
    this.#http.connections.links.add(this);
    this.#end = this.#http.replicaLinks()?.connected(this, this.#address);
    if (this.#end === undefined) socket.close();
  }

  receive(message: Uint8Array, isBinary: boolean): void {
    // Between two looks at all links; what it says then counts for nothing, an acknowledgement neither.
    if (!this.grant.isUnrestricted && this.grant.endAt(this.#http.clock.nowMs()) !== undefined) this.expel();
    else if (isBinary) this.#end?.received(message);
    else this.#socket?.end(UNSUPPORTED_DATA, "a link is binary");
  }

  drained(): void {
    this.#end?.drained();
  }

  dropped(): void {
    this.#cutLater();
  }

  /** Not in the middle of what is being sent. */
  #cutLater(): void {
    afterSockets(() => this.cut());
  }

  closed(): void {
    this.#socket = undefined;
    this.#http.connections.links.delete(this);
    this.#http.connections.replicaActive -= 1;
    this.#end?.closed();
  }
}
