/**
 * A raw client for servers that push: every message that comes is shown as a range of the bytes received, and what is
 * sent in answer leaves in one write. One input buffer serves all sockets of the process.
 *
 *     bytes -> framing (webSocketFrames, ...) -> onMessage(bytes, start, end)
 *
 * What is shown is gone when `onMessage` returns.
 */
import type { Socket } from "node:net";
import { authorizationLine, connected, connectTarget, targetAuthority } from "./target-address.ts";

/**
 * Takes one message that begins at `from` off `bytes[from..to)` and shows it to the socket.
 * @returns where the next one begins, or -1 while it is not complete.
 */
export type Framing = (socket: ClientSocket, bytes: Buffer, from: number, to: number) => number;

const INPUT_BYTES = 256 * 1024;
const OUTPUT_BYTES = 64 * 1024;
const input = Buffer.alloc(INPUT_BYTES);

export class ClientSocket {
  onMessage: (bytes: Buffer, start: number, end: number) => void = () => undefined;
  /** Called when the server ends what it may not end. */
  onClosed: (error: Error) => void = (error) => {
    throw error;
  };
  framing: Framing;
  readonly #socket: Socket;
  #rest: Buffer | undefined;
  /** Made at the first `append`; never touched while the socket still holds some of it. */
  #output: Buffer | undefined;
  #outputBytes = 0;
  #isClosing = false;

