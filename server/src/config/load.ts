/**
 * Puts the layers together: defaults < profile < synap.yml < environment < flags, the later one wins. Every value of every layer
 * is checked, also one that a later layer replaces: a bad line in the file does not wait for the flag to go away.
 */
import { isIP } from "node:net";
import { StartError } from "../runtime/start-error.ts";
import { type Assignment, findKey } from "./assignment.ts";
import { type CommandLine, readCommandLine } from "./command-line.ts";
import { readEnvironment } from "./environment.ts";
import { parseConfigFile, readConfigFile } from "./file.ts";
import { connectionsWithinFileLimit } from "./file-limit.ts";
import { linkUrlOf, shownMasterUrl } from "./master-url.ts";
import { profileAssignments } from "./profiles.ts";
import { type AnySetting, type Config, camelCase, KEYS } from "./schema.ts";

const DEFAULT_FILE = "synap.yml";

export interface LoadedConfig {
  readonly config: Config;
  /** Sentences to log once there is a logger. */
  readonly warnings: readonly string[];
}

/**
 * Reads the file and the environment and puts the flags over them.
 * @param connectionsMax what the operating system allows
 * @throws StartError with one sentence: where, which key, which value, what is allowed
 */
export async function loadConfig(
  commandLine: CommandLine,
  environment: Readonly<Record<string, string | undefined>>,
  connectionsMax = connectionsWithinFileLimit(),
): Promise<LoadedConfig> {
  const path = commandLine.configFile ?? DEFAULT_FILE;
  const text = readConfigFile(path);
  if (text === undefined && commandLine.configFile !== undefined) {
    throw new StartError(`The configuration file ${path} does not exist.`);
  }
  const layers = [
    ...(text === undefined ? [] : [await parseConfigFile(path, text)]),
    readEnvironment(environment),
    commandLine,
  ];
  const assignments = [...profileOf(commandLine), ...layers.flatMap((layer) => layer.assignments)];
  const warnings = layers.flatMap((layer) => layer.warnings);
  return lowerToFileLimit(assignments, warnings, connectionsMax);
}

/** The configuration, with fewer connections and a warning where the operating system does not allow as many. */
function lowerToFileLimit(
  assignments: readonly Assignment[],
  warnings: readonly string[],
  connectionsMax: number,
): LoadedConfig {
  const config = resolveConfig(assignments);
  const key = findKey("server.max_connections");
  const asked = config.server.maxConnections;
  if (key === undefined || asked <= connectionsMax) return { config, warnings };
  const warning =
    `server.max_connections is lowered from ${asked} to ${connectionsMax}, ` +
    "which the limit of open files allows; raise it with ulimit -n or LimitNOFILE";
  const lowered = { key, raw: connectionsMax, origin: "the limit of open files" };
  // Of the default nobody has asked for so many.
  const isAsked = assignments.some((each) => each.key === key);
  const lowerConfig = resolveConfig([...assignments, lowered]);
  return { config: lowerConfig, warnings: isAsked ? [...warnings, warning] : warnings };
}

/** A configuration from flags alone, for tests and tools: `configFromFlags("--port", "0")`. */
export function configFromFlags(...flags: string[]): Config {
  const commandLine = readCommandLine(flags);
  return resolveConfig([...profileOf(commandLine), ...commandLine.assignments]);
}

function profileOf({ profile }: CommandLine): Assignment[] {
  return profile === undefined ? [] : profileAssignments(profile);
}

/**
 * The assignments over the defaults, in order, checked one by one and against each other.
 * @throws StartError
 */
export function resolveConfig(assignments: readonly Assignment[]): Config {
  const values = new Map<string, unknown>(KEYS.map((key) => [key.path, key.setting.default]));
  for (const { key, raw, origin } of assignments) {
    const value = key.setting.read(raw);
    if (value === undefined) {
      throw new StartError(`${origin}: ${key.path} is ${quoted(raw, key.setting)}; allowed is ${key.setting.allowed}.`);
    }
    values.set(key.path, value);
  }
  const sections: Record<string, Record<string, unknown>> = {};
  for (const key of KEYS) {
    const section = camelCase(key.section);
    sections[section] ??= {};
    sections[section][camelCase(key.name)] = values.get(key.path);
  }
  for (const section of Object.values(sections)) Object.freeze(section);
  // The loop above follows the same table and the same rule as the type does.
  const config = Object.freeze(sections) as unknown as Config;
  checkTogether(config);
  return config;
}

