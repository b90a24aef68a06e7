/** The composition root: builds every part from the configuration, starts them, and stops them, in one place. */
import type { AccessControl } from "./access/access-control.ts";
import type { ServerCertificate } from "./access/certificate.ts";
import { rateLimitsOf } from "./access/rate-limits.ts";
import { registerAccess, registerWork } from "./background-work.ts";
import { buildAccess } from "./build-access.ts";
import { buildExecutor } from "./build-executor.ts";
import { buildReplication } from "./build-replication.ts";
import { buildResp } from "./build-resp.ts";
import { openStorage, type Storage } from "./build-storage.ts";
import type { Codec } from "./codecs/codec.ts";
import { JsonCodec } from "./codecs/json/json-codec.ts";
import { MessagePackCodec } from "./codecs/msgpack/message-pack-codec.ts";
import { allCommands } from "./commands/all.ts";
import { ApplyFailure } from "./commands/execute.ts";
import { Registry } from "./commands/registry.ts";
import type { Config } from "./config/schema.ts";
import { version } from "./config/version.ts";
import type { RunnerOptions } from "./dispatch/command-runner.ts";
import { Dispatcher } from "./dispatch/dispatcher.ts";
import { FrontDispatch } from "./dispatch/front-dispatch.ts";
import type { Format } from "./dispatch/reply.ts";
import { ratesOf } from "./limits.ts";
import { CommandInstruments } from "./metrics/command-instruments.ts";
import { Metrics } from "./metrics/metrics.ts";
import { StorageInstruments } from "./metrics/storage-instruments.ts";
import { metricsSources } from "./metrics-readings.ts";
import { AccessReport } from "./node-access.ts";
import type { OperationLog } from "./oplog/operation-log.ts";
import { pages } from "./pages.ts";
import type { Replication } from "./replication/replication.ts";
import { replicationReport } from "./replication/replication-report.ts";
import { type RunningServer, type StartedServer, startRestarting } from "./restarting-server.ts";
import { type Clock, systemClock } from "./runtime/clock.ts";
import { FatalError } from "./runtime/fatal-error.ts";
import type { Logger } from "./runtime/logger.ts";
import { ReleaseGate } from "./runtime/release-gate.ts";
import { StartError } from "./runtime/start-error.ts";
import { Ticker } from "./runtime/ticker.ts";
import { afterSockets, TurnEnd } from "./runtime/turn-end.ts";
import { type ChosenSockets, chooseSockets } from "./transports/choose-sockets.ts";
import { Connections } from "./transports/connections.ts";
import { HttpTransport } from "./transports/http/http-transport.ts";
import { addressOf } from "./transports/listen-failure.ts";
import { ListenError, type Transport } from "./transports/transport.ts";

export type { RunningServer } from "./restarting-server.ts";

/** Throws `StartError` for what the operator can mend: a port in use, a damaged log, a configuration that cannot be. */
export async function startServer(config: Config, logger: Logger, clock: Clock = systemClock): Promise<RunningServer> {
  const { access, certificate } = await buildAccess(config, logger, clock);
  const sockets = await chooseSockets(config.server.transport);
  logger.info(sockets.sentence);
  const parts = { logger, clock, access, certificate, sockets };
  return startRestarting(config, (present, restart) => startOnce(present, parts, restart), onRestartFailure);
}

/** What stays when a server starts again within its process. */
interface LastingParts {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly access: AccessControl;
  /** Undefined for no TLS. */
  readonly certificate: ServerCertificate | undefined;
  readonly sockets: ChosenSockets;
}

/** @param restart has the server stop and start again, from what is then in its data directory. */
async function startOnce(config: Config, parts: LastingParts, restart: () => void): Promise<StartedServer> {
  const { logger, clock, access } = parts;
  const front = buildFront(config, parts);
  const { transport } = front;
  const { port } = await listen(transport);
  let storage: Storage | undefined;
  try {
    storage = await recover(front, config, logger, clock);
    const engine = buildEngine(front, storage, config, parts);
    const { respTransport, executor, fanout } = engine;
    const address = () => `${schemeOf("http", parts)}://${addressOf(config.server.host, port)}`;
    const { gate, turnEnd } = front;
    const shared = {
      config,
      clock,
      logger,
      gate,
      turnEnd,
      executor,
      fanout,
      address,
      restart,
      onFailure,
    };
    const replication = await buildReplication({ ...shared, ...storage });
    engine.node.attach(replication, executor.transactions.memory);
    const ticker = new Ticker(clock);
    registerWork(ticker, { ...engine, ...storage, replication, transport, config, clock });
    const { connections } = front;
    const loginTimeoutMs = config.access.loginTimeoutSecs * 1000;
    const { waits } = engine.dispatcher;
    registerAccess(ticker, { access, certificate: parts.certificate, connections, waits, clock, loginTimeoutMs });
    const respPort = await listenResp(respTransport, config, logger);
    front.open({ ...engine, replication, log: storage.log });
    if (parts.certificate !== undefined) {
      parts.certificate.onRenewed = (certificate) => {
        transport.renew(certificate);
        if (respPort !== undefined) respTransport.renew(certificate);
      };
    }
    ticker.start();
    return running({ front, engine, storage, replication, ticker, config, parts, port, respPort });
  } catch (error) {
    await transport.stop(0);
    await storage?.directory?.close();
    throw error;
  }
}

