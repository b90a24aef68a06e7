/** Asks a server that is there already over HTTP, and says in a sentence why it cannot be asked. */
import { type IncomingMessage, type RequestOptions, request as requestPlain } from "node:http";
import { request as requestSecure } from "node:https";
import { targetAddress, trusted } from "../load/target-address.ts";
import { BenchmarkError } from "./benchmark-error.ts";
import type { ServerAddress } from "./server-address.ts";

const TIMEOUT_MS = 5_000;

/** The contract's codes (section 3) come with it. */
export class RefusedCommand extends BenchmarkError {
  readonly code: string;

  constructor(message: string, code: string) {
    super(message);
    this.code = code;
  }
}

export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
}

/** @throws BenchmarkError if nobody answers there, or somebody who is not trusted */
export async function ask(server: ServerAddress, path: string, body?: string): Promise<HttpAnswer> {
  try {
    return await exchange(server, path, body);
  } catch (error) {
    throw unreachable(server, error);
  }
}

function exchange({ port }: ServerAddress, path: string, body: string | undefined): Promise<HttpAnswer> {
  const { host, isSecure, token } = targetAddress();
  const options: RequestOptions = {
    host,
    port,
    path,
    method: body === undefined ? "GET" : "POST",
    headers: {
      ...(body === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  };
  return new Promise((resolve, reject) => {
    const answered = (response: IncomingMessage) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() });
      });
    };
    const asked = isSecure ? requestSecure({ ...options, ...trusted() }, answered) : requestPlain(options, answered);
    asked.on("error", reject);
    asked.end(body);
  });
}

/** Runs one command and answers its payload. */
export async function command(server: ServerAddress, name: string, payload: object): Promise<Record<string, unknown>> {
  const { status, text } = await ask(server, "/api/v1/command", JSON.stringify({ command: name, payload }));
  let reply: { success: boolean; error: string; code: string; payload: Record<string, unknown> };
  try {
    // The contract's envelope (section 2).
    reply = JSON.parse(text) as typeof reply;
  } catch (error) {
    throw new BenchmarkError(`${server.text} answers ${name} with ${status} and no JSON`, { cause: error });
  }
  if (reply.success) return reply.payload;
  throw refused(server, name, reply.error, reply.code);
}

/** @param error what the server says, for people */
export function refused({ text, token }: ServerAddress, name: string, error: string, code: string): RefusedCommand {
  if (code !== "UNAUTHORIZED") return new RefusedCommand(`${text} refused ${name}: ${error}`, code);
  const sentence =
    token === undefined
      ? `${text} wants a token: set SYNAP_TOKEN to it, or give --token`
      : `${text} refused the token: ${error}`;
  return new RefusedCommand(sentence, code);
}

const UNTRUSTED = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
]);

/** A sentence for what went wrong while a connection was made. */
export function unreachable({ text, isSecure }: ServerAddress, error: unknown): BenchmarkError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const message = error instanceof Error ? error.message : String(error);
  return new BenchmarkError(sentenceOf(text, isSecure, code, message), { cause: error });
}

function sentenceOf(text: string, isSecure: boolean, code: string, message: string): string {
  if (UNTRUSTED.has(code)) {
    return `the certificate of ${text} is signed by nobody who is trusted here: name the file of who signed it with --ca`;
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return `the certificate of ${text} is not for that name: ${message}`;
  if (code.startsWith("CERT_")) return `the certificate of ${text} is not good: ${message}`;
  if (code === "EPROTO" || code.startsWith("ERR_SSL_")) {
    return `${text} does not speak TLS: is the port the right one, or is the address one without TLS (http://, redis://)?`;
  }
  const tls =
    isSecure || code === "ECONNREFUSED"
      ? ""
      : " Where it speaks TLS, the address begins with https:// (rediss:// for RESP).";
  return `nobody answers at ${text}: is the server running, and is the port the right one?${tls}`;
}
