/** RESP over TCP, by node:net: the listener and its life. */
import { createServer, type Server, type Socket } from "node:net";
import type { RespDispatcher } from "../../dispatch/resp-dispatcher.ts";
import type { OperationLog } from "../../oplog/operation-log.ts";
import type { ReleaseGate } from "../../runtime/release-gate.ts";
import { settledWithin } from "../../runtime/settled-within.ts";
import type { TurnEnd } from "../../runtime/turn-end.ts";
import type { Connections } from "../connections.ts";
import { addressOf, explainListenFailure } from "../listen-failure.ts";
import { ListenError, type Transport } from "../transport.ts";
import { RespConnection } from "./resp-connection.ts";
import { RespTraffic } from "./resp-traffic.ts";

export interface RespTransportOptions {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** Connections of all protocols together. */
  readonly connectionsMax: number;
  /** Replies and pushes that one connection may leave unread. */
  readonly outboxBytesMax: number;
  readonly replyBytesMax: number;
  /** A peer that has begun a request and sends nothing more of it for so long is cut off. */
  readonly connectionTimeoutMs: number;
  /** A peer silent for so long is probed by TCP. */
  readonly keepAliveMs: number;
}

export interface RespTransportParts {
  readonly options: RespTransportOptions;
  readonly dispatch: RespDispatcher;
  readonly connections: Connections;
  readonly clock: { nowMs(): number; monotonicMs(): number };
  readonly turnEnd: TurnEnd;
  readonly gate: ReleaseGate;
  readonly log: Pick<OperationLog, "isBehind">;
}

const TOO_MANY = "-ERR max number of clients reached\r\n";

export class RespTransport implements Transport {
  readonly #parts: RespTransportParts;
  readonly #traffic: RespTraffic;
  readonly #server: Server;

  constructor(parts: RespTransportParts) {
    this.#parts = parts;
    this.#traffic = new RespTraffic(parts);
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
  }

  listen(): Promise<{ readonly port: number }> {
    const { host, port } = this.#parts.options;
    const server = this.#server;
    return new Promise((resolve, reject) => {
      server.once("error", (cause: NodeJS.ErrnoException) => {
        reject(new ListenError(explainListenFailure(cause, addressOf(host, port)), { cause }));
      });
      server.listen({ host, port, exclusive: true, backlog: 511 }, () => {
        const address = server.address();
        // A listener on TCP has an address object.
        resolve({ port: typeof address === "object" && address !== null ? address.port : port });
      });
    });
  }

  tick(): void {
    this.#traffic.sweep();
  }

  async stop(graceMs: number): Promise<void> {
    if (this.#server.listening) this.#server.close();
    await settledWithin(this.#traffic.shutDown(), graceMs);
    this.#traffic.cutAll();
  }

  #accept(socket: Socket): void {
    const { connections, options } = this.#parts;
    if (connections.active >= options.connectionsMax) {
      connections.connectionsRefused += 1;
      socket.on("error", () => socket.destroy());
      socket.end(TOO_MANY);
      socket.destroySoon();
      return;
    }
    if (options.keepAliveMs > 0) socket.setKeepAlive(true, options.keepAliveMs);
    this.#traffic.opened(new RespConnection(socket, this.#traffic));
  }
}
