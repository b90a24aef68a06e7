/** A listener of node:net, or of node:tls where there is a certificate: its sockets are used alike. */
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, Server as TlsServer } from "node:tls";
import type { Certificate } from "../access/certificate.ts";
import { addressOf, explainListenFailure } from "./listen-failure.ts";
import { ListenError } from "./transport.ts";

/** A peer that has connected and does not get to the end of its handshake. */
const HANDSHAKE_MS_MAX = 10_000;
const BACKLOG = 511;
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

/**
 * Resolves with the port, or rejects with `ListenError`. What fails after that is one connection that could not be accepted,
 * where the process has no more file descriptors: the listener goes on.
 */
export function listenOn(
  server: Server,
  host: string,
  port: number,
  acceptFailed: (error: Error) => void,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const failed = (cause: NodeJS.ErrnoException): void => {
      reject(new ListenError(explainListenFailure(cause, addressOf(host, port)), { cause }));
    };
    server.once("error", failed);
    server.listen({ host, port, exclusive: true, backlog: BACKLOG }, () => {
      server.off("error", failed);
      let lastCode: string | undefined;
      server.on("error", (error: NodeJS.ErrnoException) => {
        // There may be one for every client that tries.
        if (error.code !== lastCode) acceptFailed(error);
        lastCode = error.code;
      });
      const address = server.address();
      // A listener on TCP has an address object.
      resolve(typeof address === "object" && address !== null ? address.port : port);
    });
  });
}

/** Connections that come from now on get this certificate. */
export function renewListener(server: Server, { cert, key }: Certificate): void {
  if (!(server instanceof TlsServer)) throw new Error("a listener without TLS has no certificate");
  server.setSecureContext({ cert, key, minVersion: "TLSv1.2" });
}
