/** Whose a `client_id` is: with tokens, each token has client ids of its own, so that nobody can add to another's transaction. */
import type { Caller } from "../../dispatch/caller.ts";
import { type ByteRange, rangeOf } from "../../structures/byte-range.ts";

/** The client as `Transactions` knows it. Names of tokens hold no zero byte. */
export function ownedClient({ grant: { name } }: Pick<Caller, "grant">, clientId: ByteRange): ByteRange {
  if (name === "") return clientId;
  const owner = rangeOf(`${name}\0`);
  const bytes = new Uint8Array(owner.length + clientId.length);
  bytes.set(owner.bytes);
  bytes.set(clientId.bytes.subarray(clientId.start, clientId.end), owner.length);
  owner.bytes = bytes;
  owner.end = bytes.length;
  return owner;
}
