/** INFO, ROLE, MONITOR: questions about the server, answered from `admin.info` and what this dispatcher knows. */
import { NO_KEYS, type RespFlag } from "../commands/resp/resp-command.ts";
import { version } from "../config/version.ts";
import { guardRefusal, type RespGuard } from "./resp-access.ts";
import { POLICIES } from "./resp-config.ts";
import type { ConnectionCommand, RespCall } from "./resp-connection-command.ts";
import { REDIS_VERSION } from "./resp-greeting.ts";
import { persistenceFields, saveCommands } from "./resp-save-commands.ts";

const MB = 2 ** 20;
const FLAGS: readonly RespFlag[] = ["loading", "stale"];
const ADMIN: readonly RespFlag[] = ["admin", "noscript", "loading", "stale"];
/** Of INFO: more than there are, each made to a string. */
const SECTIONS_MAX = 50;
const MONITOR_REFUSED =
  "ERR MONITOR is not supported: subscribe to keyspace notifications, or watch keys with kv.watch over a WebSocket";

export const serverCommands: readonly ConnectionCommand[] = [
  server("info", -1, "known", FLAGS, "Get information and statistics about the server", "1.0.0", info),
  server("role", 1, "admin:read", ["noscript", "fast", ...FLAGS], "Return the role of the instance", "2.8.12", role),
  server(
    "monitor",
    1,
    "known",
    ADMIN,
    "Listen for all requests received by the server in real time",
    "1.0.0",
    ({ sink }) => sink.error(MONITOR_REFUSED),
  ),
  ...saveCommands,
];

function server(
  name: string,
  arity: number,
  guard: RespGuard,
  flags: readonly RespFlag[],
  summary: string,
  since: string,
  run: (call: RespCall) => void,
): ConnectionCommand {
  return { name, arity, guard, flags, keys: NO_KEYS, group: "server", summary, since, run };
}

interface ReplicationSection {
  readonly role: string;
  readonly offset: number;
  readonly master?: string;
  readonly link?: string;
  readonly lag_ms?: number | null;
  readonly replicas: readonly { readonly address: string; readonly state: string; readonly offset: number }[];
}

function replicationSection(call: RespCall): ReplicationSection {
  // What admin.info declares to answer.
  const info = call.dispatcher.runRegistry("admin.info", {}) as { replication: ReplicationSection };
  return info.replication;
}

/** `http://10.0.0.5:15500` in two. */
function hostAndPort(address: string): { readonly host: string; readonly port: string } {
  const [, host, port] = /^\w+:\/\/(.+?)(?::(\d+))?$/.exec(address) ?? [];
  return { host: host ?? address, port: port ?? "0" };
}

/** Ports are those of HTTP: a node's port of RESP is its own business. */
function role(call: RespCall): void {
  const { sink } = call;
  const { role: name, offset, replicas, master = "", link = "" } = replicationSection(call);
  if (name === "replica") {
    const { host, port } = hostAndPort(master);
    sink.array(5);
    sink.text("slave");
    sink.text(host);
    sink.integer(Number(port));
    sink.text(LINK_STATES[link] ?? "connect");
    sink.integer(offset);
    return;
  }
  sink.array(3);
  sink.text("master");
  sink.integer(offset);
  sink.array(replicas.length);
  for (const replica of replicas) {
    const { host, port } = hostAndPort(replica.address);
    sink.array(3);
    sink.text(host);
    sink.text(port);
    sink.text(String(replica.offset));
  }
}

/** In Redis' words. */
const LINK_STATES: Readonly<Record<string, string>> = {
  waiting: "connect",
  opening: "connecting",
  greeting: "handshake",
  snapshot: "sync",
  log: "connected",
};

type Fields = Readonly<Record<string, string | number>>;
/** What admin.info answers: sections of names and values. */
type Sections = Readonly<Record<string, Readonly<Record<string, string | number>>>>;

