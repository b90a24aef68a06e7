/** WebSocket frames written to a socket as they are: right ones, and what no library would send. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";

export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;
export const FIN = 0x80;

export interface FrameOptions {
  readonly isMasked?: boolean;
  /** Announced in place of the real one. */
  readonly length?: bigint;
}

export function frame(first: number, payload: Uint8Array, { isMasked = true, length }: FrameOptions = {}): Buffer {
  const mask = Buffer.from([1, 2, 3, 4]);
  const body = Buffer.from(payload);
  if (isMasked) for (let i = 0; i < body.length; i++) body[i] ^= mask[i % 4];
  const bit = isMasked ? 0x80 : 0;
  const announced = length ?? BigInt(body.length);
  const head = Buffer.alloc(announced < 126n ? 2 : announced < 65_536n ? 4 : 10);
  head[0] = first;
  head[1] = bit | (announced < 126n ? Number(announced) : announced < 65_536n ? 126 : 127);
  if (head.length === 4) head.writeUInt16BE(Number(announced), 2);
  if (head.length === 10) head.writeBigUInt64BE(announced, 2);
  return Buffer.concat(isMasked ? [head, mask, body] : [head, body]);
}

export interface RawPeer {
  readonly socket: Socket;
  isClosed: boolean;
  /** Behind the answer to the handshake. */
  received: Buffer;
}

/** Opens a WebSocket of which only the handshake is by the rules. @param token empty for none. */
export async function openRaw(url: string, token = ""): Promise<RawPeer> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  const peer: RawPeer = { socket, isClosed: false, received: Buffer.alloc(0) };
  socket.on("error", () => socket.destroy());
  socket.on("close", () => {
    peer.isClosed = true;
  });
  await once(socket, "connect");
  const login = token === "" ? "" : `Authorization: Bearer ${token}\r\n`;
  socket.write(
    `GET /api/v1/ws HTTP/1.1\r\nHost: localhost\r\n${login}Upgrade: websocket\r\nConnection: Upgrade\r\n` +
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
  );
  const [answer] = (await once(socket, "data")) as [Buffer];
  if (!answer.toString("latin1").startsWith("HTTP/1.1 101 ")) throw new Error(`no WebSocket: ${answer}`);
  socket.on("data", (chunk: Buffer) => {
    peer.received = Buffer.concat([peer.received, chunk]);
  });
  return peer;
}
