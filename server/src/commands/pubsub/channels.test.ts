import { expect, it } from "vitest";
import { Engine } from "../../../test/engine.ts";
import { PushConnection } from "../../../test/push-connection.ts";
import { rangeOf } from "../../structures/byte-range.ts";

/** Subscribed to as many channels of so many bytes, over as many connections as that takes. */
function engineWith(count: number, bytes: number): Engine {
  const engine = new Engine({ limits: { keysReplyMax: 10_000 } });
  const { channels } = engine.executor.fanout;
  let connection = new PushConnection(0, "resp2");
  for (let i = 0; i < count; i++) {
    if (i % 1000 === 0) connection = new PushConnection(i, "resp2");
    const name = rangeOf(String(i).padEnd(bytes, "x"));
    expect(channels.subscribe(connection.session, connection.outbox, name, false)).toBeUndefined();
  }
  return engine;
}

it("pubsub.channels holds no more names against a pattern than it has time for", () => {
  const tooMany = { code: "PAYLOAD_TOO_LARGE", message: expect.stringContaining("too many channels to hold") };
  const many = engineWith(50_001, 6);
  expect(many.run("pubsub.channels", { pattern: "nobody*" })).toMatchObject(tooMany);
  const long = engineWith(5000, 1000);
  expect(long.run("pubsub.channels", { pattern: "*y".repeat(100) })).toMatchObject(tooMany);
  const few = engineWith(5000, 100);
  expect(few.run("pubsub.channels", { pattern: "nobody*" })).toEqual({ channels: [] });
  expect(few.run("pubsub.channels", {})).toMatchObject({ channels: { length: 5000 } });
});
