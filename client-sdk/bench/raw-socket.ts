/**
 * A bare WebSocket that sends frames encoded beforehand and does not look at the replies: what any client of this server
 * could reach at best, and what this one's overhead is beside.
 */
import { once } from "node:events";
import { Packr } from "msgpackr";
import { WebSocket } from "ws";

const packr = new Packr({ useRecords: false });

export class RawSocket {
  readonly #socket: WebSocket;
  readonly #waiting: (() => void)[] = [];
  readonly #get: Uint8Array;
  readonly #set: Uint8Array;
  readonly #batch: Uint8Array;

  private constructor(socket: WebSocket, keys: readonly string[], value: string) {
    this.#socket = socket;
    const [key] = keys;
    this.#get = packr.pack({ command: "kv.get", request_id: 1, payload: { key } });
    this.#set = packr.pack({ command: "kv.set", request_id: 1, payload: { key, value } });
    const commands = keys.map((each) => ({ command: "kv.get", payload: { key: each } }));
    this.#batch = packr.pack({ type: "batch", request_id: 1, commands });
    socket.on("message", () => this.#waiting.shift()?.());
  }

  static async open(url: string, keys: readonly string[], value: string): Promise<RawSocket> {
    const socket = new WebSocket(`${url.replace("http", "ws")}/api/v1/ws`, { perMessageDeflate: false });
    await once(socket, "open");
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
    this.#socket.terminate();
  }

  #roundTrip(frame: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#socket.send(frame);
    });
  }
}
