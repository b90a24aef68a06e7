import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PublishedMessage } from "../fanout/fanout.ts";
import { Value, type ValueTag } from "../state/value.ts";
import { ByteRange, copyRange } from "../structures/byte-range.ts";
import { PublishedBatch, readPublished } from "./published-message.ts";

const range = (maxLength: number) => fc.uint8Array({ maxLength }).map((bytes) => new ByteRange(bytes, 0, bytes.length));
const value = fc
  .record({ tag: fc.integer({ min: 0, max: 3 }), bytes: fc.uint8Array({ maxLength: 200 }) })
  .map(({ tag, bytes }) => new Value(tag as ValueTag, bytes, 0, bytes.length));
const message: fc.Arbitrary<PublishedMessage> = fc.record({
  messageId: fc.stringMatching(/^[0-9a-z]{1,12}-[0-9a-z]{1,8}$/),
  name: range(300),
  data: value,
  headers: fc.option(value, { nil: undefined }),
  timestampMs: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
});

/** As plain values. */
function shown({ messageId, name, data, headers, timestampMs }: PublishedMessage) {
  const of = (value: Value) => [value.tag, ...copyRange(value).bytes];
  return [messageId, [...copyRange(name).bytes], of(data), headers && of(headers), timestampMs];
}

describe("published messages", () => {
  it("are what they were, in order", () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 20 }), (messages) => {
        const batch = new PublishedBatch();
        for (const each of messages) batch.add(each);
        const read: unknown[] = [];
        expect(readPublished(batch.bytes, (each) => read.push(shown(each)))).toBeUndefined();
        expect(read).toEqual(messages.map(shown));
        expect(batch.count).toBe(messages.length);
      }),
    );
  });

  it("of any bytes are refused or read, and stay within them", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        readPublished(bytes, ({ name, data, headers }) => {
          for (const each of [name, data, headers]) expect(each?.end ?? 0).toBeLessThanOrEqual(bytes.length);
        });
      }),
    );
  });

  it("that are larger than the buffer make it grow", () => {
    const batch = new PublishedBatch();
    const data = new Value(1, new Uint8Array(3 * 2 ** 20).fill(7), 0, 3 * 2 ** 20);
    batch.add({
      messageId: "a-1",
      name: new ByteRange(new Uint8Array(0), 0, 0),
      data,
      headers: undefined,
      timestampMs: 1,
    });
    let length = 0;
    readPublished(batch.bytes, (each) => {
      length = each.data.length;
    });
    expect(length).toBe(3 * 2 ** 20);
    batch.reset();
    expect([batch.length, batch.count]).toEqual([0, 0]);
  });
});
