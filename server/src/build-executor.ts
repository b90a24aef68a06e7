/** What runs commands, what it tells of them, and what it shows of this process. */
import { attachFanout, buildFanout } from "./build-fanout.ts";
import type { Codec } from "./codecs/codec.ts";
import { allCommands } from "./commands/all.ts";
import { Executor } from "./commands/execute.ts";
import type { Config } from "./config/schema.ts";
import type { Format } from "./dispatch/reply.ts";
import { limitsOf } from "./limits.ts";
import type { AccessReport } from "./node-access.ts";
import { NodeReport } from "./node-report.ts";
import type { DataDirectory } from "./oplog/data-directory.ts";
import type { OperationLog } from "./oplog/operation-log.ts";
import type { Clock } from "./runtime/clock.ts";
import type { TurnEnd } from "./runtime/turn-end.ts";
import { KeyView } from "./state/key-view.ts";
import type { StateMachine } from "./state/state-machine.ts";
import type { Connections } from "./transports/connections.ts";

export interface ExecutorParts {
  readonly config: Config;
  readonly clock: Clock;
  readonly connections: Connections;
  readonly state: StateMachine;
  readonly log: OperationLog;
  readonly directory: DataDirectory | undefined;
  readonly access: AccessReport;
  readonly turnEnd: TurnEnd;
  readonly wireCodecs: Readonly<Record<Format, Codec>>;
  readonly random: () => number;
  /** 53 random bits, for hashes of what clients choose. */
  readonly seed: number;
  readonly reportBug: (where: string, error: unknown) => string;
}

export function buildExecutor(parts: ExecutorParts) {
  const { config, clock, access, connections, state, log, directory, turnEnd, random, seed, reportBug } = parts;
  const fanout = buildFanout({
    config,
    state,
    codecs: parts.wireCodecs,
    turnEnd,
    clock,
    seed,
    slowConsumersDropped: () => connections.slowClientsCutOff,
  });
  const node = new NodeReport({
    config,
    clock,
    commands: allCommands,
    state,
    log,
    directory,
    access,
    connections,
    fanout,
  });
  const executor = new Executor({
    state,
    log,
    keys: new KeyView(state.keys),
    limits: limitsOf(config),
    node,
    random,
    monotonicMs: () => clock.monotonicMs(),
    fanout,
    reportBug,
  });
  attachFanout(fanout, executor);
  return { fanout, node, executor };
}
