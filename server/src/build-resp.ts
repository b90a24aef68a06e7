/** RESP over the executor and the registry that the other protocols have: its dispatcher, and the transport that leads to it. */
import type { Certificate } from "./access/certificate.ts";
import { allRespCommands } from "./commands/resp/all-resp-commands.ts";
import { type Config, RESP_PORT } from "./config/schema.ts";
import type { RunnerOptions } from "./dispatch/command-runner.ts";
import type { Dispatcher } from "./dispatch/dispatcher.ts";
import type { RespAccess } from "./dispatch/resp-access.ts";
import { allConnectionCommands } from "./dispatch/resp-connection-commands.ts";
import { RespDispatcher } from "./dispatch/resp-dispatcher.ts";
import type { OperationLog } from "./oplog/operation-log.ts";
import type { Clock } from "./runtime/clock.ts";
import type { ReleaseGate } from "./runtime/release-gate.ts";
import type { TurnEnd } from "./runtime/turn-end.ts";
import type { KeyStore } from "./state/key-store.ts";
import type { Connections } from "./transports/connections.ts";
import { RespTransport } from "./transports/resp/resp-transport.ts";

export interface RespParts {
  readonly config: Config;
  readonly clock: Clock;
  readonly turnEnd: TurnEnd;
  readonly gate: ReleaseGate;
  readonly log: OperationLog;
  readonly connections: Connections;
  readonly dispatcher: Dispatcher;
  readonly runnerOptions: RunnerOptions;
  readonly store: KeyStore;
  readonly access: RespAccess;
  readonly certificate: Certificate | undefined;
  acceptFailed(error: Error): void;
}

export function buildResp({
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
  certificate,
  acceptFailed,
}: RespParts): RespTransport {
  const { server, protocol } = config;
  const dispatch = new RespDispatcher({
    ...runnerOptions,
    store,
    waits: dispatcher.waits,
    commands: allRespCommands,
    connectionCommands: allConnectionCommands,
    access,
    requestBytesMax: protocol.maxRequestBytes,
  });
  const options = {
    host: server.host,
    port: respPortOf(config),
    certificate,
    connectionsMax: server.maxConnections,
    outboxBytesMax: protocol.outboxBytesMax,
    replyBytesMax: protocol.maxReplyBytes,
    connectionTimeoutMs: server.connectionTimeoutSecs * 1000,
    keepAliveMs: server.idleTimeoutSecs * 1000,
  };
  return new RespTransport({ options, dispatch, connections, clock, turnEnd, gate, log, acceptFailed });
}

/** What `auto` stands for; where HTTP takes any free port, RESP does too. */
function respPortOf({ server, protocol }: Config): number {
  if (protocol.respPort !== "auto") return protocol.respPort;
  return server.port === 0 ? 0 : RESP_PORT;
}
