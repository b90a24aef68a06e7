/**
 * The process' log: lines for people on a terminal, one JSON object per line elsewhere, on standard output.
 * pino and pino-pretty are loaded only here and only when asked for, since loading them costs more than starting does.
 */
import type { Logger as PinoLogger } from "pino";

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "silent";
export type LogFormat = "auto" | "json" | "pretty";

/** What code that logs needs to know of the library: `log.info({ port }, "listening")`. */
export type Logger = Pick<PinoLogger, "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "flush">;

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
}

/** A reader that does not read gets this much buffered; what comes after is dropped rather than stalling the server. */
const UNWRITTEN_BYTES_MAX = 8 * 1024 * 1024;

export async function createLogger(options: LoggerOptions): Promise<Logger> {
  const { pino } = await import("pino");
  const base = { level: options.level, base: { pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime };
  if (!isPretty(options.format)) {
    // Not synchronous: a full pipe must not stop the event loop. pino writes the rest out when the process
    // exits. A `minLength` of 0 would make `flush` answer before the lines are written.
    const toPipe: Logger = pino(
      base,
      pino.destination({ fd: 1, sync: false, minLength: 1, maxLength: UNWRITTEN_BYTES_MAX }),
    );
    return toPipe;
  }
  const { default: pretty } = await import("pino-pretty");
  const toTerminal: Logger = pino(
    base,
    pretty({ sync: true, colorize: process.stdout.isTTY === true, ignore: "pid", translateTime: "SYS:HH:MM:ss.l" }),
  );
  return toTerminal;
}

/** How long a reader of the log that does not read can hold the process up at its end. */
const LAST_WRITE_MS = 500;

/** Calls `then` once what was logged is written, or after half a second if nobody takes it. Once. */
export function afterLastWrite(log: Logger, then: () => void): void {
  let called = false;
  const once = (): void => {
    if (called) return;
    called = true;
    then();
  };
  setTimeout(once, LAST_WRITE_MS);
  log.flush(once);
}

function isPretty(format: LogFormat): boolean {
  return format === "pretty" || (format === "auto" && process.stdout.isTTY === true);
}

/** A logger that keeps nothing, for tests and for parts used outside a server. */
export const silentLogger: Logger = {
  trace: ignore,
  debug: ignore,
  info: ignore,
  warn: ignore,
  error: ignore,
  fatal: ignore,
  flush: (written) => written?.(),
};

function ignore(): void {}
