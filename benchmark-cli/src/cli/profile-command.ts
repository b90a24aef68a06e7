/** `profile`: where a server's time and memory go under a load, as files that people can open. */
import type { Command } from "commander";
import { type ProfileOptions, profileServer } from "../profile/profile-run.ts";
import { FSYNC_POLICIES } from "../servers/synap-process.ts";
import { fractionFlag, wholeFlag, wordFlag } from "./arguments.ts";
import { PROTOCOLS } from "./scenario-commands.ts";
import { serverFlag } from "./session-flags.ts";

type ProfileFlags = Omit<ProfileOptions, "protocol"> & { readonly protocol: string };

export function addProfile(program: Command): void {
  const about = "A flame graph of the server's CPU time and a snapshot of its heap, under a load.";
  serverFlag(program.command("profile").description(about))
    .addOption(wordFlag("--scenario <name>", "the load", "kv", ["kv", "queue", "stream", "pubsub"]))
    .addOption(wordFlag("--protocol <name>", "what the clients of kv speak", "ws", Object.keys(PROTOCOLS)))
    .addOption(fractionFlag("--read-ratio <r>", "share of gets of kv", 0.8, 0, 1))
    .addOption(wholeFlag("--keys <n>", "keys of kv", 100_000))
    .addOption(wholeFlag("--connections <n>", "connections of kv and queue", 10))
    .addOption(wholeFlag("--pipeline <n>", "requests of a connection without a reply", 8))
    .addOption(fractionFlag("--duration <s>", "seconds that are profiled", 5, 0.2))
    .addOption(wordFlag("--fsync <when>", "when a write is on disk", "interval", FSYNC_POLICIES))
    .option("--out <directory>", "where the files go", "profiles")
    .action(async (flags: ProfileFlags) => {
      const written = await profileServer({ ...flags, protocol: PROTOCOLS[flags.protocol] });
      for (const file of written) console.log(`written: ${file}`);
      console.log("open the flame graph in a browser, and the other two in Chrome's DevTools (Performance, Memory)");
    });
}
