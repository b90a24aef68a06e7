/**
 * Processes that act as clients, told what to do over a channel: a few words, each with what belongs to it.
 *
 *     benchmark                      client process
 *       start(module, config)   ->   serve((config, benchmark) => ...)
 *       until("ready")          <-   tell("ready")
 *       tell("go")              ->   until("go")
 *                               <-   tell("progress", what was done since)
 *       until("done")           <-   tell("done", result)
 *       stop()
 */
import { type ChildProcess, fork } from "node:child_process";
import { BenchmarkError } from "../servers/benchmark-error.ts";
import { moduleFile } from "../servers/module-file.ts";
import { cpuSeconds, type Readable, stop, track } from "../servers/processes.ts";
import { endWithReason } from "./failure-report.ts";
import type { Progress } from "./load.ts";

interface Note {
  readonly word: string;
  readonly body: unknown;
}

/** One end of a channel. A word that came before anybody waited for it is kept. */
class Channel {
  readonly #send: (note: Note) => void;
  readonly #came = new Map<string, unknown[]>();
  readonly #awaited = new Map<string, ((body: unknown) => void)[]>();
  readonly #failed: Promise<never>;

  /** @param failed rejects when the other end is lost. */
  constructor(send: (note: Note) => void, failed: Promise<never>) {
    this.#send = send;
    this.#failed = failed;
    // Whoever waits hears of it; before that, nobody has to.
    failed.catch((error: unknown) => error);
  }

  tell(word: string, body?: unknown): void {
    this.#send({ word, body });
  }

  /** What came with the next `word`; the caller knows what the other end sends with it. */
  until<Body>(word: string): Promise<Body> {
    const kept = this.#came.get(word);
    // The other end is our own module, so the body is what it sends with this word.
    if (kept !== undefined && kept.length > 0) return Promise.resolve(kept.shift() as Body);
    const came = new Promise<Body>((resolve) => {
      const waiting = this.#awaited.get(word) ?? [];
      // As above.
      waiting.push((body) => resolve(body as Body));
      this.#awaited.set(word, waiting);
    });
    return Promise.race([came, this.#failed]);
  }

  received({ word, body }: Note): void {
    const waiting = this.#awaited.get(word)?.shift();
    if (waiting !== undefined) waiting(body);
    else this.#came.set(word, [...(this.#came.get(word) ?? []), body]);
  }
}

export class ClientProcess extends Channel {
  readonly child: ChildProcess;
  /** Called every so often while the client measures. */
  onProgress: (progress: Progress) => void = () => undefined;

  /** @param module a file that calls `serve` */
  constructor(module: URL, config: object) {
    const file = moduleFile(module);
    const child = track(fork(file, { stdio: ["ignore", "inherit", "inherit", "ipc"] }));
    let reason: string | undefined;
    const failed = new Promise<never>((_, reject) => {
      child.once("exit", (code) => {
        reject(reason === undefined ? new Error(`${file} ended with code ${code}`) : new BenchmarkError(reason));
      });
    });
    super((note) => child.send(note), failed);
    this.child = child;
    child.on("message", (note: Note) => {
      // Our own module sends these with such bodies.
      if (note.word === "failed") reason = note.body as string;
      else if (note.word === "progress") this.onProgress(note.body as Progress);
      else this.received(note);
    });
    this.tell("config", config);
  }

  cpuSeconds(): number {
    return cpuSeconds(this.child);
  }

  stop(): Promise<void> {
    return stop(this.child);
  }
}

/** CPU time that a server and its clients use while something is measured. */
export class CpuWatch {
  readonly #server: Readable | undefined;
  readonly #clients: readonly ClientProcess[];
  readonly #serverStart: number;
  readonly #clientsStart: number;

  /** @param server undefined where it is not ours; its figures are NaN then. */
  constructor(server: Readable | undefined, clients: readonly ClientProcess[]) {
    this.#server = server;
    this.#clients = clients;
    this.#serverStart = server === undefined ? Number.NaN : cpuSeconds(server);
    this.#clientsStart = sum(clients);
  }

  get serverSecs(): number {
    return this.#server === undefined ? Number.NaN : cpuSeconds(this.#server) - this.#serverStart;
  }

  get clientSecs(): number {
    return sum(this.#clients) - this.#clientsStart;
  }

  /** For people: the cores each side used over `seconds`. */
  cores(seconds: number): string {
    const [server, clients] = [this.serverSecs / seconds, this.clientSecs / seconds];
    return `CPU server ${server.toFixed(2)}, clients ${clients.toFixed(2)}`;
  }
}

function sum(clients: readonly ClientProcess[]): number {
  return clients.reduce((seconds, client) => seconds + client.cpuSeconds(), 0);
}

/** The body of a client process: runs once, and the process waits to be stopped. */
export function serve<Config>(run: (config: Config, benchmark: Channel) => Promise<void>): void {
  const lost = new Promise<never>(() => undefined);
  const benchmark = new Channel((note) => process.send?.(note), lost);
  process.on("message", (note: Note) => benchmark.received(note));
  endWithReason((reason) => benchmark.tell("failed", reason));
  // Nobody is left to report to.
  process.once("disconnect", () => process.exit(1));
  // A failure is an unhandled rejection, which is told as the reason.
  void benchmark.until<Config>("config").then((config) => run(config, benchmark));
}

export type { Channel };
