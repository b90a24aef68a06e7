/**
 * What the server needs from a transport, and what a transport needs from the server. A transport turns sockets into
 * messages and replies into sockets; it knows no command and no wire format beyond its name.
 *
 *     socket -> transport -> Dispatch.handle -> transport -> socket
 *
 * One transport serves HTTP and WebSocket on one port, because that is what clients see: http/, over either of two libraries.
 * Another, resp/, serves Redis clients.
 */
import type { Certificate } from "../access/certificate.ts";
import type { RateLimits } from "../access/rate-limits.ts";
import type { TransportAccess } from "../access/request-access.ts";
import type { Caller } from "../dispatch/caller.ts";
import type { ReplicaLinks } from "../replication/link-socket.ts";
import type { ReleaseGate } from "../runtime/release-gate.ts";
import type { TurnEnd } from "../runtime/turn-end.ts";
import type { Connections } from "./connections.ts";

export type WireFormat = "json" | "msgpack";

/** The refusals a transport makes itself, before or instead of a command (wire contract, section 3). */
export type RefusalCode =
  | "INVALID_REQUEST"
  | "UNSUPPORTED_MEDIA_TYPE"
  | "UNAUTHORIZED"
  | "FORBIDDEN"
  | "RATE_LIMIT_EXCEEDED"
  | "PAYLOAD_TOO_LARGE"
  | "INTERNAL_ERROR"
  | "SERVICE_UNAVAILABLE";

/** Why the server closes a WebSocket or an event stream; pushed before the close (wire contract, section 5). */
export type ClosingCode = "UNAUTHORIZED" | "SLOW_CONSUMER" | "SHUTTING_DOWN" | "RATE_LIMIT_EXCEEDED";

/** An encoded answer. `bytes[0..length)` is shared memory, valid until the next call to `Dispatch`: copy to keep it. */
export interface Reply {
  readonly status: number;
  readonly bytes: Uint8Array;
  readonly length: number;
  readonly contentType: string;
  /** The offset that must be released before it may leave (runtime/release-gate.ts); 0 for none. */
  readonly releaseOffset: number;
  /** When a refused request is worth trying again; 0 or absent for what is no such refusal. */
  readonly retryAfterSecs?: number;
}

/** The way into the server. Never throws: a bug behind it is an INTERNAL_ERROR reply that it has logged itself. */
export interface Dispatch {
  /**
   * Answers one message, now; or with `undefined` where its command waits: then `caller.answerLate` is called, unless the
   * caller's session is told first that the peer is gone. `message` may be socket memory that is gone when this returns.
   */
  handle(message: Uint8Array, format: WireFormat, replyFormat: WireFormat, caller: Caller): Reply | undefined;
  /**
   * Subscribes an event stream to what its request names; its pushes go to the caller's outbox, as the lines of server-sent
   * events. Answers with a failure (as JSON) where that cannot be.
   */
  openEvents(request: EventsRequest, caller: Caller): Reply | OpenedEvents;
  /** Encodes a failure that the transport found. */
  refuse(code: RefusalCode, message: string, format: WireFormat, details?: { readonly [name: string]: unknown }): Reply;
  /** Encodes `{"type": "closing", "code": ..., "error": ...}`. */
  closing(code: ClosingCode, message: string, format: WireFormat): Reply;
  /** The transport stops: commands that wait are answered now, and none waits any more. */
  stopping(): void;
}

/** The stream begins; that it does shows the state at this offset. */
export interface OpenedEvents {
  readonly status: undefined;
  readonly releaseOffset: number;
}

/** What `GET /api/v1/events` asks for, as it came. */
export interface EventsRequest {
  /** The query string without the `?`. */
  readonly query: string;
  /** The header by which a browser resumes; empty if there was none. */
  readonly lastEventId: string;
}

