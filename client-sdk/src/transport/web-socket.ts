/** The runtime's own WebSocket: in browsers, and wherever else there is one. */
import type { RuntimeSocket } from "./socket.ts";

export async function createSocket(url: string, token: string | undefined): Promise<RuntimeSocket> {
  const target = new URL(url);
  // It cannot set headers; the server takes a token from the query and never logs it.
  if (token !== undefined) target.searchParams.set("api_key", token);
  const socket = new WebSocket(target);
  socket.binaryType = "arraybuffer";
  return {
    socket,
    listen: (receive) => {
      // By binaryType anything else is an ArrayBuffer.
      socket.onmessage = ({ data }) => receive(typeof data === "string" ? data : new Uint8Array(data as ArrayBuffer));
    },
    end: () => socket.close(),
  };
}
