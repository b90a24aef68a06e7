/** RESP over TCP, by node:net: the listener and its life. */

import type { Server, Socket } from "node:net";
import type { Certificate } from "../../access/certificate.ts";
import type { RespDispatcher } from "../../dispatch/resp-dispatcher.ts";
import type { OperationLog } from "../../oplog/operation-log.ts";
import type { ReleaseGate } from "../../runtime/release-gate.ts";
import { settledWithin } from "../../runtime/settled-within.ts";
import type { TurnEnd } from "../../runtime/turn-end.ts";
import type { Connections } from "../connections.ts";
import { plainAddress } from "../peer-address.ts";
import { createServerListener, listenOn, renewListener } from "../server-listener.ts";
import type { Transport } from "../transport.ts";
import { RespConnection } from "./resp-connection.ts";
import { RespTraffic } from "./resp-traffic.ts";

export interface RespTransportOptions {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** Undefined for no TLS. */
  readonly certificate?: Certificate | undefined;
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
  /** A connection could not be accepted. Told once for each kind of failure in a row. */
  acceptFailed(error: Error): void;
}

const TOO_MANY = "-ERR max number of clients reached\r\n";

export class RespTransport implements Transport {
  readonly #parts: RespTransportParts;
  readonly #traffic: RespTraffic;
  readonly #server: Server;

  constructor(parts: RespTransportParts) {
    this.#parts = parts;
    this.#traffic = new RespTraffic(parts);
    this.#server = createServerListener(parts.options.certificate, (socket) => this.#accept(socket));
  }

  async listen(): Promise<{ readonly port: number }> {
    const { options, acceptFailed } = this.#parts;
    return { port: await listenOn(this.#server, options.host, options.port, acceptFailed) };
  }

  tick(): void {
    this.#traffic.sweep();
  }

  renew(certificate: Certificate): void {
    renewListener(this.#server, certificate);
  }

  async stop(graceMs: number): Promise<void> {
    if (this.#server.listening) this.#server.close();
    await settledWithin(this.#traffic.shutDown(), graceMs);
    this.#traffic.cutAll();
  }

  #accept(socket: Socket): void {
    const { connections, options } = this.#parts;
    const isFull = connections.active >= options.connectionsMax;
    if (isFull) connections.connectionsRefused += 1;
    if (isFull || connections.isFullFor(plainAddress(socket.remoteAddress))) {
      socket.on("error", () => socket.destroy());
      socket.end(TOO_MANY);
      socket.destroySoon();
      return;
    }
    if (options.keepAliveMs > 0) socket.setKeepAlive(true, options.keepAliveMs);
    this.#traffic.opened(new RespConnection(socket, this.#traffic));
  }
}
