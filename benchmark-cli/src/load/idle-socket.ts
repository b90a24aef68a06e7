/** Connections that ask for nothing any more. */
import { ask, type ClientSocket, openWebSocket } from "./client-socket.ts";
import { frameFor } from "./requests.ts";

const REQUEST = frameFor({ command: "kv.get", payload: { key: "none" } });

/** A WebSocket that has been used, since it has asked once, and may be closed by its server's end. */
export async function openIdle(port: number): Promise<ClientSocket> {
  const socket = await openWebSocket(port);
  socket.mayBeClosed();
  await ask(socket, REQUEST);
  return socket;
}
