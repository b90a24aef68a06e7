/**
 * A proxy that understands messages: a test sees what the client sends and may answer in the server's place, and sees what
 * the server sends and may change, hold or drop it. Frames are JSON here, so that a person can read them: give the client
 * `format: "json"`.
 */
import { once } from "node:events";
import { type WebSocket as Peer, WebSocket, WebSocketServer } from "ws";

export type Fields = Record<string, unknown>;

export interface MessageHooks {
  /** @returns an answer in the server's place; undefined lets it pass. */
  request?(message: Fields): Fields | undefined;
  /** @returns what the client gets, none for nothing. */
  reply?(message: Fields): readonly Fields[];
}

export class MessageProxy {
  readonly url: string;
  /** What clients sent, in order, the greeting included. */
  readonly requests: Fields[] = [];
  hooks: MessageHooks = {};
  readonly #server: WebSocketServer;
  readonly #target: string;
  readonly #clients = new Set<Peer>();

  private constructor(server: WebSocketServer, port: number, target: string) {
    this.#server = server;
    this.url = `ws://127.0.0.1:${port}`;
    this.#target = target;
    server.on("connection", (client) => this.#connected(client));
  }

  static async start(target: string): Promise<MessageProxy> {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    await once(server, "listening");
    // It listens on TCP.
    const { port } = server.address() as { port: number };
    return new MessageProxy(server, port, `${target.replace("http", "ws")}/api/v1/ws`);
  }

  /** The requests beside the greetings of connections. */
  get commands(): Fields[] {
    return this.requests.filter(({ command, payload }) => command !== "kv.del" || JSON.stringify(payload) !== "{}");
  }

  push(message: Fields): void {
    for (const client of this.#clients) client.send(JSON.stringify(message));
  }

  cut(): void {
    for (const client of this.#clients) client.terminate();
  }

  async end(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }

  #connected(client: Peer): void {
    this.#clients.add(client);
    const server = new WebSocket(this.#target, { perMessageDeflate: false });
    const opened = once(server, "open");
    client.on("message", async (data) => {
      // The client under test sends JSON objects.
      const message = JSON.parse(String(data)) as Fields;
      this.requests.push(message);
      const answer = this.hooks.request?.(message);
      if (answer !== undefined) client.send(JSON.stringify(answer));
      else {
        await opened;
        server.send(String(data));
      }
    });
    server.on("message", (data) => {
      // As does the server.
      const replies = this.hooks.reply?.(JSON.parse(String(data)) as Fields);
      if (replies === undefined) client.send(String(data));
      else for (const reply of replies) client.send(JSON.stringify(reply));
    });
    for (const [from, to] of [
      [client, server],
      [server, client],
    ]) {
      from.on("error", () => from.terminate());
      from.on("close", () => {
        this.#clients.delete(client);
        to.terminate();
      });
    }
  }
}
