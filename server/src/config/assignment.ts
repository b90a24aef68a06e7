/** One `key = value` from a layer of the configuration, before it is checked. */
import { StartError } from "../runtime/start-error.ts";
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

/** A name further away than this is another name and not a slip of the hand: two letters swapped, and one more wrong. */
const SLIP_DISTANCE_MAX = 3;

/** The end of an "unknown key" sentence: the name that was probably meant, or where all names are. */
export function suggestion(wanted: string, known: readonly string[], otherwise: string): string {
  let best = "";
  // Most of a short name may not be wrong either.
  let bestDistance = Math.min(SLIP_DISTANCE_MAX, Math.floor(wanted.length / 2)) + 1;
  for (const name of known) {
    // A beginning of a name is a better guess than another name of about the same length.
    const distance = wanted !== "" && name.startsWith(wanted) ? 1 : editDistance(wanted, name);
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best === "" ? otherwise : `the nearest is ${best}`;
}

/** Refuses a key that one layer gives under two of its names: which of them wins would be a matter of their order. */
export function refuseTwice(assignments: readonly Assignment[]): void {
  const origins = new Map<Key, string>();
  for (const { key, origin } of assignments) {
    const first = origins.get(key);
    if (first !== undefined) {
      throw new StartError(`${origin}: this is another name of ${key.path}, which ${first} gives; keep one of them.`);
    }
    origins.set(key, origin);
  }
}
