/**
 * A TCP proxy before a real server that breaks what passes through: cuts connections, in the middle of a frame if wanted,
 * holds bytes back, turns new connections away, sends what is no frame.
 */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

export class FaultProxy {
  readonly url: string;
  readonly port: number;
  /** Where new connections go. */
  targetPort: number;
  /** New connections are ended at once. */
  isRefusing = false;
  /** Connections that were made through it. */
  connectionCount = 0;
  readonly #listener: Server;
  readonly #pairs = new Set<Pair>();
  #cutAfter: number | undefined;
  #replacement: Buffer | undefined;
  #isHolding = false;

  private constructor(listener: Server, port: number, targetPort: number) {
    this.#listener = listener;
    this.port = port;
    this.url = `ws://127.0.0.1:${port}`;
    this.targetPort = targetPort;
  }

  static async start(targetPort: number): Promise<FaultProxy> {
    const listener = createServer();
    listener.listen(0, "127.0.0.1");
    await once(listener, "listening");
    // It listens on TCP.
    const { port } = listener.address() as { port: number };
    const proxy = new FaultProxy(listener, port, targetPort);
    listener.on("connection", (client) => proxy.#accept(client));
    return proxy;
  }

  get openCount(): number {
    return this.#pairs.size;
  }

  /** Ends every connection, now. */
  cut(): void {
    for (const { client, server } of this.#pairs) {
      client.destroy();
      server.destroy();
    }
  }

  /** The next bytes that the server sends pass up to so many, then the connection is cut. */
  cutWithin(byteCount: number): void {
    this.#cutAfter = byteCount;
  }

  /** In the place of the next bytes that the server sends. */
  replaceNext(bytes: Buffer): void {
    this.#replacement = bytes;
  }

  /** Nothing of the server reaches the client until `release`. */
  hold(): void {
    this.#isHolding = true;
    for (const { server } of this.#pairs) server.pause();
  }

  release(): void {
    this.#isHolding = false;
    for (const { server } of this.#pairs) server.resume();
  }

  async end(): Promise<void> {
    this.cut();
    this.#listener.close();
    await once(this.#listener, "close");
  }

  #accept(client: Socket): void {
    if (this.isRefusing) {
      client.destroy();
      return;
    }
    this.connectionCount += 1;
    const server = connect(this.targetPort, "127.0.0.1");
    const pair = { client, server };
    this.#pairs.add(pair);
    client.setNoDelay(true);
    server.setNoDelay(true);
    client.on("data", (chunk) => server.write(chunk));
    server.on("data", (chunk) => this.#forward(pair, chunk));
    const over = (): void => {
      this.#pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      // An error is followed by the close.
      socket.on("error", () => socket.destroy());
      socket.on("close", over);
    }
    if (this.#isHolding) server.pause();
  }

  #forward({ client, server }: Pair, chunk: Buffer): void {
    if (this.#replacement !== undefined) {
      client.write(this.#replacement);
      this.#replacement = undefined;
    } else if (this.#cutAfter !== undefined) {
      client.end(chunk.subarray(0, this.#cutAfter));
      this.#cutAfter = undefined;
      server.destroy();
    } else client.write(chunk);
  }
}
