import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { PushConnection, pushEncoder } from "../../test/push-connection.ts";
import { TurnEnd } from "../runtime/turn-end.ts";
import { TAG_BYTES, Value } from "../state/value.ts";
import { ByteRange, rangeOf } from "../structures/byte-range.ts";
import { Glob } from "../structures/glob.ts";
import { SubscriptionLists } from "../structures/subscription-lists.ts";
import { CHANNEL_BYTES_MAX, CHANNEL_GLOB_BYTES_MAX, type ChannelLimits, Channels } from "./channels.ts";
import { SubscriptionCount } from "./subscription-count.ts";
import { SubscriptionNames } from "./subscription-names.ts";

const LIMITS: ChannelLimits = { subscriptionsPerConnectionMax: 5, channelsMax: 8, globsMax: 2 };

function channels(
  limits: Partial<ChannelLimits> = {},
  subscribedNames = new SubscriptionNames(Number.POSITIVE_INFINITY),
): Channels {
  return new Channels({
    encoder: pushEncoder(),
    turnEnd: new TurnEnd(),
    subscriptions: new SubscriptionCount(Number.POSITIVE_INFINITY),
    subscribedNames,
    seed: 7,
    limits: { ...LIMITS, ...limits },
  });
}

function bytesOf(text: string): Value {
  const { bytes, start, end } = rangeOf(text);
  return new Value(TAG_BYTES, bytes, start, end);
}

const text = (frame: Uint8Array) => Buffer.from(frame).toString("latin1");

