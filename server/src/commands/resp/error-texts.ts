/** The texts of errors on RESP: those of Redis 7, byte for byte where it has the same error. */
import type { CommandError, ErrorCode } from "../errors.ts";

export const SYNTAX_ERROR = "ERR syntax error";
export const NOT_AN_INTEGER = "ERR value is not an integer or out of range";
export const NOT_A_FLOAT = "ERR value is not a valid float";
export const TOO_LONG_STRING = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";

/** What a failure of a command says, unless its entry says otherwise. What is not here says `CODE message`. */
const TEXTS: Readonly<Partial<Record<ErrorCode, string>>> = {
  WRONG_TYPE: "WRONGTYPE Operation against a key holding the wrong kind of value",
  NOT_AN_INTEGER,
  NOT_A_NUMBER: NOT_A_FLOAT,
  OVERFLOW: "ERR increment or decrement would overflow",
  MEMORY_LIMIT_EXCEEDED: "OOM command not allowed when used memory > 'maxmemory'.",
};

/** Codes that a Redis client knows by the generic prefix. */
const GENERIC: ReadonlySet<ErrorCode> = new Set([
  "INVALID_REQUEST",
  "INVALID_COMMAND",
  "INVALID_PAYLOAD",
  "PAYLOAD_TOO_LARGE",
  "INTERNAL_ERROR",
]);

export function errorText(error: CommandError, own: Readonly<Partial<Record<ErrorCode, string>>> | undefined): string {
  const text = own?.[error.code] ?? TEXTS[error.code];
  if (text !== undefined) return text;
  if (error.code === "READ_ONLY_REPLICA") return "READONLY You can't write against a read only replica.";
  if (error.code === "UNAUTHORIZED") return `NOAUTH ${error.message}`;
  if (error.code === "FORBIDDEN") return `NOPERM ${error.message}`;
  return `${GENERIC.has(error.code) ? "ERR" : error.code} ${error.message}`;
}

export function wrongArity(name: string): string {
  return `ERR wrong number of arguments for '${name}' command`;
}
