/**
 * What a token may do, as people write it (wire contract, section 8): `subsystem:access:prefix`.
 *
 *     kv:write:session:     keys that begin with `session:`: write, and so read
 *     queue:read:*          every queue: look at it
 *     admin:*               the subsystem admin, whole: whoever has it can make tokens, and so may do anything
 *     *                     everything
 *
 * A greater access includes the lesser: most writes answer with what was there before (kv.getset, kv.cas, queue.consume), so
 * a token that may write and not read would be a promise that cannot be kept. What is left out at the end is everything:
 * `kv:read` is `kv:read:*`. An empty prefix is refused: it is what a variable that was not set leaves.
 */

export const SUBSYSTEMS = ["kv", "queue", "stream", "pubsub", "admin"] as const;
export type Subsystem = (typeof SUBSYSTEMS)[number];

/** In order: each includes those before it. */
export const LEVELS = ["read", "write", "admin"] as const;
export type Level = (typeof LEVELS)[number];

export interface Permission {
  readonly subsystem: Subsystem | "*";
  readonly level: Level;
  /** Names begin with it; empty for all of them. */
  readonly prefix: string;
}

export const PERMISSIONS_MAX = 100;
const PREFIX_BYTES_MAX = 1024;
const FORM = "a permission is subsystem:access:prefix, such as kv:write:session: or queue:read:* or admin:*";

/** Reads one permission. Answers with a sentence where it cannot be read. */
export function parsePermission(text: string): Permission | string {
  const [subsystem = "", access = "*", ...rest] = text.split(":");
  const prefix = rest.length === 0 ? "*" : rest.join(":");
  if (subsystem !== "*" && !isOneOf(SUBSYSTEMS, subsystem)) {
    return `${quoted(text)}: there is no subsystem ${quoted(subsystem)}; it is one of ${SUBSYSTEMS.join(", ")}, or *`;
  }
  if (access !== "*" && !isOneOf(LEVELS, access)) {
    return `${quoted(text)}: access is ${LEVELS.join(", ")} or *; ${FORM}`;
  }
  const problem = prefixProblem(subsystem, prefix);
  if (problem !== undefined) return `${quoted(text)}: ${problem}`;
  return { subsystem, level: access === "*" ? "admin" : access, prefix: prefix.replace(/\*$/, "") };
}

function prefixProblem(subsystem: string, prefix: string): string | undefined {
  if (prefix === "") return "the prefix is empty; write * for everything";
  if (prefix.slice(0, -1).includes("*")) return "a prefix is the beginning of names, and no pattern: no * within it";
  if (Buffer.byteLength(prefix) > PREFIX_BYTES_MAX) return `a prefix has at most ${PREFIX_BYTES_MAX} bytes`;
  if (subsystem === "admin" && prefix !== "*") return "admin has no names, and so no prefix: write admin:*";
  return undefined;
}

/** Reads a list; answers with a sentence about the first that cannot be read. */
export function parsePermissions(texts: readonly string[]): readonly Permission[] | string {
  if (texts.length === 0) return `a token without permissions would be good for nothing; ${FORM}`;
  if (texts.length > PERMISSIONS_MAX) return `a token has at most ${PERMISSIONS_MAX} permissions`;
  const permissions: Permission[] = [];
  for (const text of texts) {
    const permission = parsePermission(text);
    if (typeof permission === "string") return permission;
    permissions.push(permission);
  }
  return permissions;
}

/** As it is kept and shown. */
export function showPermission({ subsystem, level, prefix }: Permission): string {
  return `${subsystem}:${level}:${prefix === "" ? "*" : prefix}`;
}

function isOneOf<T extends string>(words: readonly T[], word: string): word is T {
  return (words as readonly string[]).includes(word);
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
