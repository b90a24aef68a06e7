/** The composition root: builds every part from the configuration, starts them, and stops them, in one place. */

import { registerWork } from "./background-work.ts";
import { attachFanout, buildFanout } from "./build-fanout.ts";
import { buildResp } from "./build-resp.ts";
import type { Codec } from "./codecs/codec.ts";
import { JsonCodec } from "./codecs/json/json-codec.ts";
import { MessagePackCodec } from "./codecs/msgpack/message-pack-codec.ts";
import { allCommands } from "./commands/all.ts";
import { ApplyFailure, Executor } from "./commands/execute.ts";
import { Registry } from "./commands/registry.ts";
import type { Config } from "./config/schema.ts";
import { version } from "./config/version.ts";
import type { RunnerOptions } from "./dispatch/command-runner.ts";
import { Dispatcher } from "./dispatch/dispatcher.ts";
import type { Format } from "./dispatch/reply.ts";
import { limitsOf } from "./limits.ts";
import { CommandInstruments } from "./metrics/command-instruments.ts";
import { Metrics } from "./metrics/metrics.ts";
import { metricsSources } from "./metrics-readings.ts";
import { NodeReport } from "./node-report.ts";
import { openApiDocument } from "./openapi/document.ts";
import { OperationLog, offsetAt } from "./oplog/operation-log.ts";
import { type Clock, systemClock } from "./runtime/clock.ts";
import type { Logger } from "./runtime/logger.ts";
import { ReleaseGate } from "./runtime/release-gate.ts";
import { StartError } from "./runtime/start-error.ts";
import { Ticker } from "./runtime/ticker.ts";
import { afterSockets, TurnEnd } from "./runtime/turn-end.ts";
import { KeyStore } from "./state/key-store.ts";
import { KeyView } from "./state/key-view.ts";
import { QueueStore } from "./state/queue-store.ts";
import { ReplyStore } from "./state/reply-store.ts";
import { RoomStore } from "./state/room-store.ts";
import { StateMachine } from "./state/state-machine.ts";
import { Connections } from "./transports/connections.ts";
import { addressOf } from "./transports/listen-failure.ts";
import { ListenError, type Page, type PageRoute, type Transport } from "./transports/transport.ts";
import { UwsTransport } from "./transports/uws/uws-transport.ts";

export interface RunningServer {
  /** Such as `http://127.0.0.1:15500`, with the port it really got. */
  readonly url: string;
  /** Such as `redis://127.0.0.1:6379`; `undefined` where there is no RESP. */
  readonly respUrl: string | undefined;
  /** Takes no new work, finishes what is in flight within the grace time, and closes every connection with a reason. */
  stop(): Promise<void>;
}

/** Throws `StartError` for what the operator can mend: a port in use, an address that is not there. */
export async function startServer(config: Config, logger: Logger, clock: Clock = systemClock): Promise<RunningServer> {
  const engine = buildEngine(config, clock, bugReporter(logger, clock));
  const { transport, respTransport } = engine;
  const ticker = new Ticker(clock);
  registerWork(ticker, { ...engine, config, clock });
  const { host, shutdownGraceSecs } = config.server;
  const { port } = await listen(transport);
  const respPort = await listenResp(respTransport, transport, config, logger);
  ticker.start();
  return {
    url: `http://${addressOf(host, port)}`,
    respUrl: respPort === undefined ? undefined : `redis://${addressOf(host, respPort)}`,
    async stop() {
      await Promise.all([transport, respTransport].map((each) => each.stop(shutdownGraceSecs * 1000)));
      ticker.stop();
      engine.metrics.stop();
    },
  };
}

/** Everything but what starts: state, log, commands, fan-out, metrics and the transport that leads to them. */
function buildEngine(config: Config, clock: Clock, reportBug: (where: string, error: unknown) => string) {
  const connections = new Connections();
  const log = OperationLog.inMemory(config.replication.backlogBytes, offsetAt(clock.nowMs()));
  let fanoutBytes = (): number => 0;
  const state = buildState(config, log, () => connections.unreadBytes + fanoutBytes());
  const turnEnd = buildTurnEnd(reportBug);
  // Nothing waits for a log that is in memory.
  const gate = new ReleaseGate(Number.POSITIVE_INFINITY, onLoopBug(reportBug, "what the log released"));
  const wireCodecs = codecs(config);
  const { fanout, node, executor } = buildExecutor({
    config,
    clock,
    connections,
    state,
    log,
    turnEnd,
    wireCodecs,
    reportBug,
  });
  fanoutBytes = () => fanout.heldBytes;
  const instruments = new CommandInstruments(allCommands);
  const runnerOptions: RunnerOptions = {
    registry: new Registry(allCommands),
    executor,
    clock,
    observer: instruments,
    slowLog: node.slowLog,
    replyBytesMax: config.protocol.maxReplyBytes,
    reportBug,
  };
  const dispatcher = new Dispatcher({
    ...runnerOptions,
    store: state.keys,
    consumers: fanout.consumers,
    codecs: wireCodecs,
  });
  const metrics = new Metrics({
    instruments,
    clock,
    version,
    sources: metricsSources({ config, clock, state, log, node, connections, executor, dispatcher, fanout }),
  });
  const transport: Transport = new UwsTransport({
    options: transportOptions(config),
    dispatch: dispatcher,
    pages: pages(config, metrics),
    connections,
    clock,
    turnEnd,
    gate,
    replicaLinks: () => undefined,
    reportBug: (error, where) => reportBug(where, error),
  });
  const store = state.keys;
  const respParts = { config, clock, turnEnd, gate, connections, dispatcher, runnerOptions, store };
  const respTransport = buildResp(respParts);
  return { state, executor, fanout, dispatcher, metrics, transport, respTransport };
}

