/** COMMAND and its subcommands: what the table of names says about itself. Clients and redis-cli read it when they connect. */
import type { RespRequest } from "../codecs/resp/resp-request.ts";
import type { ReplySink } from "../commands/resp/reply-sink.ts";
import { NO_KEYS, type RespFlag } from "../commands/resp/resp-command.ts";
import type { ConnectionCommand, RespCall } from "./resp-connection-command.ts";
import { type RespEntry, type RespTable, takesWords } from "./resp-table.ts";

const FLAGS: readonly RespFlag[] = ["loading", "stale"];
/** Names that one command may ask about, and keys that it is told: more than there are commands, and of bounded cost. */
const NAMES_MAX = 1000;
const TOO_MANY_NAMES = `ERR COMMAND takes at most ${NAMES_MAX} names`;

export const commandCommands: readonly ConnectionCommand[] = [
  command("command", -1, "Get array of Redis command details", "2.8.13", ({ sink, dispatcher: { table } }) => {
    sink.array(table.entries.length);
    for (const entry of table.entries) writeDetails(entry, sink);
  }),
  command("command|count", 2, "Get total number of Redis commands", "2.8.13", ({ sink, dispatcher: { table } }) =>
    sink.integer(table.entries.length),
  ),
  command("command|info", -2, "Get array of specific Redis command details", "2.8.13", details),
  command("command|docs", -2, "Get array of specific Redis command documentation", "7.0.0", docs),
  command("command|list", -2, "Get an array of Redis command names", "7.0.0", list),
  command("command|getkeys", -4, "Extract keys given a full Redis command", "2.8.13", getKeys),
];

function command(
  name: string,
  arity: number,
  summary: string,
  since: string,
  run: (call: RespCall) => void,
): ConnectionCommand {
  return { name, arity, guard: "known", flags: FLAGS, keys: NO_KEYS, group: "server", summary, since, run };
}

/** The ten parts of Redis 7; tips and key specifications are left empty. */
function writeDetails(entry: RespEntry, sink: ReplySink): void {
  const { name, arity, flags, keys } = entry.description;
  const subcommands = entry.subcommands?.entries ?? [];
  sink.array(10);
  sink.text(name);
  sink.integer(arity);
  sink.set(flags.length);
  for (const flag of flags) sink.simple(flag);
  for (const position of keys) sink.integer(position);
  const categories = categoriesOf(entry);
  sink.set(categories.length);
  for (const category of categories) sink.simple(category);
  sink.array(0);
  sink.array(0);
  sink.array(subcommands.length);
  for (const subcommand of subcommands) writeDetails(subcommand, sink);
}

function categoriesOf({ description: { flags, group } }: RespEntry): string[] {
  const categories = [`@${group === "generic" ? "keyspace" : group === "server" ? "admin" : group}`];
  if (flags.includes("write")) categories.push("@write");
  if (flags.includes("readonly")) categories.push("@read");
  categories.push(flags.includes("fast") ? "@fast" : "@slow");
  return categories;
}

function details({ request, sink, dispatcher: { table } }: RespCall): void {
  if (request.count - 2 > NAMES_MAX) {
    sink.error(TOO_MANY_NAMES);
    return;
  }
  const entries = request.count === 2 ? table.entries : namesIn(request).map((name) => table.named(name));
  sink.array(entries.length);
  for (const entry of entries) {
    if (entry === undefined) sink.null();
    else writeDetails(entry, sink);
  }
}

function docs({ request, sink, dispatcher: { table } }: RespCall): void {
  if (request.count - 2 > NAMES_MAX) {
    sink.error(TOO_MANY_NAMES);
    return;
  }
  const named = request.count === 2 ? table.entries : namesIn(request).map((name) => table.named(name));
  const entries = named.filter((entry) => entry !== undefined);
  sink.map(entries.length);
  for (const entry of entries) {
    sink.text(entry.description.name);
    writeDocs(entry, sink);
  }
}

function writeDocs({ description, subcommands }: RespEntry, sink: ReplySink): void {
  const { summary, since, group } = description;
  sink.map(2 + (since === undefined ? 0 : 1) + (subcommands === undefined ? 0 : 1));
  sink.text("summary");
  sink.text(summary);
  if (since !== undefined) {
    sink.text("since");
    sink.text(since);
  }
  sink.text("group");
  sink.text(group);
  if (subcommands === undefined) return;
  sink.text("subcommands");
  sink.map(subcommands.entries.length);
  for (const subcommand of subcommands.entries) {
    sink.text(subcommand.description.name);
    writeDocs(subcommand, sink);
  }
}

function list({ request, sink, dispatcher: { table } }: RespCall): void {
  if (request.count > 2) {
    sink.error("ERR syntax error");
    return;
  }
  sink.array(table.entries.length);
  for (const { description } of table.entries) sink.text(description.name);
}

function getKeys({ request, sink, dispatcher: { table } }: RespCall): void {
  const entry = entryOf(request, table);
  if (entry === undefined) {
    sink.error("ERR Invalid command specified");
    return;
  }
  const { arity, keys } = entry.description;
  const words = request.count - 2;
  const [first, last, step] = keys;
  if (!takesWords(arity, words)) {
    sink.error("ERR Invalid number of arguments specified for command");
    return;
  }
  if (first === 0) {
    sink.error("ERR The command has no key arguments");
    return;
  }
  const end = last < 0 ? words + last : last;
  if (end - first >= NAMES_MAX * step) {
    sink.error(`ERR COMMAND GETKEYS shows at most ${NAMES_MAX} keys`);
    return;
  }
  const found: number[] = [];
  for (let at = first; at <= end; at += step) found.push(at + 2);
  sink.array(found.length);
  for (const at of found) sink.bulk(request.range(at));
}

/** The entry that the words after COMMAND GETKEYS name. */
function entryOf(request: RespRequest, table: RespTable): RespEntry | undefined {
  const entry = table.named(request.text(2).toLowerCase());
  if (entry?.subcommands === undefined || request.count < 4) return entry;
  return table.named(`${entry.description.name}|${request.text(3).toLowerCase()}`) ?? entry;
}

function namesIn(request: RespRequest): string[] {
  const names: string[] = [];
  for (let word = 2; word < request.count; word++) names.push(request.text(word).toLowerCase());
  return names;
}
