/** HTTP and WebSocket on one port: what is where, the count of connections, and the way to the end. */
import { setTimeout as delay } from "node:timers/promises";
import type { Certificate } from "../../access/certificate.ts";
import { settledWithin } from "../../runtime/settled-within.ts";
import { OutboxBudget } from "../outbox-budget.ts";
import { PushWriter } from "../push-writer.ts";
import type { Transport, TransportParts } from "../transport.ts";
import { handleCommand } from "./command-endpoint.ts";
import { handleEvents } from "./event-stream-endpoint.ts";
import { EventStreams } from "./event-streams.ts";
import { HttpTraffic } from "./http-traffic.ts";
import { handlePage, handlePreflight, refuseMethod, refusePath, refuseUpgrade } from "./page-endpoint.ts";
import { replicaRoute } from "./replication-endpoint.ts";
import type { CreateSocketServer, Handle, Route, SocketServer } from "./socket-server.ts";
import { webSocketRoute } from "./websocket-endpoint.ts";
import { WebSocketTraffic } from "./websocket-traffic.ts";

const COMMAND_PATH = "/api/v1/command";
const EVENTS_PATH = "/api/v1/events";
const WEBSOCKET_PATH = "/api/v1/ws";
const REPLICATION_PATH = "/api/v1/replication";
/** Peers need a moment to answer a close frame before their socket goes; nobody tells when they have. */
const CLOSE_FRAME_MS = 250;
/** Replicas that are in sync need a moment for the last writes. */
const REPLICAS_MS_MAX = 2000;

export class HttpTransport implements Transport {
  readonly #parts: TransportParts;
  readonly #server: SocketServer;
  readonly #http: HttpTraffic;
  readonly #websockets: WebSocketTraffic;
  readonly #eventStreams: EventStreams;

  constructor(parts: TransportParts, createServer: CreateSocketServer) {
    this.#parts = parts;
    const outboxes = new OutboxBudget(parts.connections, parts.options.outboxBytesMax);
    const pushWriter = new PushWriter(parts.turnEnd, parts.clock, outboxes, parts.gate);
    const http = new HttpTraffic(parts, outboxes, pushWriter);
    this.#http = http;
    this.#websockets = new WebSocketTraffic(parts, outboxes, pushWriter);
    this.#eventStreams = new EventStreams(http);
    this.#server = createServer({
      host: parts.options.host,
      port: parts.options.port,
      certificate: parts.options.certificate,
      routes: this.#routes(),
      webSockets: [webSocketRoute(WEBSOCKET_PATH, http, this.#websockets), replicaRoute(REPLICATION_PATH, http)],
      otherwise: (request, response) => refusePath(http, request, response),
      opened: () => this.#opened(),
      closed: () => {
        parts.connections.httpActive -= 1;
      },
      clock: parts.clock,
      acceptFailed: (error) => parts.acceptFailed(error),
    });
  }

  async listen(): Promise<{ readonly port: number }> {
    return { port: await this.#server.listen() };
  }

  tick(): void {
    this.#http.cutOffSlowBodies();
    this.#http.heldBack.sweep(this.#parts.clock.monotonicMs(), (exchange) => exchange.refuseNow());
    this.#websockets.sweep();
    this.#eventStreams.ping();
    this.#server.tick();
  }

  renew(certificate: Certificate): void {
    this.#server.renew(certificate);
  }

  async stop(graceMs: number): Promise<void> {
    this.#server.stopListening();
    this.#http.isStopping = true;
    this.#parts.dispatch.stopping();
    this.#eventStreams.shutDown();
    const hadWebSockets = this.#parts.connections.websocketActive > 0;
    const allGone = Promise.all([this.#http.whenIdle(), this.#websockets.shutDown()]);
    await settledWithin(allGone, graceMs);
    if (hadWebSockets) await delay(Math.min(graceMs, CLOSE_FRAME_MS));
    // Nothing is written any more: whoever takes over from this node should have all of it.
    await settledWithin(this.#parts.replicaLinks()?.stop() ?? Promise.resolve(), Math.min(graceMs, REPLICAS_MS_MAX));
    // What is left is idle, or its time is over.
    this.#server.close();
  }

  #opened(): boolean {
    const { connections, options } = this.#parts;
    const hasRoom = connections.active < options.connectionsMax;
    connections.httpActive += 1;
    if (!hasRoom) connections.connectionsRefused += 1;
    return hasRoom;
  }

  #routes(): Route[] {
    const http = this.#http;
    const command: Handle = (request, response) => handleCommand(http, request, response);
    const events: Handle = (request, response) => handleEvents(http, this.#eventStreams, request, response);
    const upgrade: Handle = (request, response) => refuseUpgrade(http, request, response);
    const pages = this.#parts.pages.flatMap((page) => {
      const handle: Handle = (request, response) => handlePage(http, page, request, response);
      return routesOf(http, page.path, "GET, HEAD, OPTIONS", { get: handle, head: handle });
    });
    return [
      ...routesOf(http, COMMAND_PATH, "POST, OPTIONS", { post: command }),
      ...pages,
      ...routesOf(http, EVENTS_PATH, "GET, HEAD, OPTIONS", { get: events, head: events }),
      ...routesOf(http, WEBSOCKET_PATH, "GET", { get: upgrade }),
      ...routesOf(http, REPLICATION_PATH, "GET", { get: upgrade }),
    ];
  }
}

/** The methods of a path, and OPTIONS and 405 for the others. */
function routesOf(
  http: HttpTraffic,
  path: string,
  methods: string,
  handles: { readonly get?: Handle; readonly head?: Handle; readonly post?: Handle },
): Route[] {
  const given = (["get", "head", "post"] as const).flatMap((method) => {
    const handle = handles[method];
    return handle === undefined ? [] : [{ path, method, handle }];
  });
  return [
    ...given,
    { path, method: "options", handle: (request, response) => handlePreflight(http, methods, request, response) },
    { path, method: "any", handle: (request, response) => refuseMethod(http, methods, request, response) },
  ];
}
