/** A WebSocket, whoever made it: by `#socket` of package.json that is another file in Node than elsewhere. */
import { createSocket } from "#socket";
import { ConnectionFailedError, serverError } from "../errors.ts";
import { unref } from "../timer.ts";

interface SocketProblem {
  readonly message?: unknown;
  readonly error?: unknown;
}

interface SocketEnd {
  readonly code: number;
  readonly reason: string;
}

/** One message, as it goes and comes: JSON as text, MessagePack as bytes. */
export type Frame = string | Uint8Array<ArrayBuffer>;

export interface SocketListener {
  message(frame: Frame): void;
  /** Comes once, after `openSocket` has resolved. */
  closed(code: number, reason: string): void;
}

export interface Socket {
  send(frame: Frame): void;
  /** Says goodbye; `closed` follows, at once if the peer is gone. */
  close(): void;
}

/** The part of the browser's interface that is used; `ws` has it too. */
export interface SocketLike {
  onopen: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  send(frame: Frame): void;
  close(): void;
}

/** A WebSocket with what differs between runtimes. */
export interface RuntimeSocket {
  readonly socket: SocketLike;
  listen(receive: (frame: Frame) => void): void;
  /** Ends it, where the runtime can without waiting for the peer. */
  end(): void;
}

/** How many ms a peer has to answer a close before the socket is left to itself. */
const CLOSE_GRACE_MS = 1_000;

export async function openSocket(
  url: string,
  token: string | undefined,
  listener: SocketListener,
  timeoutMs: number,
): Promise<Socket> {
  const startedAt = performance.now();
  const socket = await createSocket(url, token);
  try {
    await opened(socket, url, timeoutMs);
  } catch (error) {
    // Whole, as timers are: where nothing was answered in time, there is none left.
    const leftMs = Math.floor(timeoutMs - (performance.now() - startedAt));
    throw (token === undefined || leftMs <= 0 ? undefined : await refusalOf(url, token, leftMs)) ?? error;
  }
  return new OpenSocket(socket, listener);
}

/**
 * A WebSocket does not tell why its handshake was refused; a page of the same server does, where it is for the token. To the
 * server a wrong one has come twice then, of the few that it takes from an address; past them it looks at no more for a while.
 */
async function refusalOf(url: string, token: string, timeoutMs: number): Promise<Error | undefined> {
  const page = new URL("/ready", url.replace(/^ws/, "http"));
  const headers = { authorization: `Bearer ${token}` };
  let text: string;
  let code: string;
  try {
    const response = await fetch(page, { headers, signal: AbortSignal.timeout(timeoutMs) });
    if (response.status !== 401 && response.status !== 429) return undefined;
    code = response.status === 401 ? "UNAUTHORIZED" : "RATE_LIMIT_EXCEEDED";
    text = await response.text();
  } catch (error) {
    // Nobody is there, or a page of another origin may not ask: then the first failure is what is known.
    return error instanceof Error ? undefined : new Error(String(error));
  }
  const [, why = "the token is not valid"] = /"error":"([^"]*)"/.exec(text) ?? [];
  return serverError(code, why);
}

function opened(made: RuntimeSocket, url: string, timeoutMs: number): Promise<void> {
  const { socket } = made;
  return new Promise((resolve, reject) => {
    const fail = (why: string, cause?: unknown): void => {
      clearTimeout(timer);
      socket.onopen = null;
      socket.onclose = null;
      socket.onerror = silent;
      made.end();
      reject(new ConnectionFailedError(`cannot connect to ${url}: ${why}`, { cause }));
    };
    const timer = setTimeout(() => fail(`no answer within ${timeoutMs} ms`), timeoutMs);
    let problem: unknown;
    socket.onopen = () => {
      clearTimeout(timer);
      resolve();
    };
    // What went wrong comes as an error, if the runtime tells at all; then, or alone, comes the close.
    socket.onerror = (event: SocketProblem) => {
      problem = event.error ?? event.message;
      if (problem !== undefined) fail(problem instanceof Error ? problem.message : String(problem), problem);
    };
    socket.onclose = ({ code, reason }: SocketEnd) =>
      fail(`closed with ${code}${reason === "" ? "" : ` (${reason})`}`, problem);
  });
}

class OpenSocket implements Socket {
  readonly #made: RuntimeSocket;
  readonly #listener: SocketListener;
  #isClosed = false;

  constructor(made: RuntimeSocket, listener: SocketListener) {
    this.#made = made;
    this.#listener = listener;
    const { socket } = made;
    made.listen((frame) => {
      if (!this.#isClosed) listener.message(frame);
    });
    socket.onclose = ({ code, reason }: SocketEnd) => this.#closed(code, reason);
    // A close follows.
    socket.onerror = silent;
  }

  send(frame: Frame): void {
    this.#made.socket.send(frame);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#made.socket.close();
    const timer = setTimeout(() => this.#closed(1006, "the peer did not answer the close"), CLOSE_GRACE_MS);
    unref(timer);
  }

  #closed(code: number, reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#made.end();
    this.#listener.closed(code, reason);
  }
}

function silent(): void {}
