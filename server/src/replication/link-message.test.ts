import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EpochHistory } from "../oplog/epochs.ts";
import {
  ACK,
  decodeLinkMessage,
  encodeLinkMessage,
  HEARTBEAT,
  HELLO,
  type LinkMessage,
  PUBLISHED,
  RECEIVED,
  RECORDS,
  REFUSAL,
  SNAPSHOT,
  WELCOME,
} from "./link-message.ts";

const offset = fc.integer({ min: 0, max: 2 ** 48 - 1 });
const bytes = fc.uint8Array({ maxLength: 300 });
/** Printable ASCII. */
const name = fc.string({ minLength: 1, maxLength: 255 });
const status = { durableOffset: offset, nowMs: offset, lagMs: fc.integer({ min: 0, max: 2 ** 32 - 1 }) };

const identity = fc
  .record({
    id: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    firstOffset: fc.integer({ min: 1, max: 2 ** 47 }),
    gaps: fc.array(fc.integer({ min: 1, max: 1000 }), { maxLength: 5 }),
  })
  .map(({ id, firstOffset, gaps }) => {
    let history = EpochHistory.beginning(firstOffset);
    for (const gap of gaps) {
      const previousEnd = history.current.firstOffset + 10;
      history = history.next(previousEnd, previousEnd + gap);
    }
    return { replicationId: Buffer.from(id).toString("hex"), history };
  });

const message: fc.Arbitrary<LinkMessage> = fc.oneof(
  fc.record({
    kind: fc.constant(HELLO),
    version: fc.nat(),
    nodeId: name,
    address: fc.webUrl(),
    identity,
    lastOffset: offset,
  }),
  fc.record({
    kind: fc.constant(WELCOME),
    identity,
    address: name,
    fullSync: fc.option(
      fc.record({
        reason: fc.constantFrom("another-log" as const, "diverged" as const, "too-far-behind" as const),
        offset,
        bytes: offset,
      }),
      { nil: undefined },
    ),
  }),
  fc.record({
    kind: fc.constant(REFUSAL),
    reason: fc.constantFrom("STALE_EPOCH" as const, "NOT_A_MASTER" as const, "FAILURE" as const),
    message: fc.string(),
  }),
  fc.record({ kind: fc.constant(SNAPSHOT), position: offset, bytes }),
  fc.record({ kind: fc.constant(RECEIVED), bytes: offset }),
  fc.record({ kind: fc.constant(RECORDS), ...status, records: bytes }),
  fc.record({ kind: fc.constant(ACK), durableOffset: offset }),
  fc.record({ kind: fc.constant(HEARTBEAT), ...status }),
  fc.record({ kind: fc.constant(PUBLISHED), messages: bytes }),
);

describe("a message of a link", () => {
  it("is what it was", () => {
    fc.assert(
      fc.property(message, (sent) => {
        expect(decodeLinkMessage(encodeLinkMessage(sent))).toEqual(sent);
      }),
    );
  });

  it("that is cut off is refused, or shorter by what it carries", () => {
    fc.assert(
      fc.property(message, fc.nat(), (sent, cut) => {
        const whole = encodeLinkMessage(sent);
        const read = decodeLinkMessage(whole.subarray(0, cut % whole.length));
        expect(
          typeof read === "string" || read.kind === SNAPSHOT || read.kind === RECORDS || read.kind === PUBLISHED,
        ).toBe(true);
      }),
    );
  });

  it("may be any bytes, and nothing throws", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 0, max: 12 }), (anything, kind) => {
        const first = Uint8Array.of(kind, ...anything);
        expect(["string", "object"]).toContain(typeof decodeLinkMessage(first));
      }),
    );
  });

  it.each([
    ["", "it is empty"],
    ["\u000c", "its kind is 12"],
    ["\u0001{", /JSON/],
    ["\u0001[]", "it is not an object"],
    ["\u0001{}", "it does not say whose log it is"],
    ["\u0003{}", "a field is missing"],
    ["\u0007123", "a message of kind 7 has another length than 4"],
  ])("such as %j is refused", (text, why) => {
    expect(decodeLinkMessage(Buffer.from(text, "latin1"))).toMatch(why);
  });

  it.each(["", "a\n", "\u001b[2J", "\u00e9", "n".repeat(256), 1])(
    "from a node that calls itself %j is refused",
    (nodeId) => {
      const identity = { replicationId: "0".repeat(32), history: EpochHistory.beginning(1) };
      const hello = { kind: HELLO, version: 1, nodeId: "NODE", address: "a", identity, lastOffset: 0 } as const;
      const text = new TextDecoder().decode(encodeLinkMessage(hello));
      const named = new TextEncoder().encode(text.replace('"NODE"', JSON.stringify(nodeId)));
      expect(decodeLinkMessage(named)).toBe("a field is missing");
    },
  );

  it("that refuses says why in one line of bounded length", () => {
    const refusal = { kind: REFUSAL, reason: "FAILURE", message: `so\n\u001b[2J\u2028${"y".repeat(5000)}` } as const;
    const read = decodeLinkMessage(encodeLinkMessage(refusal));
    const message = typeof read === "object" && read.kind === REFUSAL ? read.message : "";
    expect(message.slice(0, 26)).toBe("so\\u{a}\\u{1b}[2J\\u{2028}yy");
    expect(message).toHaveLength(1024);
  });

  it("keeps a reason that only a later version knows", () => {
    const later = Buffer.from('\u0003{"reason":"NEW","message":"m"}', "latin1");
    expect(decodeLinkMessage(later)).toEqual({ kind: REFUSAL, reason: "FAILURE", message: "m" });
  });
});
