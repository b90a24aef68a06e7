/** Relative times of the arguments, made absolute. */
import { type CommandError, fail } from "../errors.ts";

/** A hundred years: past it a time to live is a mistake, and instants stay well inside 48 bits of milliseconds. */
export const TTL_SECS_MAX = 3_155_760_000;
export const TTL_MS_MAX = TTL_SECS_MAX * 1000;
export const INSTANT_MS_MAX = 2 ** 47;

/**
 * The deadline that `ttl` (seconds) or `ttl_ms` asks for; 0, meaning none, where neither is given or the one given is 0.
 * Errors: INVALID_PAYLOAD when both are.
 */
export function deadlineOf(
  args: { readonly ttl?: number; readonly ttl_ms?: number },
  nowMs: number,
): number | CommandError {
  if (args.ttl !== undefined && args.ttl_ms !== undefined) {
    return fail("INVALID_PAYLOAD", "ttl and ttl_ms exclude each other", { path: "ttl_ms" });
  }
  const ttlMs = args.ttl_ms ?? (args.ttl ?? 0) * 1000;
  return ttlMs === 0 ? 0 : nowMs + ttlMs;
}
