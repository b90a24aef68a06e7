/** A server with tokens, in this process, and peers that speak to it in every protocol there is. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket } from "ws";
import { makeToken } from "../../src/access/token.ts";
import { TokenFile } from "../../src/access/token-file.ts";
import { configFromFlags } from "../../src/config/load.ts";
import { nodeFileSystem } from "../../src/oplog/node-file-system.ts";
import { type Logger, silentLogger } from "../../src/runtime/logger.ts";
import { type RunningServer, startServer } from "../../src/server.ts";
import { requestBytes } from "../protocol/differential/raw-connection.ts";
import { TRANSPORT_FLAGS } from "../tested-transport.ts";

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

export class AccessServer {
  readonly directory = mkdtempSync(join(tmpdir(), "synap-access-"));
  /** What it has logged, one JSON text a line. */
  readonly lines: string[] = [];
  readonly #file = new TokenFile(join(this.directory, "tokens.json"), nodeFileSystem.makeDirectory);
  readonly #sockets: { terminate(): void }[] = [];
  #server: RunningServer | undefined;

  async start(...flags: string[]): Promise<void> {
    const note = (fields: unknown, sentence?: string) => this.lines.push(JSON.stringify([fields, sentence]));
    const logger: Logger = { ...silentLogger, info: note, warn: note, error: note };
    const own = [
      ...TRANSPORT_FLAGS,
      "--no-persistence",
      "--port",
      "0",
      "--set",
      `access.tokens_file=${join(this.directory, "tokens.json")}`,
    ];
    this.#server = await startServer(configFromFlags(...own, ...flags), logger);
  }

  get server(): RunningServer {
    if (this.#server === undefined) throw new Error("it was not started");
    return this.#server;
  }

  /** Makes a token in the file, as the command line does. */
  async token(name: string, allow: string[], lifeMs = Number.POSITIVE_INFINITY): Promise<string> {
    const made = makeToken({ name, allow, expiresAtMs: Date.now() + lifeMs }, Date.now());
    if (typeof made === "string") throw new Error(made);
    await this.#file.update((tokens) => [...tokens, made.record]);
    return made.text;
  }

  async revoke(name: string): Promise<void> {
    await this.#file.update((tokens) => tokens.filter((each) => each.name !== name));
  }

  async http(body: object, headers: Record<string, string> = {}): Promise<HttpAnswer> {
    return this.fetch("/api/v1/command", {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
  }

  async fetch(path: string, init: RequestInit = {}): Promise<HttpAnswer> {
    const response = await fetch(this.server.url + path, init);
    const isJson = response.headers.get("content-type")?.startsWith("application/json") === true;
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : {} };
  }

  /** Opens an event stream; what comes is collected as text. */
  async events(query: string, headers: Record<string, string> = {}) {
    const response = await fetch(`${this.server.url}/api/v1/events?${query}`, { headers });
    const stream = { status: response.status, text: "", isOver: false };
    const read = async () => {
      for await (const chunk of response.body ?? []) stream.text += Buffer.from(chunk).toString();
    };
    read()
      .catch(() => {
        stream.text += "(cut)";
      })
      .finally(() => {
        stream.isOver = true;
      });
    return stream;
  }

  async webSocket(query = "", headers: Record<string, string> = {}): Promise<WebSocketPeer> {
    const socket = new WebSocket(`${this.server.url.replace("http", "ws")}/api/v1/ws${query}`, { headers });
    this.#sockets.push(socket);
    const peer = new WebSocketPeer(socket);
    socket.on("error", (error) => {
      peer.failure = error.message;
    });
    await new Promise((resolve) => socket.once("open", resolve).once("close", resolve));
    return peer;
  }

  async resp(): Promise<RespPeer> {
    const { hostname, port } = new URL(this.server.respUrl ?? "");
    const socket = connect({ host: hostname, port: Number(port) });
    this.#sockets.push({ terminate: () => socket.destroy() });
    await once(socket, "connect");
    const peer: RespPeer = {
      received: "",
      isClosed: false,
      send: (text) => void socket.write(text),
      say(...words) {
        socket.write(requestBytes(words));
      },
    };
    socket.on("data", (chunk) => {
      peer.received += chunk.toString();
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      peer.isClosed = true;
    });
    return peer;
  }

  async end(): Promise<void> {
    for (const socket of this.#sockets) socket.terminate();
    await this.#server?.stop();
    rmSync(this.directory, { recursive: true });
  }
}

export interface RespPeer {
  received: string;
  isClosed: boolean;
  send(text: string): void;
  say(...words: string[]): void;
}

export class WebSocketPeer {
  readonly messages: Record<string, unknown>[] = [];
  failure = "";
  closeCode: number | undefined;
  readonly #socket: WebSocket;
  #id = 0;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (message: Buffer) => this.messages.push(JSON.parse(message.toString())));
    socket.on("close", (code) => {
      this.closeCode = code;
    });
  }

  /** Sends a message as it is; what comes is in `messages`. */
  send(message: object): void {
    this.#socket.send(JSON.stringify(message));
  }

  /** The reply to one command. */
  async ask(command: string, payload: object = {}): Promise<Record<string, unknown>> {
    const id = ++this.#id;
    this.#socket.send(JSON.stringify({ command, payload, request_id: id }));
    for (;;) {
      const reply = this.messages.find(({ request_id }) => request_id === id);
      if (reply !== undefined) return reply;
      if (this.closeCode !== undefined) throw new Error(`closed with ${this.closeCode}`);
      await new Promise((resolve) => this.#socket.once("message", resolve).once("close", resolve));
    }
  }
}
