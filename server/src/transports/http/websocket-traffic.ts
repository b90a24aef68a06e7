/** What all WebSockets of one transport share: the way into the server, who is connected, and who is overdue. */
import { HELD_BACK_MS } from "../../access/access-control.ts";
import type { ReleaseGate } from "../../runtime/release-gate.ts";
import type { Connections } from "../connections.ts";
import { MessagePacer } from "../message-pacer.ts";
import type { OutboxBudget } from "../outbox-budget.ts";
import { Overdue } from "../overdue.ts";
import type { PushWriter } from "../push-writer.ts";
import type { Dispatch, TransportParts } from "../transport.ts";
import type { MessageSocket } from "./socket-server.ts";
import type { WebSocketConnection } from "./websocket-connection.ts";

/** How long a peer that is being cut off may take to read what is left for it. */
const LINGER_MS_MAX = 5000;

export class WebSocketTraffic {
  readonly dispatch: Dispatch;
  readonly connections: Connections;
  readonly outboxBytesMax: number;
  readonly outboxes: OutboxBudget;
  readonly pushWriter: PushWriter;
  readonly gate: ReleaseGate;
  readonly pacer: MessagePacer;
  readonly #clock: TransportParts["clock"];
  readonly #open = new Set<WebSocketConnection>();
  readonly #silent: Overdue<WebSocketConnection>;
  readonly #lingering: Overdue<WebSocketConnection>;
  readonly #heldBack = new Overdue<WebSocketConnection>(HELD_BACK_MS);
  #onEmpty: (() => void) | undefined;
  /** Whose pushes are being written. One function serves all connections, where each would need its own closure. */
  #corked: WebSocketConnection | undefined;
  readonly #writeCorked = (): void => this.#corked?.writeCorked();

  constructor(parts: TransportParts, outboxes: OutboxBudget, pushWriter: PushWriter) {
    this.dispatch = parts.dispatch;
    this.connections = parts.connections;
    this.outboxBytesMax = parts.options.outboxBytesMax;
    this.outboxes = outboxes;
    this.pushWriter = pushWriter;
    this.gate = parts.gate;
    this.pacer = new MessagePacer(parts.turnEnd, parts.clock, parts.options.requestBytesMax);
    this.#clock = parts.clock;
    this.#silent = new Overdue(parts.options.connectionTimeoutMs);
    this.#lingering = new Overdue(Math.min(LINGER_MS_MAX, parts.options.connectionTimeoutMs));
  }

  opened(connection: WebSocketConnection): void {
    this.#open.add(connection);
    this.#silent.add(connection, this.#clock.monotonicMs());
    this.outboxes.register(connection);
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

  /** It is to be answered and ended, and not at once. */
  holdsBack(connection: WebSocketConnection): void {
    this.#heldBack.add(connection, this.#clock.monotonicMs());
  }

  /** Writes pushes of a connection so that small ones leave together. */
  cork(socket: MessageSocket, connection: WebSocketConnection): void {
    this.#corked = connection;
    socket.cork(this.#writeCorked);
    this.#corked = undefined;
  }

  closed(connection: WebSocketConnection): void {
    this.#open.delete(connection);
    this.#silent.remove(connection);
    this.#lingering.remove(connection);
    this.#heldBack.remove(connection);
    this.outboxes.unregister(connection);
    this.connections.unregister(connection);
    this.connections.websocketActive -= 1;
    if (this.#open.size === 0) this.#onEmpty?.();
  }

  sweep(): void {
    const nowMs = this.#clock.monotonicMs();
    this.#silent.sweep(nowMs, (connection) => {
      this.connections.silentClientsCutOff += 1;
      connection.cut();
    });
    this.#heldBack.sweep(nowMs, (connection) => connection.endNow());
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
