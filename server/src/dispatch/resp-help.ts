/** The HELP of containers whose subcommands the registry answers: OBJECT HELP, MEMORY HELP. */
import { NO_KEYS } from "../commands/resp/resp-command.ts";
import type { ConnectionCommand } from "./resp-connection-command.ts";

const OBJECT_LINES = [
  "ENCODING <key>",
  "    Return the kind of internal representation used in order to store the value",
  "    associated with a <key>.",
  "FREQ <key>",
  "    Return the access frequency index of the <key>. The returned integer is",
  "    proportional to the logarithm of the recent access frequency of the key.",
  "IDLETIME <key>",
  "    Return the idle time of the <key>, that is the approximated number of",
  "    seconds elapsed since the last access to the key.",
  "REFCOUNT <key>",
  "    Return the number of references of the value associated with the specified",
  "    <key>.",
];

const MEMORY_LINES = [
  "USAGE <key> [SAMPLES <count>]",
  "    Return memory in bytes used by <key> and its value. Values are not sampled:",
  "    the number is exact whatever <count> is.",
];

export const helpCommands: readonly ConnectionCommand[] = [
  help("object", "generic", "6.2.0", OBJECT_LINES),
  help("memory", "server", "4.0.0", MEMORY_LINES),
];

function help(
  container: string,
  group: "generic" | "server",
  since: string,
  lines: readonly string[],
): ConnectionCommand {
  const first = `${container.toUpperCase()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`;
  const all = [first, ...lines, "HELP", "    Prints this help."];
  return {
    name: `${container}|help`,
    arity: 2,
    guard: "known",
    flags: ["loading", "stale"],
    keys: NO_KEYS,
    group,
    summary: "Show helpful text about the different subcommands",
    since,
    run({ sink }) {
      sink.array(all.length);
      for (const line of all) sink.simple(line);
    },
  };
}
