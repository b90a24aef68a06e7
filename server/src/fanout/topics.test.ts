import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { storedValue } from "../../test/engine.ts";
import { PushConnection, pushEncoder } from "../../test/push-connection.ts";
import { CommandError } from "../commands/errors.ts";
import type { PushFormat } from "../dispatch/caller.ts";
import { TurnEnd } from "../runtime/turn-end.ts";
import { rangeOf } from "../structures/byte-range.ts";
import { BACKLOG_BYTES_MAX, PUSHES_PER_TURN } from "./subscribers.ts";
import { SubscriptionCount } from "./subscription-count.ts";
import { SubscriptionIds } from "./subscription-ids.ts";
import { SubscriptionNames } from "./subscription-names.ts";
import { type Subscribed, type TopicLimits, Topics } from "./topics.ts";

const NOW_MS = 1_700_000_000_000;

class TopicsUnderTest {
  readonly topics: Topics;
  readonly encoder = pushEncoder();
  /** What is to run when the turn ends. */
  readonly turnEnds: (() => void)[] = [];
  readonly subscriptions: SubscriptionCount;
  nowMs = NOW_MS;

  constructor(
    limits: Partial<TopicLimits> = {},
    subscriptions = new SubscriptionCount(Number.POSITIVE_INFINITY),
    subscribedNames = new SubscriptionNames(Number.POSITIVE_INFINITY),
  ) {
    this.subscriptions = subscriptions;
    this.topics = new Topics({
      encoder: this.encoder,
      ids: new SubscriptionIds(),
      subscriptions,
      subscribedNames,
      turnEnd: new TurnEnd((run) => this.turnEnds.push(run)),
      seed: 5,
      startedAtMs: NOW_MS,
      slowConsumersDropped: () => 0,
      limits: {
        messageBytesMax: 1024,
        subscriptionsPerConnectionMax: 1000,
        patternsMax: 1000,
        costlyPatternsMax: 1000,
        ...limits,
      },
    });
  }

  trySubscribe({ session, outbox }: PushConnection, ...patterns: string[]): Subscribed | CommandError {
    return this.topics.subscribe(session, outbox, patterns.map(rangeOf), this.nowMs);
  }

  /** @returns the subscription's id. */
  subscribe(connection: PushConnection, ...patterns: string[]): number {
    const subscribed = this.trySubscribe(connection, ...patterns);
    if (subscribed instanceof CommandError) throw new Error(subscribed.message);
    return subscribed.subscriptionId;
  }

  unsubscribe({ session }: PushConnection, ...patterns: string[]): number {
    return this.topics.unsubscribe(session, patterns.map(rangeOf));
  }

  /** Ends a turn. @returns whether there was anything to do. */
  endTurn(): boolean {
    const run = this.turnEnds.shift();
    run?.();
    return run !== undefined;
  }

  /** @returns how many subscriptions matched. */
  publish(topic: string, data: unknown = "m", headers?: object): number {
    const headersValue = headers === undefined ? undefined : storedValue(headers);
    const published = this.topics.publish(rangeOf(topic), storedValue(data), headersValue, this.nowMs);
    if (published instanceof CommandError) throw new Error(published.message);
    return published.matchedCount;
  }
}

function refusal(result: unknown): unknown {
  return result instanceof CommandError ? { code: result.code, details: result.details } : result;
}

