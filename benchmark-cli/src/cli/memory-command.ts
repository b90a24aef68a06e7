/** `memory`: bytes of one more key, message, room, event, subscription and connection. */
import type { Command } from "commander";
import { type MemoryOptions, runMemory } from "../scenarios/memory.ts";
import { wholeFlag } from "./arguments.ts";
import { Session, type SessionOptions } from "./session.ts";
import { ofSession } from "./session-flags.ts";

export function addMemory(program: Command): void {
  ofSession(
    program.command("memory").description("What one more of everything costs in memory, by account and by RSS."),
  )
    .addOption(wholeFlag("--keys <n>", "keys; 0 leaves a part out", 1_000_000, 0))
    .addOption(wholeFlag("--messages <n>", "queued messages", 200_000, 0))
    .addOption(wholeFlag("--rooms <n>", "empty rooms", 50_000, 0))
    .addOption(wholeFlag("--events <n>", "events, in 100 rooms", 500_000, 0))
    .addOption(wholeFlag("--subscriptions <n>", "subscriptions to topics", 100_000, 0))
    .addOption(wholeFlag("--connections <n>", "idle WebSockets", 5_000, 0))
    .addOption(wholeFlag("--payload-size <n>", "bytes of a value, a message and an event", 100))
    .action(async (flags: SessionOptions & MemoryOptions) => {
      const { keys, messages, rooms, events, subscriptions, connections, payloadSize } = flags;
      const options = { keys, messages, rooms, events, subscriptions, connections, payloadSize };
      await new Session(flags).run([{ name: "memory", run: (stage) => runMemory(options, stage) }]);
    });
}
