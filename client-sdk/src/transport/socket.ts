/**
 * A WebSocket, whoever made it. Browsers, Node 22 and other runtimes have one; Node 20 has none, and there the package
 * `ws` is loaded, by a name that bundlers cannot follow, so that no browser bundle has it.
 */
import { ConnectionFailedError } from "../errors.ts";

/** One message, as it goes and comes: JSON as text, MessagePack as bytes. */
export type Frame = string | Uint8Array;

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
interface WebSocketLike {
  binaryType: string;
  onopen: ((event: unknown) => void) | null;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onerror: ((event: { readonly message?: unknown; readonly error?: unknown }) => void) | null;
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null;
  send(frame: Frame): void;
  close(): void;
  /** Of `ws` alone: ends it without waiting for the peer. */
  terminate?(): void;
  /** Of `ws` alone: messages without an event object and a copy for each. Text comes as its bytes. */
  on?(name: "message", listener: (data: Uint8Array, isBinary: boolean) => void): void;
}

type WebSocketClass = new (url: string, protocols?: string[], options?: object) => WebSocketLike;

const utf8 = new TextDecoder();

/** How many ms a peer has to answer a close before the socket is left to itself. */
const CLOSE_GRACE_MS = 1_000;

export async function openSocket(
  url: string,
  token: string | undefined,
  listener: SocketListener,
  timeoutMs: number,
): Promise<Socket> {
  const socket = await create(url, token);
  if (socket.on === undefined) socket.binaryType = "arraybuffer";
  await opened(socket, url, timeoutMs);
  return new OpenSocket(socket, listener);
}

async function create(url: string, token: string | undefined): Promise<WebSocketLike> {
  const { WebSocket: native } = globalThis as { WebSocket?: WebSocketClass };
  if (native !== undefined) return new native(token === undefined ? url : withToken(url, token));
  const module = "ws";
  // The package's own types need those of Node, which a browser project does not have.
  const loaded = (await import(/* @vite-ignore */ module)) as { WebSocket: WebSocketClass };
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const options = { perMessageDeflate: false, skipUTF8Validation: true, maxPayload: 0, headers };
  return new loaded.WebSocket(url, [], options);
}

/** A browser cannot set headers on a WebSocket; the server takes a token from the query and never logs it. */
function withToken(url: string, token: string): string {
  const target = new URL(url);
  target.searchParams.set("api_key", token);
  return target.href;
}

function opened(socket: WebSocketLike, url: string, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (why: string, cause?: unknown): void => {
      clearTimeout(timer);
      socket.onopen = null;
      socket.onclose = null;
      socket.onerror = silent;
      end(socket);
      reject(new ConnectionFailedError(`cannot connect to ${url}: ${why}`, { cause }));
    };
    const timer = setTimeout(() => fail(`no answer within ${timeoutMs} ms`), timeoutMs);
    let problem: unknown;
    socket.onopen = () => {
      clearTimeout(timer);
      resolve();
    };
    // What went wrong comes as an error, if the runtime tells at all; then, or alone, comes the close.
    socket.onerror = (event) => {
      problem = event.error ?? event.message;
      if (problem !== undefined) fail(problem instanceof Error ? problem.message : String(problem), problem);
    };
    socket.onclose = ({ code, reason }) => fail(`closed with ${code}${reason === "" ? "" : ` (${reason})`}`, problem);
  });
}

class OpenSocket implements Socket {
  readonly #socket: WebSocketLike;
  readonly #listener: SocketListener;
  #isClosed = false;

  constructor(socket: WebSocketLike, listener: SocketListener) {
    this.#socket = socket;
    this.#listener = listener;
    if (socket.on === undefined) {
      socket.onmessage = ({ data }) => {
        if (this.#isClosed) return;
        if (typeof data === "string") listener.message(data);
        // By binaryType anything else is an ArrayBuffer.
        else listener.message(new Uint8Array(data as ArrayBuffer));
      };
    } else {
      socket.on("message", (data, isBinary) => {
        if (this.#isClosed) return;
        // Not as Node's Buffer, so that bytes inside of it are none either.
        if (isBinary) listener.message(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
        else listener.message(utf8.decode(data));
      });
    }
    socket.onclose = ({ code, reason }) => this.#closed(code, reason);
    // A close follows.
    socket.onerror = silent;
  }

  send(frame: Frame): void {
    this.#socket.send(frame);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#socket.close();
    const timer = setTimeout(() => this.#closed(1006, "the peer did not answer the close"), CLOSE_GRACE_MS);
    unref(timer);
  }

  #closed(code: number, reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    end(this.#socket);
    this.#listener.closed(code, reason);
  }
}

function end(socket: WebSocketLike): void {
  if (socket.terminate === undefined) socket.close();
  else socket.terminate();
}

function silent(): void {}

/** In Node a timer keeps the process alive unless told otherwise; in a browser it is a number. */
export function unref(timer: unknown): void {
  (timer as { unref?(): void }).unref?.();
}
