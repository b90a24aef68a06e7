/** Who sent a request, as far as commands, limits and logs need to know. One per connection (one per request on HTTP). */
export interface Caller {
  /** Grows from 1 and is never reused while the process lives. */
  readonly id: number;
  readonly protocol: "http" | "websocket";
  /** The peer's address without port, as text. */
  readonly address: string;
  readonly connectedAtMs: number;
  /** Commands received so far. */
  commandCount: number;
  /** Bytes waiting to be read by the peer; a function because the socket knows. */
  unreadBytes(): number;
}
