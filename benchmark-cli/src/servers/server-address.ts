/** `--url`, `--token` and `--ca`: read and checked, before anybody is asked anything. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { TargetAddress } from "../load/target-address.ts";
import { BenchmarkError } from "./benchmark-error.ts";

export interface ServerOptions {
  /** A server that is there already; without it one is started. */
  readonly url?: string | undefined;
  /** Where that server speaks RESP, on the same host. */
  readonly respPort?: number | undefined;
  /** In the place of SYNAP_TOKEN. */
  readonly token?: string | undefined;
  /** A file with the certificates of those that are trusted. */
  readonly ca?: string | undefined;
}

export interface ServerAddress extends TargetAddress {
  /** As it was given, for people. */
  readonly text: string;
  readonly speaks: "http" | "resp";
  readonly port: number;
  /** 0 where nobody knows. */
  readonly respPort: number;
}

const SCHEMES: Readonly<Record<string, Pick<ServerAddress, "speaks" | "isSecure" | "port">>> = {
  "http:": { speaks: "http", isSecure: false, port: 80 },
  "ws:": { speaks: "http", isSecure: false, port: 80 },
  "https:": { speaks: "http", isSecure: true, port: 443 },
  "wss:": { speaks: "http", isSecure: true, port: 443 },
  "redis:": { speaks: "resp", isSecure: false, port: 6379 },
  "rediss:": { speaks: "resp", isSecure: true, port: 6379 },
};

/** The token of the flag, or of the environment, where it is not seen among the processes of the machine. */
export function tokenOf({ token = process.env.SYNAP_TOKEN }: ServerOptions): string | undefined {
  return token === "" ? undefined : token;
}

/** @returns undefined where a server is to be started */
export function readServer(options: ServerOptions): ServerAddress | undefined {
  const { url: text, respPort = 0, ca } = options;
  if (text === undefined) {
    const flags = { "--resp-port": options.respPort, "--token": options.token, "--ca": ca };
    const [needless] = Object.entries(flags).filter(([, value]) => value !== undefined);
    if (needless === undefined) return undefined;
    throw new BenchmarkError(`${needless[0]} is for a server that is there already: name it with --url`);
  }
  const { url, scheme } = readUrl(text);
  if (ca !== undefined && !scheme.isSecure) {
    throw new BenchmarkError(
      `--ca is for a server that speaks TLS: give --url https://HOST:PORT, or rediss:// for RESP`,
    );
  }
  if (scheme.speaks === "resp" && respPort !== 0) {
    throw new BenchmarkError(`--resp-port goes with an address of HTTP, and ${text} is one of RESP already`);
  }
  const port = url.port === "" ? scheme.port : Number(url.port);
  return {
    text,
    ...scheme,
    // Of an address of IPv6, brackets are the URL's.
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port,
    respPort: scheme.speaks === "resp" ? port : respPort,
    caFile: ca === undefined ? undefined : readableCa(ca),
    token: readableToken(tokenOf(options)),
  };
}

function readUrl(text: string) {
  // Those of WebSockets and Redis are no special schemes everywhere, and would be read in another way.
  const scheme = SCHEMES[text.slice(0, text.indexOf(":") + 1).toLowerCase()];
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && (url.username !== "" || url.password !== "" || url.search !== "")) {
    throw new BenchmarkError("--url has more in it than an address: give a token by SYNAP_TOKEN, or --token");
  }
  if (scheme === undefined || url === undefined || url.hostname === "") {
    throw new BenchmarkError(
      `--url ${text} is not an address: say http://HOST:PORT (https:// with TLS), or redis://HOST:PORT (rediss://) for RESP alone`,
    );
  }
  return { url, scheme };
}

function readableToken(token: string | undefined): string | undefined {
  if (token === undefined || /^[\x21-\x7e]+$/.test(token)) return token;
  throw new BenchmarkError("the token has blanks or other characters in it that no token has");
}

function readableCa(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new BenchmarkError(`--ca ${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  if (text.includes("-----BEGIN CERTIFICATE-----")) return resolve(file);
  throw new BenchmarkError(
    `--ca ${file} has no certificate in it: it should be in PEM, -----BEGIN CERTIFICATE----- and so on`,
  );
}