  private constructor(port: number, framing: Framing) {
    this.framing = framing;
    this.#socket = connectTarget(port, {
      buffer: input,
      callback: (count) => {
        this.#read(count);
        return true;
      },
    });
  }

  static async open(port: number, framing: Framing): Promise<ClientSocket> {
    const opened = new ClientSocket(port, framing);
    const socket = opened.#socket;
    await connected(socket);
    socket.on("error", (error) => {
      if (!opened.#isClosing) opened.onClosed(error);
    });
    socket.on("close", () => {
      if (!opened.#isClosing) opened.onClosed(new Error("the server closed a connection"));
    });
    return opened;
  }

  /** Sends at once. The bytes must not change afterwards. */
  send(bytes: Buffer): void {
    this.flush();
    this.#socket.write(bytes);
  }

  /** Copies what is to be sent; it leaves with `flush`, or when what has just come in has been shown. */
  append(bytes: Buffer): void {
    this.appendRange(bytes, 0, bytes.length);
  }

  appendRange(bytes: Buffer, start: number, end: number): void {
    const length = end - start;
    if (length > OUTPUT_BYTES) {
      this.send(Buffer.from(bytes.subarray(start, end)));
      return;
    }
    if (this.#outputBytes + length > OUTPUT_BYTES) this.flush();
    this.#output ??= Buffer.allocUnsafeSlow(OUTPUT_BYTES);
    bytes.copy(this.#output, this.#outputBytes, start, end);
    this.#outputBytes += length;
  }

  flush(): void {
    if (this.#output === undefined || this.#outputBytes === 0) return;
    this.#socket.write(this.#output.subarray(0, this.#outputBytes));
    this.#outputBytes = 0;
    if (this.#socket.writableLength > 0) this.#output = undefined;
  }

  /** Resolves when the connection is no more, whoever ended it. */
  get closed(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#socket.destroyed) resolve();
      else this.#socket.once("close", () => resolve());
    });
  }

  /** From now on its server may end without that being a failure. */
  mayBeClosed(): void {
    this.#isClosing = true;
  }

  /** @param reason of a frame by which the server closes */
  closedByPeer(reason: string): void {
    if (!this.#isClosing) this.onClosed(new Error(`the server closed a connection: ${reason}`));
  }

  close(): void {
    this.#isClosing = true;
    this.#socket.destroy();
  }

  #read(count: number): void {
    let bytes = input;
    let to = count;
    if (this.#rest !== undefined) {
      bytes = Buffer.concat([this.#rest, input.subarray(0, count)]);
      to = bytes.length;
      this.#rest = undefined;
    }
    let at = 0;
    while (at < to && !this.#socket.destroyed) {
      const next = this.framing(this, bytes, at, to);
      if (next < 0) {
        this.#rest = Buffer.from(bytes.subarray(at, to));
        break;
      }
      at = next;
    }
    this.flush();
  }
}

const PONG = Buffer.from([0x8a, 0x80, 0, 0, 0, 0]);
const OPCODE_TEXT = 1;
const OPCODE_BINARY = 2;
const OPCODE_CLOSE = 8;
const OPCODE_PING = 9;

/** Frames of a server: opcode, length in 7, 16 or 64 bits, no mask (RFC 6455, section 5.2). Pings are answered. */
export const webSocketFrames: Framing = (socket, bytes, from, to) => {
  if (to < from + 2) return -1;
  const short = bytes[from + 1];
  const head = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (to < from + head) return -1;
  let length = short;
  if (short === 126) length = (bytes[from + 2] << 8) | bytes[from + 3];
  else if (short === 127) length = Number(bytes.readBigUInt64BE(from + 2));
  const start = from + head;
  const end = start + length;
  if (to < end) return -1;
  const opcode = bytes[from] & 0x0f;
  if (opcode === OPCODE_BINARY || opcode === OPCODE_TEXT) socket.onMessage(bytes, start, end);
  else if (opcode === OPCODE_PING) socket.append(PONG);
  else if (opcode === OPCODE_CLOSE) socket.closedByPeer(bytes.toString("latin1", start + 2, end));
  else throw new Error(`a frame with opcode ${opcode}: ${bytes.toString("latin1", from, Math.min(end, from + 200))}`);
  return end;
};

const BLANK_LINE = Buffer.from("\r\n\r\n");
const SWITCHED = "HTTP/1.1 101";

/** Opens a WebSocket. Requests are made by `frameOf` of connection.ts. */
export async function openWebSocket(port: number, path = "/api/v1/ws"): Promise<ClientSocket> {
  let head: (text: string) => void = () => undefined;
  let failed: (error: Error) => void = () => undefined;
  const answered = new Promise<string>((resolve, reject) => {
    head = resolve;
    failed = reject;
  });
  const socket = await ClientSocket.open(port, (opened, bytes, from, to) => {
    const end = bytes.subarray(0, to).indexOf(BLANK_LINE, from);
    if (end < 0) return -1;
    const text = bytes.toString("latin1", from, end);
    head(text);
    // What stands behind a refusal is no frame, and nobody reads it.
    if (!text.startsWith(SWITCHED)) return to;
    opened.framing = webSocketFrames;
    return end + BLANK_LINE.length;
  });
  const key = Buffer.from("synap-benchmark-").toString("base64");
  const request =
    `GET ${path} HTTP/1.1\r\nHost: ${targetAuthority(port)}\r\n${authorizationLine()}Connection: Upgrade\r\nUpgrade: websocket\r\n` +
    `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`;
  const { onClosed } = socket;
  socket.onClosed = failed;
  socket.send(Buffer.from(request));
  const text = await answered;
  socket.onClosed = onClosed;
  if (!text.startsWith(SWITCHED)) {
    socket.close();
    throw new Error(`the server refused a WebSocket: ${text.split("\r\n", 1)[0]}`);
  }
  return socket;
}

/**
 * Sends requests one after the other and answers the bytes of their replies; for what is set up before a measurement.
 * @throws if the server closes the connection in place of a reply
 */
export function ask(socket: ClientSocket, request: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const { onMessage, onClosed } = socket;
    // At once, since a push may come in the same piece as the reply.
    const restore = () => {
      socket.onMessage = onMessage;
      socket.onClosed = onClosed;
    };
    socket.onMessage = (bytes, start, end) => {
      restore();
      resolve(Buffer.from(bytes.subarray(start, end)));
    };
    socket.onClosed = (error) => {
      restore();
      socket.mayBeClosed();
      reject(error);
    };
    socket.send(request);
  });
}
