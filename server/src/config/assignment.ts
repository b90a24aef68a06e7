/** One `key = value` from a layer of the configuration, before it is checked. */
import { editDistance } from "../structures/edit-distance.ts";
import { KEYS, type Key } from "./schema.ts";

export interface Assignment {
  readonly key: Key;
  readonly raw: unknown;
  /** Where it stands, as the start of a sentence: `synap.yml, line 3`, `SYNAP_SERVER_PORT`, `--port`. */
  readonly origin: string;
}

/** What a layer has read. Warnings are sentences for the log; the first problem is thrown as a `StartError`. */
export interface Layer {
  readonly assignments: readonly Assignment[];
  readonly warnings: readonly string[];
}

const keysByPath = new Map<string, Key>();
for (const key of KEYS) {
  for (const name of [key.name, ...key.setting.aliases]) keysByPath.set(`${key.section}.${name}`, key);
}

export function findKey(path: string): Key | undefined {
  return keysByPath.get(path);
}

/** Keys of the original server that mean nothing here: uWebSockets.js has no HTTP/2. */
export function isIgnoredKey(path: string): boolean {
  return /^(?:server|protocol)\.http2/.test(path);
}

export function ignoredKeyWarning(origin: string, path: string): string {
  return `${origin}: ${path} has no effect, this server does not speak HTTP/2`;
}

/** The end of an "unknown key" sentence: the name that was probably meant. */
export function suggestion(wanted: string, known: readonly string[]): string {
  let best = "";
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const name of known) {
    // A beginning of a name is a better guess than another name of about the same length.
    const distance = name.startsWith(wanted) ? 1 : editDistance(wanted, name);
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return `the nearest is ${best}`;
}