interface RunningParts {
  readonly front: Front;
  readonly engine: ReturnType<typeof buildEngine>;
  readonly storage: Storage;
  readonly replication: Replication;
  readonly ticker: Ticker;
  readonly config: Config;
  readonly parts: LastingParts;
  readonly port: number;
  readonly respPort: number | undefined;
}

/** `https` for `http` where there is TLS. */
function schemeOf(plain: "http" | "redis", { certificate }: Pick<LastingParts, "certificate">): string {
  return certificate === undefined ? plain : `${plain}s`;
}

function running({
  front,
  engine,
  storage,
  replication,
  ticker,
  config,
  parts,
  port,
  respPort,
}: RunningParts): StartedServer {
  const { host, shutdownGraceSecs } = config.server;
  return {
    port,
    respPort,
    url: `${schemeOf("http", parts)}://${addressOf(host, port)}`,
    respUrl: respPort === undefined ? undefined : `${schemeOf("redis", parts)}://${addressOf(host, respPort)}`,
    async stop() {
      const transports = [front.transport, engine.respTransport];
      // The log goes on meanwhile: replies that wait for it have to leave.
      await Promise.all(transports.map((each) => each.stop(shutdownGraceSecs * 1000)));
      ticker.stop();
      engine.metrics.stop();
      await replication.stop();
      await storage.directory?.close();
    },
  };
}

/** What the front needs of the rest, once that is there. */
interface OpenedParts {
  readonly dispatcher: Dispatcher;
  readonly metrics: Metrics;
  readonly replication: Replication;
  readonly log: OperationLog;
}

type Front = ReturnType<typeof buildFront>;

/** What listens before there is anything to answer with: health, readiness, and refusals with a reason. */
function buildFront(config: Config, { logger, clock, access, certificate, sockets }: LastingParts) {
  const reportBug = bugReporter(logger, clock);
  const connections = new Connections(config.access.maxConnectionsPerAddress);
  const turnEnd = new TurnEnd(afterSockets, onLoopBug(reportBug, "the end of a turn"));
  // Without a disk nothing waits for the log.
  const released = config.persistence.enabled ? 0 : Number.POSITIVE_INFINITY;
  const gate = new ReleaseGate(released, onLoopBug(reportBug, "what the log released"));
  const wireCodecs = codecs(config);
  const dispatch = new FrontDispatch(wireCodecs);
  const rates = rateLimitsOf(ratesOf(config));
  let opened: OpenedParts | undefined;
  let durable = (offset: number): void => gate.advance(offset);
  const transport: Transport = new HttpTransport(
    {
      options: { ...transportOptions(config), certificate: certificate?.current },
      dispatch,
      pages: pages(config, {
        metrics: () => opened?.metrics,
        unready: () => (opened === undefined ? dispatch.refusal : opened.replication.unready()),
        replication: () => opened && replicationReport(opened.replication, opened.log),
      }),
      connections,
      clock,
      turnEnd,
      gate,
      access,
      rates,
      replicaLinks: () => opened?.replication.links,
      reportBug: (error, where) => reportBug(where, error),
      acceptFailed: acceptReporter(logger),
    },
    sockets.create,
  );
  return {
    reportBug,
    connections,
    turnEnd,
    gate,
    wireCodecs,
    dispatch,
    rates,
    transport,
    /** Of the memory limit, what the fan-out holds; there is none yet. */
    engineBytes: (): number => 0,
    instruments: new StorageInstruments(),
    open(parts: OpenedParts): void {
      opened = parts;
      durable = (offset) => parts.replication.durable(offset);
      durable(parts.log.durableOffset);
      dispatch.open(parts.dispatcher);
    },
    /** More of the log is durable. */
    durable: (offset: number): void => durable(offset),
  };
}

/** State and disk may say different things from here on, so nothing may run any more: the process ends (lifecycle.ts). */
function onFailure(cause: unknown): void {
  end(new FatalError("the data directory could not be written", { cause }));
}

