/** What all RESP connections share: the way into the server, who is connected, whose turn comes later, and who is overdue. */
import { HELD_BACK_MS } from "../../access/access-control.ts";
import type { RespDispatcher } from "../../dispatch/resp-dispatcher.ts";
import type { TurnEndTask } from "../../runtime/turn-end.ts";
import type { Connections } from "../connections.ts";
import { Fifo } from "../fifo.ts";
import { OutboxBudget } from "../outbox-budget.ts";
import { Overdue } from "../overdue.ts";
import { PushWriter } from "../push-writer.ts";
import type { RespConnection } from "./resp-connection.ts";
import type { RespTransportOptions, RespTransportParts } from "./resp-transport.ts";
import { TurnReplies } from "./turn-replies.ts";

/** How long a connection that was ended may take to read what is left for it. */
const LINGER_MS_MAX = 5000;
/** What is read at a time, as Node has it. */
const INPUT_BYTES = 64 * 1024;
const UNREAD_BYTES_MIN = 64 * 1024;
/** What the connections whose turn it is may take together before the sockets are looked at again. */
const TURN_MS_MAX = 5;

export class RespTraffic {
  readonly options: RespTransportOptions;
  readonly dispatch: RespDispatcher;
  readonly connections: Connections;
  readonly clock: RespTransportParts["clock"];
  readonly log: RespTransportParts["log"];
  readonly outboxes: OutboxBudget;
  readonly replies: TurnReplies;
  readonly pushWriter: PushWriter;
  /** Past it a connection's requests wait: with one more reply it stays within `outboxBytesMax`. */
  readonly unreadBytesMax: number;
  /** What a read has brought, valid until the next: sockets read into it (shared-input.ts), or it is copied here (`inputOf`). */
  readonly input = new Uint8Array(INPUT_BYTES);
  readonly #open = new Set<RespConnection>();
  readonly #heldBack = new Overdue<RespConnection>(HELD_BACK_MS);
  readonly #lingering = new Overdue<RespConnection>(LINGER_MS_MAX);
  /** They have begun a request; one that sends nothing more of it for the whole time is cut off. */
  readonly #begun: Overdue<RespConnection>;
  readonly #later = new Fifo<RespConnection>();
  readonly #task: TurnEndTask;
  #onEmpty: (() => void) | undefined;

  constructor(parts: RespTransportParts) {
    this.options = parts.options;
    this.dispatch = parts.dispatch;
    this.connections = parts.connections;
    this.clock = parts.clock;
    this.log = parts.log;
    const { outboxBytesMax, replyBytesMax } = parts.options;
    this.unreadBytesMax = Math.max(UNREAD_BYTES_MIN, outboxBytesMax - replyBytesMax);
    // Requests that have begun count in it too: the largest one has to fit.
    this.outboxes = new OutboxBudget(parts.connections, Math.max(outboxBytesMax, parts.dispatch.requestBytesMax));
    this.#begun = new Overdue(parts.options.connectionTimeoutMs);
    // Before the pushes: these come behind the replies of their turn.
    this.replies = new TurnReplies(parts.turnEnd);
    this.pushWriter = new PushWriter(parts.turnEnd, parts.clock, this.outboxes, parts.gate);
    this.#task = parts.turnEnd.add(() => {
      this.#runDue();
      return false;
    });
  }

  /**
   * The same read in the buffer that all share. It is copied since thousands of references into it are about to be written: from
   * old objects to a new one each costs the collector an entry, and to one as old as they nothing.
   */
  inputOf(chunk: Buffer): Uint8Array {
    if (chunk.length > this.input.length) return new Uint8Array(chunk);
    this.input.set(chunk);
    return this.input;
  }

  opened(connection: RespConnection): void {
    this.#open.add(connection);
    this.outboxes.register(connection);
    this.connections.register(connection.client);
    this.connections.respActive += 1;
  }

  closed(connection: RespConnection): void {
    this.#open.delete(connection);
    this.#begun.remove(connection);
    this.#lingering.remove(connection);
    this.#heldBack.remove(connection);
    this.outboxes.unregister(connection);
    this.connections.unregister(connection.client);
    this.connections.respActive -= 1;
    if (this.#open.size === 0) this.#onEmpty?.();
  }

  /** It is to be ended, and not at once. */
  holdsBack(connection: RespConnection): void {
    this.#heldBack.add(connection, this.clock.monotonicMs());
  }

  /** It was ended, and has not gone yet. */
  lingers(connection: RespConnection): void {
    this.#lingering.add(connection, this.clock.monotonicMs());
  }

  /** Some of a request has come, and not all: its time begins anew. */
  awaitsRest(connection: RespConnection): void {
    this.#begun.remove(connection);
    this.#begun.add(connection, this.clock.monotonicMs());
  }

  awaitsNothing(connection: RespConnection): void {
    this.#begun.remove(connection);
  }

  /** Lets it go on after the sockets of this turn were served. */
  runLater(connection: RespConnection): void {
    this.#later.push(connection);
    this.#task.request();
  }

  /** Those that were there at the beginning, once each. */
  #runDue(): void {
    const untilMs = this.clock.monotonicMs() + TURN_MS_MAX;
    try {
      for (let left = this.#later.size; left > 0; left--) {
        this.#later.shift()?.continue();
        if (this.clock.monotonicMs() >= untilMs) break;
      }
    } finally {
      // Also where one has thrown: the others are not to wait for ever.
      if (this.#later.size > 0) this.#task.request();
    }
  }

  sweep(): void {
    const nowMs = this.clock.monotonicMs();
    this.#begun.sweep(nowMs, (connection) => {
      this.connections.silentClientsCutOff += 1;
      connection.cut();
    });
    this.#heldBack.sweep(nowMs, (connection) => connection.endNow());
    this.#lingering.sweep(nowMs, (connection) => connection.cut());
  }

  /** Ends all; resolves when the last has gone. */
  shutDown(): Promise<void> {
    for (const connection of [...this.#open]) connection.leave();
    if (this.#open.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onEmpty = resolve;
    });
  }

  cutAll(): void {
    for (const connection of [...this.#open]) connection.cut();
  }
}
