/** The built server as a process of its own, with a data directory that outlives it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { WebSocket } from "ws";
import { ownEnvironment } from "../own-environment.ts";

const program = fileURLToPath(new URL("../../dist/main.js", import.meta.url));
const READY = /ready: (http:\/\/[^ ]+:(\d+)) .*?(?:(redis:\/\/[^ ,]+))?, pid/;

export interface CommandReply {
  readonly success: boolean;
  readonly payload?: unknown;
  readonly code?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Directories and processes of a test, gone when it ends. */
export class ServerProcesses {
  readonly #directory = mkdtempSync(join(tmpdir(), "synap-servers-"));
  readonly #servers: ServerProcess[] = [];
  readonly #flags: readonly string[];

  /** @param flags of all of them. */
  constructor(flags: readonly string[] = []) {
    this.#flags = flags;
  }

  /**
   * @param name of its data directory: the same name finds the same data.
   * @param args beside the port and the directory.
   */
  async start(name: string, ...args: string[]): Promise<ServerProcess> {
    const server = this.begin(name, ...args);
    await server.ready();
    return server;
  }

  /** The same, without waiting until it is ready. */
  begin(name: string, ...args: string[]): ServerProcess {
    const own = [...this.#flags, "--data-dir", this.pathOf(name), ...(args.includes("--port") ? [] : ["--port", "0"])];
    const server = new ServerProcess([...own, ...args], this.#directory);
    this.#servers.push(server);
    return server;
  }

  /** Of a data directory. */
  pathOf(name: string): string {
    return join(this.#directory, name);
  }

  /** All of them. */
  async kill(): Promise<void> {
    for (const server of this.#servers) await server.kill("SIGKILL");
  }

  async end(): Promise<void> {
    await this.kill();
    rmSync(this.#directory, { recursive: true, maxRetries: 5 });
  }
}

export class ServerProcess {
  readonly child: ChildProcess;
  url = "";
  port = 0;
  /** Undefined where it speaks no RESP. */
  respUrl: string | undefined;
  /** Everything it has logged. */
  output = "";
  readonly #closed: Promise<unknown>;
  #onOutput: () => void = () => {};

  constructor(args: readonly string[], cwd: string) {
    this.child = spawn(process.execPath, [program, ...args], {
      cwd,
      env: ownEnvironment(),
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.output += text;
        this.#onOutput();
      });
    }
    this.#closed = once(this.child, "close").then(() => this.#onOutput());
  }

  async ready(): Promise<void> {
    const [, url, port, respUrl] = await this.logged(READY);
    this.respUrl = respUrl;
    this.url = url;
    this.port = Number(port);
  }

  async logged(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.output);
      if (found !== null) return found;
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        throw new Error(`it ended without logging ${pattern}: ${this.output}`);
      }
      await new Promise<void>((resolve) => {
        this.#onOutput = resolve;
      });
    }
  }

  /** Sends one command, or a batch of them, over HTTP. */
  async send(body: object): Promise<CommandReply & { readonly results?: readonly CommandReply[] }> {
    const response = await fetch(`${this.url}/api/v1/command`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    return (await response.json()) as CommandReply;
  }

  async ask(command: string, payload: object = {}): Promise<CommandReply> {
    return this.send({ command, payload });
  }

  /** The payload of a command that succeeds. */
  async run(command: string, payload: object = {}): Promise<unknown> {
    const reply = await this.ask(command, payload);
    if (!reply.success) throw new Error(`${command} failed: ${JSON.stringify(reply)}`);
    return reply.payload;
  }

  async page(path: string): Promise<{ readonly status: number; readonly text: string }> {
    const response = await fetch(this.url + path);
    return { status: response.status, text: await response.text() };
  }

  /** Also where it does not listen: a replica closes its ports for a moment when it starts from a snapshot. */
  async isReady(): Promise<boolean> {
    try {
      return (await this.page("/ready")).status === 200;
    } catch (error) {
      if (error instanceof TypeError) return false;
      throw error;
    }
  }

  /** Every key with its value, in order. */
  async everything(): Promise<Record<string, unknown>> {
    const found: Record<string, unknown> = {};
    let cursor: unknown;
    do {
      const page = (await this.run("kv.scan", { limit: 1000, values: true, ...(cursor ? { cursor } : {}) })) as {
        keys: string[];
        values: unknown[];
        cursor: unknown;
      };
      for (const [i, key] of page.keys.entries()) found[key] = page.values[i];
      cursor = page.cursor;
    } while (cursor);
    return found;
  }

  /** A WebSocket; what is pushed to it is collected. */
  async connect(): Promise<{ readonly socket: WebSocket; readonly pushes: Record<string, unknown>[]; close(): void }> {
    const socket = new WebSocket(`${this.url.replace("http", "ws")}/api/v1/ws`);
    const pushes: Record<string, unknown>[] = [];
    socket.on("message", (message: Buffer) => pushes.push(JSON.parse(message.toString())));
    socket.on("error", () => socket.terminate());
    await once(socket, "open");
    return { socket, pushes, close: () => socket.terminate() };
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    this.child.kill(signal);
    await this.#closed;
  }
}
