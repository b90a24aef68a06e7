/**
 * Every configuration key (wire contract, section 7), by section. To add a section, add it here: the file, the
 * environment, `--set`, `--print-config` and the configuration page all follow from this table.
 *
 * A key is snake_case in the file and camelCase in `Config`, always by the same rule: `kv_store.max_memory_bytes` in the
 * file, `SYNAP_KV_STORE_MAX_MEMORY_BYTES` in the environment, `config.kvStore.maxMemoryBytes` in the code.
 */
import { ACCESS_LIMITS, SIGNED_TOKEN_SETTINGS, TLS_SETTINGS } from "./access-settings.ts";
import { MESSAGING_SETTINGS } from "./messaging-settings.ts";
import { REPLICATION_SETTINGS } from "./replication-settings.ts";
import { bytes, choice, DEFAULT_PORT, flag, list, optionalPort, path, type Setting, text, whole } from "./setting.ts";

const KB = 2 ** 10;
const MB = 2 ** 20;
const GB = 2 ** 30;

const HOST_NAME = /^(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252})|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$/;
const ORIGIN = /^(?:\*|https?:\/\/[^/\s*,]+)$/;

/** Where Redis clients look. */
export const RESP_PORT = 6379;

const SETTINGS = {
  server: {
    host: text(HOST_NAME, {
      default: "127.0.0.1",
      allowed: "a host name or an IP address",
      description:
        "Address to listen on. Another than the loopback needs tokens (`synap-server token create`), or `access.insecure`.",
    }),
    port: whole(undefined, {
      default: DEFAULT_PORT,
      min: 0,
      max: 65535,
      description: "Port of HTTP and WebSocket. 0 takes a free one, which the ready line names.",
    }),
    transport: choice(["auto", "native", "portable"], {
      default: "auto",
      description:
        "What speaks HTTP and WebSocket. `native` is uWebSockets.js, `portable` is what every Node has; `auto` takes the native one where its binary loads. They differ in speed and in their answers to odd requests (protocol.md). The log says which it is.",
    }),
    max_connections: whole("connections", {
      default: 100_000,
      min: 1,
      max: 10_000_000,
      description:
        "Open connections at a time; one more is closed without an answer. Lowered to the file limit with a warning.",
    }),
    connection_timeout_secs: whole("s", {
      default: 60,
      min: 1,
      max: 3600,
      description:
        "Time for the body of an HTTP request, from its headers, and for the first message of a WebSocket; then it is cut off.",
    }),
    idle_timeout_secs: whole("s", {
      default: 300,
      min: 8,
      max: 960,
      description:
        "A WebSocket whose peer answers no ping for this long is closed, after 46 s at the latest; one that answers stays. Idle HTTP connections are closed after about 10 s, whatever this says.",
    }),
    shutdown_grace_secs: whole("s", {
      default: 5,
      min: 0,
      max: 600,
      description: "After SIGTERM or SIGINT, requests in flight get this long to finish.",
    }),
  },
  protocol: {
    resp_port: optionalPort(RESP_PORT, {
      description:
        "Port of RESP, the protocol of Redis clients, on `server.host`. With `auto` it is 6379, or a free one where `server.port` is 0; if that is taken, the server warns and goes on without RESP. Flag: `--resp-port`.",
    }),
    max_request_bytes: bytes({
      default: 16 * MB,
      min: KB,
      max: GB,
      description: "Largest HTTP body, also after gzip, largest WebSocket message, and largest RESP request.",
    }),
    max_reply_bytes: bytes({
      default: 16 * MB,
      min: 64 * KB,
      max: GB,
      description: "Largest reply; a command whose reply would be larger fails.",
    }),
    max_batch_commands: whole("commands", {
      default: 1000,
      min: 1,
      max: 1_000_000,
      description: "Commands in one batch.",
    }),
    compression: flag({
      default: true,
      description: "Whether HTTP replies are gzipped for clients that accept it.",
    }),
    compression_threshold_bytes: bytes({
      default: KB,
      min: 0,
      max: GB,
      aliases: ["compression_threshold"],
      description: "Replies smaller than this are not gzipped.",
    }),
    idempotency_window_secs: whole("s", {
      default: 300,
      min: 1,
      max: 7 * 86_400,
      description: "How long the reply of an idempotent write is remembered: a repeat within this time gets it again.",
    }),
    max_idempotency_bytes: bytes({
      default: 64 * MB,
      min: MB,
      max: GB,
      description:
        "What the remembered replies may take together; past it the oldest are forgotten early. One of them may take a sixteenth.",
    }),
    outbox_bytes_max: bytes({
      default: 32 * MB,
      min: 64 * KB,
      max: 4 * GB,
      description: "What one connection may leave unread; past it the client is told why and cut off.",
    }),
  },
  kv_store: {
    max_memory_bytes: bytes({
      default: 2 * GB,
      min: MB,
      max: 16 * GB,
      zero: "no limit",
      description:
        "Memory of keys (of which the store can address 16 GB), queues, rooms, subscriptions, transactions and outboxes. Past it `eviction_policy` decides. Beside it the process takes about 60 MB, and `replication.backlog_bytes`.",
    }),
    eviction_policy: choice(["none", "lru", "lfu", "ttl"], {
      default: "none",
      description:
        "What goes when memory is full: nothing (writes fail), the least recently or least frequently used key, or the key that expires soonest.",
    }),
    ttl_tick_ms: whole("ms", {
      default: 100,
      min: 1,
      max: 60_000,
      description:
        "How often expired keys are removed. It only frees memory: a key is never seen after its expiry, whatever the tick.",
    }),
    max_value_bytes: bytes({
      default: 8 * MB,
      min: KB,
      max: 32 * MB,
      description: "Largest value of one key.",
    }),
    max_keys_reply: whole("keys", {
      default: 10_000,
      min: 1,
      max: 10_000_000,
      description:
        "`kv.keys` is refused when more keys match, and `pubsub.channels` when more channels do; `kv.scan` has no such limit.",
    }),
  },
  ...MESSAGING_SETTINGS,
  persistence: {
    enabled: flag({
      default: true,
      description:
        "Whether data is kept on disk. Without it a restart begins empty. Flag: `--no-persistence` switches it off.",
    }),
    directory: path({
      default: "data",
      description:
        "The directory of the log and the snapshots, made where it is missing. A second server cannot use it meanwhile. Flag: `--data-dir`.",
    }),
    fsync: choice(["always", "interval", "never"], {
      default: "always",
      description:
        "When a write is on disk: before its reply, within a second after it, or when the system likes. The end of the process alone loses nothing with any of them; that of the machine can with `interval` and `never`. Flag: `--fsync`.",
    }),
    segment_bytes: bytes({
      default: 16 * MB,
      min: 64 * KB,
      max: GB,
      description: "Size of a log file. Two of them are reserved on the disk ahead.",
    }),
    snapshot_interval_secs: whole("s", {
      default: 3600,
      min: 1,
      max: 30 * 24 * 3600,
      zero: "none by time",
      description: "A snapshot is taken after this time, where anything was written since the last.",
    }),
    snapshot_log_bytes: bytes({
      default: 256 * MB,
      min: MB,
      max: 1024 * GB,
      zero: "none by size",
      description: "A snapshot is taken when the log has grown by so much, which bounds the time of a start.",
    }),
    accept_log_loss: flag({
      default: false,
      description:
        "For one start: what comes after a damage of the log is put aside; a log whose files are gone begins empty; a replica's directory becomes a master's. Flag: `--accept-log-loss`.",
    }),
    reserve_bytes: bytes({
      default: 64 * MB,
      min: MB,
      max: 1024 * GB,
      description:
        "With less room on the disk than this, writes are refused with SERVICE_UNAVAILABLE until there is more; reads go on.",
    }),
  },
  ...REPLICATION_SETTINGS,
  access: {
    tokens_file: path({
      description:
        "The file of the tokens; empty for `tokens.json` in the data directory. Once it is there, one has to log in. It is read again when it changes.",
    }),
    allowed_origins: list(ORIGIN, {
      default: [],
      allowed: "origins such as https://app.example.com, or * for any",
      description: "Web pages of other origins that may use the server from a browser. Its own origin always may.",
    }),
    allowed_hosts: list(HOST_NAME, {
      default: [],
      allowed: "host names or addresses, without port",
      description:
        "Names of this server, beside `server.host` and the loopback names, that a request's `Host` may carry.",
    }),
    ...ACCESS_LIMITS,
    ...TLS_SETTINGS,
    ...SIGNED_TOKEN_SETTINGS,
    insecure: flag({
      default: false,
      description: "Listen on an address that others can reach although nobody has to log in. Flag: `--insecure`.",
    }),
  },
  slowlog: {
    threshold_ms: whole("ms", {
      default: 10,
      min: -1,
      max: 3_600_000,
      description: "Commands that took at least this long are kept for `admin.slowlog.get`; -1 keeps none.",
    }),
    max_entries: whole("entries", {
      default: 128,
      min: 1,
      max: 100_000,
      description: "How many of them are kept; the oldest go first.",
    }),
  },
  logging: {
    level: choice(["trace", "debug", "info", "warn", "error", "fatal", "silent"], {
      default: "info",
      description: "The least serious lines that are logged.",
    }),
    format: choice(["auto", "json", "pretty"], {
      default: "auto",
      description: "`auto` is pretty on a terminal and one JSON object per line elsewhere.",
    }),
  },
  metrics: {
    enabled: flag({
      default: true,
      description: "Whether `GET /metrics` is served.",
    }),
    require_token: flag({
      default: true,
      description: "Whether `GET /metrics` needs a token that may `admin:read`, once there are tokens.",
    }),
    max_queue_series: whole("queues", {
      default: 100,
      min: 0,
      max: 100_000,
      description: "Queues with series of their own, the oldest ones; the others are summed under `_other`.",
    }),
  },
} as const satisfies SettingTable;

