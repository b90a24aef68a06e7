/** Servers that ours is measured against, as Debian packages them. */
import { freePort, listening, requirePrograms, start, temporaryDirectory } from "./processes.ts";
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
  return { child, port };
}

export async function startNats(): Promise<Peer> {
  requirePrograms(["nats-server"]);
  const port = await freePort();
  const child = start("nats-server", ["-a", "127.0.0.1", "-p", `${port}`], { stdio: "ignore" });
  await listening(port, child);
  return { child, port };
}
