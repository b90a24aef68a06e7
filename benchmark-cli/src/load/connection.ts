/**
 * Raw clients of HTTP, WebSocket and RESP that take encoded requests and count replies. They do as little as a client can, so
 * that a benchmark measures the server: requests are encoded beforehand, the WebSocket mask is zero (the server
 * unmasks all the same), and of a reply no more is read than its length and whether it tells of a failure.
 *
 * All answer in the order of the requests, so a reply belongs to the oldest request that has none.
 */
import type { Socket } from "node:net";
import { checkLogin, loginRequest } from "./resp-login.ts";
import { authorizationLine, connected, connectTarget, targetAuthority } from "./target-address.ts";

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
  /** Called with a reply that tells of a failure, before `onReply`. Throws unless it is set. */
  onFailure: (body: Buffer) => void;
  close(): void;
}

export type Protocol = "websocket" | "http" | "resp";

export async function openConnection(protocol: Protocol, port: number): Promise<Connection> {
  const socket = connectTarget(port);
  await connected(socket);
  if (protocol === "websocket") await upgrade(socket, port);
  if (protocol === "resp") await logIn(socket);
  return new RawConnection(socket, READERS[protocol]);
}

/** Wraps an encoded request body for the wire. */
export function frameOf(protocol: Protocol, body: Buffer, port: number): Buffer {
  if (protocol === "resp") return body;
  return protocol === "websocket" ? binaryFrame(body) : post(body, port);
}

const OK = 200;
/** A reply of this much is waited for and looked at whole; a longer one is passed over by its length. */
const WHOLE_BYTES_MAX = 256 * 1024;

/** Finds `bodyStart` and `bodyEnd` of the reply that begins at `from`; false while its head is incomplete. */
type ReplyExtent = (bytes: Buffer, from: number) => boolean;

/** What the last successful `ReplyExtent` found; kept outside so that no object is made per reply. */
let bodyStart = 0;
let bodyEnd = 0;
let status = OK;

interface ReplyReader {
  readonly extent: ReplyExtent;
  /** Whether the complete reply that `extent` has just found tells of a failure. */
  readonly isFailure: (bytes: Buffer) => boolean;
}

class RawConnection implements Connection {
  onReply: () => void = () => undefined;
  inspectNext: ((body: Buffer) => void) | undefined;
  readonly #socket: Socket;
  readonly #reader: ReplyReader;
  /** Bytes of the current reply's body that are still to come, when nobody looks at them. */
  #skip = 0;
  #rest: Buffer | undefined;
  #closing = false;

  constructor(socket: Socket, reader: ReplyReader) {
    this.#socket = socket;
    this.#reader = reader;
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("error", (error) => {
      throw error;
    });
    socket.on("close", () => {
      if (!this.#closing) throw new Error("the server closed a connection");
    });
  }

  onFailure: (body: Buffer) => void = (body) => {
    throw new Error(`not what was asked for: ${body.toString("latin1", 0, 500)}`);
  };

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
      const complete = this.#reader.extent(bytes, at);
      const isCut = bodyEnd > bytes.length;
      if (!complete || (isCut && (this.inspectNext !== undefined || bodyEnd - at <= WHOLE_BYTES_MAX))) {
        this.#rest = bytes.subarray(at);
        break;
      }
      if (!isCut && this.#reader.isFailure(bytes)) this.onFailure(bytes.subarray(bodyStart, bodyEnd));
      const inspect = this.inspectNext;
      if (inspect !== undefined) {
        this.inspectNext = undefined;
        inspect(bytes.subarray(bodyStart, bodyEnd));
      }
      if (isCut) {
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
  if (!head.startsWith("http/1.1 ")) throw new Error(`not a reply of HTTP: ${head.slice(0, 200)}`);
  status = Number.parseInt(head.slice("http/1.1 ".length), 10);
  const length = head.indexOf("content-length: ");
  bodyStart = headEnd + BLANK_LINE.length;
  bodyEnd = bodyStart + Number.parseInt(head.slice(length + "content-length: ".length), 10);
  return true;
}

/** `{"success": false}` anywhere, so that a failure inside a batch is found as well; no value of a workload looks like it. */
const PACKED_FAILURE = Buffer.from("\xa7success\xc2", "latin1");
const JSON_FAILURE = Buffer.from('"success":false');
const PACKED_SUCCESS_AT = 9;
const PACKED_TRUE = 0xc3;
/** A reply of a batch is longer than this. */
const SINGLE_BYTES_MAX = 200;

function isPackedFailure(bytes: Buffer): boolean {
  // The fast path: the envelope's first field, of a reply that has no room for a batch.
  if (bodyEnd - bodyStart <= SINGLE_BYTES_MAX && bytes[bodyStart + PACKED_SUCCESS_AT] === PACKED_TRUE) return false;
  return bytes.subarray(bodyStart, bodyEnd).includes(PACKED_FAILURE);
}

function isHttpFailure(bytes: Buffer): boolean {
  return status !== OK || bytes.subarray(bodyStart, bodyEnd).includes(JSON_FAILURE);
}

const LINE_END = 0x0a;
const DOLLAR = 0x24;
const MINUS = 0x2d;

/** A line, or a string of so many bytes; the workloads ask for nothing that is answered by an array. */
function respReply(bytes: Buffer, from: number): boolean {
  const lineEnd = bytes.indexOf(LINE_END, from);
  if (lineEnd < 0) return false;
  bodyStart = from;
  bodyEnd = lineEnd + 1;
  if (bytes[from] !== DOLLAR) return true;
  let length = 0;
  if (bytes[from + 1] === MINUS) return true;
  for (let at = from + 1; at < lineEnd - 1; at++) length = length * 10 + bytes[at] - 0x30;
  bodyEnd += length + 2;
  return true;
}

const READERS: Readonly<Record<Protocol, ReplyReader>> = {
  websocket: { extent: webSocketReply, isFailure: isPackedFailure },
  http: { extent: httpReply, isFailure: isHttpFailure },
  resp: { extent: respReply, isFailure: (bytes) => bytes[bodyStart] === MINUS },
};

async function upgrade(socket: Socket, port: number): Promise<void> {
  const key = Buffer.from("synap-benchmark-").toString("base64");
  socket.write(
    `GET /api/v1/ws HTTP/1.1\r\nHost: ${targetAuthority(port)}\r\n${authorizationLine()}Connection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
  );
  const answer = await firstAnswer(socket);
  if (!answer.startsWith("HTTP/1.1 101")) {
    throw new Error(`the server refused a WebSocket: ${answer.split("\r\n", 1)[0]}`);
  }
}

async function logIn(socket: Socket): Promise<void> {
  const login = loginRequest();
  if (login === undefined) return;
  socket.write(login);
  checkLogin(await firstAnswer(socket));
}

function firstAnswer(socket: Socket): Promise<string> {
  return new Promise((resolve) => socket.once("data", (bytes: Buffer) => resolve(bytes.toString("latin1"))));
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
    `POST /api/v1/command HTTP/1.1\r\nHost: ${targetAuthority(port)}\r\n${authorizationLine()}` +
    `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}
