/**
 * What the peers of all connections have left unread, in this process's memory: the rest of HTTP replies, replies that
 * wait to be compressed, the buffers of WebSockets, and the pushes that wait for a peer. One connection has its own limit;
 * this one keeps a thousand that stay below theirs from filling the memory together. Past it large HTTP replies become
 * 503, and the WebSocket or event stream that has read least is cut off.
 *
 * Not counted are pushes that wait for the end of the turn, or for the log to be released: ten thousand connections share one
 * frame then, and it is not they who are slow. It counts for each where it waits longer; that is too much, but those are as
 * many peers that do not read. Replies that wait for the log count: each is in memory of its own.
 */
import type { Connections } from "./connections.ts";

/** So many full outboxes fit. */
const FULL_OUTBOXES_MAX = 4;
const BYTES_MIN = 64 * 1024 * 1024;

/** A connection that lives longer than one request, so that it can be cut off for what it holds. */
export interface Reader {
  readonly heldBytes: number;
  /** Ends the connection without a word, at once. */
  cut(): void;
}

export class OutboxBudget {
  readonly bytesMax: number;
  /** Keeps the count, where memory reports and the metrics find it. */
  readonly #connections: Connections;
  readonly #readers = new Set<Reader>();

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

  /** Counts, for the metrics alone, what begins to wait for the log or, below zero, waits no more. */
  countHeld(outboxes: number, bytes: number): void {
    this.#connections.heldOutboxes += outboxes;
    this.#connections.heldOutboxBytes += bytes;
  }

  register(reader: Reader): void {
    this.#readers.add(reader);
  }

  unregister(reader: Reader): void {
    this.#readers.delete(reader);
  }

  /** Cuts off those with the most unread until all outboxes together are within their budget. */
  cutSlowest(): void {
    while (!this.hasRoom(0)) {
      let slowest: Reader | undefined;
      for (const reader of this.#readers) {
        if (reader.heldBytes > (slowest?.heldBytes ?? 0)) slowest = reader;
      }
      if (slowest === undefined) return;
      this.#connections.slowClientsCutOff += 1;
      slowest.cut();
    }
  }
}