/** The rules that join two keys. */
function checkTogether(config: Config): void {
  const { protocol, kvStore } = config;
  checkReplication(config);
  checkTls(config);
  if (kvStore.maxValueBytes >= protocol.maxRequestBytes) {
    throw new StartError(
      `kv_store.max_value_bytes ${kvStore.maxValueBytes} must be below protocol.max_request_bytes ` +
        `${protocol.maxRequestBytes}, or no request could carry such a value.`,
    );
  }
  if (protocol.maxReplyBytes > protocol.outboxBytesMax) {
    throw new StartError(
      `protocol.max_reply_bytes ${protocol.maxReplyBytes} must not be over protocol.outbox_bytes_max ` +
        `${protocol.outboxBytesMax}, or a single reply could cut its client off.`,
    );
  }
}

function checkTls({ access: { tlsCertFile, tlsKeyFile } }: Config): void {
  if ((tlsCertFile === "") === (tlsKeyFile === "")) return;
  throw new StartError(
    "access.tls_cert_file and access.tls_key_file go together: give both for TLS, or neither for none.",
  );
}

/** Whoever has replicas, or is one, has a data directory. */
function checkReplication({ replication, persistence }: Config): void {
  const { role, masterUrl, minReplicasForWrite, heartbeatMs, linkTimeoutMs } = replication;
  if (role === "replica" && masterUrl === "") {
    throw new StartError(
      "replication.role is replica, and replication.master_url does not say of whom: add --replica-of URL.",
    );
  }
  if (masterUrl !== "" && !URL.canParse(linkUrlOf(masterUrl))) {
    throw new StartError(
      `replication.master_url ${shownMasterUrl(masterUrl)} is no address: give a host and a port up to 65535, such as 10.0.0.5:15500.`,
    );
  }
  if (role === "replica" && !persistence.enabled) {
    throw new StartError(
      "A replica keeps its master's log on disk: --replica-of and --no-persistence exclude each other.",
    );
  }
  if (minReplicasForWrite > 0 && !persistence.enabled) {
    throw new StartError("replication.min_replicas_for_write needs replicas, and those need persistence.enabled.");
  }
  if (linkTimeoutMs < 2 * heartbeatMs) {
    throw new StartError(
      `replication.link_timeout_ms ${linkTimeoutMs} must be at least twice replication.heartbeat_ms ${heartbeatMs}, ` +
        "or links would be cut between two heartbeats.",
    );
  }
}

/**
 * An address that others can reach wants tokens, or a word that it is meant so.
 * @param mustLogIn whether there are tokens
 * @throws StartError
 */
export function checkListenAddress({ server, access, persistence }: Config, mustLogIn: boolean): void {
  if (mustLogIn || access.insecure || isLoopback(server.host)) return;
  throw new StartError(
    `server.host ${server.host} can be reached from other machines and nobody has to log in: ` +
      `create a token with ${tokenCommand(persistence, access)}, use 127.0.0.1, ` +
      "or add --insecure if everyone who can reach it may read and write everything.",
  );
}

/** As it has to be given to write where this server reads. */
function tokenCommand({ enabled, directory }: Config["persistence"], { tokensFile }: Config["access"]): string {
  const command = "synap-server token create --name NAME --allow LIST";
  if (tokensFile !== "") return `${command} --set access.tokens_file=${tokensFile}`;
  if (!enabled) return `--set access.tokens_file=FILE here and in ${command}, since nothing else is kept on disk`;
  return `${command} --data-dir ${directory}`;
}

export function isLoopback(host: string): boolean {
  if (isIP(host) === 4) return host.startsWith("127.");
  return host === "::1" || host.toLowerCase() === "localhost";
}

function quoted(raw: unknown, setting: AnySetting): string {
  if (setting.secret) return "not readable";
  if (setting.shown !== undefined && typeof raw !== "string") return "not readable";
  const shown = JSON.stringify(setting.shown?.(String(raw)) ?? raw) ?? String(raw);
  return shown.length > 100 ? `${shown.slice(0, 100)}...` : shown;
}
