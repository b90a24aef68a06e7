/**
 * Whole conversations, byte for byte, in files that a person can read: what came in, what went out, and what the log then
 * held. A change of these bytes is a change that clients and readers of the log see. Where it is meant, write the files
 * anew with `npx vitest run -u server/test/golden` and read the difference.
 */
import { describe, expect, it } from "vitest";
import { JsonCodec } from "../../src/codecs/json/json-codec.ts";
import { MessagePackCodec } from "../../src/codecs/msgpack/message-pack-codec.ts";
import { allCommands } from "../../src/commands/all.ts";
import { Registry } from "../../src/commands/registry.ts";
import { Dispatcher } from "../../src/dispatch/dispatcher.ts";
import type { Format } from "../../src/dispatch/reply.ts";
import { ManualClock } from "../../src/runtime/clock.ts";
import { msgpack } from "../conformance/format.ts";
import { caller, Engine } from "../engine.ts";

/** One line each, as a client would send it. A number alone lets so many milliseconds pass. */
const CONVERSATION: readonly (string | number)[] = [
  '{"command":"kv.set","request_id":"1","payload":{"key":"greeting","value":"hello"}}',
  '{"command":"kv.get","request_id":2,"payload":{"key":"greeting"}}',
  '{"command":"kv.get","payload":{"key":"missing"}}',
  '{"command":"kv.set","payload":{"key":"document","value":{ "kept" : [1.0, true] },"ttl":60}}',
  1500,
  '{"command":"kv.get","payload":{"key":"document","meta":true}}',
  '{"command":"kv.ttl","payload":{"key":"document"}}',
  '{"command":"kv.set","payload":{"key":"raw","value":{"$bytes":"AP8="},"nx":true}}',
  '{"command":"kv.incr","payload":{"key":"counter","amount":9223372036854775807}}',
  '{"command":"kv.incr","payload":{"key":"counter"}}',
  '{"command":"kv.append","payload":{"key":"greeting","value":", world"}}',
  '{"command":"kv.expire","payload":{"key":"greeting","ttl_ms":100}}',
  '{"command":"kv.scan","payload":{"limit":2}}',
  '{"command":"kv.mget","payload":{"keys":["raw","counter","missing"]}}',
  '{"command":"kv.cas","payload":{"key":"counter","value":1,"expect":0}}',
  '{"type":"batch","request_id":"b","commands":[{"command":"kv.dbsize"},{"command":"kv.incr","payload":{"key":"document"}}]}',
  '{"type":"batch","atomic":true,"commands":[{"command":"kv.incr","payload":{"key":"n"}},{"command":"kv.incr","payload":{"key":"n"}}]}',
  '{"type":"batch","atomic":true,"request_id":"a","commands":[{"command":"kv.incr","payload":{"key":"n"}},{"command":"kv.flushall"}]}',
  100,
  '{"command":"kv.append","payload":{"key":"greeting","value":"anew"}}',
  '{"command":"key.rename","payload":{"source":"greeting","destination":"text"}}',
  '{"command":"kv.set","request_id":"x","payload":{"key":"a","value":1,"tll":5}}',
  '{"command":"kv.gett","request_id":"y","payload":{}}',
  '{"command":"kv.get"',
  '{"command":"kv.flushall"}',
];

/** The conversation as lines: `>` in, `<` out with the HTTP status. */
function converse(format: Format, encode: (line: string) => Buffer | undefined, show: (bytes: Buffer) => string) {
  const engine = new Engine();
  const clock = new ManualClock();
  const limits = { batchCommandsMax: 1_000, valueBytesMax: 1024 };
  const dispatcher = new Dispatcher({
    registry: new Registry(allCommands),
    executor: engine.executor,
    store: engine.store,
    consumers: engine.fanout.consumers,
    codecs: { json: new JsonCodec(limits), msgpack: new MessagePackCodec(limits) },
    clock,
    observer: { observe: () => {} },
    slowLog: engine.node.slowLog,
    replyBytesMax: 1024 * 1024,
    reportBug: (_, error) => {
      throw error;
    },
  });
  const lines: string[] = [];
  for (const line of CONVERSATION) {
    if (typeof line === "number") {
      clock.advance(line);
      lines.push(`  ${line} ms pass`, "");
      continue;
    }
    const message = encode(line);
    if (message === undefined) continue;
    const reply = dispatcher.handle(message, format, format, caller);
    if (reply === undefined) throw new Error("no command of the conversation waits");
    lines.push(
      `> ${show(message)}`,
      `< ${reply.status} ${show(Buffer.from(reply.bytes.subarray(0, reply.length)))}`,
      "",
    );
  }
  return { transcript: `${lines.join("\n")}`, engine };
}

describe("a conversation", () => {
  it("in JSON", async () => {
    const { transcript } = converse(
      "json",
      (line) => Buffer.from(line),
      (bytes) => bytes.toString(),
    );
    await expect(transcript).toMatchFileSnapshot("conversation-json.txt");
  });

  it("in MessagePack", async () => {
    const { transcript } = converse("msgpack", inMessagePack, (bytes) => bytes.toString("hex"));
    await expect(transcript).toMatchFileSnapshot("conversation-msgpack.txt");
  });

  it("leaves these records in the log", async () => {
    const { engine } = converse(
      "json",
      (line) => Buffer.from(line),
      () => "",
    );
    const records: string[] = [];
    engine.log.read(1, ({ firstOffset, count, epoch, operations }) => {
      const hex = Buffer.from(operations).toString("hex");
      records.push(`offset ${firstOffset} count ${count} epoch ${epoch}\n${hex}\n`);
      return true;
    });
    await expect(records.join("\n")).toMatchFileSnapshot("log.txt");
  });
});

/** The same message, or nothing for a line that is no JSON. Big integers are few here: the one there is keeps its digits. */
function inMessagePack(line: string): Buffer | undefined {
  try {
    const wide = (_: string, value: unknown) => (value === 2 ** 63 ? 2n ** 63n - 1n : value);
    return msgpack.encode(JSON.parse(line, wide));
  } catch {
    return undefined;
  }
}
