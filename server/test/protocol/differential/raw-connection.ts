/** A socket that speaks RESP and leaves replies as the bytes they came in: what a comparison byte for byte needs. */

import { once } from "node:events";
import { connect, type Socket } from "node:net";

export type Words = readonly (string | Buffer)[];

/** A request as a list of bulk strings; strings are Latin-1, so that each letter is one byte. */
export function requestBytes(words: Words): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${words.length}\r\n`)];
  for (const word of words) {
    const bytes = typeof word === "string" ? Buffer.from(word, "latin1") : word;
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from("\r\n"));
  }
  return Buffer.concat(parts);
}

export class RawConnection {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #ended: Error | undefined;
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      this.#wake();
    });
    socket.on("close", () => this.#end(new Error("the server closed the connection")));
    socket.on("error", (error) => this.#end(error));
  }

  #end(error: Error): void {
    this.#ended ??= error;
    this.#wake();
  }

  /** @param address the path of a Unix socket, or a URL with host and port. */
  static async open(address: string): Promise<RawConnection> {
    const url = address.startsWith("/") ? undefined : new URL(address);
    const socket = url === undefined ? connect(address) : connect(Number(url.port), url.hostname);
    await once(socket, "connect");
    return new RawConnection(socket);
  }

  /** Sends all in one write; answers with one reply for each. */
  async exchange(requests: readonly Words[]): Promise<Buffer[]> {
    this.#socket.write(Buffer.concat(requests.map(requestBytes)));
    const replies: Buffer[] = [];
    let at = 0;
    while (replies.length < requests.length) {
      const end = replyEnd(this.#received, at);
      if (end !== undefined) {
        replies.push(this.#received.subarray(at, end));
        at = end;
        continue;
      }
      if (this.#ended !== undefined) throw new Error(`no reply after ${replies.length}`, { cause: this.#ended });
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#received = this.#received.subarray(at);
    return replies;
  }

  async call(...words: Words): Promise<Buffer> {
    const [reply] = await this.exchange([words]);
    return reply;
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** Where the reply at `at` ends; `undefined` where it has not come whole. */
export function replyEnd(bytes: Buffer, at: number): number | undefined {
  const lineEnd = bytes.indexOf("\r\n", at);
  if (lineEnd < 0) return undefined;
  const type = String.fromCharCode(bytes[at]);
  const size = Number(bytes.toString("latin1", at + 1, lineEnd));
  if ("$=!".includes(type)) {
    const end = size < 0 ? lineEnd + 2 : lineEnd + 2 + size + 2;
    return end <= bytes.length ? end : undefined;
  }
  if (!"*~>%".includes(type)) return lineEnd + 2;
  let end: number | undefined = lineEnd + 2;
  for (let part = 0; part < (type === "%" ? 2 * size : size) && end !== undefined; part++) end = replyEnd(bytes, end);
  return end;
}

/** A reply without its types: strings in Latin-1, integers, null, lists. */
export type Plain = string | number | null | Plain[];

export function plainReply(bytes: Buffer): Plain {
  return readPlain(bytes, 0).value;
}

function readPlain(bytes: Buffer, at: number): { value: Plain; end: number } {
  const lineEnd = bytes.indexOf("\r\n", at);
  const line = bytes.toString("latin1", at + 1, lineEnd);
  const type = String.fromCharCode(bytes[at]);
  let end = lineEnd + 2;
  if (type === "_" || (line === "-1" && "$*".includes(type))) return { value: null, end };
  if (type === ":") return { value: Number(line), end };
  if (type === "$") {
    const start = end;
    end = start + Number(line);
    return { value: bytes.toString("latin1", start, end), end: end + 2 };
  }
  if (!"*~>%".includes(type)) return { value: type + line, end };
  const value: Plain[] = [];
  for (let count = Number(line) * (type === "%" ? 2 : 1); count > 0; count--) {
    const part = readPlain(bytes, end);
    value.push(part.value);
    end = part.end;
  }
  return { value, end };
}
