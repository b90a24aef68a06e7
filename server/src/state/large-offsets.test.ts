/** A log that begins anew begins where time is by then, so that offsets have 48 bits from the first one on. */
import { describe, expect, test } from "vitest";
import { Engine } from "../../test/engine.ts";

/** The last offset that 48 bits hold, less a few for the test. */
const FIRST = 2 ** 48 - 200;

type Fields = Record<string, unknown>;

describe("offsets of 48 bits", () => {
  const run = (engine: Engine, command: string, payload: Fields) => engine.run(command, payload) as Fields;

  test("are versions of keys, which compare-and-set finds again", () => {
    const engine = new Engine({ firstOffset: FIRST });
    expect(run(engine, "kv.set", { key: "a", value: 1 })).toMatchObject({ version: FIRST });
    expect(run(engine, "kv.append", { key: "b", value: "x" })).toMatchObject({ length: 1 });
    expect(run(engine, "kv.cas", { key: "a", value: 2, version: FIRST })).toMatchObject({
      success: true,
      version: FIRST + 2,
    });
    expect(run(engine, "kv.get", { key: "a", meta: true })).toMatchObject({ value: 2, version: FIRST + 2 });
  });

  test("are ids of queues, messages and deliveries", () => {
    const engine = new Engine({ firstOffset: FIRST });
    const { message_id } = run(engine, "queue.publish", { queue: "q", payload: "p", dedup_id: "d" });
    expect(message_id).toBe(FIRST + 1);
    expect(run(engine, "queue.publish", { queue: "q", payload: "p", dedup_id: "d" })).toMatchObject({
      duplicate: true,
    });
    const { message } = run(engine, "queue.consume", { queue: "q" }) as { message: Fields };
    expect(message).toMatchObject({ id: FIRST + 1, delivery_id: FIRST + 2 });
    const ack = { queue: "q", message_id, delivery_id: message.delivery_id };
    expect(run(engine, "queue.ack", { ...ack, delivery_id: FIRST + 1 })).toMatchObject({ code: "STALE_DELIVERY" });
    expect(run(engine, "queue.ack", ack)).toMatchObject({ acked: 1 });
    engine.state.queues.checkInvariants();
  });

  test("are generations of rooms", () => {
    const engine = new Engine({ firstOffset: FIRST });
    run(engine, "stream.publish", { room: "r", event: "e", data: 1, dedup_id: "d" });
    expect(run(engine, "stream.publish", { room: "r", event: "e", data: 1, dedup_id: "d" })).toMatchObject({
      offset: 0,
    });
    expect(run(engine, "stream.consume", { room: "r" })).toMatchObject({
      generation: FIRST,
      events: [{ id: `${FIRST}-0`, offset: 0 }],
    });
    run(engine, "stream.delete", { room: "r" });
    run(engine, "stream.publish", { room: "r", event: "e", data: 1 });
    expect(run(engine, "stream.stats", { room: "r" }).generation).toBeGreaterThan(FIRST);
    engine.state.rooms.checkInvariants();
  });
});