/** The port of RESP. Where nobody asked for one, it is not worth failing the start. */
async function listenResp(
  resp: Transport,
  http: Transport,
  { protocol }: Config,
  logger: Logger,
): Promise<number | undefined> {
  if (protocol.respPort === 0) return undefined;
  try {
    return (await listen(resp)).port;
  } catch (error) {
    if (protocol.respPort === "auto" && error instanceof StartError) {
      logger.warn(`no RESP: ${error.message} --resp-port sets another port, and 0 none.`);
      return undefined;
    }
    await http.stop(0);
    throw error;
  }
}

interface ExecutorParts {
  readonly config: Config;
  readonly clock: Clock;
  readonly connections: Connections;
  readonly state: StateMachine;
  readonly log: OperationLog;
  readonly turnEnd: TurnEnd;
  readonly wireCodecs: Readonly<Record<Format, Codec>>;
  readonly reportBug: (where: string, error: unknown) => string;
}

/** What runs commands, what it tells of them, and what it shows of this process. */
function buildExecutor({ config, clock, connections, state, log, turnEnd, wireCodecs, reportBug }: ExecutorParts) {
  const fanout = buildFanout({
    config,
    state,
    codecs: wireCodecs,
    turnEnd,
    clock,
    seed: Math.floor(Math.random() * Number.MAX_SAFE_INTEGER),
    slowConsumersDropped: () => connections.slowClientsCutOff,
  });
  const node = new NodeReport({ config, clock, commands: allCommands, state, log, connections, fanout });
  const executor = new Executor({
    state,
    log,
    keys: new KeyView(state.keys),
    limits: limitsOf(config),
    node,
    random: Math.random,
    monotonicMs: () => clock.monotonicMs(),
    fanout,
    reportBug,
  });
  attachFanout(fanout, executor);
  return { fanout, node, executor };
}

function buildTurnEnd(reportBug: (where: string, error: unknown) => string): TurnEnd {
  return new TurnEnd(afterSockets, onLoopBug(reportBug, "the end of a turn"));
}

/** For what runs between messages: others go on after a bug, unless state and log may differ. */
function onLoopBug(reportBug: (where: string, error: unknown) => string, where: string): (error: unknown) => void {
  return (error) => {
    if (error instanceof ApplyFailure) throw error;
    reportBug(where, error);
  };
}

/** @param otherBytes what of the memory limit is in none of the stores. */
function buildState(config: Config, log: OperationLog, otherBytes: () => number): StateMachine {
  const hashSeed = Math.floor(Math.random() * 2 ** 32);
  const queues = new QueueStore({ hashSeed });
  const rooms = new RoomStore();
  const replies = new ReplyStore({ hashSeed });
  const keys = new KeyStore({
    memoryBytesMax: config.kvStore.maxMemoryBytes,
    evictionPolicy: config.kvStore.evictionPolicy,
    bytesElsewhere: () => queues.residentBytes + rooms.residentBytes + replies.residentBytes + otherBytes(),
  });
  return new StateMachine(keys, queues, rooms, replies, log.history.current.firstOffset - 1);
}

function codecs({ protocol, kvStore }: Config): Record<Format, Codec> {
  const options = { batchCommandsMax: protocol.maxBatchCommands, valueBytesMax: kvStore.maxValueBytes };
  return { json: new JsonCodec(options), msgpack: new MessagePackCodec(options) };
}

async function listen(transport: Transport): Promise<{ readonly port: number }> {
  try {
    return await transport.listen();
  } catch (error) {
    if (error instanceof ListenError) throw new StartError(error.message, { cause: error });
    throw error;
  }
}

/** Logs a bug and answers with the id that the client gets to see. */
function bugReporter(logger: Logger, clock: Clock): (where: string, error: unknown) => string {
  let count = 0;
  return (where, error) => {
    const id = `${clock.nowMs().toString(36)}-${++count}`;
    logger.error({ id, where, err: error }, "a bug in the server");
    return id;
  };
}

function transportOptions({ server, protocol, access }: Config) {
  return {
    host: server.host,
    port: server.port,
    requestBytesMax: protocol.maxRequestBytes,
    outboxBytesMax: protocol.outboxBytesMax,
    connectionsMax: server.maxConnections,
    connectionTimeoutMs: server.connectionTimeoutSecs * 1000,
    idleTimeoutSecs: server.idleTimeoutSecs,
    compression: protocol.compression,
    compressionThresholdBytes: protocol.compressionThresholdBytes,
    allowedOrigins: access.allowedOrigins,
    allowedHosts: access.allowedHosts,
  };
}

function pages(config: Config, metrics: Metrics): PageRoute[] {
  const health = jsonPage({ status: "healthy", service: "synap", version });
  const ready = jsonPage({ status: "ready" });
  const stopping = jsonPage({ success: false, error: "The server is stopping.", code: "SERVICE_UNAVAILABLE" }, 503);
  let openApi: Page | undefined;
  const routes: PageRoute[] = [
    { path: "/health", respond: () => health },
    // With nothing to recover, a server that listens is ready until it stops.
    { path: "/ready", respond: ({ isStopping }) => (isStopping ? stopping : ready) },
    {
      path: "/api/v1/openapi.json",
      respond() {
        openApi ??= jsonPage(openApiDocument(allCommands, version));
        return openApi;
      },
    },
  ];
  if (config.metrics.enabled) {
    routes.push({
      path: "/metrics",
      respond: async () => ({ status: 200, contentType: metrics.contentType, body: await metrics.render() }),
    });
  }
  return routes;
}

function jsonPage(body: unknown, status = 200): Page {
  return { status, contentType: "application/json", body: JSON.stringify(body) };
}
