/**
 * The life of a queue as two clients see it, byte for byte, and what the log then holds. Where a change of these files is
 * meant, write them anew with `npx vitest run -u server/test/golden` and read the difference.
 */

import { expect, it } from "vitest";
import { unrestrictedGrant } from "../../src/access/grant.ts";
import { JsonCodec } from "../../src/codecs/json/json-codec.ts";
import { MessagePackCodec } from "../../src/codecs/msgpack/message-pack-codec.ts";
import { allCommands } from "../../src/commands/all.ts";
import { Registry } from "../../src/commands/registry.ts";
import type { Caller } from "../../src/dispatch/caller.ts";
import { Dispatcher } from "../../src/dispatch/dispatcher.ts";
import type { Reply } from "../../src/dispatch/reply.ts";
import { Engine } from "../engine.ts";

/** A client and what it sends, so many milliseconds that pass, or a connection that closes. */
type Line = readonly ["A" | "B", string] | number | "A closes";

const LIFE: readonly Line[] = [
  [
    "A",
    '{"command":"queue.create","payload":{"name":"jobs","config":{"max_depth":3,"default_max_retries":1,"retry_backoff_ms":{"initial":100,"factor":2,"max":1000}}}}',
  ],
  ["A", '{"command":"queue.publish","payload":{"queue":"jobs","payload":{"n":1}}}'],
  [
    "A",
    '{"command":"queue.publish","payload":{"queue":"jobs","payload":"urgent","priority":9,"headers":{"trace":"x"},"dedup_id":"once"}}',
  ],
  ["A", '{"command":"queue.publish","payload":{"queue":"jobs","payload":"urgent","priority":9,"dedup_id":"once"}}'],
  ["A", '{"command":"queue.publish","payload":{"queue":"jobs","payload":3,"delay_ms":50,"ttl":2}}'],
  ["A", '{"command":"queue.publish","payload":{"queue":"jobs","payload":4}}'],
  ["B", '{"command":"queue.peek","payload":{"queue":"jobs","count":9}}'],
  ["B", '{"command":"queue.consume","payload":{"queue":"jobs"}}'],
  ["B", '{"command":"queue.nack","payload":{"queue":"jobs","message_id":3,"delivery_id":5}}'],
  ["B", '{"command":"queue.consume","payload":{"queue":"jobs","count":2,"ack_deadline":1}}'],
  ["B", '{"command":"queue.consume","request_id":"late","payload":{"queue":"jobs","wait_ms":5000}}'],
  50,
  ["B", '{"command":"queue.ack","payload":{"queue":"jobs","message_id":2}}'],
  50,
  ["A", '{"command":"queue.subscribe","request_id":1,"payload":{"queue":"jobs","prefetch":1}}'],
  ["B", '{"command":"queue.extend","payload":{"queue":"jobs","message_id":4,"ack_deadline":60}}'],
  "A closes",
  ["B", '{"command":"queue.consume","payload":{"queue":"jobs"}}'],
  ["B", '{"command":"queue.ack","payload":{"queue":"jobs","message_id":3,"delivery_id":5}}'],
  ["B", '{"command":"queue.nack","payload":{"queue":"jobs","message_id":3}}'],
  ["B", '{"command":"queue.dead.list","payload":{"queue":"jobs"}}'],
  ["B", '{"command":"queue.dead.retry","payload":{"queue":"jobs","message_ids":[3]}}'],
  [
    "B",
    '{"type":"batch","atomic":true,"commands":[{"command":"queue.ack","payload":{"queue":"jobs","message_id":4}},{"command":"queue.publish","payload":{"queue":"results","payload":"done"}}]}',
  ],
  ["B", '{"command":"queue.stats","payload":{"queue":"jobs"}}'],
  ["B", '{"command":"queue.purge","payload":{"queue":"jobs"}}'],
  ["B", '{"command":"queue.delete","payload":{"queue":"jobs"}}'],
  ["B", '{"command":"queue.list"}'],
];

it("a queue lives like this", async () => {
  const engine = new Engine();
  const lines: string[] = [];
  const text = ({ bytes, length }: Pick<Reply, "bytes" | "length">) =>
    Buffer.from(bytes.subarray(0, length)).toString();
  const client = (name: string): Caller => ({
    id: 1,
    protocol: "websocket",
    address: "127.0.0.1",
    connectedAtMs: 0,
    commandCount: 0,
    unreadBytes: () => 0,
    session: undefined,
    pushFormat: "json",
    grant: unrestrictedGrant(),
    expel: () => {},
    answerLate: (reply) => lines.push(`${name} < ${reply.status} ${text(reply)}   (late)`),
    outbox: { push: (frame) => lines.push(`${name} << ${Buffer.from(frame)}`) > 0 },
  });
  const clients = { A: client("A"), B: client("B") };
  const limits = { batchCommandsMax: 1000, valueBytesMax: 1024 };
  const dispatcher = new Dispatcher({
    registry: new Registry(allCommands),
    executor: engine.executor,
    store: engine.store,
    consumers: engine.fanout.consumers,
    codecs: { json: new JsonCodec(limits), msgpack: new MessagePackCodec(limits) },
    clock: { nowMs: () => engine.nowMs, monotonicMs: () => engine.nowMs },
    observer: { observe: () => {} },
    slowLog: engine.node.slowLog,
    replyBytesMax: 1024 * 1024,
    reportBug: (_, error) => {
      throw error;
    },
  });
  for (const line of LIFE) {
    if (typeof line === "number") {
      lines.push(`  ${line} ms pass`);
      engine.nowMs += line;
      engine.fanout.consumers.runDue(engine.nowMs, 100);
    } else if (line === "A closes") {
      lines.push("  A closes");
      clients.A.session?.closed();
    } else {
      const [name, message] = line;
      lines.push(`${name} > ${message}`);
      const reply = dispatcher.handle(Buffer.from(message), "json", "json", clients[name]);
      lines.push(reply === undefined ? `${name} waits` : `${name} < ${reply.status} ${text(reply)}`);
    }
    engine.endTurn();
    lines.push("");
  }
  await expect(lines.join("\n")).toMatchFileSnapshot("queue-life.txt");
  const records: string[] = [];
  engine.log.read(1, ({ firstOffset, count, operations }) => {
    const hex = Buffer.from(operations).toString("hex");
    return records.push(`offset ${firstOffset} count ${count}\n${hex}\n`) > 0;
  });
  await expect(records.join("\n")).toMatchFileSnapshot("queue-log.txt");
});
