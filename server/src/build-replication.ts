/** This node's place among others, over the log and the executor that it has. */
import { readNamed } from "./access/watched-file.ts";
import type { Executor } from "./commands/execute.ts";
import type { Config } from "./config/schema.ts";
import type { Fanout } from "./fanout/fanout.ts";
import type { DataDirectory } from "./oplog/data-directory.ts";
import type { OperationLog } from "./oplog/operation-log.ts";
import type { LinkOpener } from "./replication/link-socket.ts";
import { Replication } from "./replication/replication.ts";
import type { Clock } from "./runtime/clock.ts";
import type { Logger } from "./runtime/logger.ts";
import type { ReleaseGate } from "./runtime/release-gate.ts";
import type { TurnEnd } from "./runtime/turn-end.ts";

export interface BuiltReplicationParts {
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly log: OperationLog;
  readonly executor: Executor;
  readonly fanout: Fanout;
  readonly directory: DataDirectory | undefined;
  readonly gate: ReleaseGate;
  readonly turnEnd: TurnEnd;
  readonly address: () => string;
  readonly restart: () => void;
  readonly onFailure: (error: unknown) => void;
}

export async function buildReplication(parts: BuiltReplicationParts): Promise<Replication> {
  const { config, directory, gate } = parts;
  return new Replication({
    ...parts,
    config: config.replication,
    files: directory,
    // Without a directory it links to nobody.
    nodeId: directory?.nodeId ?? "",
    opener: config.replication.role === "replica" ? await webSocketOpener(config) : NO_OPENER,
    random: Math.random,
    release: (offset) => gate.advance(offset),
  });
}

/** Loaded only here: a master opens no links, and should not wait for what opens them. */
async function webSocketOpener({ replication }: Config): Promise<LinkOpener> {
  const { WsLinkOpener } = await import("./replication/ws-link.ts");
  const { caFile } = replication;
  const ca = caFile === "" ? undefined : await readNamed(caFile, "replication.ca_file");
  return new WsLinkOpener(replication.linkTimeoutMs, replication.token, ca);
}

const NO_OPENER: LinkOpener = {
  open() {
    throw new Error("a master opens no links");
  },
};
