/**
 * Raw clients of HTTP and WebSocket that take encoded requests and count replies. They do as little as a client can, so
 * that a benchmark measures the server: requests are encoded beforehand, the WebSocket mask is zero (the server
 * unmasks all the same), replies are skipped by their length unless somebody wants to look at one.
 *
 * Both answer in the order of the requests, so a reply belongs to the oldest request that has none.
 */
import { connect, type Socket } from "node:net";

export interface Connection {
  /** Writes requests that were made by `frameOf` of the same protocol. */
  send(request: Buffer): void;
  /** Between the two calls, what is sent is gathered into one write. */
  cork(): void;
  uncork(): void;
  /** Called at every complete reply. */
  onReply: () => void;
  /** Called once, with the bytes of the next reply; for checks. */
  inspectNext: ((body: Buffer) => void) | undefined;
  close(): void;
}

export type Protocol = "websocket" | "http";

export async function openConnection(protocol: Protocol, port: number): Promise<Connection> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  if (protocol === "websocket") await upgrade(socket, port);
  return new RawConnection(socket, protocol === "websocket" ? webSocketReply : httpReply);
}

/** Wraps an encoded request body for the wire. */
export function frameOf(protocol: Protocol, body: Buffer, port: number): Buffer {
  return protocol === "websocket" ? binaryFrame(body) : post(body, port);
}

/** Finds `bodyStart` and `bodyEnd` of the reply that begins at `from`; false while its head is incomplete. */
type ReplyExtent = (bytes: Buffer, from: number) => boolean;

/** What the last successful `ReplyExtent` found; kept outside so that no object is made per reply. */
let bodyStart = 0;
let bodyEnd = 0;

class RawConnection implements Connection {
  onReply: () => void = () => undefined;
  inspectNext: ((body: Buffer) => void) | undefined;
  readonly #socket: Socket;
  readonly #extent: ReplyExtent;
  /** Bytes of the current reply's body that are still to come, when nobody looks at them. */
  #skip = 0;
  #rest: Buffer | undefined;
  #closing = false;

  constructor(socket: Socket, extent: ReplyExtent) {
    this.#socket = socket;
    this.#extent = extent;
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("error", (error) => {
      throw error;
    });
    socket.on("close", () => {
      if (!this.#closing) throw new Error("the server closed a connection");
    });
  }

  send(request: Buffer): void {
    this.#socket.write(request);
  }

  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  close(): void {
    this.#closing = true;
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    let bytes = chunk;
    if (this.#rest !== undefined) {
      bytes = Buffer.concat([this.#rest, chunk]);
      this.#rest = undefined;
    }
    let at = 0;
    this.cork();
    while (at < bytes.length) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, bytes.length - at);
        this.#skip -= skipped;
        at += skipped;
        if (this.#skip === 0) this.onReply();
        continue;
      }
      const complete = this.#extent(bytes, at);
      if (!complete || (this.inspectNext !== undefined && bodyEnd > bytes.length)) {
        this.#rest = bytes.subarray(at);
        break;
      }
      const inspect = this.inspectNext;
      if (inspect !== undefined) {
        this.inspectNext = undefined;
        inspect(bytes.subarray(bodyStart, bodyEnd));
      }
      if (bodyEnd > bytes.length) {
        this.#skip = bodyEnd - bytes.length;
        at = bytes.length;
      } else {
        at = bodyEnd;
        this.onReply();
      }
    }
    this.uncork();
  }
}

/** A frame of a server: opcode, length in 7, 16 or 64 bits, no mask (RFC 6455, section 5.2). */
function webSocketReply(bytes: Buffer, from: number): boolean {
  if (bytes.length < from + 2) return false;
  const opcode = bytes[from] & 0x0f;
  if (opcode !== 2) throw new Error(`a frame with opcode ${opcode}: ${bytes.toString("latin1", from, from + 200)}`);
  const short = bytes[from + 1];
  const head = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (bytes.length < from + head) return false;
  bodyStart = from + head;
  const length =
    short < 126 ? short : short === 126 ? bytes.readUInt16BE(from + 2) : Number(bytes.readBigUInt64BE(from + 2));
  bodyEnd = bodyStart + length;
  return true;
}

const BLANK_LINE = Buffer.from("\r\n\r\n");

function httpReply(bytes: Buffer, from: number): boolean {
  const headEnd = bytes.indexOf(BLANK_LINE, from);
  if (headEnd < 0) return false;
  const head = bytes.toString("latin1", from, headEnd).toLowerCase();
  if (!head.startsWith("http/1.1 200")) throw new Error(`an HTTP reply that is not 200: ${head}`);
  const length = head.indexOf("content-length: ");
  bodyStart = headEnd + BLANK_LINE.length;
  bodyEnd = bodyStart + Number.parseInt(head.slice(length + "content-length: ".length), 10);
  return true;
}

async function upgrade(socket: Socket, port: number): Promise<void> {
  const key = Buffer.from("synap-benchmark-").toString("base64");
  socket.write(
    `GET /api/v1/ws HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
  );
  const answer = await new Promise<Buffer>((resolve) => socket.once("data", resolve));
  if (!answer.toString("latin1").startsWith("HTTP/1.1 101")) {
    throw new Error(`no WebSocket: ${answer.toString("latin1")}`);
  }
}

function binaryFrame(body: Buffer): Buffer {
  const { length } = body;
  const head = Buffer.alloc(length < 126 ? 6 : length < 65_536 ? 8 : 14);
  head[0] = 0x82;
  if (length < 126) {
    head[1] = 0x80 | length;
  } else if (length < 65_536) {
    head[1] = 0x80 | 126;
    head.writeUInt16BE(length, 2);
  } else {
    head[1] = 0x80 | 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([head, body]);
}

function post(body: Buffer, port: number): Buffer {
  const head =
    `POST /api/v1/command HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${body.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}
