/** The program `synap-server`: arguments, environment, signals and the exit code. The server itself is in server.ts. */
import { type CommandLine, helpText, readCommandLine } from "./config/command-line.ts";
import { loadConfig } from "./config/load.ts";
import { configAsYaml } from "./config/print.ts";
import { version } from "./config/version.ts";
import { systemClock } from "./runtime/clock.ts";
import { inlineMore } from "./runtime/inlining.ts";
import { Lifecycle } from "./runtime/lifecycle.ts";
import { afterLastWrite, createLogger } from "./runtime/logger.ts";
import { checkNodeVersion } from "./runtime/node-version.ts";
import { StartError } from "./runtime/start-error.ts";

async function main(args: readonly string[]): Promise<void> {
  if (args[0] === "token") {
    const { runTokenCommand } = await import("./token-command.ts");
    await runTokenCommand(args.slice(1), process.env, systemClock.nowMs(), (text) => process.stdout.write(text));
    return;
  }
  const commandLine = readCommandLine(args, process.env);
  switch (commandLine.action) {
    case "help":
      process.stdout.write(helpText(version));
      return;
    case "version":
      process.stdout.write(`${version}\n`);
      return;
    case "print-config": {
      // As asked for, not as this machine allows at the moment: the printed file may be for another.
      const { config, warnings } = await loadConfig(commandLine, process.env, Number.POSITIVE_INFINITY);
      for (const warning of warnings) process.stderr.write(`${warning}\n`);
      process.stdout.write(await configAsYaml(config));
      return;
    }
    case "serve":
      await serve(commandLine);
  }
}

async function serve(commandLine: CommandLine): Promise<void> {
  checkNodeVersion(process.version);
  inlineMore();
  const { config, warnings } = await loadConfig(commandLine, process.env);
  const log = await createLogger(config.logging);
  for (const warning of warnings) log.warn(warning);
  const lifecycle = new Lifecycle({
    log,
    clock: systemClock,
    // After a bug nothing may run any more, not even while a line is written; `fatal` has written its own at once.
    exit: (code) => (code === 0 ? afterLastWrite(log, () => process.exit(0)) : process.exit(code)),
    graceMs: config.server.shutdownGraceSecs * 1000,
    signals: process,
  });
  // Imported only now, after the check of the Node version.
  const { startServer } = await import("./server.ts");
  const server = await startServer(config, log);
  const webSocketUrl = `${server.url.replace(/^http/, "ws")}/api/v1/ws`;
  const resp = server.respUrl === undefined ? "" : `, ${server.respUrl}`;
  const { role, masterUrl } = config.replication;
  const place = role === "replica" ? `, a replica of ${masterUrl}` : "";
  const ready = `synap ${version} ready: ${server.url} (${webSocketUrl})${resp}${place}, pid ${process.pid}`;
  if (!lifecycle.isStopping) log.info(ready);
  lifecycle.started(server);
}

/** A message may name what a file holds, and a name there may hold anything: nothing of it is left to steer a terminal. */
function onOneLine(message: string): string {
  return message.replace(/\p{Cc}/gu, (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  // A reason to be told in one sentence, or a bug, which is told with its stack.
  const shown =
    error instanceof StartError
      ? `synap-server: ${onOneLine(error.message)}`
      : error instanceof Error
        ? error.stack
        : String(error);
  process.stderr.write(`${shown}\n`);
  process.exitCode = 1;
  process.exit();
}
