/**
 * Names on the wire are snake_case, here camelCase. Values of the caller's are passed through untouched: what stands in one
 * of the fields below is data and not protocol.
 */

/** The fields of replies and pushes whose content belongs to the application. A test checks them against the registry. */
export const OPAQUE_FIELDS: ReadonlySet<string> = new Set([
  "value",
  "values",
  "previous",
  "current",
  "payload",
  "headers",
  "data",
  "metadata",
  "details",
]);

const snakeNames = new Map<string, string>();
const camelNames = new Map<string, string>();

/** `fromOffset` -> `from_offset` */
function snake(name: string): string {
  let found = snakeNames.get(name);
  if (found === undefined) {
    found = name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    snakeNames.set(name, found);
  }
  return found;
}

/** Names of the wire, which are few; names in data never come here. */
function camel(name: string): string {
  let found = camelNames.get(name);
  if (found === undefined) {
    found = name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    if (camelNames.size < 1_000) camelNames.set(name, found);
  }
  return found;
}

/** What a call takes beside the command's own options. */
const OF_THE_CALL = new Set(["signal", "timeoutMs", "schema", "readFrom"]);

/** The payload of a command: its needed arguments as they are, and the options under their wire names. */
export function payloadOf(needed: Record<string, unknown>, options: object | undefined): Record<string, unknown> {
  if (options === undefined) return needed;
  for (const [name, value] of Object.entries(options)) {
    if (!OF_THE_CALL.has(name) && value !== undefined) needed[snake(name)] = value;
  }
  return needed;
}

/** As `payloadOf`, and inside of objects too: a configuration. */
export function configurationOf(config: object): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(config)) {
    fields[snake(name)] = typeof value === "object" && value !== null ? configurationOf(value) : value;
  }
  return fields;
}

/** A reply as the methods give it. */
export function camelReply(payload: unknown): unknown {
  if (Array.isArray(payload)) return payload.map(camelReply);
  if (typeof payload !== "object" || payload === null || payload instanceof Uint8Array) return payload;
  const fields = payload as Readonly<Record<string, unknown>>;
  const reply: Record<string, unknown> = {};
  for (const name of Object.keys(fields)) {
    const value = fields[name];
    reply[camel(name)] = typeof value !== "object" || OPAQUE_FIELDS.has(name) ? value : camelReply(value);
  }
  return reply;
}