function onRestartFailure(cause: unknown): void {
  end(new FatalError("the server could not start again from its master's snapshot", { cause }));
}

/** Not thrown where it was found: whoever has called may have a promise to catch it. */
function end(failure: FatalError): void {
  process.nextTick(() => {
    throw failure;
  });
}

/** The state as it was, or a new one. Requests that come meanwhile are told to wait. */
async function recover(front: Front, config: Config, logger: Logger, clock: Clock): Promise<Storage> {
  const { connections, dispatch, gate, turnEnd } = front;
  dispatch.refusal = "The server is reading its data.";
  const storage = await openStorage({
    config,
    clock,
    logger,
    otherBytes: () => connections.unreadBytes + front.engineBytes(),
    onDurable: (offset) => front.durable(offset),
    onSynced: (durationMs) => front.instruments.synced(durationMs),
    onSnapshot: ({ bytes }, durationMs) => front.instruments.tookSnapshot(bytes, durationMs),
    onFailure,
  });
  const { directory, log } = storage;
  if (directory === undefined) return storage;
  const { snapshotOffset, records, durationMs } = directory.recovered;
  const from = snapshotOffset === undefined ? "" : `the snapshot at ${snapshotOffset} and `;
  if (snapshotOffset !== undefined || records > 0) {
    logger.info(`${directory.path}: ${from}${records} records of the log read in ${(durationMs / 1000).toFixed(2)} s`);
  }
  const flushed = turnEnd.add(() => {
    directory.endTurn();
    return false;
  });
  log.onAppended = () => flushed.request();
  gate.advance(log.durableOffset);
  return storage;
}

/** Everything that needs the state: commands, fan-out, metrics, and the transport of Redis clients. */
function buildEngine(front: Front, storage: Storage, config: Config, lasting: LastingParts) {
  const { clock, access: control, certificate } = lasting;
  const { connections, turnEnd, gate, wireCodecs, rates, reportBug } = front;
  const { state, log, directory } = storage;
  const access = new AccessReport(control);
  const parts = { config, clock, access, connections, state, log, directory, turnEnd, wireCodecs, reportBug };
  const seed = Math.floor(Math.random() * Number.MAX_SAFE_INTEGER);
  const { fanout, node, executor } = buildExecutor({ ...parts, random: Math.random, seed });
  front.engineBytes = () => fanout.heldBytes + executor.transactions.memory.bytes;
  const instruments = new CommandInstruments(allCommands);
  const runnerOptions: RunnerOptions = {
    registry: new Registry(allCommands),
    executor,
    clock,
    observer: instruments,
    slowLog: node.slowLog,
    replyBytesMax: config.protocol.maxReplyBytes,
    rates,
    reportBug,
  };
  const store = state.keys;
  const dispatcher = new Dispatcher({ ...runnerOptions, store, consumers: fanout.consumers, codecs: wireCodecs });
  const sources = metricsSources({
    config,
    clock,
    state,
    log,
    node,
    connections,
    executor,
    dispatcher,
    rates,
    fanout,
    directory,
  });
  const { fsync } = config.persistence;
  const metrics = new Metrics({ instruments, storage: front.instruments, fsync, clock, version, sources });
  const respTransport = buildResp({
    config,
    clock,
    turnEnd,
    gate,
    log,
    connections,
    dispatcher,
    runnerOptions,
    store,
    access,
    certificate: certificate?.current,
    acceptFailed: acceptReporter(lasting.logger),
  });
  return { executor, fanout, node, dispatcher, metrics, respTransport };
}

/** The port of RESP. Where nobody asked for one, it is not worth failing the start. */
async function listenResp(resp: Transport, { protocol }: Config, logger: Logger): Promise<number | undefined> {
  if (protocol.respPort === 0) return undefined;
  try {
    return (await listen(resp)).port;
  } catch (error) {
    if (protocol.respPort === "auto" && error instanceof StartError) {
      logger.warn(`no RESP: ${error.message} --resp-port sets another port, and 0 none.`);
      return undefined;
    }
    throw error;
  }
}

/** For what runs between messages: others go on after a bug, unless state and log may differ. */
function onLoopBug(reportBug: (where: string, error: unknown) => string, where: string): (error: unknown) => void {
  return (error) => {
    if (error instanceof ApplyFailure) throw error;
    reportBug(where, error);
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
    logger.error({ id, where, err: error }, "a bug in the server");
    return id;
  };
}

function acceptReporter(logger: Logger): (error: Error) => void {
  return (err) => logger.warn({ err }, "a connection could not be accepted; more of the kind are not logged");
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
