/**
 * Makes a proxy run every numbered write once, as the contract has it: under (client_id, request_id) the first reply is kept and
 * given again. So the client's part can be tested with servers that do not know it themselves. What the server sees has no
 * number.
 */
import type { Fields, MessageProxy } from "./message-proxy.ts";

export class NumberingProxy {
  /** Numbered writes that came, and those of them that had come before. */
  numberedCount = 0;
  repeatedCount = 0;
  readonly #kept = new Map<string, Fields>();
  readonly #passed = new Map<unknown, { readonly key: string | undefined; readonly at: number }[]>();

  constructor(proxy: MessageProxy) {
    proxy.hooks.request = (message) => this.#request(message);
    proxy.hooks.reply = (reply) => [this.#reply(reply)];
  }

  #request(message: Fields): Fields | undefined {
    const { request_id: id, commands } = message;
    const isBatch = Array.isArray(commands) && message.atomic !== true;
    // An atomic batch is numbered as a whole.
    const items: Fields[] = isBatch ? (commands as Fields[]) : [message];
    const known = items.map((item) => this.#take(item, isBatch));
    this.#passed.set(
      id,
      known.flatMap((each, at) => (each.reply === undefined ? [{ key: each.key, at }] : [])),
    );
    const replies = known.map(({ reply }) => reply);
    if (replies.every((reply) => reply !== undefined)) {
      this.#passed.delete(id);
      return isBatch
        ? { type: "batch_response", success: true, request_id: id, results: replies }
        : { ...replies[0], request_id: id };
    }
    // What came before is asked for again together with what did not: the proxy's tests never mix them.
    if (replies.some((reply) => reply !== undefined)) throw new Error("a frame of old and new writes");
    return undefined;
  }

  #take(item: Fields, isInBatch: boolean): { readonly key: string | undefined; readonly reply: Fields | undefined } {
    const { client_id: client, idempotent, request_id: id } = item;
    if (idempotent !== true) return { key: undefined, reply: undefined };
    this.numberedCount += 1;
    delete item.client_id;
    delete item.idempotent;
    if (isInBatch) delete item.request_id;
    const key = `${String(client)} ${String(id)}`;
    const reply = this.#kept.get(key);
    if (reply !== undefined) this.repeatedCount += 1;
    return { key, reply };
  }

  #reply(reply: Fields): Fields {
    const passed = this.#passed.get(reply.request_id);
    if (passed === undefined) return reply;
    this.#passed.delete(reply.request_id);
    const isPlainBatch = Array.isArray(reply.results) && passed.length === reply.results.length && passed.length > 1;
    for (const [index, { key }] of passed.entries()) {
      if (key === undefined) continue;
      this.#kept.set(key, isPlainBatch ? (reply.results as Fields[])[index] : reply);
    }
    return reply;
  }
}
