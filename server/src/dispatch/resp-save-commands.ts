/** SAVE and LASTSAVE, and what INFO and CONFIG GET tell of the disk in Redis' words. */
import { NO_KEYS } from "../commands/resp/resp-command.ts";
import type { ConnectionCommand, RespCall } from "./resp-connection-command.ts";

const SAVE_REFUSED =
  "ERR SAVE is not supported: every write is in the log, and BGSAVE takes a snapshot while the server works";

/** What admin.info declares to answer of it. */
export interface PersistenceSection {
  readonly enabled: boolean;
  readonly fsync?: string;
  readonly snapshot_in_progress?: boolean;
  readonly log_bytes?: number;
  readonly log_bytes_since_snapshot?: number;
  readonly refusing_writes?: string;
  readonly last_snapshot?: { readonly at: number; readonly seconds?: number };
  readonly last_snapshot_failure?: string;
}

interface Info {
  readonly server: { readonly started_at: number };
  readonly persistence: PersistenceSection;
}

const entry = { arity: 1, guard: "admin:read", keys: NO_KEYS, group: "server" } as const;

export const saveCommands: readonly ConnectionCommand[] = [
  {
    ...entry,
    name: "save",
    flags: ["admin", "noscript"],
    summary: "Take a snapshot, and answer when it is there",
    since: "1.0.0",
    run: ({ sink }) => sink.error(SAVE_REFUSED),
  },
  {
    ...entry,
    name: "lastsave",
    flags: ["fast", "loading", "stale"],
    summary: "Get the time of the last snapshot",
    since: "1.0.0",
    run: (call) => {
      const { server, persistence } = infoOf(call);
      call.sink.integer(lastSaveSecs(persistence, server.started_at));
    },
  },
];

function infoOf(call: RespCall): Info {
  return call.dispatcher.runRegistry("admin.info", {}) as Info;
}

/** In seconds; as in Redis the start of the server where there is none. */
function lastSaveSecs({ last_snapshot }: PersistenceSection, startedAtMs: number): number {
  return Math.floor((last_snapshot?.at ?? startedAtMs) / 1000);
}

/** The section of INFO: Redis' append-only file is the log, its dump the snapshot. */
export function persistenceFields(call: RespCall): Readonly<Record<string, string | number>> {
  const { server, persistence } = infoOf(call);
  const isSaving = persistence.snapshot_in_progress === true;
  const failure = persistence.last_snapshot_failure;
  return {
    loading: 0,
    async_loading: 0,
    rdb_bgsave_in_progress: isSaving ? 1 : 0,
    rdb_last_save_time: lastSaveSecs(persistence, server.started_at),
    rdb_last_bgsave_status: failure === undefined ? "ok" : "err",
    rdb_last_bgsave_time_sec: Math.round(persistence.last_snapshot?.seconds ?? -1),
    aof_enabled: persistence.enabled ? 1 : 0,
    aof_rewrite_in_progress: 0,
    aof_last_write_status: persistence.refusing_writes === undefined ? "ok" : "err",
    ...(persistence.enabled
      ? {
          aof_current_size: persistence.log_bytes ?? 0,
          aof_base_size: 0,
          log_bytes_since_snapshot: persistence.log_bytes_since_snapshot ?? 0,
        }
      : {}),
  };
}

/** `appendfsync` for each policy. */
export const APPEND_FSYNC: Readonly<Record<string, string>> = { always: "always", interval: "everysec", never: "no" };
