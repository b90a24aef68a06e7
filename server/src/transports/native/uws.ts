/** The one place that imports uWebSockets.js, and adds what its type declarations leave out. */
import * as uWS from "uWebSockets.js";

export type { HttpResponse, TemplatedApp, WebSocket, WebSocketBehavior } from "uWebSockets.js";
export type ListenSocket = uWS.us_listen_socket;

/** No permessage-deflate (`uWS.DISABLED`). */
export const COMPRESSION_OFF = 0;

/** Without it Linux would let a second server share the port by SO_REUSEPORT, and take half of the connections. */
const EXCLUSIVE_PORT = 1;

interface ListeningApp {
  listen(host: string, port: number, options: number, done: (socket: ListenSocket | false) => void): unknown;
}

export function createApp(): uWS.TemplatedApp {
  return uWS.App();
}

/** Binds `host:port` for this process alone; undefined when that cannot be done. uWS does not say why. */
export function listenExclusively(
  app: uWS.TemplatedApp,
  host: string,
  port: number,
): Promise<ListenSocket | undefined> {
  // The declarations lack the form with host and options, which the binary has (uWebSockets.js, AppWrapper.h).
  const listening = app as unknown as ListeningApp;
  return new Promise((resolve) => {
    listening.listen(host, port, EXCLUSIVE_PORT, (socket) => resolve(socket === false ? undefined : socket));
  });
}

export function portOf(socket: ListenSocket): number {
  return uWS.us_socket_local_port(socket);
}

export function stopListening(socket: ListenSocket): void {
  uWS.us_listen_socket_close(socket);
}
