/** `all`: every scenario, sized so that measuring takes about as long as was asked for. */
import { Command } from "commander";
import { fractionFlag, wholeFlag } from "./arguments.ts";
import {
  kvScenario,
  pubsubScenario,
  queueScenario,
  replicationScenario,
  type Scenario,
  streamScenario,
} from "./scenario-commands.ts";
import { type Planned, Session, type SessionOptions } from "./session.ts";
import { ofAnyServer } from "./session-flags.ts";

/** From this many seconds on, the sizes are those of the specification; below, they shrink with the time. */
const FULL_SIZE_SECS = 60;

interface AllFlags extends SessionOptions {
  readonly duration: number;
  readonly seed: number;
  readonly rounds: number;
}

export function addAll(program: Command): void {
  const about = "Every scenario. Below 60 s the numbers of keys, messages and subscribers shrink with the time.";
  ofAnyServer(program.command("all").description(about))
    .addOption(fractionFlag("--duration <s>", "about how many seconds are measured, in all", 60, 1))
    .addOption(wholeFlag("--seed <n>", "repeats the same operations", 1, 0))
    .addOption(wholeFlag("--rounds <n>", "repetitions of each scenario, of which the median counts", 1))
    .action(async (flags: AllFlags) => {
      await new Session(flags).run(plannedAll(flags));
    });
}

function plannedAll(flags: AllFlags): Planned[] {
  const { duration, seed, rounds, url } = flags;
  const scale = Math.min(1, duration / FULL_SIZE_SECS);
  const sized = (full: number, least: number) => `${Math.max(least, Math.round(full * scale))}`;
  const secs = (share: number) => `${Math.max(0.5, duration * share).toFixed(1)}`;
  const ofOwnServers = ["--rounds", `${rounds}`, ...(flags.server === undefined ? [] : ["--server", flags.server])];
  const common = [
    ...ofOwnServers,
    ...(url === undefined ? [] : ["--url", url]),
    ...(flags.overwrite === true ? ["--overwrite"] : []),
  ];
  const kv = (protocol: string) => {
    const own = ["--protocol", protocol, "--duration", secs(1 / 30), "--keys", sized(100_000, 1_000)];
    return { ...plan(kvScenario, [...own, "--seed", `${seed}`, ...common]), name: `kv over ${protocol}` };
  };
  const queue = ["--messages", sized(50_000, 1_000), "--duration", secs(1 / 10)];
  const rooms = ["--rooms", sized(100, 4), "--events-per-room", sized(1_000, 50)];
  const stream = [...rooms, "--subscribers-per-room", sized(50, 4), "--duration", secs(1 / 10)];
  const audience = ["--subscribers", sized(5_000, 100), "--topics", sized(1_000, 100)];
  const pubsub = ["--messages", sized(100_000, 2_000), ...audience, "--duration", secs(1 / 10)];
  const rates = ["--write-rate", sized(10_000, 1_000), "--read-rate", sized(50_000, 3_000)];
  const replication = [...rates, "--keys", sized(100_000, 1_000), "--duration", secs(1 / 5), "--seed", `${seed}`];
  return [
    kv("ws"),
    kv("http"),
    // The address of HTTP says nothing of where RESP is, and replicas cannot be added to a server that is there.
    ...(url === undefined || flags.respPort !== undefined ? [kv("resp")] : []),
    plan(queueScenario, [...queue, ...common]),
    plan(streamScenario, [...stream, ...common]),
    plan(pubsubScenario, [...pubsub, ...common]),
    ...(url === undefined ? [plan(replicationScenario, [...replication, ...ofOwnServers])] : []),
  ];
}

/** By the flags of its own command, so that its defaults stand in one place. */
function plan<Flags extends SessionOptions>({ flags, planned }: Scenario<Flags>, args: readonly string[]): Planned {
  return planned(flags(new Command()).parse(args, { from: "user" }).opts<Flags>());
}
