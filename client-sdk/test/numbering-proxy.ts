/**
 * Makes a proxy run every numbered write once, as the contract has it: under (client_id, request_id) the first reply is kept and
 * given again. So the client's part can be tested with servers that do not know it themselves. What the server sees has no
 * number.
 */
import type { Fields, MessageProxy } from "./message-proxy.ts";

interface Taken {
  /** What identifies the write, of numbered ones. */
  readonly key: string | undefined;
  /** Its first reply, if it came before. */
  readonly reply: Fields | undefined;
}

export class NumberingProxy {
  /** Numbered writes that had come before. */
  repeatedCount = 0;
  readonly #kept = new Map<string, Fields>();
  readonly #underWay = new Map<string, { readonly done: Promise<void>; finish(): void }>();
  /** Of frames that went on to the server, what their items are. */
  readonly #passed = new Map<string, { readonly items: readonly Taken[]; readonly isBatch: boolean }>();

  constructor(proxy: MessageProxy) {
    proxy.hooks.request = (message, connection) => this.#request(message, connection);
    proxy.hooks.reply = (reply, connection) => [this.#reply(reply, connection)];
  }

  async #request(message: Fields, connection: number): Promise<Fields | undefined> {
    const { request_id: id, commands } = message;
    // An atomic batch is numbered as a whole.
    const isBatch = Array.isArray(commands) && message.atomic !== true;
    const written = isBatch ? (commands as Fields[]) : [message];
    // Sent again while it is still under way: the server would find it done when it comes to it.
    await Promise.all(written.map((item) => this.#underWay.get(keyOf(item) ?? "")?.done));
    const items = written.map((item) => this.#take(item, isBatch));
    const isNew = items.map(({ reply }) => reply === undefined);
    if (!isNew.includes(true)) {
      const replies = items.map(({ reply }) => reply);
      return isBatch
        ? { type: "batch_response", success: true, request_id: id, results: replies }
        : { ...replies[0], request_id: id };
    }
    if (isBatch) message.commands = (commands as Fields[]).filter((_, at) => isNew[at]);
    this.#passed.set(`${connection} ${String(id)}`, { items, isBatch });
    return undefined;
  }

  #take(item: Fields, isInBatch: boolean): Taken {
    const key = keyOf(item);
    if (key === undefined) return { key, reply: undefined };
    delete item.client_id;
    delete item.idempotent;
    if (isInBatch) delete item.request_id;
    const reply = this.#kept.get(key);
    if (reply !== undefined) this.repeatedCount += 1;
    else {
      let finish: () => void = () => {};
      const done = new Promise<void>((resolve) => {
        finish = resolve;
      });
      this.#underWay.set(key, { done, finish });
    }
    return { key, reply };
  }

  #reply(reply: Fields, connection: number): Fields {
    const frame = `${connection} ${String(reply.request_id)}`;
    const passed = this.#passed.get(frame);
    if (passed === undefined) return reply;
    this.#passed.delete(frame);
    const fresh = (passed.isBatch && Array.isArray(reply.results) ? reply.results : [reply]) as Fields[];
    let next = 0;
    const results = passed.items.map(({ key, reply: before }) => {
      if (before !== undefined) return before;
      const result = fresh[next];
      next += 1;
      if (key !== undefined) {
        // What was not run is not done: it may come again.
        if (result.code !== "PAYLOAD_TOO_LARGE") this.#kept.set(key, result);
        this.#underWay.get(key)?.finish();
        this.#underWay.delete(key);
      }
      return result;
    });
    return passed.isBatch ? { ...reply, results } : reply;
  }
}

/** Under what a write runs once, if it is numbered. */
function keyOf({ client_id: client, idempotent, request_id: id }: Fields): string | undefined {
  return idempotent === true ? `${String(client)} ${String(id)}` : undefined;
}