describe("Topics", () => {
  it("pushes a message as the contract has it, in the format of each subscriber", () => {
    const under = new TopicsUnderTest();
    const connections = (["json", "msgpack", "sse"] as const).map((format, index) => new PushConnection(index, format));
    const [id] = connections.map((connection) => under.subscribe(connection, "news.*"));
    expect(under.publish("news.sport", { goals: [1, 2] }, { from: "x" })).toBe(3);
    for (const connection of connections) {
      expect(connection.take()).toEqual([
        {
          type: "message",
          subscription_id: id,
          topic: "news.sport",
          pattern: "news.*",
          message_id: `${NOW_MS.toString(36)}-1`,
          data: { goals: [1, 2] },
          headers: { from: "x" },
          timestamp: NOW_MS,
        },
      ]);
    }
  });

  it("leaves headers out where there are none", () => {
    const under = new TopicsUnderTest();
    const connection = new PushConnection(1);
    under.subscribe(connection, "a");
    under.publish("a");
    expect(Object.keys(connection.take()[0])).not.toContain("headers");
  });

  it("encodes once for all who have the same list and format", () => {
    const under = new TopicsUnderTest();
    const formats: PushFormat[] = ["json", "json", "msgpack", "msgpack"];
    const connections = formats.map((format, index) => new PushConnection(index, format));
    const ids = connections.map((connection) => under.subscribe(connection, "a", "#"));
    expect(new Set(ids).size).toBe(1);
    under.publish("a");
    const [first, second, third, fourth] = connections.map(({ frames }) => frames);
    expect(first).toHaveLength(2);
    for (const at of [0, 1]) {
      expect(second[at]).toBe(first[at]);
      expect(fourth[at]).toBe(third[at]);
      expect(third[at]).not.toBe(first[at]);
    }
  });

  it("encodes once for each pattern and format, whatever lists have it", () => {
    const under = new TopicsUnderTest();
    for (let i = 0; i < 20; i++) {
      const connection = new PushConnection(i, i % 2 === 0 ? "json" : "msgpack");
      under.subscribe(connection, "a", `own.${i}`, "*");
    }
    under.publish("a");
    const encode = vi.spyOn(under.encoder, "encode");
    expect(under.publish("a")).toBe(40);
    expect(encode).toHaveBeenCalledTimes(4);
  });

  it("gives one id to the same patterns in any order and however often, and another to others", () => {
    const under = new TopicsUnderTest();
    const [a, b, c] = [1, 2, 3].map((id) => new PushConnection(id));
    const id = under.subscribe(a, "x", "y");
    expect(under.subscribe(b, "y", "x", "y")).toBe(id);
    expect(under.subscribe(c, "x")).not.toBe(id);
    expect(under.trySubscribe(b, "y", "x", "y")).toEqual({ subscriptionId: id, count: 2 });
  });

  it("pushes one copy for each subscription that matches", () => {
    const under = new TopicsUnderTest();
    const connection = new PushConnection(1);
    const one = under.subscribe(connection, "a.b");
    const two = under.subscribe(connection, "a.b", "a.#");
    under.subscribe(connection, "a.b");
    expect(under.publish("a.b")).toBe(3);
    const copies = connection.take().map(({ subscription_id, pattern }) => `${subscription_id} ${pattern}`);
    expect(copies.sort()).toEqual([`${one} a.b`, `${two} a.b`, `${two} a.#`].sort());
  });

  it("takes the format of the last subscribe", () => {
    const under = new TopicsUnderTest();
    const connection = new PushConnection(1);
    under.subscribe(connection, "a");
    connection.caller.pushFormat = "msgpack";
    under.subscribe(connection, "a");
    expect(under.publish("a")).toBe(1);
    connection.caller.pushFormat = "json";
    under.subscribe(connection, "a");
    under.publish("a");
    expect(connection.frames.map(([first]) => first)).toEqual([0x88 - 1, "{".charCodeAt(0)]);
  });

  it("ends patterns in every list, or one list", () => {
    const under = new TopicsUnderTest();
    const [connection, other] = [1, 2].map((id) => new PushConnection(id));
    under.subscribe(connection, "a");
    const list = under.subscribe(connection, "a", "b");
    under.subscribe(other, "a", "b");
    expect(under.unsubscribe(connection, "a", "a", "nobody")).toBe(1);
    expect(under.unsubscribe(connection, "a")).toBe(0);
    expect(under.publish("a")).toBe(1);
    expect(under.publish("b")).toBe(2);
    expect(under.subscribe(connection, "b", "a")).toBe(list);
    expect(under.topics.unsubscribeById(connection.session, list)).toBe(2);
    expect(under.topics.unsubscribeById(connection.session, list)).toBe(0);
    expect(under.topics.unsubscribeById(connection.session, 999)).toBe(0);
    expect(under.publish("a") + under.publish("b")).toBe(2);
    expect(under.unsubscribe(other, "b", "a")).toBe(2);
    under.topics.checkEmpty();
  });

  it("ends patterns that very many lists have by looking at the connection's own", () => {
    const under = new TopicsUnderTest();
    const connection = new PushConnection(1);
    const others = new PushConnection(2);
    for (let i = 0; i < 20; i++) under.subscribe(others, "a", `t${i}`);
    under.subscribe(connection, "a", "t3");
    expect(under.unsubscribe(connection, "a")).toBe(1);
    expect(under.publish("a")).toBe(20);
    expect(under.publish("t3")).toBe(2);
  });
});

