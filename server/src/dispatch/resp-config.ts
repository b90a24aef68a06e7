/**
 * CONFIG GET and CONFIG SET: what tools and clients of Redis ask for, from this server's own configuration. Names that are not
 * here are unknown, as they are in Redis.
 */
import type { RespRequest } from "../codecs/resp/resp-request.ts";
import { isCommandError } from "../commands/errors.ts";
import { SYNTAX_ERROR } from "../commands/resp/error-texts.ts";
import { NO_KEYS, type RespFlag } from "../commands/resp/resp-command.ts";
import { rangeOf } from "../structures/byte-range.ts";
import { Glob } from "../structures/glob.ts";
import type { RespGuard } from "./resp-access.ts";
import type { ConnectionCommand, RespCall } from "./resp-connection-command.ts";
import { APPEND_FSYNC } from "./resp-save-commands.ts";

const FLAGS: readonly RespFlag[] = ["admin", "noscript", "loading", "stale"];
/** A pattern is compiled and held against every parameter: 32 bytes and some work for each of its own. */
const PATTERN_BYTES_MAX = 255;
const PATTERNS_MAX = 100;
const NOTIFY = "notify-keyspace-events";
/** Redis' names for eviction policies. */
export const POLICIES: Readonly<Record<string, string>> = {
  none: "noeviction",
  lru: "allkeys-lru",
  lfu: "allkeys-lfu",
  ttl: "volatile-ttl",
};

type Sections = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** By Redis' name: how the value is read from the configuration. */
const PARAMETERS: Readonly<Record<string, (call: RespCall, sections: Sections) => string>> = {
  appendfsync: (_call, { persistence }) => APPEND_FSYNC[String(persistence.fsync)],
  appendonly: (_call, { persistence }) => (persistence.enabled === true ? "yes" : "no"),
  databases: () => "1",
  maxclients: (_call, { server }) => String(server.max_connections),
  maxmemory: ({ dispatcher }) => String(dispatcher.store.memoryBytesMax),
  "maxmemory-policy": (_call, { kv_store }) => POLICIES[String(kv_store.eviction_policy)],
  [NOTIFY]: ({ dispatcher }) => dispatcher.runner.executor.fanout.keyspace.flags,
  "proto-max-bulk-len": ({ dispatcher }) => String(dispatcher.requestBytesMax),
  dir: (_call, { persistence }) => String(persistence.directory),
  save: (_call, { persistence }) => {
    const secs = Number(persistence.snapshot_interval_secs);
    // Redis: after so many seconds, if there were so many writes.
    return persistence.enabled === true && secs > 0 ? `${secs} 1` : "";
  },
  timeout: () => "0",
};

export const configCommands: readonly ConnectionCommand[] = [
  config("get", -3, "admin:read", "Get the values of configuration parameters", "2.0.0", get),
  config("set", -4, "admin:admin", "Set configuration parameters to the given values", "2.0.0", set),
];

function config(
  name: string,
  arity: number,
  guard: RespGuard,
  summary: string,
  since: string,
  run: (call: RespCall) => void,
): ConnectionCommand {
  return { name: `config|${name}`, arity, guard, flags: FLAGS, keys: NO_KEYS, group: "server", summary, since, run };
}

function get(call: RespCall): void {
  const { request, sink } = call;
  const refusal = patternsRefusal(request);
  if (refusal !== undefined) {
    sink.error(refusal);
    return;
  }
  // What admin.config declares to answer, without an error of its own.
  const sections = call.dispatcher.runRegistry("admin.config", {}) as Sections;
  const wanted = new Set<string>();
  for (let word = 2; word < request.count; word++) {
    const text = request.text(word).toLowerCase();
    const glob = new Glob(rangeOf(text));
    for (const name of Object.keys(PARAMETERS)) if (glob.matches(rangeOf(name))) wanted.add(name);
  }
  sink.map(wanted.size);
  for (const name of wanted) {
    sink.text(name);
    sink.text(PARAMETERS[name](call, sections));
  }
}

function patternsRefusal(request: RespRequest): string | undefined {
  if (request.count - 2 > PATTERNS_MAX) return `ERR CONFIG GET takes at most ${PATTERNS_MAX} patterns`;
  for (let word = 2; word < request.count; word++) {
    if (request.length(word) > PATTERN_BYTES_MAX) return `ERR a pattern has at most ${PATTERN_BYTES_MAX} bytes`;
  }
  return undefined;
}

function set(call: RespCall): void {
  const refusal = setAll(call);
  if (refusal === undefined) call.sink.ok();
  else call.sink.error(refusal);
}

/** All or nothing, as in Redis. Answers with an error. */
function setAll(call: RespCall): string | undefined {
  const { request } = call;
  if (request.count % 2 !== 0) return SYNTAX_ERROR;
  let flags: string | undefined;
  for (let word = 2; word < request.count; word += 2) {
    const name = request.text(word).toLowerCase();
    if (!(name in PARAMETERS)) {
      return `ERR Unknown option or number of arguments for CONFIG SET - '${request.text(word)}'`;
    }
    if (name !== NOTIFY) return failed(name, "can't set immutable config");
    if (flags !== undefined) return failed(name, "duplicate parameter");
    flags = request.text(word + 1);
  }
  const args = { key: "pubsub.notify_keyspace_events", value: flags };
  const result = call.dispatcher.runRegistry("admin.config.set", args);
  if (!isCommandError(result)) return undefined;
  return failed(NOTIFY, "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
}

function failed(name: string, reason: string): string {
  return `ERR CONFIG SET failed (possibly related to argument '${name}') - ${reason}`;
}
