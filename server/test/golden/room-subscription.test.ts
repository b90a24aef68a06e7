/** A subscription to a room as its client sees it, with the gaps that it is told of, byte for byte (see transcript.test.ts). */
import { describe, expect, it } from "vitest";
import type { Caller, PushFormat } from "../../src/dispatch/caller.ts";
import { Fixture } from "../dispatcher-fixture.ts";
import { caller } from "../engine.ts";

/** `>` is sent by the publisher, `>>` by the subscriber. A number lets so many milliseconds pass; "turn" ends the turn. */
const CONVERSATION: readonly (string | number)[] = [
  '> {"command":"stream.create","payload":{"room":"news","max_events":3,"retention_secs":60}}',
  '> {"command":"stream.publish","payload":{"room":"news","event":"post","data":{"n":0}}}',
  1000,
  '> {"command":"stream.publish","payload":{"room":"news","event":"post","data":"text","metadata":{"by":"me"}}}',
  '>> {"command":"stream.subscribe","request_id":"s","payload":{"room":"news","from_offset":0}}',
  "turn",
  '> {"command":"stream.publish","payload":{"room":"news","event_type":"edit","data":null,"dedup_id":"x"}}',
  '> {"command":"stream.publish","payload":{"room":"news","event":"edit","data":null,"dedup_id":"x"}}',
  "turn",
  '> {"command":"stream.publish_batch","payload":{"room":"news","events":[{"event":"a","data":3},{"event":"a","data":4},{"event":"a","data":5},{"event":"a","data":6}]}}',
  "turn",
  '>> {"command":"stream.subscribe","payload":{"room":"news","from_offset":2}}',
  "turn",
  '>> {"command":"stream.consume","payload":{"room":"news","from_offset":2,"limit":1}}',
  '>> {"command":"stream.consume","payload":{"room":"news","from_offset":2,"strict":true}}',
  '> {"command":"stream.delete","payload":{"room":"news"}}',
  '> {"command":"stream.publish","payload":{"room":"news","event":"post","data":"anew"}}',
  "turn",
  '>> {"command":"stream.unsubscribe","payload":{"room":"news"}}',
  '> {"command":"stream.publish","payload":{"room":"news","event":"post","data":"unheard"}}',
  "turn",
];

function connection(pushFormat: PushFormat, pushes: string[]): Caller {
  return {
    ...caller,
    pushFormat,
    outbox: {
      push(frame) {
        pushes.push(Buffer.from(frame).toString());
        return true;
      },
    },
  };
}

/** The conversation as lines: `<` to the publisher, `<<` to the subscriber, `~` a push to the subscriber. */
function converse(): string {
  const fixture = new Fixture();
  const { engine, clock, dispatcher } = fixture;
  const lines: string[] = [];
  const pushes: string[] = [];
  const publisher = { ...caller };
  const subscriber = connection("json", pushes);
  for (const line of CONVERSATION) {
    if (typeof line === "number") {
      clock.advance(line);
      engine.nowMs = clock.nowMs();
      lines.push(`  ${line} ms pass`, "");
    } else if (line === "turn") {
      engine.endTurn();
      lines.push(...pushes.splice(0).map((push) => `~ ${push}`), "  the turn ends", "");
    } else {
      const [mark, message] = [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)];
      const reply = dispatcher.handle(Buffer.from(message), "json", "json", mark === ">" ? publisher : subscriber);
      if (reply === undefined) throw new Error("no command of the conversation waits");
      const answer = Buffer.from(reply.bytes.subarray(0, reply.length));
      lines.push(line, `${mark === ">" ? "<" : "<<"} ${reply.status} ${answer}`, "");
    }
  }
  return lines.join("\n");
}

describe("a subscription to a room", () => {
  it("over a WebSocket", async () => {
    await expect(converse()).toMatchFileSnapshot("room-subscription.txt");
  });

  it("as server-sent events, resumed from the last one that was seen", async () => {
    const fixture = new Fixture();
    fixture.run("stream.create", { room: "news", max_events: 2 });
    for (let n = 0; n < 4; n++) fixture.run("stream.publish", { room: "news", event: "post", data: { n } });
    const pushes: string[] = [];
    const stream: Caller = { ...connection("sse", pushes), protocol: "sse" };
    expect(fixture.dispatcher.openEvents({ query: "room=news", lastEventId: "1-0" }, stream).status).toBeUndefined();
    fixture.engine.endTurn();
    await expect(pushes.join("")).toMatchFileSnapshot("room-event-stream.txt");
  });
});