describe("Topics and connections that end", () => {
  it("forgets a connection that closes", () => {
    const under = new TopicsUnderTest();
    const connection = new PushConnection(1);
    for (let i = 0; i < 50; i++) under.subscribe(connection, `t.${i}`, "#", `${i}.*`);
    connection.close();
    expect(under.publish("t.7")).toBe(0);
    under.topics.checkEmpty();
    expect(connection.session.partCount).toBe(0);
  });

  it("keeps nothing of 10,000 subscriptions that came and went on one connection", () => {
    const under = new TopicsUnderTest();
    const connection = new PushConnection(1);
    const heldBytes = under.topics.heldBytes;
    for (let i = 0; i < 10_000; i++) {
      const id = under.subscribe(connection, `churn.${i}`, `churn.${i % 7}.*`);
      if (i % 2 === 0) under.topics.unsubscribeById(connection.session, id);
      else under.unsubscribe(connection, `churn.${i}`, `churn.${i % 7}.*`);
    }
    under.topics.checkEmpty();
    expect(connection.session.partCount).toBe(0);
    expect(under.topics.heldBytes).toBe(heldBytes);
  });

  it("forgets a connection with very many subscriptions in slices, and pushes nothing to it meanwhile", () => {
    const under = new TopicsUnderTest({ subscriptionsPerConnectionMax: 10_000, patternsMax: 10_000 });
    const connections = [1, 2].map((id) => new PushConnection(id));
    const other = new PushConnection(3);
    under.subscribe(other, "t.0");
    for (const connection of connections) {
      for (let i = 0; i < 2500; i++) under.subscribe(connection, `t.${i}`);
      connection.close();
    }
    under.publish("t.0");
    expect([...connections, other].map(({ frames }) => frames.length)).toEqual([0, 0, 1]);
    expect(connections.map(({ refusedCount }) => refusedCount)).toEqual([0, 0]);
    const counts: number[] = [];
    for (let run = under.turnEnds.shift(); run !== undefined; run = under.turnEnds.shift()) {
      counts.push(under.topics.subscriptionCount);
      under.subscribe(other, `new.${counts.length}`);
      run();
    }
    expect(counts).toEqual([4001, 3002, 2003, 1004]);
    other.close();
    under.topics.checkEmpty();
  });

  it("keeps apart those who come while the last ones go in slices", () => {
    const under = new TopicsUnderTest({ subscriptionsPerConnectionMax: 10_000, patternsMax: 10_000 });
    for (const id of [1, 2]) {
      const connection = new PushConnection(id);
      for (let i = 0; i < 1500; i++) under.subscribe(connection, `t.${i}`);
      connection.close();
    }
    let published = 0;
    while (under.topics.subscriptionCount > 0) {
      under.endTurn();
      const connection = new PushConnection(10 + published++);
      under.subscribe(connection, "t.0");
      under.publish("t.0");
      expect(connection.frames).toHaveLength(1);
      connection.close();
    }
    expect(published).toBeGreaterThan(1);
    under.topics.checkEmpty();
  });

  it("goes on with the others when one is cut off in the middle of a message", () => {
    const under = new TopicsUnderTest();
    const connections = [1, 2, 3].map((id) => new PushConnection(id));
    for (const connection of connections) {
      for (const patterns of [["a"], ["a", "b"], ["#"]]) under.subscribe(connection, ...patterns);
    }
    connections[1].framesMax = 1;
    expect(under.publish("a")).toBeGreaterThan(6);
    expect(connections.map(({ frames }) => frames.length)).toEqual([3, 1, 3]);
    expect(under.publish("a")).toBe(6);
    expect(under.topics.deliveredCount).toBe(13);
  });

  it("asks an outbox that has refused nothing more", () => {
    const under = new TopicsUnderTest();
    const connection = new PushConnection(1);
    under.subscribe(connection, "a", "*", "#");
    connection.isOpen = false;
    under.publish("a");
    under.publish("a");
    expect(connection.refusedCount).toBe(1);
    connection.session.closed();
    under.topics.checkEmpty();
  });

  it("keeps nothing of connections that came and went while another stayed", () => {
    const under = new TopicsUnderTest();
    under.subscribe(new PushConnection(0), "a");
    const comeAndGo = (id: number): void => {
      const connection = new PushConnection(id);
      under.subscribe(connection, "a", "b");
      connection.close();
    };
    comeAndGo(1);
    const { heldBytes } = under.topics;
    for (let id = 2; id < 3000; id++) comeAndGo(id);
    expect(under.topics.heldBytes).toBe(heldBytes);
  });

  it("goes on when those who alone had a pattern are cut off by a message for another one", () => {
    const under = new TopicsUnderTest();
    const connection = new PushConnection(1);
    for (const pattern of ["a", "*", "#"]) under.subscribe(connection, pattern);
    connection.framesMax = 1;
    under.publish("a");
    under.topics.checkEmpty();
  });
});

