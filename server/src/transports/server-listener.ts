/** A listener of node:net, or of node:tls where there is a certificate: its sockets are used alike. */
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, Server as TlsServer } from "node:tls";
import type { Certificate } from "../access/certificate.ts";

/** A peer that has connected and does not get to the end of its handshake. */
const HANDSHAKE_MS_MAX = 10_000;
const OPTIONS = { allowHalfOpen: true, noDelay: true } as const;

export function createServerListener(certificate: Certificate | undefined, accept: (socket: Socket) => void): Server {
  if (certificate === undefined) return createServer(OPTIONS, accept);
  const { cert, key } = certificate;
  const server = createTlsServer(
    { ...OPTIONS, cert, key, minVersion: "TLSv1.2", handshakeTimeout: HANDSHAKE_MS_MAX },
    accept,
  );
  // What speaks no TLS, or breaks off. The socket is Node's to close; it only wants to be told that nobody else does.
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  return server;
}

/** Connections that come from now on get this certificate. */
export function renewListener(server: Server, { cert, key }: Certificate): void {
  if (!(server instanceof TlsServer)) throw new Error("a listener without TLS has no certificate");
  server.setSecureContext({ cert, key, minVersion: "TLSv1.2" });
}
