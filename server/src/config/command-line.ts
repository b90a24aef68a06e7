/** The arguments of `synap-server`: what it is asked to do, and the settings that flags give. */
import { parseArgs } from "node:util";
import { StartError } from "../runtime/start-error.ts";
import { type Assignment, findKey, ignoredKeyWarning, isIgnoredKey, type Layer, suggestion } from "./assignment.ts";
import { PROFILES } from "./profiles.ts";
import { KEYS } from "./schema.ts";

export type Action = "serve" | "help" | "version" | "print-config";

export interface CommandLine extends Layer {
  readonly action: Action;
  readonly configFile: string | undefined;
  /** What stands in for the defaults. */
  readonly profile: string | undefined;
}

interface Flag {
  readonly short?: string;
  /** What stands for its value in the help; without one it is a switch. */
  readonly value?: string;
  /** The key it sets. */
  readonly path?: string;
  /** What a switch sets it to; true if it does not say. */
  readonly sets?: boolean;
  /** Another key, and what it is set to then. */
  readonly also?: readonly [path: string, value: string];
  readonly summary: string;
}

const FLAG_GROUPS: Readonly<Record<string, Readonly<Record<string, Flag>>>> = {
  "Where it listens": {
    host: { value: "ADDRESS", path: "server.host", summary: "address to listen on" },
    port: { value: "N", path: "server.port", summary: "port of HTTP and WebSocket; 0 takes a free one" },
    "resp-port": {
      value: "N",
      path: "protocol.resp_port",
      summary: "port of the Redis protocol; 0 for none",
    },
    transport: {
      value: "KIND",
      path: "server.transport",
      summary: "native, portable, or auto: the native one where it loads",
    },
    insecure: { path: "access.insecure", summary: "allow an address that other machines can reach" },
  },
  "What is kept": {
    "data-dir": { value: "DIR", path: "persistence.directory", summary: "directory of the log and the snapshots" },
    fsync: { value: "WHEN", path: "persistence.fsync", summary: "always, interval or never" },
    "accept-log-loss": {
      path: "persistence.accept_log_loss",
      summary: "go on without what is missing or damaged in the log",
    },
    "no-persistence": { path: "persistence.enabled", sets: false, summary: "keep everything in memory only" },
  },
  "Other nodes": {
    "replica-of": {
      value: "URL",
      path: "replication.master_url",
      also: ["replication.role", "replica"],
      summary: "copy the log of the master there, serve reads and refuse writes",
    },
  },
  Limits: {
    "max-memory": { value: "SIZE", path: "kv_store.max_memory_bytes", summary: "such as 512mb or 2gb; 0 for no limit" },
  },
  Logs: {
    "log-level": {
      value: "LEVEL",
      path: "logging.level",
      summary: "trace, debug, info, warn, error, fatal or silent",
    },
  },
  Configuration: {
    config: { value: "FILE", summary: "read this file instead of synap.yml in the working directory" },
    profile: { value: "NAME", summary: `defaults for a purpose: ${Object.keys(PROFILES).join(", ")}` },
    set: { value: "KEY=VALUE", summary: "set any key, such as kv_store.eviction_policy=lru; may be repeated" },
    "print-config": { summary: "print the effective configuration as YAML and exit" },
  },
  Information: {
    help: { short: "h", summary: "print this and exit" },
    version: { short: "v", summary: "print the version and exit" },
  },
};

const FLAGS: Readonly<Record<string, Flag>> = Object.assign({}, ...Object.values(FLAG_GROUPS));

const FLAG_HELP = "synap-server --help shows all flags, and --set KEY=VALUE sets any key";

/**
 * @param args without the program's name
 * @param environment for flags that npm took for its own
 * @throws StartError for an unknown flag, a missing value or an unknown key of `--set`
 */
export function readCommandLine(args: readonly string[], environment: Environment = {}): CommandLine {
  const forNpm = flagsTakenByNpm(environment);
  const assignments: Assignment[] = [];
  const warnings = forNpm.map(({ name, value }) => `npm has taken --${name} for its own: ${withDashes(name, value)}`);
  const asked = new Set<string>();
  let configFile: string | undefined;
  let profile: string | undefined;

  for (const { name, value } of flagsOf(args, forNpm)) {
    const path = FLAGS[name].path;
    if (path !== undefined) assignments.push(...assignmentsOf(name, path, value));
    else if (name === "config") configFile = value;
    else if (name === "profile") profile = value;
    else if (name === "set") addSet(value ?? "", assignments, warnings);
    else asked.add(name);
  }
  const action = (["help", "version", "print-config"] as const).find((name) => asked.has(name)) ?? "serve";
  return { action, configFile, profile, assignments, warnings };
}

function assignmentsOf(name: string, path: string, value: string | undefined): Assignment[] {
  const { sets, also } = FLAGS[name];
  const origin = `--${name}`;
  const first = assignment(path, value ?? sets ?? true, origin);
  return also === undefined ? [first] : [first, assignment(...also, origin)];
}

type Environment = Readonly<Record<string, string | undefined>>;

