/** Compares two nodes key by key: the same keys in the same order, with the same values and versions. */
import { inspect, isDeepStrictEqual } from "node:util";
import { unpack } from "msgpackr";
import { ask, type ClientSocket, openWebSocket } from "./client-socket.ts";
import { frameFor, perform } from "./requests.ts";

/** A batch may take 200 ms, also on a busy machine. */
const PAGE_KEYS = 200;

interface Entry {
  readonly key: string;
  readonly value: unknown;
  readonly version: number;
}

/**
 * @returns how many keys both have.
 * @throws at the first difference.
 */
export async function compareKeys(masterPort: number, replicaPort: number): Promise<number> {
  const sides = [entries(masterPort), entries(replicaPort)];
  for (let count = 0; ; count++) {
    const [own, copy] = await Promise.all(sides.map(async (side) => (await side.next()).value as Entry | undefined));
    if (own === undefined && copy === undefined) return count;
    if (isDeepStrictEqual(own, copy)) continue;
    throw new Error(`a replica differs: ${inspect(own)} on the master, ${inspect(copy)} on the replica`);
  }
}

async function* entries(port: number): AsyncGenerator<Entry, undefined> {
  const socket = await openWebSocket(port);
  for (let cursor: string | undefined; ; ) {
    // The contract's reply of kv.scan.
    const page = (await perform(socket, "kv.scan", {
      limit: PAGE_KEYS,
      ...(cursor === undefined ? {} : { cursor }),
    })) as {
      readonly keys: readonly string[];
      readonly cursor: string | null;
    };
    if (page.keys.length > 0) yield* await described(socket, page.keys);
    if (page.cursor === null) break;
    cursor = page.cursor;
  }
  socket.close();
}

async function described(socket: ClientSocket, keys: readonly string[]): Promise<Entry[]> {
  const commands = keys.map((key) => ({ command: "kv.get", payload: { key, meta: true } }));
  // The contract's replies of a batch, and of one command.
  const reply = unpack(await ask(socket, frameFor(...commands))) as Reply & { readonly results?: readonly Reply[] };
  const replies = reply.results ?? [reply];
  return replies.map((each, i) => {
    if (each.payload === undefined) throw new Error(`no value of ${keys[i]}: ${inspect(each)}`);
    const { value, version } = each.payload;
    return { key: keys[i], value, version };
  });
}

interface Reply {
  readonly payload?: { readonly value: unknown; readonly version: number };
}
