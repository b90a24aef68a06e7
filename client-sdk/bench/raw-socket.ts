/** A WebSocket that sends one prepared frame of kv.get commands again and again: what the client's overhead is beside. */
import { once } from "node:events";
import { Packr } from "msgpackr";
import { WebSocket } from "ws";

export class RawSocket {
  readonly #socket: WebSocket;
  readonly #frame: Uint8Array;
  #answered: () => void = () => {};

  private constructor(socket: WebSocket, frame: Uint8Array) {
    this.#socket = socket;
    this.#frame = frame;
    socket.on("message", () => this.#answered());
  }

  static async open(url: string, keys: readonly string[]): Promise<RawSocket> {
    const socket = new WebSocket(`${url.replace("http", "ws")}/api/v1/ws`, { perMessageDeflate: false });
    await once(socket, "open");
    const commands = keys.map((key) => ({ command: "kv.get", payload: { key } }));
    const frame = new Packr({ useRecords: false }).pack({ type: "batch", request_id: 1, commands });
    return new RawSocket(socket, frame);
  }

  roundTrip(): Promise<void> {
    return new Promise((resolve) => {
      this.#answered = resolve;
      this.#socket.send(this.#frame);
    });
  }

  close(): void {
    this.#socket.terminate();
  }
}
