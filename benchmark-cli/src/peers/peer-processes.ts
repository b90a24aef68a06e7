/** Servers that ours is measured against, as Debian packages them. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  freePort,
  listening,
  onlyChildOf,
  requirePrograms,
  start,
  startGroup,
  temporaryDirectory,
} from "../servers/processes.ts";
import type { Peer } from "./redis-process.ts";

/**
 * Writes every job to a log.
 * @param fsyncMs at most so often it is synced; 0 syncs every write before its reply
 */
export async function startBeanstalkd(fsyncMs: number): Promise<Peer> {
  requirePrograms(["beanstalkd"]);
  const port = await freePort();
  const args = ["-b", temporaryDirectory(), "-f", `${fsyncMs}`, "-l", "127.0.0.1", "-p", `${port}`];
  const child = start("beanstalkd", args);
  await listening(port, child);
  return { child, port, settings: child.spawnargs.join(" ") };
}

export async function startNats(): Promise<Peer> {
  requirePrograms(["nats-server"]);
  const port = await freePort();
  const child = start("nats-server", ["-a", "127.0.0.1", "-p", `${port}`], { stdio: "ignore" });
  await listening(port, child);
  return { child, port, settings: child.spawnargs.join(" ") };
}

export async function startMosquitto(): Promise<Peer> {
  requirePrograms(["mosquitto"]);
  const port = await freePort();
  const file = join(temporaryDirectory(), "mosquitto.conf");
  // Without a limit, since a message that is dropped would be a difference in what was done.
  const settings = [`listener ${port} 127.0.0.1`, "allow_anonymous true", "max_queued_messages 0", "log_type none"];
  writeFileSync(file, `${settings.join("\n")}\n`);
  const child = start("mosquitto", ["-c", file], { stdio: "ignore" });
  await listening(port, child);
  return { child, port, settings: `mosquitto with ${settings.join("; ")}` };
}

/** Debian's wrapper would switch to another user, who could not use our directory. */
const RABBITMQ_PROGRAM = "/usr/lib/rabbitmq/bin/rabbitmq-server";
const RABBITMQ_READY_MS_MAX = 60_000;

/** A node of its own, with its own name server, so that none of the machine's is touched or left behind. */
export async function startRabbitmq(): Promise<Peer> {
  const [port, namesPort, nodesPort] = [await freePort(), await freePort(), await freePort()];
  const directory = temporaryDirectory();
  const names = start("epmd", ["-port", `${namesPort}`, "-address", "127.0.0.1"], { stdio: "ignore" });
  await listening(namesPort, names);
  const settings = `listeners.tcp.1 = 127.0.0.1:${port}`;
  writeFileSync(join(directory, "rabbitmq.conf"), `${settings}\n`);
  const env = {
    PATH: process.env.PATH,
    HOME: directory,
    ERL_EPMD_PORT: `${namesPort}`,
    RABBITMQ_NODENAME: `benchmark-${process.pid}@localhost`,
    RABBITMQ_DIST_PORT: `${nodesPort}`,
    RABBITMQ_MNESIA_BASE: join(directory, "data"),
    RABBITMQ_LOG_BASE: join(directory, "log"),
    RABBITMQ_CONFIG_FILE: join(directory, "rabbitmq.conf"),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(directory, "plugins"),
    RABBITMQ_PID_FILE: join(directory, "pid"),
  };
  const child = startGroup(RABBITMQ_PROGRAM, [], { env, cwd: directory, stdio: "ignore" });
  await listening(port, child, RABBITMQ_READY_MS_MAX);
  child.once("exit", () => names.kill());
  const about = `rabbitmq-server with ${settings}, no plugins, a durable queue, persistent messages and publisher confirms`;
  return { child, port, settings: about, worker: onlyChildOf(child, "beam.smp") };
}
