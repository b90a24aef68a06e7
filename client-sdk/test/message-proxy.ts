/**
 * A proxy that understands messages, of either form: a test sees what the client sends and may change it or answer in the
 * server's place, and sees what the server sends and may change, hold or drop it. MessagePack is read and written by
 * msgpackr, which has no part in how the client writes it.
 */
import { once } from "node:events";
import { Packr } from "msgpackr";
import { type WebSocket as Peer, WebSocket, WebSocketServer } from "ws";

export type Fields = Record<string, unknown>;

export interface MessageHooks {
  /** @returns an answer in the server's place; undefined lets it pass, changed perhaps. */
  request?(message: Fields, connection: number): Fields | undefined | Promise<Fields | undefined>;
  /** @returns what the client gets, none for nothing. */
  reply?(message: Fields, connection: number): readonly Fields[];
}

// `auto` is in its documentation, and not in its types.
const packr = new Packr({ useRecords: false, int64AsType: "auto" as "bigint" });

/** The peers speak objects, in JSON as text or in MessagePack as bytes. */
function decode(data: Buffer, isBinary: boolean): Fields {
  return (isBinary ? packr.unpack(data) : JSON.parse(data.toString())) as Fields;
}

function encode(message: Fields, isBinary: boolean): string | Buffer {
  return isBinary ? packr.pack(message) : JSON.stringify(message);
}

export class MessageProxy {
  readonly url: string;
  /** What clients sent, in order, the greeting included. */
  readonly requests: Fields[] = [];
  hooks: MessageHooks = {};
  readonly #server: WebSocketServer;
  readonly #target: string;
  readonly #clients = new Set<Peer>();
  #connectionCount = 0;

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

  /** Numbered commands that came again, each as often as it did. An atomic batch is one. */
  get repeatedCount(): number {
    const numbers = this.requests.flatMap(numbersOf);
    return numbers.length - new Set(numbers).size;
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
    this.#connectionCount += 1;
    const connection = this.#connectionCount;
    this.#clients.add(client);
    const server = new WebSocket(this.#target, { perMessageDeflate: false });
    const opened = new Promise((resolve) => server.once("open", resolve));
    let before: Promise<unknown> = opened;
    let unansweredCount = 0;
    let isGone = false;
    const pass = async (message: Fields, isBinary: boolean): Promise<void> => {
      const answer = await this.hooks.request?.(message, connection);
      if (answer !== undefined) client.send(encode(answer, isBinary));
      else {
        unansweredCount += 1;
        server.send(encode(message, isBinary));
      }
    };
    client.on("message", (data: Buffer, isBinary) => {
      const message = decode(data, isBinary);
      this.requests.push(structuredClone(message));
      before = before.then(() => pass(message, isBinary));
    });
    server.on("message", (data: Buffer, isBinary) => {
      const message = decode(data, isBinary);
      if (message.success !== undefined) unansweredCount -= 1;
      for (const reply of this.hooks.reply?.(message, connection) ?? [message]) client.send(encode(reply, isBinary));
      if (isGone && unansweredCount === 0) server.terminate();
    });
    client.on("error", () => client.terminate());
    server.on("error", () => server.terminate());
    server.on("close", () => client.terminate());
    client.on("close", async () => {
      this.#clients.delete(client);
      // What the client has sent is the server's, and the hooks see how it went.
      await before;
      isGone = true;
      if (unansweredCount === 0) server.terminate();
    });
  }
}

/** What the server knows the idempotent commands of a request by. */
export function numbersOf({ client_id, request_id, idempotent, atomic, commands }: Fields): string[] {
  const number = (id: unknown, index: unknown) => `${String(client_id)} ${String(id)} ${String(index ?? "")}`;
  if (!Array.isArray(commands) || atomic === true) return idempotent === true ? [number(request_id, undefined)] : [];
  return (commands as Fields[]).flatMap((item, index) => {
    if (item.idempotent !== true && idempotent !== true) return [];
    return [item.request_id === undefined ? number(request_id, index) : number(item.request_id, item.index)];
  });
}
