/** The built server as a process of its own, and clients of it: commands over HTTP and WebSockets with pushes. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { Agent, request as httpRequest } from "node:http";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { WebSocket } from "ws";
import { ownEnvironment } from "../own-environment.ts";
import { type PageFamily, readPrometheusPage } from "../prometheus-page.ts";

/** What an object from the wire is; tests say what they expect of it. */
export type Fields = Readonly<Record<string, unknown>>;

export interface Reply {
  readonly success: boolean;
  readonly request_id?: unknown;
  readonly payload: Fields;
  readonly code?: string;
}

const program = fileURLToPath(new URL("../../bin/synap-server.js", import.meta.url));

export class ServerProcess {
  readonly url: string;
  /** What the process ended with: its exit code and the signal. */
  readonly ended: Promise<unknown[]>;
  readonly #child: ChildProcess;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #clients: SocketClient[] = [];

  private constructor(child: ChildProcess, url: string, ended: Promise<unknown[]>) {
    this.#child = child;
    this.url = url;
    this.ended = ended;
  }

  /** @param settings each as `section.key=value` */
  static start(...settings: readonly string[]): Promise<ServerProcess> {
    return ServerProcess.#start([], settings);
  }

  /** With a module of its own that runs before the program; `ask` talks to it. */
  static startWith(planted: string): Promise<ServerProcess> {
    return ServerProcess.#start(["--import", `data:text/javascript,${encodeURIComponent(planted)}`], []);
  }

  static async #start(nodeFlags: readonly string[], settings: readonly string[]): Promise<ServerProcess> {
    const stored = settings.some((setting) => setting.startsWith("persistence.")) ? [] : ["persistence.enabled=false"];
    const flags = ["logging.format=json", ...stored, ...settings].flatMap((setting) => ["--set", setting]);
    const child = spawn(process.execPath, [...nodeFlags, program, "--port", "0", ...flags], {
      env: ownEnvironment(),
      stdio: ["ignore", "pipe", "inherit", "ipc"],
    });
    const ended = once(child, "close");
    if (child.stdout === null) throw new Error("its output is piped");
    const lines = createInterface({ input: child.stdout });
    const url = await new Promise<string>((resolve, reject) => {
      lines.on("line", (line) => {
        const ready = / ready: (http:\S+) /.exec(line);
        if (ready !== null) resolve(ready[1]);
      });
      lines.once("close", () => reject(new Error("the server ended before it was ready")));
    });
    return new ServerProcess(child, url, ended);
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** What the planted module sends back. */
  async ask(question: string): Promise<unknown> {
    this.#child.send(question);
    const [answer]: unknown[] = await once(this.#child, "message");
    return answer;
  }

  /** For `afterEach` and `afterAll`: nothing of it is left. */
  async end(): Promise<void> {
    for (const client of this.#clients) client.socket.terminate();
    this.#agent.destroy();
    this.signal("SIGKILL");
    await this.ended;
  }

  /** One command over HTTP, whatever its reply. @param signal gives the request up. */
  post(command: string, payload: unknown, signal?: AbortSignal): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const headers = { "content-type": "application/json" };
      const options = { method: "POST", headers, agent: this.#agent, ...(signal === undefined ? {} : { signal }) };
      const request = httpRequest(`${this.url}/api/v1/command`, options, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        // The reply of a server to one command.
        response.on("end", () => resolve(JSON.parse(Buffer.concat(chunks).toString()) as Reply));
      });
      request.on("error", reject);
      request.end(JSON.stringify({ command, payload }));
    });
  }

  /** One command over HTTP that succeeds. */
  async send(command: string, payload: unknown): Promise<Fields> {
    return succeeded(command, await this.post(command, payload));
  }

  async metrics(): Promise<Map<string, PageFamily>> {
    return readPrometheusPage(await (await fetch(`${this.url}/metrics`)).text());
  }

  /** A connected WebSocket, which `end` closes. */
  async connect(onPush?: (push: Fields) => void): Promise<SocketClient> {
    const socket = new WebSocket(`${this.url.replace("http", "ws")}/api/v1/ws`, { perMessageDeflate: false });
    const client = new SocketClient(socket, onPush);
    this.#clients.push(client);
    await once(socket, "open");
    return client;
  }
}

export class SocketClient {
  readonly socket: WebSocket;
  /** What was pushed, where nobody else takes it. */
  readonly pushes: Fields[] = [];
  closeCode: number | undefined;
  readonly #onPush: (push: Fields) => void;
  readonly #answers = new Map<number, { resolve(reply: Reply): void; reject(error: Error): void }>();
  #lastId = 0;

  constructor(socket: WebSocket, onPush: ((push: Fields) => void) | undefined) {
    this.socket = socket;
    this.#onPush = onPush ?? ((push) => this.pushes.push(push));
    // What comes is text, one object each.
    socket.on("message", (data) => this.#receive(JSON.parse(String(data)) as Fields));
    socket.on("error", () => socket.terminate());
    socket.on("close", (code) => {
      this.closeCode = code;
      for (const { reject } of this.#answers.values()) reject(new Error(`closed with ${code} before the answer`));
      this.#answers.clear();
    });
  }

  /** One command, whatever its reply. */
  post(command: string, payload: unknown): Promise<Reply> {
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      this.#answers.set(id, { resolve, reject });
      this.socket.send(JSON.stringify({ command, request_id: id, payload }));
    });
  }

  /** One command that succeeds. */
  async send(command: string, payload: unknown): Promise<Fields> {
    return succeeded(command, await this.post(command, payload));
  }

  #receive(message: Fields): void {
    const answer = this.#answers.get(Number(message.request_id));
    if (answer === undefined) {
      this.#onPush(message);
      return;
    }
    this.#answers.delete(Number(message.request_id));
    // With the id of a request it is its reply.
    answer.resolve(message as unknown as Reply);
  }
}

function succeeded(command: string, reply: Reply): Fields {
  if (!reply.success) throw new Error(`${command}: ${JSON.stringify(reply)}`);
  return reply.payload;
}

/** Polls a condition for which there is no event. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** `[0, count)` */
export function numbers(count: number): number[] {
  return [...Array(count).keys()];
}
