/**
 * Who sent a request, as far as commands, limits and logs need to know, and the way back to them: late replies and pushes.
 * One per connection; on HTTP, one per request or event stream.
 */
import type { Grant } from "../access/grant.ts";
import type { Buckets } from "../access/rate-limits.ts";
import type { Format, Reply } from "./reply.ts";

/** Who did something, as the audit log tells it. */
export type Who = Pick<Caller, "grant" | "address" | "protocol">;

export interface Caller {
  /** Grows from 1 and is never reused while the process lives. */
  readonly id: number;
  readonly protocol: "http" | "websocket" | "sse" | "resp";
  /** The peer's address without port, as text. */
  readonly address: string;
  readonly connectedAtMs: number;
  /** Commands received so far. */
  commandCount: number;
  /** Bytes waiting to be read by the peer, those that leave at the end of this turn included; a function because the socket knows. */
  unreadBytes(): number;
  /**
   * What the server keeps for this connection beyond one request. Set by the first command that waits or subscribes; the
   * transport tells it of the connection's fate.
   */
  session: Session | undefined;
  /** How what it subscribes is pushed: the dispatcher sets it on a WebSocket, by the message under way. */
  pushFormat: PushFormat;
  /** Gives the reply of a command that waited: `handle` answered with `undefined`. Nothing happens when the peer is gone. */
  answerLate(reply: Reply, format: Format): void;
  /** What it may do. The transport gives it one, by what the request or handshake carries; `auth` replaces it. */
  grant: Grant;
  /** What it has used of its rates; undefined until it is limited. */
  rate?: Buckets | undefined;
  /** Its grant has ended: it is told so, and the connection ends. */
  expel(message: string): void;
  /** Where pushes go; `undefined` where the protocol has none. */
  readonly outbox: Outbox | undefined;
}

/** The pushes of one connection. They leave together at the end of the turn, in order, after the replies of the turn. */
export interface Outbox {
  /**
   * Queues one push. `frame` may be shared with other connections and must never change: a text frame, a binary one, or the
   * lines of a server-sent event.
   * @param releaseOffset the offset that must be released before it may leave: 0 for what shows nothing of the state.
   * @returns false when the connection is closing or gone, or is cut off now since too much is unread.
   */
  push(frame: Uint8Array, isBinary: boolean, releaseOffset: number): boolean;
}

/** How pushes are encoded for a connection: as the kind of its subscribe command, as server-sent events, or for Redis clients. */
export type PushFormat = Format | "sse" | "resp2" | "resp3";

export interface Session {
  /** The peer is gone, or will get nothing more. Called once. */
  closed(): void;
  /** Some of what was unread has been read. */
  drained(): void;
}
