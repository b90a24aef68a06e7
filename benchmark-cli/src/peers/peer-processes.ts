/** Servers that ours is measured against, as Debian packages them. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, listening, requirePrograms, start, temporaryDirectory } from "../servers/processes.ts";
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
