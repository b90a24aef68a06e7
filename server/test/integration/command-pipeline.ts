/** A WebSocket with several commands under way at once, whose replies come in their order. */
import { once } from "node:events";
import { WebSocket } from "ws";
import type { CommandReply } from "./server-process.ts";

interface Flight {
  readonly resolve: (reply: CommandReply) => void;
  readonly reject: (error: Error) => void;
}

export class CommandPipeline {
  readonly #socket: WebSocket;
  readonly #flights: Flight[] = [];
  #error: Error | undefined;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (message: Buffer) => this.#flights.shift()?.resolve(JSON.parse(message.toString())));
    socket.on("error", () => socket.terminate());
    socket.on("close", () => {
      this.#error = new Error("the connection is closed");
      for (const { reject } of this.#flights.splice(0)) reject(this.#error);
    });
  }

  static async open(url: string): Promise<CommandPipeline> {
    const socket = new WebSocket(`${url.replace("http", "ws")}/api/v1/ws`);
    await once(socket, "open");
    return new CommandPipeline(socket);
  }

  send(command: string, payload: object): Promise<CommandReply> {
    return new Promise((resolve, reject) => {
      if (this.#error !== undefined) {
        reject(this.#error);
        return;
      }
      this.#flights.push({ resolve, reject });
      this.#socket.send(JSON.stringify({ command, payload }));
    });
  }

  close(): void {
    this.#socket.terminate();
  }
}
