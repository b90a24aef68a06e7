/** Debian's redis-server as the peer of a test: on a Unix socket in a directory of its own, without persistence. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { vi } from "vitest";
import { RawConnection } from "./raw-connection.ts";

/** The version whose replies are the ones to give; others differ in texts and options. */
export const REDIS_MAJOR = 7;

/** Why there is no peer to compare with; `undefined` where there is one. */
export function redisMissing(): string | undefined {
  const { stdout, error } = spawnSync("redis-server", ["--version"], { encoding: "utf8" });
  if (error !== undefined) return "redis-server is not installed";
  const version = /v=(\d+)/.exec(stdout)?.[1];
  return Number(version) === REDIS_MAJOR ? undefined : `redis-server is version ${version}, not ${REDIS_MAJOR}`;
}

export class RedisProcess {
  readonly socketPath: string;
  readonly #directory: string;
  readonly #child: ChildProcess;

  private constructor(directory: string, settings: readonly string[]) {
    this.#directory = directory;
    this.socketPath = join(directory, "redis.sock");
    const own = [
      "--port",
      "0",
      "--unixsocket",
      this.socketPath,
      "--dir",
      directory,
      "--save",
      "",
      "--appendonly",
      "no",
    ];
    this.#child = spawn("redis-server", [...own, ...settings], { stdio: "ignore" });
  }

  /** @param settings more of redis-server's arguments. */
  static async start(...settings: readonly string[]): Promise<RedisProcess> {
    const process = new RedisProcess(mkdtempSync(join(tmpdir(), "synap-redis-")), settings);
    const probe = await vi.waitFor(() => RawConnection.open(process.socketPath), { timeout: 10_000, interval: 10 });
    probe.close();
    return process;
  }

  async stop(): Promise<void> {
    const exited = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await exited;
    rmSync(this.#directory, { recursive: true });
  }
}
