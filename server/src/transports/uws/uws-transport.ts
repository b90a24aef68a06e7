/** HTTP and WebSocket on one port, by uWebSockets.js: routes, the count of connections, and the life of the listener. */
import { createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { settledWithin } from "../../runtime/settled-within.ts";
import { addressOf, explainListenFailure } from "../listen-failure.ts";
import { OutboxBudget } from "../outbox-budget.ts";
import { PushWriter } from "../push-writer.ts";
import { ListenError, type Transport, type TransportOptions, type TransportParts } from "../transport.ts";
import { handleCommand } from "./command-endpoint.ts";
import { handleEvents } from "./event-stream-endpoint.ts";
import { EventStreams } from "./event-streams.ts";
import { HttpTraffic } from "./http-traffic.ts";
import { handlePage, handlePreflight, refuseMethod, refusePath, refuseUpgrade } from "./page-endpoint.ts";
import { serveReplicas } from "./replication-endpoint.ts";
import {
  createApp,
  type HttpResponse,
  type ListenSocket,
  listenExclusively,
  portOf,
  stopListening,
  type TemplatedApp,
} from "./uws.ts";
import { serveWebSockets } from "./websocket-endpoint.ts";
import { WebSocketTraffic } from "./websocket-traffic.ts";

const COMMAND_PATH = "/api/v1/command";
const EVENTS_PATH = "/api/v1/events";
const WEBSOCKET_PATH = "/api/v1/ws";
const REPLICATION_PATH = "/api/v1/replication";
/** Peers need a moment to answer a close frame before their socket goes; uWS does not tell when they have. */
const CLOSE_FRAME_MS = 250;
/** Replicas that are in sync need a moment for the last writes. */
const REPLICAS_MS_MAX = 2000;

export class UwsTransport implements Transport {
  readonly #parts: TransportParts;
  readonly #app: TemplatedApp;
  readonly #http: HttpTraffic;
  readonly #websockets: WebSocketTraffic;
  readonly #eventStreams: EventStreams;
  #listenSocket: ListenSocket | undefined;

  constructor(parts: TransportParts) {
    this.#parts = parts;
    this.#app = createApp();
    const outboxes = new OutboxBudget(parts.connections, parts.options.outboxBytesMax);
    const pushWriter = new PushWriter(parts.turnEnd, parts.clock, outboxes, parts.gate);
    this.#http = new HttpTraffic(parts, outboxes, pushWriter);
    this.#websockets = new WebSocketTraffic(parts, outboxes, pushWriter);
    this.#eventStreams = new EventStreams(this.#http);
    this.#app.filter((response, change) => this.#count(response, change));
    this.#route();
  }

  async listen(): Promise<{ readonly port: number }> {
    const { options } = this.#parts;
    const socket = await listenExclusively(this.#app, options.host, options.port);
    if (socket === undefined) throw new ListenError(await explainFailure(options));
    this.#listenSocket = socket;
    return { port: portOf(socket) };
  }

  tick(): void {
    this.#http.slowBodies.sweep(this.#parts.clock.monotonicMs(), (exchange) => exchange.cutOff());
    this.#websockets.sweep();
    this.#eventStreams.ping();
  }

  async stop(graceMs: number): Promise<void> {
    if (this.#listenSocket !== undefined) stopListening(this.#listenSocket);
    this.#listenSocket = undefined;
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
    this.#app.close();
  }

  /** uWS tells of every socket that opens (+1), and of every HTTP socket that closes (-1). */
  #count(response: HttpResponse, change: number): void {
    const { connections, options } = this.#parts;
    const isFull = change > 0 && connections.active >= options.connectionsMax;
    connections.httpActive += change;
    if (!isFull) return;
    connections.connectionsRefused += 1;
    response.close();
  }

  #route(): void {
    const app = this.#app;
    const http = this.#http;
    app.post(COMMAND_PATH, (response, request) => handleCommand(http, response, request));
    this.#restrict(COMMAND_PATH, "POST, OPTIONS");
    for (const page of this.#parts.pages) {
      app.get(page.path, (response, request) => handlePage(http, page, response, request));
      app.head(page.path, (response, request) => handlePage(http, page, response, request));
      this.#restrict(page.path, "GET, HEAD, OPTIONS");
    }
    app.get(EVENTS_PATH, (response, request) => handleEvents(http, this.#eventStreams, response, request));
    app.head(EVENTS_PATH, (response, request) => handleEvents(http, this.#eventStreams, response, request));
    this.#restrict(EVENTS_PATH, "GET, HEAD, OPTIONS");
    serveWebSockets(app, WEBSOCKET_PATH, http, this.#websockets);
    app.get(WEBSOCKET_PATH, (response, request) => refuseUpgrade(http, response, request));
    this.#restrict(WEBSOCKET_PATH, "GET");
    serveReplicas(app, REPLICATION_PATH, http);
    app.get(REPLICATION_PATH, (response, request) => refuseUpgrade(http, response, request));
    this.#restrict(REPLICATION_PATH, "GET");
    app.any("/*", (response, request) => refusePath(http, response, request));
  }

  /** OPTIONS and 405 for a path whose methods have their routes. */
  #restrict(path: string, methods: string): void {
    this.#app.options(path, (response, request) => handlePreflight(this.#http, methods, response, request));
    this.#app.any(path, (response, request) => refuseMethod(this.#http, methods, response, request));
  }
}

/** Node says what uWS does not: binds the same address once more and reads the error. */
function explainFailure({ host, port }: TransportOptions): Promise<string> {
  const address = addressOf(host, port);
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", (error: NodeJS.ErrnoException) => resolve(explainListenFailure(error, address)));
    probe.listen({ host, port, exclusive: true }, () => {
      probe.close(() => resolve(`Cannot listen on ${address}, though the address is free now; try again.`));
    });
  });
}
