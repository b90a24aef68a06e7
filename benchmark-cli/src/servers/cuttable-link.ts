/** A TCP proxy on this machine that can be cut: it then drops its connections and lets nobody in until it is mended. */
import { connect, createServer, type Server, type Socket } from "node:net";

export class CuttableLink {
  readonly #toPort: number;
  readonly #sockets = new Set<Socket>();
  #server: Server;
  #port = 0;

  private constructor(toPort: number) {
    this.#toPort = toPort;
    this.#server = this.#accepting();
  }

  static async to(port: number): Promise<CuttableLink> {
    const link = new CuttableLink(port);
    await link.mend();
    return link;
  }

  get port(): number {
    return this.#port;
  }

  /** From now on a connection is refused, as where nobody listens. */
  async cut(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** On the port it had. */
  async mend(): Promise<void> {
    this.#server = this.#accepting();
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(this.#port, "127.0.0.1", resolve);
    });
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    this.#port = address.port;
  }

  #accepting(): Server {
    return createServer({ noDelay: true }, (from) => {
      const to = connect({ port: this.#toPort, host: "127.0.0.1", noDelay: true });
      for (const [one, other] of [
        [from, to],
        [to, from],
      ]) {
        this.#sockets.add(one);
        one.pipe(other);
        // What ends one side ends the other; an error is followed by `close`.
        one.on("error", () => other.destroy());
        one.once("close", () => {
          this.#sockets.delete(one);
          other.destroy();
        });
      }
    });
  }
}
