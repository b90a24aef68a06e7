/**
 * Conversations of several Redis clients with a server, written down frame by frame, so that the same page can be held
 * against this server and against Redis.
 *
 *     ["a", "MULTI", "+OK"]           a says MULTI and gets +OK
 *     ["b", "", "*3 $7 message ..."]  b says nothing and gets a message
 *
 * In a frame a space stands for each line end; "(any)" is whatever comes.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect } from "vitest";
import { replyEnd, requestBytes } from "./differential/raw-connection.ts";

/** Who, what (words separated by spaces; `''` is an empty word), and the frames that come then. */
export type Line = readonly [client: string, said: string, ...frames: string[]];

/** How long a frame may take. */
const FRAME_MS_MAX = 5_000;

export class TranscriptClient {
  readonly #socket: Socket;
  #received = Buffer.alloc(0);
  #isClosed = false;
  #wake: () => void = () => {};

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      this.#wake();
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#isClosed = true;
      this.#wake();
    });
  }

  /** @param address the path of a Unix socket, or a URL with host and port. */
  static async open(address: string): Promise<TranscriptClient> {
    const url = address.startsWith("/") ? undefined : new URL(address);
    const socket = url === undefined ? connect(address) : connect(Number(url.port), url.hostname);
    await once(socket, "connect");
    return new TranscriptClient(socket);
  }

  say(words: readonly (string | Buffer)[]): void {
    this.#socket.write(requestBytes(words));
  }

  /** The next frame as the server sent it; "(closed)", or "(nothing)" where none comes in time. */
  async frame(): Promise<string> {
    const endMs = Date.now() + FRAME_MS_MAX;
    for (;;) {
      const end = replyEnd(this.#received, 0);
      if (end !== undefined && end > 0 && this.#received.length >= end) {
        const frame = this.#received.toString("latin1", 0, end);
        this.#received = this.#received.subarray(end);
        return frame;
      }
      if (this.#isClosed) return "(closed)";
      const leftMs = endMs - Date.now();
      if (leftMs <= 0) return "(nothing)";
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Reads nothing more. */
  pause(): void {
    this.#socket.pause();
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** Plays the lines to a server and fails at the first that goes otherwise. */
export async function play(address: string, lines: readonly Line[]): Promise<void> {
  const clients = new Map<string, TranscriptClient>();
  try {
    for (const [index, [name, said, ...frames]] of lines.entries()) {
      const client = clients.get(name) ?? (await TranscriptClient.open(address));
      clients.set(name, client);
      if (said !== "") client.say(said.split(" ").map((word) => (word === "''" ? "" : word)));
      const got: string[] = [];
      while (got.length < frames.length) got.push(shown(await client.frame()));
      for (let i = 0; i < got.length; i++) if (frames[i] === "(any)") got[i] = frames[i];
      expect([index, name, said, ...got]).toEqual([index, name, said, ...frames]);
    }
  } finally {
    for (const client of clients.values()) client.close();
  }
}

function shown(frame: string): string {
  return frame.replace(/\r\n$/, "").replaceAll("\r\n", " ");
}
