/** Whose a `client_id` is: with tokens, each token has client ids of its own, so that nobody can add to another's transaction. */
import type { Caller } from "../../dispatch/caller.ts";
import { ByteRange } from "../../structures/byte-range.ts";

/** The client as `Transactions` knows it. Owners of tokens hold no zero byte. */
export function ownedClient({ grant: { owner } }: Pick<Caller, "grant">, clientId: ByteRange): ByteRange {
  if (owner === "") return clientId;
  const bytes = Buffer.concat([Buffer.from(`${owner}\0`), clientId.bytes.subarray(clientId.start, clientId.end)]);
  return new ByteRange(bytes, 0, bytes.length);
}
