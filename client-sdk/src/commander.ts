/** What the groups of commands (`synap.kv`, `synap.queue`, ...) are built on: one way to send a command. */
import type { CommandName } from "./generated/command-map.ts";
import { camelReply } from "./naming.ts";
import { type StandardSchema, validated } from "./standard-schema.ts";

/** What every call takes. */
export interface CallOptions {
  /** Ends the call: its promise is rejected with the signal's reason. A command that was sent may still happen. */
  readonly signal?: AbortSignal | undefined;
  /** In place of the client's `timeoutMs`. */
  readonly timeoutMs?: number | undefined;
  /** `master`: this read is not for a replica, whatever the client's `readFrom` is. */
  readonly readFrom?: "master" | undefined;
}

/** What calls take that give back a value of the application's. */
export interface ReadOptions<T> extends CallOptions {
  /** Checks the value that came back, and gives it its type; a missing one (null) is not checked. */
  readonly schema?: StandardSchema<T> | undefined;
}

export type Convert = (payload: unknown) => unknown;

export interface Commander {
  /**
   * Sends a command.
   *
   * @param convert makes the result of the reply's payload; without it the payload is the result.
   * @param onOrphan gets the payload of a reply whose caller has given up.
   */
  send<T>(
    command: CommandName,
    payload: object,
    convert?: Convert,
    options?: CallOptions,
    onOrphan?: (payload: unknown) => void,
  ): Promise<T>;
}

/** Takes one field out of the reply. */
export function field(name: string): Convert {
  // Replies are objects, by the registry.
  return (payload) => (payload as Readonly<Record<string, unknown>>)[name];
}

/** The reply in camelCase. */
export const reply: Convert = camelReply;

/** Checks the value that `convert` takes out of the reply. */
export function checked<T>(what: string, options: ReadOptions<T> | undefined, convert?: Convert): Convert | undefined {
  const schema = options?.schema;
  if (schema === undefined) return convert;
  return (payload) => {
    const value = convert === undefined ? payload : convert(payload);
    return value === null ? null : validated(schema, value, what);
  };
}
