/**
 * Where all clients connect to, whom they trust there, and the token that they show. They run in processes of their own, which
 * inherit the environment, so a few variables reach them all and none is among the arguments that everybody on the machine
 * can read. A server that a benchmark starts is always on the loopback address, without TLS and without tokens.
 *
 *     SYNAP_BENCHMARK_HOST    name or address
 *     SYNAP_BENCHMARK_TLS     set where the server speaks TLS
 *     SYNAP_BENCHMARK_CA      the file with the authorities to trust in place of those that Node knows
 *     SYNAP_BENCHMARK_TOKEN   what is shown as Authorization, or by AUTH
 */
import { readFileSync } from "node:fs";
import { connect, isIPv6, type Socket, type TcpSocketConnectOpts } from "node:net";
import { connect as connectTls } from "node:tls";

export interface TargetAddress {
  readonly host: string;
  readonly isSecure: boolean;
  readonly caFile: string | undefined;
  readonly token: string | undefined;
}

const VARIABLES = {
  host: "SYNAP_BENCHMARK_HOST",
  isSecure: "SYNAP_BENCHMARK_TLS",
  caFile: "SYNAP_BENCHMARK_CA",
  token: "SYNAP_BENCHMARK_TOKEN",
} as const;

const LOOPBACK: TargetAddress = { host: "127.0.0.1", isSecure: false, caFile: undefined, token: undefined };

let current = inherited();
let authorities: Buffer | undefined;

function inherited(): TargetAddress {
  const { env } = process;
  return {
    host: env[VARIABLES.host] ?? LOOPBACK.host,
    isSecure: env[VARIABLES.isSecure] !== undefined,
    caFile: env[VARIABLES.caFile],
    token: env[VARIABLES.token],
  };
}

/** For this process and those that it starts from now on; the loopback address by default. */
export function setTargetAddress(address: TargetAddress = LOOPBACK): void {
  current = address;
  authorities = undefined;
  const { host, isSecure, caFile, token } = address;
  const values = { host, isSecure: isSecure ? "yes" : undefined, caFile, token };
  for (const [field, variable] of Object.entries(VARIABLES)) {
    // The fields of both are the same.
    const value = values[field as keyof typeof VARIABLES];
    if (value === undefined) delete process.env[variable];
    else process.env[variable] = value;
  }
}

export function targetAddress(): TargetAddress {
  return current;
}

/** `name:port`, as a URL and the Host of a request have it. */
export function targetAuthority(port: number): string {
  const { host } = current;
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

/** Whom to trust, as Node's TLS takes it; nothing where those that Node knows will do. */
export function trusted(): { readonly ca?: Buffer } {
  if (current.caFile === undefined) return {};
  authorities ??= readFileSync(current.caFile);
  return { ca: authorities };
}

/** A header that ends with its line, or nothing where no token is shown. */
export function authorizationLine(): string {
  return current.token === undefined ? "" : `Authorization: Bearer ${current.token}\r\n`;
}

/** A socket that is on its way; see `connected`. */
export function connectTarget(port: number, onread?: TcpSocketConnectOpts["onread"]): Socket {
  const { host, isSecure } = current;
  const options = { host, port, ...(onread === undefined ? {} : { onread }) };
  if (!isSecure) return connect({ ...options, noDelay: true });
  return connectTls({ ...options, ...trusted() }).setNoDelay(true);
}

/** Resolves when the socket can be written to. @throws if nobody answers, or somebody who is not trusted */
export function connected(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.once(current.isSecure ? "secureConnect" : "connect", () => {
      socket.off("error", reject);
      resolve();
    });
  });
}
