/** What a client of RESP begins with where a token is shown. */
import { BenchmarkError } from "../servers/benchmark-error.ts";
import { respArray } from "./resp-words.ts";
import { targetAddress } from "./target-address.ts";

/** Undefined where no token is shown. A server without tokens lets `default` in with any. */
export function loginRequest(): Buffer | undefined {
  const { token } = targetAddress();
  return token === undefined ? undefined : respArray(["AUTH", "default", token]);
}

/** @throws if the answer does not let the client in */
export function checkLogin(answer: string): void {
  if (!answer.startsWith("+OK")) throw new BenchmarkError(`the server refused the token: ${answer.slice(1).trim()}`);
}
