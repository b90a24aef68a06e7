/** Redis, with persistence or without, and webdis in front of it. */
import type { ChildProcess } from "node:child_process";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { drawValue, keyOf } from "../load/workload.ts";
import {
  firstAnswer,
  freePort,
  listening,
  type Readable,
  requireDisk,
  start,
  temporaryDirectory,
} from "../servers/processes.ts";

export interface Peer {
  readonly child: ChildProcess;
  readonly port: number;
  /** The command that started it, as it is printed. */
  readonly settings: string;
  /** Whose CPU time counts, where it is not that of the child itself. */
  readonly worker?: Readable;
}

export interface RedisOptions {
  /** When its append-only file is on disk; without it there is none. */
  readonly appendfsync?: "always" | "everysec";
  /** Of an earlier one, or for a later one. */
  readonly directory?: string;
  readonly port?: number;
}

/** No snapshots but those that somebody asks for. */
export async function startRedis({ appendfsync, directory, port: wanted }: RedisOptions = {}): Promise<Peer> {
  const port = wanted ?? (await freePort());
  const log =
    appendfsync === undefined ? ["--appendonly", "no"] : ["--appendonly", "yes", "--appendfsync", appendfsync];
  if (appendfsync !== undefined) requireDisk();
  const args = ["--port", `${port}`, "--bind", "127.0.0.1", "--save", "", "--dir", directory ?? temporaryDirectory()];
  args.push(...log);
  const child = start("redis-server", args, { stdio: "ignore" });
  await listening(port, child);
  return { child, port, settings: child.spawnargs.join(" ") };
}

/** With Debian's settings, two threads among them, but for ports and logs. */
export async function startWebdis(redisPort: number): Promise<Peer> {
  const port = await freePort();
  const cwd = temporaryDirectory();
  const file = join(cwd, "webdis.json");
  const settings = {
    redis_host: "127.0.0.1",
    redis_port: redisPort,
    http_host: "127.0.0.1",
    http_port: port,
    threads: 2,
    daemonize: false,
    verbosity: 0,
    logfile: "/dev/null",
  };
  writeFileSync(file, JSON.stringify(settings));
  const child = start("webdis", [file], { cwd, stdio: "ignore" });
  await listening(port, child);
  return { child, port, settings: `webdis ${JSON.stringify(settings)}` };
}

/** Stores the keys of `fill` in a Redis. */
export async function fillRedis(port: number, keys: number, valueBytes: number): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  await new Promise((resolve) => socket.once("connect", resolve));
  let answered = 0;
  const done = new Promise<void>((resolve, reject) => {
    socket.on("data", (chunk) => {
      if (chunk.includes("-")) reject(new Error(`a write was refused: ${chunk.toString("latin1").slice(0, 200)}`));
      for (const byte of chunk) if (byte === 0x2b) answered++;
      if (answered === keys) resolve();
    });
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("the connection was closed while keys were being written")));
  });
  for (let first = 0; first < keys; first += 1000) {
    let batch = "";
    for (let i = first; i < Math.min(keys, first + 1000); i++) {
      const key = keyOf(i);
      batch += `*3\r\n$3\r\nSET\r\n$${key.length}\r\n${key}\r\n$${valueBytes}\r\n${drawValue(valueBytes)}\r\n`;
    }
    if (!socket.write(batch)) await Promise.race([new Promise((resolve) => socket.once("drain", resolve)), done]);
  }
  await done;
  socket.destroy();
}

/** A snapshot of many millions of keys is answered when it is written. */
const ANSWER_MS_MAX = 600_000;

/** Sends one command to a server of RESP and answers the first piece of its reply. @throws if nobody answers */
export async function askRedis(port: number, command: string): Promise<string> {
  const answer = await firstAnswer("127.0.0.1", port, `${command}\r\n`, ANSWER_MS_MAX);
  if (answer === undefined) throw new Error(`nobody answers ${command} on port ${port}`);
  return answer;
}

/** Redis' own account of its memory. */
export async function redisUsedMemory(port: number): Promise<number> {
  const text = await askRedis(port, "INFO memory");
  return Number(text.match(/^used_memory:(\d+)/m)?.[1]);
}
