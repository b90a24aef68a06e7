/** A Redis without persistence, to measure beside. Debian: `apt-get install redis-server`. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";

export class RedisProcess {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown[]>;

  private constructor(port: number, child: ChildProcess, ended: Promise<unknown[]>) {
    this.port = port;
    this.#child = child;
    this.#ended = ended;
  }

  static async start(): Promise<RedisProcess> {
    const port = await freePort();
    const argv = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
    const child = spawn("redis-server", argv, { stdio: ["ignore", "pipe", "inherit"] });
    const ended = once(child, "close");
    await new Promise<void>((resolve, reject) => {
      child.once("error", reject);
      const lines = createInterface({ input: child.stdout });
      lines.on("line", (line) => {
        if (line.includes("Ready to accept connections")) resolve();
      });
      lines.once("close", () => reject(new Error("redis-server ended before it was ready")));
    });
    return new RedisProcess(port, child, ended);
  }

  async end(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  // A TCP server that listens has an address with a port.
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
