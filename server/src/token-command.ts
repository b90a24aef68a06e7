/**
 * `synap-server token create | list | revoke`: the tokens of a node, in the file that its server reads. The server need not run;
 * one that does has the change within a second.
 */
import { parseArgs } from "node:util";
import { withoutToken, withToken } from "./access/access-control.ts";
import { showPermission } from "./access/permission.ts";
import { makeToken, parseLife, type TokenRecord } from "./access/token.ts";
import { TokenFile, type WrittenTokens } from "./access/token-file.ts";
import { readCommandLine } from "./config/command-line.ts";
import { loadConfig } from "./config/load.ts";
import type { Config } from "./config/schema.ts";
import { nodeFileSystem } from "./oplog/node-file-system.ts";
import { StartError } from "./runtime/start-error.ts";

const TOKEN_USAGE = `Usage: synap-server token create --name NAME --allow LIST [--expires 30d]
       synap-server token list
       synap-server token revoke --name NAME

LIST has permissions with commas between: subsystem:access:prefix, such as
  kv:write:session:,queue:read:*   keys that begin with session:, and a look at every queue
  kv:read:*,admin:read             what a dashboard needs
  admin:*                          the server itself, tokens too: whoever has it may give himself anything
  *                                everything
subsystem is kv, queue, stream, pubsub or admin; access is read, write (reads too) or admin (all of it).

The token is printed once, last on its line; the file keeps its hash. The file is tokens.json in the data directory, or
access.tokens_file: give --data-dir, --config or --set as the server has them.
`;

const HELP = "synap-server token --help tells more";

/** Where a node keeps its tokens; undefined where it keeps nothing on disk. */
export function tokenFileOf({ access, persistence }: Config): TokenFile | undefined {
  if (access.tokensFile === "" && !persistence.enabled) return undefined;
  const path = access.tokensFile === "" ? `${persistence.directory}/tokens.json` : access.tokensFile;
  return new TokenFile(path, nodeFileSystem.makeDirectory);
}

interface Environment {
  readonly [name: string]: string | undefined;
}

/** @param args without `token`. Throws `StartError` for what cannot be done. */
export async function runTokenCommand(
  args: readonly string[],
  environment: Environment,
  nowMs: number,
  print: (text: string) => void,
): Promise<void> {
  const { action, options, rest } = split(args);
  if (action === "help") {
    print(TOKEN_USAGE);
    return;
  }
  const { config } = await loadConfig(readCommandLine(rest), environment, Number.POSITIVE_INFINITY);
  const file = tokenFileOf(config);
  if (file === undefined) {
    throw new StartError("Nothing is kept on disk here: set access.tokens_file to say where tokens are to be kept.");
  }
  switch (action) {
    case "create":
      print(await create(file, options, nowMs));
      return;
    case "list": {
      const tokens = (await file.read()) ?? [];
      for (const token of tokens) print(`${line(token, nowMs)}\n`);
      if (tokens.length === 0) print(`There is no token in ${file.path}\n`);
      return;
    }
    case "revoke": {
      const name = required(options.name, "--name NAME");
      changed(await file.update((tokens) => withoutToken(tokens, name)));
      print(`revoked ${name}\n`);
    }
  }
}

type Action = "create" | "list" | "revoke" | "help";

interface TokenOptions {
  readonly name: string | undefined;
  readonly allow: string | undefined;
  readonly expires: string | undefined;
}

const OWN = { name: { type: "string" }, allow: { type: "string" }, expires: { type: "string" } } as const;

/** The flags of its own, and those of the server. */
function split(args: readonly string[]): {
  readonly action: Action;
  readonly options: TokenOptions;
  readonly rest: readonly string[];
} {
  const [first = "", ...others] = args;
  const action = (["create", "list", "revoke", "help"] as const).find((each) => each === first);
  if (args.some((each) => each === "--help" || each === "-h")) return { action: "help", options: NONE, rest: [] };
  if (action === undefined) throw new StartError(`synap-server token wants create, list or revoke; ${HELP}.`);
  if (others[0] !== undefined && !others[0].startsWith("-")) {
    throw new StartError(`token ${action} takes no "${others[0]}" by itself: use --name ${others[0]}; ${HELP}.`);
  }
  const own: string[] = [];
  const rest: string[] = [];
  for (let at = 0; at < others.length; at++) {
    const [flag] = others[at].split("=", 1);
    if (!Object.hasOwn(OWN, flag.replace(/^--/, "")) || !flag.startsWith("--")) rest.push(others[at]);
    else if (others[at].includes("=")) own.push(others[at]);
    else own.push(others[at], ...others.slice(++at, at + 1));
  }
  try {
    const { values } = parseArgs({ args: own, options: OWN });
    return { action, options: { name: values.name, allow: values.allow, expires: values.expires }, rest };
  } catch (cause) {
    throw new StartError(`${cause instanceof Error ? cause.message : String(cause)}; ${HELP}.`, { cause });
  }
}

const NONE: TokenOptions = { name: undefined, allow: undefined, expires: undefined };

async function create(file: TokenFile, options: TokenOptions, nowMs: number): Promise<string> {
  const name = required(options.name, "--name NAME");
  const allow = required(options.allow, "--allow LIST").split(",");
  const lifeMs = options.expires === undefined ? Number.POSITIVE_INFINITY : parseLife(options.expires);
  if (lifeMs === undefined) throw new StartError("--expires is a number with s, m, h or d, such as 30d.");
  const made = makeToken({ name, allow: allow.map((each) => each.trim()), expiresAtMs: nowMs + lifeMs }, nowMs);
  if (typeof made === "string") throw new StartError(`${made}.`);
  changed(await file.update((tokens) => withToken(tokens, made.record)));
  return `${line(made.record, nowMs)}, in ${file.path}: ${made.text}\n`;
}

function changed(outcome: WrittenTokens | string): void {
  if (typeof outcome === "string") throw new StartError(`${outcome[0].toUpperCase()}${outcome.slice(1)}.`);
}

function required(value: string | undefined, what: string): string {
  if (value === undefined || value === "") throw new StartError(`It needs ${what}; ${HELP}.`);
  return value;
}

function line({ name, permissions, expiresAtMs }: TokenRecord, nowMs: number): string {
  const allow = permissions.map(showPermission).join(",");
  if (!Number.isFinite(expiresAtMs)) return `${name} ${allow} never expires`;
  return `${name} ${allow} ${expiresAtMs <= nowMs ? "expired" : "expires"} ${new Date(expiresAtMs).toISOString()}`;
}
