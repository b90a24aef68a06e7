/**
 * A bare TCP socket with frames of WebSocket that are encoded and masked beforehand; of the replies it looks at their lengths
 * and at nothing else. So it is what any client of this server could reach at best, and what this one's overhead is beside.
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Packr } from "msgpackr";

const FINAL_BINARY = 0x82;
const MASKED = 0x80;
const LENGTH_OF_2_BYTES = 126;
const LENGTH_OF_8_BYTES = 127;

const packr = new Packr({ useRecords: false });

/** A message as a frame. The key is 0, and so leaves the payload as it is: nobody but the server reads this one. */
function frameOf(message: object): Buffer {
  const payload: Buffer = packr.pack(message);
  const head = Buffer.alloc(payload.length < LENGTH_OF_2_BYTES ? 6 : 8);
  head[0] = FINAL_BINARY;
  head[1] = MASKED | Math.min(payload.length, LENGTH_OF_2_BYTES);
  if (payload.length >= LENGTH_OF_2_BYTES) head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, payload]);
}

export class RawSocket {
  readonly #socket: Socket;
  readonly #waiting: (() => void)[] = [];
  readonly #get: Buffer;
  readonly #set: Buffer;
  readonly #batch: Buffer;
  /** A frame of which a part has come. */
  #rest: Buffer = Buffer.alloc(0);

  private constructor(socket: Socket, keys: readonly string[], value: string) {
    this.#socket = socket;
    const [key] = keys;
    this.#get = frameOf({ command: "kv.get", request_id: 1, payload: { key } });
    this.#set = frameOf({ command: "kv.set", request_id: 1, payload: { key, value } });
    const commands = keys.map((each) => ({ command: "kv.get", payload: { key: each } }));
    this.#batch = frameOf({ type: "batch", request_id: 1, commands });
    socket.on("data", (data) => this.#read(data));
  }

  /** @param url of a server that is ours, and does not refuse. */
  static async open(url: string, keys: readonly string[], value: string): Promise<RawSocket> {
    const { hostname: host, port } = new URL(url);
    const socket = connect({ host, port: Number(port), noDelay: true });
    const lines = [
      "GET /api/v1/ws HTTP/1.1",
      `Host: ${host}:${port}`,
      "Upgrade: websocket",
      "Connection: Upgrade",
      `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
      "Sec-WebSocket-Version: 13",
    ];
    socket.write(`${lines.join("\r\n")}\r\n\r\n`);
    const [answer] = (await once(socket, "data")) as [Buffer];
    if (!answer.toString("latin1").startsWith("HTTP/1.1 101 ")) throw new Error(`no WebSocket: ${answer.toString()}`);
    return new RawSocket(socket, keys, value);
  }

  get(): Promise<void> {
    return this.#roundTrip(this.#get);
  }

  set(): Promise<void> {
    return this.#roundTrip(this.#set);
  }

  batch(): Promise<void> {
    return this.#roundTrip(this.#batch);
  }

  close(): void {
    this.#socket.destroy();
  }

  #roundTrip(frame: Buffer): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#socket.write(frame);
    });
  }

  #read(data: Buffer): void {
    let bytes = this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data]);
    for (;;) {
      const end = endOf(bytes);
      if (end === undefined || end > bytes.length) break;
      bytes = bytes.subarray(end);
      this.#waiting.shift()?.();
    }
    this.#rest = bytes;
  }
}

/** Where the first frame ends; undefined while its length has not come. */
function endOf(bytes: Buffer): number | undefined {
  if (bytes.length < 2) return undefined;
  const length = bytes[1];
  if (length < LENGTH_OF_2_BYTES) return 2 + length;
  if (length === LENGTH_OF_8_BYTES) return bytes.length < 10 ? undefined : 10 + Number(bytes.readBigUInt64BE(2));
  return bytes.length < 4 ? undefined : 4 + bytes.readUInt16BE(2);
}
