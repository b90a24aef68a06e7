/** CLIENT: what connections say about themselves, and what they are told of each other. Only those of RESP are known here. */
import { parseDecimal } from "../commands/kv/integer.ts";
import { SYNTAX_ERROR } from "../commands/resp/error-texts.ts";
import { NO_KEYS, type RespFlag } from "../commands/resp/resp-command.ts";
import type { RespGuard } from "./resp-access.ts";
import type { RespClient } from "./resp-client.ts";
import type { ConnectionCommand, RespCall } from "./resp-connection-command.ts";
import { clientNameProblem, clientWordTooLong } from "./resp-greeting.ts";

const FLAGS: readonly RespFlag[] = ["noscript", "loading", "stale"];
const ADMIN: readonly RespFlag[] = ["admin", ...FLAGS];
/** The longest reply of CLIENT LIST: one line is about 250 bytes. */
const LISTED_MAX = 10_000;
/** Ids of one CLIENT LIST. */
const IDS_MAX = 1000;
/** Of one CLIENT KILL: every connection is held against each of them. */
const FILTERS_MAX = 50;
const REPLY_MODES = ["on", "off", "skip"] as const;
const KINDS: ReadonlySet<string> = new Set(["normal", "master", "replica", "slave", "pubsub"]);

export const clientCommands: readonly ConnectionCommand[] = [
  client("id", 2, "known", FLAGS, "Returns the client ID for the current connection", "5.0.0", (call) =>
    call.sink.integer(call.client.id),
  ),
  client("getname", 2, "known", FLAGS, "Get the current connection name", "2.6.9", ({ client: { name }, sink }) => {
    if (name === "") sink.null();
    else sink.text(name);
  }),
  client("setname", 3, "known", FLAGS, "Set the current connection name", "2.6.9", setName),
  client("setinfo", 4, "known", FLAGS, "Set client or connection specific info", "7.2.0", setInfo),
  client("info", 2, "known", FLAGS, "Returns information about the current client connection", "6.2.0", (call) =>
    call.sink.verbatim(`${lineOf(call.client, call)}\n`),
  ),
  client("list", -2, "admin:read", ADMIN, "Get the list of client connections", "2.4.0", list),
  client("kill", -3, "admin:admin", ADMIN, "Kill the connection of a client", "2.4.0", kill),
  client("reply", 3, "known", FLAGS, "Instruct the server whether to reply to commands", "3.2.0", reply),
  client(
    "getredir",
    2,
    "known",
    FLAGS,
    "Get tracking notifications redirection client ID if any",
    "6.0.0",
    ({ sink }) => sink.integer(-1),
  ),
  client(
    "no-evict",
    3,
    "known",
    ADMIN,
    "Set client eviction mode for the current connection",
    "7.0.0",
    ({ request, sink }) => {
      if (request.is(2, "ON") || request.is(2, "OFF")) sink.ok();
      else sink.error(SYNTAX_ERROR);
    },
  ),
];

function client(
  name: string,
  arity: number,
  guard: RespGuard,
  flags: readonly RespFlag[],
  summary: string,
  since: string,
  run: (call: RespCall) => void,
): ConnectionCommand {
  return { name: `client|${name}`, arity, guard, flags, keys: NO_KEYS, group: "connection", summary, since, run };
}

function setName({ client, request, sink }: RespCall): void {
  const problem = clientNameProblem(request, 2);
  if (problem !== undefined) {
    sink.error(problem);
    return;
  }
  client.name = request.text(2);
  sink.ok();
}

/** Libraries say their name and version when they connect. Nothing of it is kept. */
function setInfo({ request, sink }: RespCall): void {
  const problem = clientWordTooLong(request, 3, "Values of CLIENT SETINFO");
  if (problem === undefined) sink.ok();
  else sink.error(problem);
}

function reply({ client, request, sink }: RespCall): void {
  const mode = REPLY_MODES.find((each) => request.is(2, each.toUpperCase()));
  if (mode === undefined) {
    sink.error(SYNTAX_ERROR);
    return;
  }
  client.replyMode = mode;
  if (mode === "on") sink.ok();
}

