/** The token that the caller gives, and what it says of itself. What a function has not given in time is not waited for. */
import { ConnectionFailedError } from "../errors.ts";
import type { ResolvedOptions } from "../options.ts";

/** @throws ConnectionFailedError when it takes longer than `connectTimeoutMs`. */
export async function tokenOf({ token, connectTimeoutMs }: ResolvedOptions): Promise<string | undefined> {
  if (typeof token !== "function") return token;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    const text = `token() gave nothing within ${connectTimeoutMs} ms`;
    timer = setTimeout(() => reject(new ConnectionFailedError(text)), connectTimeoutMs);
  });
  try {
    return await Promise.race([token(), late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * When a signed token (JWT) expires, in ms since the epoch, by what it says of itself: whether that is true is the server's to
 * find out. Undefined for any other token.
 */
export function expiryMsOf(token: string): number | undefined {
  const [, payload, signature] = token.split(".");
  if (signature === undefined) return undefined;
  let claims: unknown;
  try {
    claims = JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/")));
  } catch {
    // It only looks like one.
    return undefined;
  }
  const exp = typeof claims === "object" && claims !== null && "exp" in claims ? claims.exp : undefined;
  return typeof exp === "number" ? exp * 1_000 : undefined;
}
