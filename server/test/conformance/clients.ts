/** One client for each way to reach the command endpoint. A client has one connection and one request in flight. */
import { Agent, request as httpRequest } from "node:http";
import { WebSocket } from "ws";
import { json, msgpack, type WireFormat } from "./format.ts";

export const COMBINATIONS = ["http-json", "http-msgpack", "websocket-text", "websocket-binary"] as const;
export type Combination = (typeof COMBINATIONS)[number];

export interface ClientReply {
  /** Only HTTP has one. */
  readonly status: number | undefined;
  readonly body: unknown;
}

export interface Client {
  readonly format: WireFormat;
  /** What the server sent unasked and no step has taken yet, oldest first. Over HTTP there is never any. */
  readonly pushes: unknown[];
  /** Sends one message and waits for its reply, which must be in the client's own format. */
  send(message: Buffer): Promise<ClientReply>;
  close(): Promise<void>;
}

export function connect(combination: Combination, url: string): Promise<Client> {
  switch (combination) {
    case "http-json":
      return Promise.resolve(new HttpClient(json, url));
    case "http-msgpack":
      return Promise.resolve(new HttpClient(msgpack, url));
    case "websocket-text":
      return WebSocketClient.connect(json, url);
    case "websocket-binary":
      return WebSocketClient.connect(msgpack, url);
  }
}

class HttpClient implements Client {
  readonly format: WireFormat;
  readonly pushes: unknown[] = [];
  readonly #url: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });

  constructor(format: WireFormat, url: string) {
    this.format = format;
    this.#url = `${url}/api/v1/command`;
  }

  send(message: Buffer): Promise<ClientReply> {
    const { contentType } = this.format;
    return new Promise((resolve, reject) => {
      const options = { method: "POST", agent: this.#agent, headers: { "content-type": contentType } };
      const request = httpRequest(this.#url, options, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          try {
            const type = response.headers["content-type"];
            if (type?.split(";")[0] !== contentType) throw new Error(`a reply of type ${type}`);
            resolve({ status: response.statusCode, body: this.format.decode(Buffer.concat(chunks)) });
          } catch (error) {
            reject(error);
          }
        });
      });
      request.on("error", reject);
      request.end(message);
    });
  }

  close(): Promise<void> {
    this.#agent.destroy();
    return Promise.resolve();
  }
}

interface Waiting {
  resolve(reply: ClientReply): void;
  reject(error: unknown): void;
}

class WebSocketClient implements Client {
  readonly format: WireFormat;
  readonly pushes: unknown[] = [];
  readonly #socket: WebSocket;
  readonly #closed: Promise<void>;
  #waiting: Waiting | undefined;

  static connect(format: WireFormat, url: string): Promise<WebSocketClient> {
    const socket = new WebSocket(`${url.replace(/^http/, "ws")}/api/v1/ws`, { perMessageDeflate: false });
    return new Promise((resolve, reject) => {
      socket.once("error", reject);
      socket.once("open", () => resolve(new WebSocketClient(format, socket)));
    });
  }

  private constructor(format: WireFormat, socket: WebSocket) {
    this.format = format;
    this.#socket = socket;
    // A frame that breaks the protocol; the connection is then closed.
    socket.on("error", (error) => this.#waiting?.reject(error));
    socket.on("message", (data: Buffer, isBinary) => this.#take(data, isBinary));
    this.#closed = new Promise((resolve) => {
      socket.on("close", (code, reason) => {
        this.#waiting?.reject(new Error(`closed with ${code} ${reason}`));
        resolve();
      });
    });
  }

  #take(data: Buffer, isBinary: boolean): void {
    try {
      if (isBinary !== (this.format === msgpack)) throw new Error("a frame of the other kind");
      const body = this.format.decode(data);
      if (isPush(body)) {
        this.pushes.push(body);
        return;
      }
      if (this.#waiting === undefined) throw new Error(`a message nobody waits for: ${data}`);
      this.#waiting.resolve({ status: undefined, body });
    } catch (error) {
      if (this.#waiting === undefined) throw error;
      this.#waiting.reject(error);
    }
    this.#waiting = undefined;
  }

  send(message: Buffer): Promise<ClientReply> {
    return new Promise((resolve, reject) => {
      if (this.#socket.readyState !== WebSocket.OPEN) throw new Error("the connection was closed by an earlier case");
      this.#waiting = { resolve, reject };
      this.#socket.send(message, { binary: this.format === msgpack });
    });
  }

  close(): Promise<void> {
    this.#socket.close();
    return this.#closed;
  }
}

/** A reply always says whether it is a success (wire contract, sections 2 and 5). */
function isPush(body: unknown): boolean {
  return typeof body === "object" && body !== null && "type" in body && !("success" in body);
}
