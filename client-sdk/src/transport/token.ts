/** The token of a new connection. What the caller's function has not given in time is not waited for. */
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
