/** Relative times of the arguments, made absolute. */
import { type CommandError, fail } from "../errors.ts";

/** A hundred years: past it a time to live is a mistake, and instants stay well inside 48 bits of milliseconds. */
export const TTL_SECS_MAX = 3_155_760_000;
export const TTL_MS_MAX = TTL_SECS_MAX * 1000;
export const INSTANT_MS_MAX = 2 ** 47;

/** The ways a command can be told when a key expires; at most one of them is given. */
export interface Expiry {
  readonly ttl?: number;
  readonly ttl_ms?: number;
  readonly at_ms?: number;
}

/**
 * The deadline that is asked for; 0, meaning none, where nothing is given or the time to live given is 0.
 * Errors: INVALID_PAYLOAD when more than one is.
 */
export function deadlineOf(args: Expiry, nowMs: number): number | CommandError {
  const { ttl, ttl_ms: ttlMs, at_ms: atMs } = args;
  if (atMs !== undefined) {
    if (ttl === undefined && ttlMs === undefined) return atMs;
    return fail("INVALID_PAYLOAD", "at_ms excludes ttl and ttl_ms", { path: "at_ms" });
  }
  if (ttl !== undefined && ttlMs !== undefined) {
    return fail("INVALID_PAYLOAD", "ttl and ttl_ms exclude each other", { path: "ttl_ms" });
  }
  const leftMs = ttlMs ?? (ttl ?? 0) * 1000;
  return leftMs === 0 ? 0 : nowMs + leftMs;
}