describe("Channels", () => {
  it("push in the version of the subscriber, one frame for all of it", () => {
    const all = channels();
    const [two, three, alsoTwo] = (["resp2", "resp3", "resp2"] as const).map(
      (format, i) => new PushConnection(i, format),
    );
    for (const { session, outbox } of [two, three, alsoTwo]) all.subscribe(session, outbox, rangeOf("ch"), false);
    all.subscribe(two.session, two.outbox, rangeOf("c*"), true);
    expect(all.publish(rangeOf("ch"), bytesOf("x\r\ny"), 0)).toBe(4);
    expect(two.frames.map(text)).toEqual([
      "*3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$4\r\nx\r\ny\r\n",
      "*4\r\n$8\r\npmessage\r\n$2\r\nc*\r\n$2\r\nch\r\n$4\r\nx\r\ny\r\n",
    ]);
    expect(three.frames.map(text)).toEqual([">3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$4\r\nx\r\ny\r\n"]);
    expect(alsoTwo.frames[0]).toBe(two.frames[0]);
    for (const connection of [two, three, alsoTwo]) connection.close();
    all.checkEmpty();
  });

  it("tell names that are no UTF-8 from each other", () => {
    const all = channels();
    const { session, outbox, frames } = new PushConnection(1, "resp2");
    const name = (byte: number) => new ByteRange(new Uint8Array([byte]), 0, 1);
    all.subscribe(session, outbox, name(0xff), false);
    expect(all.publish(name(0xfe), bytesOf(""), 0)).toBe(0);
    expect(all.publish(name(0xff), bytesOf(""), 0)).toBe(1);
    expect(text(frames[0])).toContain("$1\r\n\xff\r\n");
  });

  it("have names of so many bytes in all, each once, and a connection a tenth of it", () => {
    const names = new SubscriptionNames(2000);
    const all = channels({ channelsMax: 100 }, names);
    const connections = Array.from({ length: 12 }, (_, i) => new PushConnection(i, "resp2"));
    const subscribe = (i: number, name: string) => {
      const { session, outbox } = connections[i];
      return all.subscribe(session, outbox, rangeOf(name), false);
    };
    // Two copies of a hundred bytes are a tenth.
    expect(subscribe(0, "0".repeat(101))).toMatchObject({ code: "INVALID_REQUEST", details: { name_bytes_max: 200 } });
    expect(subscribe(0, "0".repeat(99))).toBeUndefined();
    expect(subscribe(0, "ab")).toMatchObject({ code: "INVALID_REQUEST" });
    expect(subscribe(0, "a")).toBeUndefined();
    expect(subscribe(0, "a")).toBeUndefined();
    expect(names.bytes).toBe(200);
    expect(subscribe(10, "0".repeat(99))).toBeUndefined();
    expect(names.bytes).toBe(200);
    for (let i = 1; i < 10; i++) expect(subscribe(i, String(i).repeat(100))).toBeUndefined();
    expect(names.bytes).toBe(2000);
    expect(subscribe(11, "b")).toMatchObject({ code: "SERVICE_UNAVAILABLE", details: { name_bytes_max: 2000 } });
    expect(subscribe(11, "a")).toBeUndefined();
    connections[5].close();
    expect(subscribe(11, "b")).toBeUndefined();
    all.unsubscribe(connections[0].session, rangeOf("0".repeat(99)), false);
    expect(subscribe(0, "c".repeat(99))).toBeUndefined();
    expect(subscribe(11, "d")).toMatchObject({ code: "SERVICE_UNAVAILABLE" });
    for (const connection of connections) if (connection !== connections[5]) connection.close();
    expect([names.bytes, all.heldBytes > 0]).toEqual([0, true]);
    all.checkEmpty();
  });

  it("look at no other subscription of a connection to tell whether it may have one glob more", () => {
    const all = channels({ subscriptionsPerConnectionMax: 1000, channelsMax: 1000, globsMax: 100 });
    const a = new PushConnection(1, "resp2");
    const subscribe = (name: string) => all.subscribe(a.session, a.outbox, rangeOf(name), true);
    const visits = vi.spyOn(SubscriptionLists.prototype, "visitTargets");
    for (let i = 0; i < 500; i++) expect(subscribe(`${i}*`)).toBeUndefined();
    for (let i = 0; i < 10; i++) expect(subscribe(`?${i}`)).toBeUndefined();
    for (let i = 0; i < 10; i++) expect(subscribe(`?more${i}`)).toMatchObject({ details: { globs_max: 10 } });
    all.unsubscribe(a.session, rangeOf("?3"), true);
    expect([subscribe("?3"), subscribe("?4"), visits.mock.calls.length]).toEqual([undefined, undefined, 0]);
    a.close();
  });

  it("end at their limits, and nothing is left of what was refused", () => {
    const all = channels();
    const [a, b] = [new PushConnection(1, "resp2"), new PushConnection(2, "resp2")];
    const subscribe = (connection: PushConnection, name: string, isGlob = false) =>
      all.subscribe(connection.session, connection.outbox, rangeOf(name), isGlob);
    for (let i = 0; i < 5; i++) expect(subscribe(a, `a${i}`)).toBeUndefined();
    expect(subscribe(a, "a5")).toMatchObject({ details: { subscriptions_max: 5 } });
    expect(subscribe(a, "a4")).toBeUndefined();
    expect(all.channelCount).toBe(5);
    for (const glob of ["?a", "?b"]) expect(subscribe(b, glob, true)).toBeUndefined();
    expect(subscribe(b, "?c", true)).toMatchObject({ details: { globs_max: 2 } });
    expect(subscribe(b, "c*", true)).toBeUndefined();
    expect(subscribe(b, "d")).toMatchObject({ details: { channels_max: 8 } });
    expect(subscribe(b, "a0")).toBeUndefined();
    expect(subscribe(b, "x".repeat(CHANNEL_BYTES_MAX + 1))).toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
    expect(subscribe(b, "x".repeat(CHANNEL_GLOB_BYTES_MAX + 1), true)).toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
    a.close();
    expect(subscribe(b, "x".repeat(CHANNEL_BYTES_MAX))).toBeUndefined();
    expect(all.publish(rangeOf("x".repeat(CHANNEL_BYTES_MAX)), bytesOf(""), 0)).toBe(1);
    b.close();
    all.checkEmpty();
  });

  it("drop who is cut off in the middle of a message", () => {
    const all = channels();
    const [slow, other] = [new PushConnection(1, "resp2"), new PushConnection(2, "resp2")];
    slow.framesMax = 0;
    for (const { session, outbox } of [slow, other]) {
      all.subscribe(session, outbox, rangeOf("ch"), false);
      all.subscribe(session, outbox, rangeOf("*"), true);
    }
    expect(all.publish(rangeOf("ch"), bytesOf("x"), 0)).toBe(3);
    expect(other.frames).toHaveLength(2);
    expect(all.publish(rangeOf("ch"), bytesOf("x"), 0)).toBe(2);
    other.close();
    all.checkEmpty();
  });

  it("do what a list of subscriptions does", () => {
    const name = fc.constantFrom("a", "ab", "b", "ba", "");
    const glob = fc.constantFrom("*", "a*", "?", "[ab]", "a?", "b", "\\a", "");
    const target = fc.oneof(fc.tuple(name, fc.constant(false)), fc.tuple(glob, fc.constant(true)));
    const step = fc.oneof(
      fc.record({ op: fc.constant("subscribe" as const), who: fc.nat(2), target }),
      fc.record({ op: fc.constant("unsubscribe" as const), who: fc.nat(2), target }),
      fc.record({ op: fc.constant("publish" as const), name }),
      fc.record({ op: fc.constant("close" as const), who: fc.nat(2) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const many = { subscriptionsPerConnectionMax: 100, channelsMax: 100, globsMax: 100 };
        const all = channels(many);
        const connections = [0, 1, 2].map((id) => new PushConnection(id, "resp3"));
        const model = connections.map(() => new Set<string>());
        for (const each of steps) {
          if (each.op === "publish") {
            const expected = model.map((set) => [...set].filter((item) => matches(item, each.name)).length);
            expect(all.publish(rangeOf(each.name), bytesOf("x"), 0)).toBe(expected.reduce((a, b) => a + b));
            expect(connections.map(({ frames }) => frames.splice(0).length)).toEqual(expected);
          } else if (each.op === "close") {
            connections[each.who].close();
            connections[each.who] = new PushConnection(each.who, "resp3");
            model[each.who].clear();
          } else {
            const [text, isGlob] = each.target;
            const { session, outbox } = connections[each.who];
            const item = `${isGlob}:${text}`;
            if (each.op === "subscribe") {
              expect(all.subscribe(session, outbox, rangeOf(text), isGlob)).toBeUndefined();
              model[each.who].add(item);
            } else {
              expect(all.unsubscribe(session, rangeOf(text), isGlob)).toBe(model[each.who].delete(item));
            }
          }
          expect(all.subscriptionCount).toBe(model.reduce((sum, set) => sum + set.size, 0));
        }
        for (const connection of connections) connection.close();
        all.checkEmpty();
      }),
    );
  });
});

function matches(item: string, name: string): boolean {
  const pattern = item.slice(item.indexOf(":") + 1);
  return item.startsWith("true") ? new Glob(rangeOf(pattern)).matches(rangeOf(name)) : pattern === name;
}
