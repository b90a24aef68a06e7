/** `stress`: everything at once, for long. */
import type { Command } from "commander";
import { runStress, type StressOptions } from "../scenarios/stress.ts";
import { FSYNC_POLICIES } from "../servers/synap-process.ts";
import { fractionFlag, wholeFlag, wordFlag } from "./arguments.ts";
import { Session, type SessionOptions } from "./session.ts";
import { ofAnyServer } from "./session-flags.ts";

export function addStress(program: Command): void {
  ofAnyServer(program.command("stress").description("Keys, a queue and idle connections at once: no error, no growth."))
    .addOption(fractionFlag("--duration <s>", "seconds", 300, 1))
    .addOption(wholeFlag("--kv-rate <r>", "gets and sets per second; 0 leaves them out", 100_000, 0))
    .addOption(wholeFlag("--queue-rate <r>", "messages per second; 0 leaves them out", 50_000, 0))
    .addOption(wholeFlag("--connections <n>", "idle WebSockets, as far as this machine allows", 50_000, 0))
    .addOption(wholeFlag("--keys <n>", "keys that operations are spread over", 100_000))
    .addOption(wholeFlag("--seed <n>", "repeats the same operations", 1, 0))
    .addOption(wordFlag("--fsync <when>", "when a write is on disk", "interval", FSYNC_POLICIES))
    .action(async (flags: SessionOptions & StressOptions) => {
      const { duration, kvRate, queueRate, connections, keys, seed, fsync } = flags;
      const options = { duration, kvRate, queueRate, connections, keys, seed, fsync };
      await new Session(flags).run([{ name: "stress", run: (stage) => runStress(options, stage) }]);
    });
}
