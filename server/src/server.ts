/** The composition root: builds every part from the configuration, starts them, and stops them, in one place. */
import type { Codec } from "./codecs/codec.ts";
import { JsonCodec } from "./codecs/json/json-codec.ts";
import { MessagePackCodec } from "./codecs/msgpack/message-pack-codec.ts";
import { allCommands } from "./commands/all.ts";
import { Executor } from "./commands/execute.ts";
import { Registry } from "./commands/registry.ts";
import type { Config } from "./config/schema.ts";
import { version } from "./config/version.ts";
import { Dispatcher, type Format } from "./dispatch/dispatcher.ts";
import { CommandInstruments } from "./metrics/command-instruments.ts";
import { Metrics } from "./metrics/metrics.ts";
import type { MetricsSources } from "./metrics/metrics-sources.ts";
import { NodeReport } from "./node-report.ts";
import { openApiDocument } from "./openapi/document.ts";
import { OperationLog } from "./oplog/operation-log.ts";
import { type Clock, systemClock } from "./runtime/clock.ts";
import type { Logger } from "./runtime/logger.ts";
import { StartError } from "./runtime/start-error.ts";
import { Ticker } from "./runtime/ticker.ts";
import { KeyStore } from "./state/key-store.ts";
import { KeyView } from "./state/key-view.ts";
import { StateMachine } from "./state/state-machine.ts";
import { Connections } from "./transports/connections.ts";
import { ListenError, type Page, type PageRoute, type Transport } from "./transports/transport.ts";
import { UwsTransport } from "./transports/uws/uws-transport.ts";

export interface RunningServer {
  /** Such as `http://127.0.0.1:15500`, with the port it really got. */
  readonly url: string;
  /** Takes no new work, finishes what is in flight within the grace time, and closes every connection with a reason. */
  stop(): Promise<void>;
}

/** How many keys expire between two looks at the clock. */
const EXPIRE_SLICE_KEYS = 64;
/** How many keys are evicted ahead between two looks at the clock, as one record. */
const EVICT_SLICE_KEYS = 128;
/** How soon it is looked again whether little memory is left. */
const EVICT_IDLE_MS = 20;
/** Chunks of 64 MB dropped between two looks at the clock. */
const FREE_SLICE_CHUNKS = 1;
const TRANSPORT_TICK_MS = 1000;
/** How soon detached memory is looked for again after there was none. */
const FREE_IDLE_MS = 100;

/** Throws `StartError` for what the operator can mend: a port in use, an address that is not there. */
export async function startServer(config: Config, logger: Logger, clock: Clock = systemClock): Promise<RunningServer> {
  const engine = buildEngine(config, clock, bugReporter(logger, clock));
  const { transport } = engine;
  const ticker = new Ticker(clock);
  registerWork(ticker, { ...engine, config, clock });
  const { port } = await listen(transport);
  ticker.start();
  return {
    url: `http://${config.server.host.includes(":") ? `[${config.server.host}]` : config.server.host}:${port}`,
    async stop() {
      await transport.stop(config.server.shutdownGraceSecs * 1000);
      ticker.stop();
      engine.metrics.stop();
    },
  };
}

/** Everything but what starts: state, log, commands, metrics and the transport that leads to them. */
function buildEngine(config: Config, clock: Clock, reportBug: (where: string, error: unknown) => string) {
  const store = new KeyStore({
    memoryBytesMax: config.kvStore.maxMemoryBytes,
    evictionPolicy: config.kvStore.evictionPolicy,
  });
  const state = new StateMachine(store);
  const log = new OperationLog(config.replication.backlogBytes);
  const connections = new Connections();
  const node = new NodeReport({ config, clock, commands: allCommands, state, log, connections });
  const executor = new Executor({
    state,
    log,
    keys: new KeyView(store),
    limits: { valueBytesMax: config.kvStore.maxValueBytes, keysReplyMax: config.kvStore.maxKeysReply },
    node,
    random: Math.random,
  });
  const instruments = new CommandInstruments(allCommands);
  const dispatcher = new Dispatcher({
    registry: new Registry(allCommands),
    executor,
    store,
    codecs: codecs(config),
    clock,
    observer: instruments,
    slowLog: node.slowLog,
    replyBytesMax: config.protocol.maxReplyBytes,
    reportBug,
  });
  const metrics = new Metrics({
    instruments,
    clock,
    version,
    sources: metricsSources({ config, store, log, node, connections, executor, dispatcher }),
  });
  const transport: Transport = new UwsTransport({
    options: transportOptions(config),
    dispatch: dispatcher,
    pages: pages(config, metrics),
    connections,
    clock,
    reportBug: (error, where) => reportBug(where, error),
  });
  return { store, executor, node, connections, metrics, transport };
}

interface MeasuredParts {
  readonly config: Config;
  readonly store: KeyStore;
  readonly log: OperationLog;
  readonly node: NodeReport;
  readonly connections: Connections;
  readonly executor: Executor;
  readonly dispatcher: Dispatcher;
}

function metricsSources({
  config,
  store,
  log,
  node,
  connections,
  executor,
  dispatcher,
}: MeasuredParts): MetricsSources {
  const { counters } = executor;
  return {
    memory: () => node.memory(),
    memoryLimitBytes: () => config.kvStore.maxMemoryBytes,
    connections: () => connections,
    refusedRequests: () => dispatcher.refusedRequests,
    keys: () => ({ count: store.size, ...node.removals(), hits: counters.hits, misses: counters.misses }),
    log: () => ({ backlogBytes: log.backlogBytes, nextOffset: log.nextOffset }),
  };
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
    logger.error({ id, where, err: error }, "a bug: a client got INTERNAL_ERROR");
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

interface WorkParts {
  readonly config: Config;
  readonly clock: Clock;
  readonly executor: Executor;
  readonly store: KeyStore;
  readonly transport: Transport;
}

function registerWork(ticker: Ticker, { config, clock, executor, store, transport }: WorkParts): void {
  ticker.register("expire keys", (budgetMs) => {
    const endMs = clock.monotonicMs() + budgetMs;
    do {
      if (executor.expireDue(clock.nowMs(), EXPIRE_SLICE_KEYS) < EXPIRE_SLICE_KEYS) return config.kvStore.ttlTickMs;
    } while (clock.monotonicMs() < endMs);
    return 0;
  });
  if (config.kvStore.evictionPolicy !== "none") {
    ticker.register("evict keys ahead", (budgetMs) => {
      const endMs = clock.monotonicMs() + budgetMs;
      do {
        executor.at(clock.nowMs());
        executor.begin();
        const count = executor.planner.evictAhead(EVICT_SLICE_KEYS);
        executor.commit();
        if (count < EVICT_SLICE_KEYS) return EVICT_IDLE_MS;
      } while (clock.monotonicMs() < endMs);
      return 0;
    });
  }
  ticker.register("free flushed keys", (budgetMs) => {
    const endMs = clock.monotonicMs() + budgetMs;
    do {
      if (!store.freeDetached(FREE_SLICE_CHUNKS)) return FREE_IDLE_MS;
    } while (clock.monotonicMs() < endMs);
    return 0;
  });
  ticker.register("connection deadlines", () => {
    transport.tick();
    return TRANSPORT_TICK_MS;
  });
}