export type SettingTable = Readonly<Record<string, Readonly<Record<string, AnySetting>>>>;

/** A setting of whatever type: it may be read through, and shown only what it has read itself. */
export type AnySetting = Omit<Setting<unknown>, "show"> & { show(value: never): unknown };

type Camel<S extends string> = S extends `${infer Head}_${infer Tail}` ? `${Head}${Capitalize<Camel<Tail>>}` : S;
type ValueOf<S> = S extends { read(raw: unknown): infer T } ? Exclude<T, undefined> : never;
type Sections = typeof SETTINGS;

/** The effective configuration, frozen through and through. */
export type Config = {
  readonly [S in keyof Sections & string as Camel<S>]: {
    readonly [K in keyof Sections[S] & string as Camel<K>]: ValueOf<Sections[S][K]>;
  };
};

export function camelCase(key: string): string {
  return key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

export interface Key {
  /** As in messages and `--set`: `server.port`. */
  readonly path: string;
  readonly section: string;
  readonly name: string;
  readonly environmentName: string;
  readonly setting: AnySetting;
}

/** All keys in the order of the table. */
export const KEYS: readonly Key[] = Object.entries(SETTINGS as SettingTable).flatMap(([section, settings]) =>
  Object.entries(settings).map(([name, setting]) => ({
    path: `${section}.${name}`,
    section,
    name,
    environmentName: environmentName(section, name),
    setting,
  })),
);

export function environmentName(section: string, name: string): string {
  return `SYNAP_${section}_${name}`.toUpperCase();
}
