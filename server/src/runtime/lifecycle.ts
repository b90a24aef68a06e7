/**
 * From a started server to the exit code: signals, and errors nobody handled.
 *
 * The first SIGTERM or SIGINT stops the server and ends with 0; a second one ends at once with 1. Whatever throws
 * without a handler is a bug: state may be half changed, so the process logs it and ends with 1.
 */
import type { EventEmitter } from "node:events";
import type { Clock } from "./clock.ts";
import { FatalError } from "./fatal-error.ts";
import type { Logger } from "./logger.ts";

export interface Stoppable {
  /** Takes no new work, finishes what is in flight within the grace time, closes the rest. */
  stop(): Promise<void>;
}

export interface LifecycleOptions {
  readonly log: Logger;
  readonly clock: Clock;
  readonly exit: (code: number) => void;
  /** How long `stop` may take. It keeps to this itself; `OVERTIME_MS` later the process ends regardless, with 1. */
  readonly graceMs: number;
  /** `process`, but for tests. */
  readonly signals: Pick<EventEmitter, "on">;
}

const OVERTIME_MS = 1000;
/**
 * Ctrl-C under `npm start` reaches the process twice: from the terminal and again from npm, a moment later. A person
 * who presses it a second time takes longer than this.
 */
const ECHO_MS = 300;

export class Lifecycle {
  readonly #options: LifecycleOptions;
  #server: Stoppable | undefined;
  #stopAskedAtMs: number | undefined;

  constructor(options: LifecycleOptions) {
    this.#options = options;
    const { signals, log } = options;
    for (const signal of ["SIGTERM", "SIGINT"]) signals.on(signal, () => this.#onStopSignal(signal));
    signals.on("SIGHUP", () => log.info("SIGHUP: there is nothing to reload; restart to read the configuration again"));
    signals.on("uncaughtException", (error: unknown) => this.#onBug(error, "uncaughtException"));
    signals.on("unhandledRejection", (reason: unknown) => this.#onBug(reason, "unhandledRejection"));
  }

  /** A signal has asked for the end. */
  get isStopping(): boolean {
    return this.#stopAskedAtMs !== undefined;
  }

  /** The server is up. A signal that came while it was starting stops it now. */
  started(server: Stoppable): void {
    this.#server = server;
    if (this.#stopAskedAtMs !== undefined) this.#stop(server);
  }

  #onStopSignal(signal: string): void {
    const { log, clock, exit } = this.#options;
    const nowMs = clock.monotonicMs();
    if (this.#stopAskedAtMs !== undefined) {
      if (nowMs - this.#stopAskedAtMs < ECHO_MS) return;
      log.warn(`${signal} again: ending at once`);
      exit(1);
      return;
    }
    this.#stopAskedAtMs = nowMs;
    log.info(`${signal}: stopping`);
    if (this.#server !== undefined) this.#stop(this.#server);
  }

  #stop(server: Stoppable): void {
    const { log, exit, graceMs } = this.#options;
    const overtime = setTimeout(() => {
      log.error(`still not stopped ${OVERTIME_MS} ms after the grace time of ${graceMs} ms: ending`);
      exit(1);
    }, graceMs + OVERTIME_MS);
    server.stop().then(
      () => {
        clearTimeout(overtime);
        log.info("stopped");
        exit(0);
      },
      (error: unknown) => this.#onBug(error, "stop"),
    );
  }

  #onBug(error: unknown, origin: string): void {
    if (error instanceof FatalError) this.#options.log.fatal({ err: error.cause }, `ending: ${error.message}`);
    else this.#options.log.fatal({ err: error, origin }, `${origin}: this is a bug, ending`);
    this.#options.exit(1);
  }
}
