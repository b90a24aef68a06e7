import { describe, expect, it } from "vitest";
import { Fixture } from "../test/dispatcher-fixture.ts";
import { configFromFlags } from "./config/load.ts";
import { limitsOf } from "./limits.ts";

function fixtureOf(replyBytesMax: number): Fixture {
  const config = configFromFlags("--set", `protocol.max_reply_bytes=${replyBytesMax}`);
  return new Fixture({ limits: limitsOf(config) }, replyBytesMax);
}

/** JSON takes six bytes for each of it, a character of one byte. */
const escaped = (bytes: number) => "\u0001".repeat(bytes);

/** Bytes of a payload, and how many such make several pages. */
const SIZES = [
  [1, 500],
  [9_000, 30],
] as const;

describe.each([64 * 1024, 512 * 1024])("a page where replies may have %i bytes", (replyBytesMax) => {
  it.each(SIZES)("of messages of %i bytes is no larger, down to the last of them", (bytes, count) => {
    const fixture = fixtureOf(replyBytesMax);
    const messages = Array.from({ length: count }, () => ({ payload: escaped(bytes), max_retries: 65_535 }));
    expect(fixture.run("queue.publish_batch", { queue: "q", messages }).status).toBe(200);
    let taken = 0;
    while (taken < count) {
      expect(fixture.run("queue.peek", { queue: "q", count: 1000 }).status).toBe(200);
      const { status, body } = fixture.run("queue.consume", { queue: "q", count: 1000 });
      expect(status).toBe(200);
      taken += (body.payload as { messages: unknown[] }).messages.length; // As declared.
    }
  });

  it.each(SIZES)("of dead letters of %i bytes is no larger, down to the last of them", (bytes, count) => {
    const fixture = fixtureOf(replyBytesMax);
    const messages = Array.from({ length: count }, () => ({ payload: escaped(bytes), ttl: 1 }));
    fixture.run("queue.publish_batch", { queue: "q", messages });
    fixture.engine.nowMs += 2_000;
    while (fixture.engine.fanout.consumers.runDue(fixture.engine.nowMs, 100) > 0);
    let listed = 0;
    for (let cursor: unknown; cursor !== null; ) {
      const more = cursor === undefined ? {} : { cursor };
      const { status, body } = fixture.run("queue.dead.list", { queue: "q", limit: 1000, ...more });
      expect(status).toBe(200);
      const page = body.payload as { messages: unknown[]; cursor: string | null }; // As declared.
      listed += page.messages.length;
      cursor = page.cursor;
    }
    expect(listed).toBe(count);
  });

  it.each(SIZES)("of events of %i bytes is no larger, down to the last of them", (bytes, count) => {
    const fixture = fixtureOf(replyBytesMax);
    const events = Array.from({ length: count }, () => ({ event: escaped(255), data: escaped(bytes) }));
    expect(fixture.run("stream.publish_batch", { room: "r", events }).status).toBe(200);
    let next = 0;
    while (next < count) {
      const { status, body } = fixture.run("stream.consume", { room: "r", from_offset: next, limit: 2000 });
      expect(status).toBe(200);
      next = Number((body.payload as { next_offset: number }).next_offset); // As declared.
    }
  });
});