/** By the names that INFO takes. */
const SECTIONS: Readonly<Record<string, (sections: Sections, call: RespCall) => Fields>> = {
  server: ({ server: of }) => ({
    redis_version: REDIS_VERSION,
    redis_mode: "standalone",
    os: of.platform,
    arch_bits: 64,
    process_id: of.pid,
    uptime_in_seconds: of.uptime_secs,
    uptime_in_days: Math.floor(Number(of.uptime_secs) / 86_400),
    synap_version: version,
    node_version: of.node_version,
  }),
  clients: ({ clients }, { dispatcher }) => ({
    connected_clients: clients.resp,
    blocked_clients: [...dispatcher.clients.values()].filter(({ isBlocked }) => isBlocked).length,
    http_connections: clients.http,
    websocket_connections: clients.websocket,
  }),
  memory: ({ memory }) => ({
    used_memory: memory.used_bytes,
    used_memory_human: `${(Number(memory.used_bytes) / MB).toFixed(2)}M`,
    used_memory_rss: memory.rss_bytes,
    synap_transaction_bytes: memory.transaction_bytes,
    maxmemory: memory.limit_bytes,
    maxmemory_policy: POLICIES[memory.eviction_policy],
  }),
  persistence: (_sections, call) => persistenceFields(call),
  stats: ({ clients, keyspace }, { dispatcher }) => {
    const { counters, fanout } = dispatcher.runner.executor;
    return {
      rejected_connections: clients.refused,
      expired_keys: keyspace.expired,
      evicted_keys: keyspace.evicted,
      keyspace_hits: counters.hits,
      keyspace_misses: counters.misses,
      pubsub_channels: fanout.channels.channelCount - fanout.channels.globCount,
      pubsub_patterns: fanout.channels.globCount,
    };
  },
  replication: (_sections, call) => replicationFields(replicationSection(call)),
  keyspace: ({ keyspace }): Fields =>
    keyspace.keys === 0 ? {} : { db0: `keys=${keyspace.keys},expires=${keyspace.expiring},avg_ttl=0` },
};

function replicationFields({
  role: name,
  offset,
  master = "",
  link,
  lag_ms: lagMs,
  replicas,
}: ReplicationSection): Fields {
  const { host, port } = hostAndPort(master);
  const ofReplica: Fields =
    name === "master"
      ? { role: "master" }
      : {
          role: "slave",
          master_host: host,
          master_port: port,
          master_link_status: link === "log" ? "up" : "down",
          master_sync_in_progress: link === "snapshot" ? 1 : 0,
          slave_repl_offset: offset,
          slave_lag_ms: lagMs ?? -1,
        };
  const linked: Record<string, string> = {};
  for (const [i, replica] of replicas.entries()) {
    const at = hostAndPort(replica.address);
    const state = replica.state === "log" ? "online" : "wait_bgsave";
    linked[`slave${i}`] = `ip=${at.host},port=${at.port},state=${state},offset=${replica.offset}`;
  }
  return { ...ofReplica, connected_slaves: replicas.length, ...linked, master_repl_offset: offset };
}

/** `INFO [section ...]`. Clients ask for it when they connect, so everybody gets the one about the version; the rest is admin's. */
function info(call: RespCall): void {
  const { request, sink, dispatcher } = call;
  if (request.count - 1 > SECTIONS_MAX) {
    sink.error(`ERR INFO takes at most ${SECTIONS_MAX} sections`);
    return;
  }
  const wanted = new Set<string>();
  for (let word = 1; word < request.count; word++) wanted.add(request.text(word).toLowerCase());
  const isAll = wanted.size === 0 || ["all", "default", "everything"].some((name) => wanted.has(name));
  // What admin.info declares to answer.
  const sections = dispatcher.runRegistry("admin.info", {}) as Sections;
  const showsAll = guardRefusal(call.client, "admin:read", "info") === undefined;
  const blocks: string[] = [];
  for (const [name, fieldsOf] of Object.entries(SECTIONS)) {
    if ((!isAll && !wanted.has(name)) || (!showsAll && name !== "server")) continue;
    const lines = Object.entries(fieldsOf(sections, call)).map(([field, value]) => `${field}:${value}\r\n`);
    blocks.push(`# ${name[0].toUpperCase()}${name.slice(1)}\r\n${lines.join("")}`);
  }
  sink.verbatim(blocks.join("\r\n"));
}
