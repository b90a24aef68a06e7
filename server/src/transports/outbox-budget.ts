/**
 * What the peers of all connections have left unread, in this process's memory: the rest of HTTP replies, replies that
 * wait to be compressed, and the buffers of WebSockets. One connection has its own limit; this one keeps a thousand that
 * stay below theirs from filling the memory together. Past it large HTTP replies become 503, and the WebSocket that has
 * read least is cut off.
 */
import type { Connections } from "./connections.ts";

/** So many full outboxes fit. */
const FULL_OUTBOXES_MAX = 4;
const BYTES_MIN = 64 * 1024 * 1024;

export class OutboxBudget {
  readonly bytesMax: number;
  /** Keeps the count, where memory reports and the metrics find it. */
  readonly #connections: Connections;

  constructor(connections: Connections, outboxBytesMax: number) {
    this.bytesMax = Math.max(BYTES_MIN, outboxBytesMax * FULL_OUTBOXES_MAX);
    this.#connections = connections;
  }

  /** Whether `bytes` more would fit. */
  hasRoom(bytes: number): boolean {
    return this.#connections.unreadBytes + bytes <= this.bytesMax;
  }

  /** Counts what was taken into memory, or, below zero, what has left it. */
  add(bytes: number): void {
    this.#connections.unreadBytes += bytes;
  }
}
