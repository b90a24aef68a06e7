/** The built server as a process of its own, for tests, examples and benchmarks: the SDK is tested against nothing else. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../../server/bin/synap-server.js", import.meta.url));

export interface ServerOptions {
  /** 0, the default, takes a free one. */
  readonly port?: number;
  /** Where it keeps its data; without one it keeps none over its end. */
  readonly dataDirectory?: string;
  /** Each as `section.key=value`. */
  readonly settings?: readonly string[];
  readonly flags?: readonly string[];
}

export class ServerProcess {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown[]>;

  private constructor(child: ChildProcess, url: string, ended: Promise<unknown[]>) {
    this.#child = child;
    this.url = url;
    this.port = Number(new URL(url).port);
    this.#ended = ended;
  }

  static async start({
    port = 0,
    dataDirectory,
    settings = [],
    flags = [],
  }: ServerOptions = {}): Promise<ServerProcess> {
    const set = ["logging.format=json", ...settings].flatMap((setting) => ["--set", setting]);
    const kept = Object.entries(process.env).filter(([name]) => !name.startsWith("SYNAP_"));
    const data = dataDirectory === undefined ? ["--no-persistence"] : ["--data-dir", dataDirectory];
    const argv = [program, "--port", String(port), "--resp-port", "0", ...data, ...set, ...flags];
    const child = spawn(process.execPath, argv, {
      env: Object.fromEntries(kept),
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(child, "close");
    const lines = createInterface({ input: child.stdout });
    const said: string[] = [];
    const url = await new Promise<string>((resolve, reject) => {
      lines.on("line", (line) => {
        said.push(line);
        const ready = / ready: (http:\S+) /.exec(line);
        if (ready !== null) resolve(ready[1]);
      });
      lines.once("close", () => reject(new Error(`the server ended before it was ready: ${said.join("\n")}`)));
    });
    return new ServerProcess(child, url, ended);
  }

  get pid(): number {
    // It has one: it has said that it is ready.
    return this.#child.pid as number;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** As a crash: at once, with nothing said. */
  async end(): Promise<void> {
    this.signal("SIGKILL");
    await this.#ended;
  }

  /** As an operator stops it. */
  async stop(): Promise<void> {
    this.signal("SIGTERM");
    await this.#ended;
  }
}