describe("Topics with more pushes than a turn makes", () => {
  const COUNT = PUSHES_PER_TURN + 500;

  /** Connections that only count what they get; the first ones are the oldest. */
  function crowd(under: TopicsUnderTest, count: number): PushConnection[] {
    const connections = Array.from({ length: count }, (_, i) => new PushConnection(i + 1, "msgpack"));
    for (const connection of connections) under.subscribe(connection, "crowd");
    return connections;
  }

  const received = (connections: readonly PushConnection[]): number =>
    connections.reduce((sum, { frames }) => sum + frames.length, 0);
  const dataOf = (connection: PushConnection): unknown[] => connection.take().map(({ data }) => data);

  it("goes on at the end of turns, and keeps the order for each subscriber", () => {
    const under = new TopicsUnderTest();
    const connections = crowd(under, COUNT);
    const both = new PushConnection(0, "msgpack");
    under.subscribe(both, "crowd");
    under.subscribe(both, "small");
    expect(under.publish("small", "before")).toBe(1);
    expect(both.frames).toHaveLength(1);
    expect(under.publish("crowd", "first")).toBe(COUNT + 1);
    expect(under.publish("small", "last")).toBe(1);
    expect([received(connections), both.frames.length]).toEqual([0, 1]);
    const counts: number[] = [];
    while (under.endTurn()) counts.push(received(connections) + both.frames.length);
    expect(counts).toEqual([PUSHES_PER_TURN, COUNT + 3]);
    expect(dataOf(both)).toEqual(["before", "first", "last"]);
    expect(under.topics.deliveredCount).toBe(COUNT + 3);
    for (const { frames } of connections) expect(frames[0]).toBe(connections[0].frames[0]);
  });

  it("makes no more pushes in a turn, however many messages they belong to", () => {
    const under = new TopicsUnderTest();
    const connections = crowd(under, PUSHES_PER_TURN / 4);
    let before = 0;
    const made: number[] = [];
    for (let i = 0; i < 10; i++) under.publish("crowd", i);
    do {
      made.push(received(connections) - before);
      before = received(connections);
    } while (under.endTurn());
    expect(Math.max(made[0] + made[1], ...made.slice(2))).toBeLessThanOrEqual(PUSHES_PER_TURN);
    for (const connection of connections) expect(dataOf(connection)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(under.publish("crowd", "sync")).toBe(PUSHES_PER_TURN / 4);
    expect(dataOf(connections[0])).toEqual(["sync"]);
  });

  it("gives nothing that waits to those who come or go before its turn", () => {
    const under = new TopicsUnderTest();
    const connections = crowd(under, COUNT);
    const [leaver, closer] = connections;
    const comer = new PushConnection(0);
    under.publish("crowd", "one");
    under.endTurn();
    under.publish("crowd", "two");
    // The two are the oldest, whose turn comes last; the new links take over their handles.
    under.unsubscribe(leaver, "crowd");
    closer.close();
    under.subscribe(comer, "crowd");
    under.subscribe(leaver, "crowd");
    under.publish("crowd", "three");
    while (under.endTurn());
    expect([leaver, closer, comer].map(dataOf)).toEqual([["three"], [], ["three"]]);
    expect(dataOf(connections[2])).toEqual(["one", "two", "three"]);
    expect(under.publish("crowd", "four")).toBe(COUNT);
    while (under.endTurn());
    expect(dataOf(comer)).toEqual(["four"]);
  });

  it("forgets what waits with the last connection", () => {
    const under = new TopicsUnderTest();
    const { heldBytes } = under.topics;
    const connections = crowd(under, COUNT);
    under.publish("crowd", "x".repeat(900));
    under.endTurn();
    under.publish("crowd");
    for (const connection of connections) connection.close();
    while (under.endTurn());
    under.topics.checkEmpty();
    expect(under.topics.heldBytes).toBe(heldBytes);
  });

  it("delivers the oldest at once where too many bytes wait", () => {
    const under = new TopicsUnderTest({ messageBytesMax: 2 ** 20 });
    const connections = crowd(under, COUNT);
    const data = "x".repeat(2 ** 20 - 100);
    const count = BACKLOG_BYTES_MAX / 2 ** 20 + 2;
    for (let i = 0; i < count; i++) {
      under.publish("crowd", `${i}${data}`);
      expect(under.topics.heldBytes).toBeLessThan(BACKLOG_BYTES_MAX + 2 ** 22);
    }
    expect(received(connections)).toBeGreaterThan(0);
    while (under.endTurn());
    const numbers = connections[7].frames.map((frame) => {
      const start = Buffer.from(frame.subarray(0, 500)).toString("latin1");
      return Number(/(\d+)xxx/.exec(start)?.[1]);
    });
    expect(numbers).toEqual([...Array(count).keys()]);
  });
});

describe("limits of Topics", () => {
  it("counts what a connection has, and does not count again what it had already", () => {
    const under = new TopicsUnderTest({ subscriptionsPerConnectionMax: 3 });
    const connection = new PushConnection(1);
    under.subscribe(connection, "a", "b");
    under.subscribe(connection, "c");
    under.subscribe(connection, "b", "a");
    const refused = { code: "INVALID_REQUEST", details: { subscriptions_max: 3 } };
    expect(refusal(under.trySubscribe(connection, "d"))).toEqual(refused);
    expect(refusal(under.trySubscribe(connection, "a"))).toEqual(refused);
    under.subscribe(new PushConnection(2), "d");
    under.unsubscribe(connection, "c");
    under.subscribe(connection, "d");
    expect(under.topics.subscriptionCount).toBe(4);
  });

  it("counts different patterns", () => {
    const under = new TopicsUnderTest({ patternsMax: 4 });
    const connection = new PushConnection(1);
    under.subscribe(connection, "a", "b", "c", "d");
    const refused = { code: "SERVICE_UNAVAILABLE", details: { patterns_max: 4 } };
    expect(refusal(under.trySubscribe(connection, "e"))).toEqual(refused);
    under.subscribe(connection, "a", "c");
    expect(under.unsubscribe(connection, "d")).toBe(1);
    expect(refusal(under.trySubscribe(connection, "e"))).toEqual(refused);
    expect(under.unsubscribe(connection, "a", "b", "c")).toBe(3);
    under.subscribe(connection, "e");
    connection.close();
    under.topics.checkEmpty();
  });

  it("counts patterns that are kept for the rest of their lists alone", () => {
    const under = new TopicsUnderTest({ patternsMax: 4 });
    const connection = new PushConnection(1);
    for (const more of ["b", "c", "d", "bc", "bd"]) under.subscribe(connection, "a", ...more);
    expect(under.unsubscribe(connection, "b", "c", "d")).toBe(3);
    const refused = { code: "SERVICE_UNAVAILABLE", details: { patterns_max: 4 } };
    expect(refusal(under.trySubscribe(connection, "c", "d"))).toEqual(refused);
    under.subscribe(connection, "a", "b", "c");
    under.subscribe(connection, "a", "d");
    under.subscribe(connection, "c", "d");
    connection.close();
    under.topics.checkEmpty();
  });

  it("counts patterns that are costly to match", () => {
    const under = new TopicsUnderTest({ costlyPatternsMax: 2 });
    const connection = new PushConnection(1);
    under.subscribe(connection, "#.a", "*.*.*.a");
    const refused = { code: "SERVICE_UNAVAILABLE", details: { costly_patterns_max: 2 } };
    for (const pattern of ["#.b", "*.*.*.b"]) expect(refusal(under.trySubscribe(connection, pattern))).toEqual(refused);
    under.subscribe(connection, "b.#", "*.*.*");
    under.subscribe(connection, "#.a", "c");
    under.unsubscribe(connection, "#.a", "*.*.*.a");
    under.subscribe(connection, "#.b");
  });

  it("lets a connection have a tenth of the costly patterns, counting those that its lists keep", () => {
    const under = new TopicsUnderTest({ costlyPatternsMax: 200 });
    const connection = new PushConnection(1);
    const list = (letter: string, count: number): string[] =>
      Array.from({ length: count }, (_, i) => (i % 2 === 0 ? `#.${letter}${i}` : `*.*.*.${letter}${i}`));
    const refused = { code: "INVALID_REQUEST", details: { costly_patterns_max: 20 } };
    expect(refusal(under.trySubscribe(connection, ...list("a", 21)))).toEqual(refused);
    under.subscribe(connection, ...list("a", 15), "cheap.*");
    under.subscribe(connection, ...list("b", 5));
    under.subscribe(connection, ...list("b", 5));
    expect(refusal(under.trySubscribe(connection, "#.c"))).toEqual(refused);
    under.subscribe(new PushConnection(2), "#.c", ...list("b", 5));
    // The list is still there for the sake of cheap.*
    under.unsubscribe(connection, ...list("a", 15));
    expect(refusal(under.trySubscribe(connection, "#.c"))).toEqual(refused);
    under.unsubscribe(connection, "cheap.*");
    under.subscribe(connection, ...list("d", 15));
  });

  it("has patterns of so many bytes in all, and a connection a tenth of it", () => {
    const names = new SubscriptionNames(20_000);
    const under = new TopicsUnderTest({}, undefined, names);
    const connections = Array.from({ length: 30 }, (_, i) => new PushConnection(i));
    const long = (i: number) => Array.from({ length: 28 }, (_, j) => `${i}_${j}`).join(".");
    const tooLong = { code: "INVALID_REQUEST", details: { name_bytes_max: 2000 } };
    for (let i = 0; i < 2; i++) under.subscribe(connections[0], long(0));
    expect(refusal(under.trySubscribe(connections[0], "a"))).toEqual(tooLong);
    expect(refusal(under.trySubscribe(connections[1], long(0), "a"))).toEqual(tooLong);
    expect(under.unsubscribe(connections[0], long(0))).toBe(1);
    under.subscribe(connections[0], "a");
    let last = 1;
    while (!(under.trySubscribe(connections[last], long(last)) instanceof CommandError)) last++;
    expect(refusal(under.trySubscribe(connections[last], long(last)))).toEqual({
      code: "SERVICE_UNAVAILABLE",
      details: { name_bytes_max: 20_000 },
    });
    // What is there already costs nothing more.
    under.subscribe(connections[last], long(1));
    expect(names.bytes).toBeGreaterThan(18_000);
    expect(names.bytes).toBeLessThanOrEqual(20_000);
    for (const connection of connections) connection.close();
    expect(names.bytes).toBe(0);
    under.topics.checkEmpty();
  });

  it("counts with the subscriptions of all kinds, and gives back what ends", () => {
    const under = new TopicsUnderTest({}, new SubscriptionCount(4));
    const [connection, other] = [1, 2].map((id) => new PushConnection(id));
    under.subscribe(connection, "a", "b");
    under.subscriptions.take(1);
    const refused = { code: "SERVICE_UNAVAILABLE", details: { subscriptions_max: 4 } };
    expect(refusal(under.trySubscribe(other, "c", "d"))).toEqual(refused);
    expect([under.subscriptions.count, under.topics.subscriptionCount]).toEqual([3, 2]);
    under.subscribe(other, "c");
    under.subscribe(connection, "b", "a");
    expect(refusal(under.trySubscribe(connection, "a"))).toEqual(refused);
    under.unsubscribe(connection, "a");
    under.subscribe(other, "d");
    connection.close();
    other.close();
    expect(under.subscriptions.count).toBe(1);
    under.topics.checkEmpty();
  });

  it("takes a message at the limit and none past it", () => {
    const under = new TopicsUnderTest({ messageBytesMax: 20 });
    expect(under.publish("a", "x".repeat(13), { a: 1 })).toBe(0);
    const past = under.topics.publish(rangeOf("a"), storedValue("x".repeat(21)), undefined, NOW_MS);
    expect(refusal(past)).toEqual({ code: "PAYLOAD_TOO_LARGE", details: { limit_bytes: 20 } });
    expect(under.topics.publishedCount).toBe(1);
  });
});

describe("what Topics tells of topics", () => {
  it("counts messages for a pattern while it has subscribers", () => {
    const under = new TopicsUnderTest();
    const connection = new PushConnection(1);
    const info = (topic: string) => under.topics.info(rangeOf(topic));
    expect(info("a")).toEqual({ subscriberCount: 0, messageCount: 0, sinceMs: undefined });
    under.subscribe(connection, "a");
    under.subscribe(connection, "a", "*");
    under.publish("a");
    under.publish("b");
    expect(info("a")).toEqual({ subscriberCount: 2, messageCount: 1, sinceMs: NOW_MS });
    expect(info("*")).toEqual({ subscriberCount: 1, messageCount: 2, sinceMs: NOW_MS });
    expect(info("b")).toEqual({ subscriberCount: 0, messageCount: 0, sinceMs: undefined });
    under.unsubscribe(connection, "*");
    expect(info("*")).toEqual({ subscriberCount: 0, messageCount: 0, sinceMs: undefined });
    under.nowMs += 5;
    under.subscribe(connection, "*");
    expect(info("*")).toEqual({ subscriberCount: 1, messageCount: 0, sinceMs: NOW_MS + 5 });
    expect([under.topics.subscriptionCount, under.topics.wildcardSubscriptionCount]).toEqual([3, 1]);
  });

  it("lists those that have subscribers, page by page", () => {
    const under = new TopicsUnderTest();
    const connection = new PushConnection(1);
    under.subscribe(connection, ...Array.from({ length: 10 }, (_, i) => `t.${i}`));
    under.unsubscribe(connection, "t.0", "t.4", "t.9");
    const pages: string[][] = [];
    let after = 0;
    do {
      const { topics, next } = under.topics.page(after, 3);
      pages.push(topics);
      after = next;
    } while (after !== 0);
    expect(pages.map(({ length }) => length)).toEqual([3, 3, 1]);
    expect(pages.flat().sort()).toEqual(["t.1", "t.2", "t.3", "t.5", "t.6", "t.7", "t.8"]);
    expect(under.topics.topicCount).toBe(7);
  });
});

const level = fc.constantFrom("a", "b", "*", "#");
const pattern = fc.array(level, { minLength: 1, maxLength: 3 }).map((levels) => levels.join("."));
const step = fc.record({
  kind: fc.constantFrom("subscribe", "subscribe", "subscribe", "unsubscribe", "end", "close", "publish", "publish"),
  connection: fc.nat({ max: 3 }),
  patterns: fc.uniqueArray(pattern, { minLength: 1, maxLength: 3 }),
  topic: fc.array(fc.constantFrom("a", "b"), { minLength: 1, maxLength: 3 }),
});

/** Whether the pattern's levels match those of the topic, as the contract says it. */
function matches(levels: readonly string[], topic: readonly string[]): boolean {
  if (levels.length === 0) return topic.length === 0;
  const [first, ...rest] = levels;
  if (first === "#") return matches(rest, topic) || (topic.length > 0 && matches(levels, topic.slice(1)));
  return topic.length > 0 && (first === "*" || first === topic[0]) && matches(rest, topic.slice(1));
}

describe("Topics against a model", () => {
  it("gives everybody what their subscriptions match, once for each", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const under = new TopicsUnderTest();
        let opened = 0;
        const open = () => new PushConnection(++opened, (["json", "msgpack", "sse"] as const)[opened % 3]);
        const connections = [open(), open(), open(), open()];
        /** By connection: list, as text, with the patterns of it that are left. */
        const model = connections.map(() => new Map<string, Set<string>>());
        const ids = new Map<string, number>();
        for (const { kind, connection: at, patterns, topic } of steps) {
          const connection = connections[at];
          const lists = model[at];
          const list = [...patterns].sort().join(" ");
          if (kind === "subscribe") {
            ids.set(list, under.subscribe(connection, ...patterns));
            lists.set(list, new Set(patterns));
          } else if (kind === "unsubscribe") {
            const had = patterns.filter((each) => [...lists.values()].some((left) => left.has(each)));
            expect(under.unsubscribe(connection, ...patterns)).toBe(had.length);
            for (const left of lists.values()) for (const each of patterns) left.delete(each);
          } else if (kind === "end") {
            const id = ids.get(list) ?? 0;
            expect(under.topics.unsubscribeById(connection.session, id)).toBe(lists.get(list)?.size ?? 0);
            lists.delete(list);
          } else if (kind === "close") {
            connection.close();
            connections[at] = open();
            lists.clear();
          } else expectCopies(under, connections, model, ids, topic);
        }
        for (const connection of connections) connection.close();
        under.topics.checkEmpty();
      }),
      { numRuns: 500 },
    );
  });
});

function expectCopies(
  under: TopicsUnderTest,
  connections: readonly PushConnection[],
  model: readonly Map<string, Set<string>>[],
  ids: ReadonlyMap<string, number>,
  topic: readonly string[],
): void {
  const matched = under.publish(topic.join("."));
  let count = 0;
  for (const [at, connection] of connections.entries()) {
    const expected = [...model[at]].flatMap(([list, left]) =>
      [...left].filter((each) => matches(each.split("."), topic)).map((each) => `${ids.get(list)} ${each}`),
    );
    const got = connection.take().map(({ subscription_id, pattern: label }) => `${subscription_id} ${label}`);
    expect(got.sort()).toEqual(expected.sort());
    count += expected.length;
  }
  expect(matched).toBe(count);
}
