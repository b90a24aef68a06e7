/** What all WebSockets of one transport share: the way into the server, who is connected, and who is overdue. */
import type { Connections } from "../connections.ts";
import type { OutboxBudget } from "../outbox-budget.ts";
import { Overdue } from "../overdue.ts";
import type { Dispatch, TransportParts } from "../transport.ts";
import type { WebSocketConnection } from "./websocket-connection.ts";

/** How long a peer that is being cut off may take to read what is left for it. */
const LINGER_MS_MAX = 5000;

export class WebSocketTraffic {
  readonly dispatch: Dispatch;
  readonly connections: Connections;
  readonly outboxBytesMax: number;
  readonly outboxes: OutboxBudget;
  readonly #clock: TransportParts["clock"];
  readonly #open = new Set<WebSocketConnection>();
  readonly #silent: Overdue<WebSocketConnection>;
  readonly #lingering: Overdue<WebSocketConnection>;
  #onEmpty: (() => void) | undefined;

  constructor(parts: TransportParts, outboxes: OutboxBudget) {
    this.dispatch = parts.dispatch;
    this.connections = parts.connections;
    this.outboxBytesMax = parts.options.outboxBytesMax;
    this.outboxes = outboxes;
    this.#clock = parts.clock;
    this.#silent = new Overdue(parts.options.connectionTimeoutMs);
    this.#lingering = new Overdue(Math.min(LINGER_MS_MAX, parts.options.connectionTimeoutMs));
  }

  opened(connection: WebSocketConnection): void {
    this.#open.add(connection);
    this.#silent.add(connection, this.#clock.monotonicMs());
    this.connections.register(connection);
  }

  /** Its first whole message has come. */
  hasSpoken(connection: WebSocketConnection): void {
    this.#silent.remove(connection);
  }

  /** It has been told that it is cut off and has not read that yet. */
  lingers(connection: WebSocketConnection): void {
    this.#lingering.add(connection, this.#clock.monotonicMs());
  }

  closed(connection: WebSocketConnection): void {
    this.#open.delete(connection);
    this.#silent.remove(connection);
    this.#lingering.remove(connection);
    this.connections.unregister(connection);
    this.connections.websocketActive -= 1;
    if (this.#open.size === 0) this.#onEmpty?.();
  }

  /** Cuts off those with the most unread until all outboxes together are within their budget. */
  cutSlowest(): void {
    while (!this.outboxes.hasRoom(0)) {
      let slowest: WebSocketConnection | undefined;
      for (const connection of this.#open) {
        if (connection.heldBytes > (slowest?.heldBytes ?? 0)) slowest = connection;
      }
      if (slowest === undefined) return;
      this.connections.slowClientsCutOff += 1;
      slowest.cut();
    }
  }

  sweep(): void {
    const nowMs = this.#clock.monotonicMs();
    this.#silent.sweep(nowMs, (connection) => {
      this.connections.silentClientsCutOff += 1;
      connection.cut();
    });
    this.#lingering.sweep(nowMs, (connection) => connection.cut());
  }

  /** Says goodbye to all; resolves when the last has gone. */
  shutDown(): Promise<void> {
    for (const connection of [...this.#open]) connection.close("SHUTTING_DOWN", "The server is shutting down.");
    if (this.#open.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onEmpty = resolve;
    });
  }
}
