/** `compare`: Synap beside the servers whose place it takes. */
import type { Command } from "commander";
import type { PeerOptions } from "../peers/peer-options.ts";
import { PEERS, whyMissing } from "../peers/peers.ts";
import { BenchmarkError } from "../servers/benchmark-error.ts";
import { fractionFlag, wholeFlag } from "./arguments.ts";
import { Session, type SessionOptions } from "./session.ts";
import { ofSession } from "./session-flags.ts";

const NAMES = Object.keys(PEERS);

interface CompareFlags extends SessionOptions, PeerOptions {
  readonly peers: string;
}

export function addCompare(program: Command): void {
  const about = "The same workload through the same client against Synap and its peers, in turns.";
  ofSession(program.command("compare").description(about))
    .option("--peers <names>", `separated by commas, of ${NAMES.join(", ")}`, NAMES.join(","))
    .addOption(wholeFlag("--rounds <n>", "turns of each, of which the median counts", 3))
    .addOption(fractionFlag("--duration <s>", "seconds of one turn", 2, 0.1))
    .addOption(wholeFlag("--connections <n>", "connections of the client (queues: at most 10)", 50))
    .addOption(wholeFlag("--keys <n>", "keys that gets and sets are spread over", 100_000))
    .addOption(wholeFlag("--payload-size <n>", "bytes of a value or a message", 100, 10))
    .addOption(wholeFlag("--seed <n>", "repeats the same operations", 1, 0))
    .action(compare);
}

async function compare(flags: CompareFlags): Promise<void> {
  const { rounds, duration, connections, keys, payloadSize, seed } = flags;
  const options: PeerOptions = { rounds, duration, connections, keys, payloadSize, seed };
  const wanted = flags.peers.split(",").map((name) => name.trim());
  const unknown = wanted.filter((name) => !NAMES.includes(name));
  if (unknown.length > 0) throw new BenchmarkError(`--peers knows ${NAMES.join(", ")}, not ${unknown.join(", ")}`);
  const found: string[] = [];
  for (const name of wanted) {
    const why = whyMissing(name);
    if (why === undefined) found.push(name);
    else console.log(why);
  }
  if (found.length === 0) throw new BenchmarkError("none of these peers is here");
  await new Session(flags).run(
    found.map((name) => ({ name: `beside ${name}`, run: (stage) => PEERS[name].compare(options, stage) })),
  );
}
