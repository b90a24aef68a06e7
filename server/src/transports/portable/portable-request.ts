/** A request of node:http, as the rest of the transports knows it. */
import type { IncomingMessage } from "node:http";
import { HEADER, type HttpRequest } from "../http/socket-server.ts";

const NAMES: ReadonlyMap<string | Uint8Array, string> = new Map(
  Object.values(HEADER).map((bytes) => [bytes, Buffer.from(bytes).toString("latin1")]),
);

export class PortableRequest implements HttpRequest {
  readonly #message: IncomingMessage;
  readonly path: string;
  readonly #query: string;

  constructor(message: IncomingMessage) {
    this.#message = message;
    const { url = "" } = message;
    const end = url.indexOf("?");
    this.path = end < 0 ? url : url.slice(0, end);
    this.#query = end < 0 ? "" : url.slice(end + 1);
  }

  getMethod(): string {
    return this.getCaseSensitiveMethod().toLowerCase();
  }

  getCaseSensitiveMethod(): string {
    return this.#message.method ?? "";
  }

  getQuery(): string {
    return this.#query;
  }

  getHeader(name: string | Uint8Array): string {
    const value = this.#message.headers[typeof name === "string" ? name : (NAMES.get(name) ?? "")];
    return typeof value === "string" ? value : "";
  }
}
