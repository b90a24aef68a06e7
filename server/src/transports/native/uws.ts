/** The one place that imports uWebSockets.js, and adds what its type declarations leave out. */

import * as uWS from "uWebSockets.js";
import type { Certificate } from "../../access/certificate.ts";

export type { HttpResponse, TemplatedApp, WebSocket, WebSocketBehavior } from "uWebSockets.js";
export type ListenSocket = uWS.us_listen_socket;

/** No permessage-deflate (`uWS.DISABLED`). */
export const COMPRESSION_OFF = 0;

/** Without it Linux would let a second server share the port by SO_REUSEPORT, and take half of the connections. */
const EXCLUSIVE_PORT = 1;
const SHARED_PORT = 0;

interface ListeningApp {
  listen(host: string, port: number, options: number, done: (socket: ListenSocket | false) => void): unknown;
}

/** Throws where the files hold no certificate with its key. */
export function createApp(certificate: Certificate | undefined): uWS.TemplatedApp {
  if (certificate === undefined) return uWS.App();
  return uWS.SSLApp({ cert_file_name: certificate.certFile, key_file_name: certificate.keyFile });
}

/**
 * Binds `host:port`; undefined when that cannot be done. uWS does not say why.
 * @param isShared others may listen on the same port, that is: another app of this process.
 */
export function listenOn(
  app: uWS.TemplatedApp,
  host: string,
  port: number,
  isShared: boolean,
): Promise<ListenSocket | undefined> {
  return new Promise((resolve) => listen(app, host, port, isShared ? SHARED_PORT : EXCLUSIVE_PORT, resolve));
}

/** The same on a port that is shared already, at once: uWS binds before it returns, and calls back where it could. */
export function listenAgain(app: uWS.TemplatedApp, host: string, port: number): ListenSocket | undefined {
  let bound: ListenSocket | undefined;
  listen(app, host, port, SHARED_PORT, (socket) => {
    bound = socket;
  });
  return bound;
}

function listen(
  app: uWS.TemplatedApp,
  host: string,
  port: number,
  options: number,
  done: (socket: ListenSocket | undefined) => void,
): void {
  // The declarations lack the form with host and options, which the binary has (uWebSockets.js, AppWrapper.h).
  const listening = app as unknown as ListeningApp;
  listening.listen(host, port, options, (socket) => done(socket === false ? undefined : socket));
}

export function portOf(socket: ListenSocket): number {
  return uWS.us_socket_local_port(socket);
}

export function stopListening(socket: ListenSocket): void {
  uWS.us_listen_socket_close(socket);
}
