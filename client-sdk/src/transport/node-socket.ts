/** Node 22 has a WebSocket of its own; Node 20 has none, and there it is the package `ws`. */
import type { RuntimeSocket, SocketLike } from "./socket.ts";
import { createSocket as createWebSocket } from "./web-socket.ts";

/** Of `ws`: messages without an event object and a copy for each; text comes as its bytes. */
interface WsSocket extends SocketLike {
  on(name: "message", listener: (data: Uint8Array<ArrayBuffer>, isBinary: boolean) => void): void;
  /** Ends it without waiting for the peer. */
  terminate(): void;
}

type WsClass = new (url: string, protocols: string[], options: object) => WsSocket;

const utf8 = new TextDecoder();

export async function createSocket(url: string, token: string | undefined): Promise<RuntimeSocket> {
  if ("WebSocket" in globalThis) return createWebSocket(url, token);
  // By a name that the compiler does not follow: the package's types need those of Node, which a browser project has not.
  const module = "ws";
  const { WebSocket } = (await import(module)) as { WebSocket: WsClass };
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const socket = new WebSocket(url, [], { perMessageDeflate: false, skipUTF8Validation: true, maxPayload: 0, headers });
  return {
    socket,
    listen: (receive) => socket.on("message", (data, isBinary) => receive(isBinary ? data : utf8.decode(data))),
    end: () => socket.terminate(),
  };
}
