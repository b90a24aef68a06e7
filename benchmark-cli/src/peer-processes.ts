/** Servers that ours is measured against, as Debian packages them. */
import { freePort, listening, requirePrograms, start, temporaryDirectory } from "./processes.ts";
import type { Peer } from "./redis-process.ts";

const FSYNC_MS = 1_000;

/** Writes every job to a log that it fsyncs once a second. */
export async function startBeanstalkd(): Promise<Peer> {
  requirePrograms(["beanstalkd"]);
  const port = await freePort();
  const args = ["-b", temporaryDirectory(), "-f", `${FSYNC_MS}`, "-l", "127.0.0.1", "-p", `${port}`];
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