/** A document served by GET and HEAD beside the commands: health, metrics, the OpenAPI description. */
export interface PageRoute {
  /** The whole path, such as `/health`. */
  readonly path: string;
  /** Whose it is where one has to log in: of any valid token, or of one with admin:read. Absent for a page that is everybody's. */
  readonly needs?: "known" | "admin:read" | undefined;
  /** Asked by load balancers: one that was told to wait would send nothing to a server that is well. */
  readonly isProbe?: true;
  respond(request: PageRequest): Page | Promise<Page>;
}

export interface PageRequest {
  /** The query string as it came, without the `?`; empty if there was none. */
  readonly query: string;
  /** The transport takes no new connections and is finishing what is in flight. */
  readonly isStopping: boolean;
}

export interface Page {
  readonly status: number;
  readonly contentType: string;
  readonly body: string | Uint8Array;
}

export interface TransportOptions {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** A body, after gunzip, or a WebSocket message. More is PAYLOAD_TOO_LARGE, or the end of the connection. */
  readonly requestBytesMax: number;
  /** Replies and pushes one connection may leave unread before it is cut off; no less than the largest reply. */
  readonly outboxBytesMax: number;
  /** HTTP and WebSocket connections together. */
  readonly connectionsMax: number;
  /** Undefined for no TLS. */
  readonly certificate?: Certificate | undefined;
  /** From the start of a body to its end, and from the WebSocket handshake to the first complete message. */
  readonly connectionTimeoutMs: number;
  /**
   * How long a WebSocket peer may be silent; 0 = no limit beyond the pings. A peer is pinged after 30 s of silence, or
   * sooner if this is less than 46 s, so that one which is alive is never cut off. Idle HTTP connections are closed after
   * about 10 s, which cannot be set.
   */
  readonly idleTimeoutSecs: number;
  readonly compression: boolean;
  readonly compressionThresholdBytes: number;
  /** Origins of browsers that may call beside the server's own, such as `https://app.example.com`; `*` allows any. */
  readonly allowedOrigins: readonly string[];
  /** Names a `Host` header may have beside localhost, the loopback addresses and `host`; without port. */
  readonly allowedHosts: readonly string[];
}

/** What the composition root hands to a transport. */
export interface TransportParts {
  readonly options: TransportOptions;
  readonly dispatch: Dispatch;
  readonly pages: readonly PageRoute[];
  readonly connections: Connections;
  readonly clock: { nowMs(): number; monotonicMs(): number };
  /** When pushes are written. */
  readonly turnEnd: TurnEnd;
  /** Holds replies and pushes back until what they show is durable. */
  readonly gate: ReleaseGate;
  /** Who may come in. */
  readonly access: TransportAccess;
  /** How much may be sent; undefined where nothing is limited. */
  readonly rates?: Pick<RateLimits, "addressWaitMs" | "chargeAddress"> | undefined;
  /** Where replicas link; undefined while the server starts. */
  readonly replicaLinks: () => ReplicaLinks | undefined;
  /** Logs a bug found by the transport, such as a page that threw, and returns the id that goes into `details.id`. */
  reportBug(error: unknown, where: string): string;
  /** Logs that a connection could not be accepted. */
  acceptFailed(error: Error): void;
}

export interface Transport {
  /** Starts to accept. Resolves with the port it got; rejects with `ListenError`. */
  listen(): Promise<{ readonly port: number }>;
  /** Cuts off what is overdue. The composition root's ticker calls it, about once a second. */
  tick(): void;
  /** Connections that come from now on get this certificate. Throws where it cannot be used; then nothing changes. */
  renew(certificate: Certificate): void;
  /**
   * Stops accepting, finishes the requests in flight, has waiting commands answered, closes event streams and WebSockets
   * with SHUTTING_DOWN (and code 1001). Resolves when all connections are gone; those left after `graceMs` are cut.
   */
  stop(graceMs: number): Promise<void>;
}

/** The address cannot be had. `message` is one sentence for the person who started the server. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}