/** `CLIENT LIST [TYPE normal|pubsub|...] [ID id ...]` */
function list(call: RespCall): void {
  const { request, sink, dispatcher } = call;
  let wanted: (each: RespClient) => boolean = () => true;
  if (request.count > 2 && request.is(2, "TYPE") && request.count === 4) {
    const kind = request.text(3).toLowerCase();
    if (!KINDS.has(kind)) {
      sink.error(`ERR Unknown client type '${request.text(3)}'`);
      return;
    }
    wanted = (each) => kindOf(each) === kind;
  } else if (request.count > 3 && request.is(2, "ID")) {
    if (request.count - 3 > IDS_MAX) {
      sink.error(`ERR CLIENT LIST takes at most ${IDS_MAX} ids`);
      return;
    }
    const ids = new Set<number | bigint>();
    for (let word = 3; word < request.count; word++) {
      const id = parseDecimal(request.range(word));
      if (id === undefined || id <= 0) {
        sink.error("ERR Invalid client ID");
        return;
      }
      ids.add(id);
    }
    wanted = (each) => ids.has(each.id);
  } else if (request.count > 2) {
    sink.error(SYNTAX_ERROR);
    return;
  }
  let text = "";
  let count = 0;
  for (const each of dispatcher.clients.values()) {
    if (!wanted(each)) continue;
    if (++count > LISTED_MAX) break;
    text += `${lineOf(each, call)}\n`;
  }
  sink.verbatim(text);
}

/** As Redis shows it, with what there is of it here. */
function lineOf(each: RespClient, { dispatcher }: RespCall): string {
  const { executor } = dispatcher.runner;
  const { subscriptions } = each;
  const fields = {
    id: each.id,
    addr: each.socket.peer,
    name: each.name,
    age: Math.floor((executor.nowMs - each.connectedAtMs) / 1000),
    idle: Math.floor((executor.nowMs - each.lastCommandAtMs) / 1000),
    flags: flagsOf(each),
    db: 0,
    sub: subscriptions?.names.size ?? 0,
    psub: subscriptions?.globs.size ?? 0,
    watch: each.watched?.count ?? 0,
    oll: 0,
    omem: each.unreadBytes(),
    cmd: each.lastEntry?.description.name ?? "NULL",
    user: each.grant.name || "default",
    resp: each.version,
  };
  return Object.entries(fields)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");
}

function kindOf({ subscriptions }: RespClient): string {
  return subscriptions !== undefined && subscriptions.count > 0 ? "pubsub" : "normal";
}

function flagsOf(each: RespClient): string {
  const flags = `${kindOf(each) === "pubsub" ? "P" : ""}${each.isBlocked ? "b" : ""}`;
  return flags === "" ? "N" : flags;
}

/** `CLIENT KILL addr:port`, or `CLIENT KILL [ID n] [ADDR addr:port] [TYPE kind] [SKIPME yes|no] ...` */
function kill(call: RespCall): void {
  const { client: self, request, sink, dispatcher } = call;
  if (request.count === 3) {
    const address = request.text(2);
    const victim = [...dispatcher.clients.values()].find(({ socket }) => socket.peer === address);
    if (victim === undefined) {
      sink.error("ERR No such client");
      return;
    }
    end(victim, self);
    sink.ok();
    return;
  }
  const filters = killFilters(call);
  if (typeof filters === "string") {
    sink.error(filters);
    return;
  }
  let count = 0;
  for (const each of [...dispatcher.clients.values()]) {
    if (!filters.every((matches) => matches(each))) continue;
    end(each, self);
    count++;
  }
  sink.integer(count);
}

function killFilters({ client: self, request }: RespCall): ((each: RespClient) => boolean)[] | string {
  const filters: ((each: RespClient) => boolean)[] = [];
  let skipsSelf = true;
  if (request.count % 2 !== 0) return SYNTAX_ERROR;
  if (request.count - 2 > 2 * FILTERS_MAX) return `ERR CLIENT KILL takes at most ${FILTERS_MAX} filters`;
  for (let word = 2; word < request.count; word += 2) {
    const text = request.text(word + 1);
    if (request.is(word, "ID")) {
      const id = parseDecimal(request.range(word + 1));
      if (id === undefined || id < 1) return "ERR client-id should be greater than 0";
      filters.push((each) => each.id === id);
    } else if (request.is(word, "ADDR")) {
      filters.push(({ socket }) => socket.peer === text);
    } else if (request.is(word, "TYPE")) {
      if (!KINDS.has(text.toLowerCase())) return `ERR Unknown client type '${text}'`;
      filters.push((each) => kindOf(each) === text.toLowerCase());
    } else if (request.is(word, "SKIPME") && /^(?:yes|no)$/i.test(text)) {
      skipsSelf = /^yes$/i.test(text);
    } else {
      return SYNTAX_ERROR;
    }
  }
  if (skipsSelf) filters.push((each) => each !== self);
  return filters;
}

/** One's own connection ends after the reply. */
function end(victim: RespClient, self: RespClient): void {
  if (victim === self) self.isClosing = true;
  else victim.socket.cut();
}
