/** Flags that several commands share: those of a run and its files, and those of a server that is there already. */
import type { Command } from "commander";
import { wholeFlag } from "./arguments.ts";

export function serverFlag(command: Command): Command {
  return command.option("--server <file>", "the main.js of the server to start (the built one of this checkout)");
}

/** Of every run; alone, where the servers have to be its own. */
export function ofSession(command: Command): Command {
  return serverFlag(command)
    .option("--json <file>", "save the figures as JSON")
    .option("--report <file>", "write a report: a page to look at when it ends in .html, else JSON (.json)");
}

/** Of what can be measured at a server that runs already. */
export function ofAnyServer(command: Command): Command {
  return ofSession(
    command
      .option(
        "--url <url>",
        "a server that is there already: http://HOST:PORT, or redis://HOST:PORT for RESP alone; with TLS https:// and rediss://",
      )
      .addOption(wholeFlag("--resp-port <n>", "where the server of --url speaks RESP, for --protocol resp", undefined))
      .option(
        "--token <token>",
        "what the server of --url wants; SYNAP_TOKEN in the environment is seen by nobody else",
      )
      .option(
        "--ca <file>",
        "who has signed the certificate of the server of --url, in PEM, where Node does not know them",
      )
      .option("--overwrite", "write to the server of --url although it holds data"),
  );
}
