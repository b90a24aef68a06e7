/** Links to a master over WebSocket, by the client of `ws`. */
import { WebSocket } from "ws";
import { RECORD_BYTES_MAX } from "../oplog/log-record.ts";
import type { LinkOpener, LinkSocket, OpeningEnd } from "./link-socket.ts";

/** A frame holds a record at least, and what frames it. */
const MESSAGE_BYTES_MAX = RECORD_BYTES_MAX + 64 * 1024;
const NORMAL_CLOSURE = 1000;

export class WsLinkOpener implements LinkOpener {
  readonly #timeoutMs: number;
  readonly #headers: Readonly<Record<string, string>>;

  readonly #ca: Buffer | undefined;

  /**
   * @param timeoutMs for the handshake.
   * @param token the master's; empty for none.
   * @param ca certificates by which that of a master with TLS is signed; undefined for those of public authorities.
   */
  constructor(timeoutMs: number, token: string, ca: Buffer | undefined) {
    this.#timeoutMs = timeoutMs;
    this.#headers = token === "" ? {} : { authorization: `Bearer ${token}` };
    this.#ca = ca;
  }

  open(url: string, end: OpeningEnd): LinkSocket {
    const socket = new WebSocket(url, {
      perMessageDeflate: false,
      maxPayload: MESSAGE_BYTES_MAX,
      handshakeTimeout: this.#timeoutMs,
      skipUTF8Validation: true,
      headers: this.#headers,
      ...(this.#ca === undefined ? {} : { ca: this.#ca }),
    });
    // Errors come before `close`, which they always lead to.
    let failure: string | undefined;
    socket.on("open", () => end.opened());
    socket.on("message", (message: Buffer) => end.received(message));
    socket.on("error", (error) => {
      failure = error.message;
    });
    socket.on("close", () => end.closed(failure));
    return new WsLink(socket);
  }
}

class WsLink implements LinkSocket {
  readonly #socket: WebSocket;

  constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  send(message: Uint8Array): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(message, { binary: true });
  }

  bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  close(): void {
    this.#socket.close(NORMAL_CLOSURE);
  }

  cut(): void {
    this.#socket.terminate();
  }
}
