/** The commands of `synap-benchmark` and their flags; what they do stands in scenarios/, peers/ and baseline/. */
import { Command } from "commander";
import type { Protocol } from "../load/connection.ts";
import { runKv } from "../scenarios/kv.ts";
import { FSYNC_POLICIES, type FsyncPolicy } from "../servers/synap-process.ts";
import { fractionFlag, wholeFlag, wordFlag } from "./arguments.ts";
import { Session, type SessionOptions } from "./session.ts";

const PROTOCOLS: Readonly<Record<string, Protocol>> = { ws: "websocket", http: "http", resp: "resp" };

export function buildProgram(): Command {
  const program = new Command("synap-benchmark")
    .description("Measures a Synap server: one it starts itself, or the one that --url names.")
    .showHelpAfterError("(synap-benchmark COMMAND --help lists its flags)")
    .showSuggestionAfterError();
  addKv(program);
  return program;
}

function shared(command: Command): Command {
  return command
    .option("--url <url>", "a server that is there already (http://HOST:PORT, or redis://HOST:PORT for RESP)")
    .option("--server <file>", "the main.js of the server to start (the built one of this checkout)")
    .option("--json <file>", "save the figures as JSON")
    .option("--report <file>", "write a report: a page to look at when it ends in .html, else JSON (.json)");
}

interface KvFlags extends SessionOptions {
  readonly protocol: string;
  readonly operations?: number;
  readonly duration?: number;
  readonly readRatio: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly keys: number;
  readonly connections: number;
  readonly pipeline: number;
  readonly batch: number;
  readonly loop: "closed" | "open" | "both";
  readonly rate?: number;
  readonly warmup: number;
  readonly seed: number;
  readonly clients: number;
  readonly fsync: FsyncPolicy;
  readonly rounds: number;
}

function addKv(program: Command): void {
  shared(program.command("kv").description("Scenario 1: gets and sets of keys."))
    .addOption(wordFlag("--protocol <name>", "what the clients speak", "ws", Object.keys(PROTOCOLS)))
    .addOption(wholeFlag("--operations <n>", "operations of the closed loop (100000)", undefined).conflicts("duration"))
    .addOption(fractionFlag("--duration <s>", "seconds of each loop, in place of --operations", undefined, 0.1))
    .addOption(fractionFlag("--read-ratio <r>", "share of gets", 0.8, 0, 1))
    .addOption(wholeFlag("--key-size <n>", "bytes of a key", 20, 12))
    .addOption(wholeFlag("--value-size <n>", "bytes of a value", 100))
    .addOption(wholeFlag("--keys <n>", "keys that operations are spread over", 100_000))
    .addOption(wholeFlag("--connections <n>", "connections", 10))
    .addOption(wholeFlag("--pipeline <n>", "requests of a connection without a reply", 1))
    .addOption(wholeFlag("--batch <n>", "commands of one request", 1))
    .addOption(wordFlag("--loop <name>", "as fast as it goes, at fixed instants, or both", "both", LOOPS))
    .addOption(fractionFlag("--rate <r>", "operations/s of the open loop (a fifth of the closed loop)", undefined, 1))
    .addOption(fractionFlag("--warmup <s>", "seconds before anything counts", 0))
    .addOption(wholeFlag("--seed <n>", "repeats the same operations", 1, 0))
    .addOption(wholeFlag("--clients <n>", "client processes that share the load", 1))
    .addOption(wordFlag("--fsync <when>", "when a write is on disk", "interval", FSYNC_POLICIES))
    .addOption(wholeFlag("--rounds <n>", "repetitions, of which the median counts", 1))
    .action(async (flags: KvFlags) => {
      const { operations = 100_000, duration, rate, ...rest } = flags;
      const options = { ...rest, operations, duration, rate, protocol: PROTOCOLS[flags.protocol] };
      await new Session(flags).run([{ name: "kv", run: (stage) => runKv(options, stage) }]);
    });
}

const LOOPS = ["closed", "open", "both"];