interface GivenFlag {
  readonly name: string;
  readonly value: string | undefined;
}

function flagsOf(args: readonly string[], forNpm: readonly GivenFlag[]): GivenFlag[] {
  const options = Object.fromEntries(
    Object.entries(FLAGS).map(([name, { short, value }]) => [
      name,
      { type: value === undefined ? ("boolean" as const) : ("string" as const), ...(short ? { short } : {}) },
    ]),
  );
  // Not strict, for messages of our own; the tokens keep the order, in which a later flag wins.
  const { tokens } = parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true });
  const flags: GivenFlag[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") {
      const [taken] = forNpm;
      const remedy = taken === undefined ? "see synap-server --help" : withDashes(taken.name, token.value);
      throw new StartError(`There is no command "${token.value}"; ${remedy}.`);
    }
    if (token.kind !== "option") continue;
    const flag = Object.hasOwn(FLAGS, token.name) ? FLAGS[token.name] : undefined;
    if (flag === undefined) throw new StartError(`There is no flag ${token.rawName}${aboutUnknownFlag(token)}.`);
    if (flag.value !== undefined && !isFlagValue(token.value, token.inlineValue)) {
      throw new StartError(`--${token.name} needs a value: --${token.name} ${flag.value}.`);
    }
    if (flag.value === undefined && token.value !== undefined) {
      throw new StartError(`--${token.name} takes no value.`);
    }
    flags.push({ name: token.name, value: token.value });
  }
  return flags;
}

function aboutUnknownFlag({ rawName }: { rawName: string }): string {
  return `; ${suggestion(
    rawName,
    Object.keys(FLAGS).map((known) => `--${known}`),
    FLAG_HELP,
  )}`;
}

/**
 * `npm start --port 16000`: npm keeps the flag, gives the server `16000` alone, and leaves its own settings in the
 * environment. `npm start --port=16000` leaves nothing else.
 */
function flagsTakenByNpm(environment: Environment): GivenFlag[] {
  if (environment.npm_lifecycle_event !== "start") return [];
  return Object.keys(FLAGS).flatMap((name) => {
    const value = environment[`npm_config_${name.replaceAll("-", "_")}`];
    return value === undefined || name === "help" || name === "version" ? [] : [{ name, value }];
  });
}

/** @param value what came with the flag; npm's own word for a flag without a value is `true` */
function withDashes(name: string, value: string | undefined): string {
  const argument = FLAGS[name].value === undefined ? "" : ` ${value === "true" ? FLAGS[name].value : value}`;
  return `put -- before the server's flags, as in npm start -- --${name}${argument}`;
}

/** `--port --insecure` is a forgotten value; `--port=--x` was meant, and `--set a.b=-1` has no dash in front. */
function isFlagValue(value: string | undefined, inline: boolean | undefined): boolean {
  return value !== undefined && value !== "" && (inline === true || !value.startsWith("--"));
}

function addSet(text: string, assignments: Assignment[], warnings: string[]): void {
  const equals = text.indexOf("=");
  if (equals < 1) throw new StartError(`--set needs a key and a value: --set ${text || "KEY"}=VALUE.`);
  const path = text.slice(0, equals);
  if (isIgnoredKey(path)) warnings.push(ignoredKeyWarning("--set", path));
  else assignments.push(assignment(path, text.slice(equals + 1), "--set"));
}

function assignment(path: string, raw: unknown, origin: string): Assignment {
  const key = findKey(path);
  if (key !== undefined) return { key, raw, origin };
  const known = KEYS.map((other) => other.path);
  throw new StartError(
    `${origin}: there is no key ${path}; ${suggestion(path, known, "--print-config shows all keys")}.`,
  );
}

export function helpText(version: string): string {
  const lines = [
    `synap ${version}: keys, queues, event rooms and publish/subscribe behind one command endpoint`,
    "",
    "Usage: synap-server [flags]",
    "       synap-server token create|list|revoke    who may use the server; token --help tells more",
  ];
  for (const [group, flags] of Object.entries(FLAG_GROUPS)) {
    lines.push("", `${group}:`);
    for (const [name, flag] of Object.entries(flags)) lines.push(helpLine(name, flag));
  }
  lines.push(
    "",
    "A flag wins over the environment (SYNAP_SERVER_PORT=8080), that over synap.yml, that over",
    "the profile, and that over the default.",
    "The keys are described in server/docs/configuration.md; --print-config shows them all with their values.",
  );
  return `${lines.join("\n")}\n`;
}

function helpLine(name: string, { short, value, path, summary }: Flag): string {
  const left = `  ${short ? `-${short}, ` : "    "}--${name}${value ? ` ${value}` : ""}`;
  const key = findKey(path ?? "");
  const standard = key === undefined || value === undefined ? "" : ` (${shownDefault(key.setting)})`;
  return `${left.padEnd(28)}${summary}${standard}`;
}

function shownDefault(setting: { default: unknown; show(value: never): unknown }): string {
  // A setting shows what is its own default.
  return String(setting.show(setting.default as never));
}
