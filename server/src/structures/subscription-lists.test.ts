import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SubscriptionLists } from "./subscription-lists.ts";

const newLists = (): SubscriptionLists => new SubscriptionLists({ seed: 9 });

function subscribersOf(lists: SubscriptionLists, target: number): number[] {
  const found: number[] = [];
  lists.visitSubscribers(target, (subscriber) => found.push(subscriber));
  return found;
}

function targetsOf(lists: SubscriptionLists, subscriber: number): number[] {
  const found: number[] = [];
  lists.visitTargets(subscriber, (target) => found.push(target));
  return found;
}

const operation = fc.record({
  kind: fc.constantFrom("add", "add", "add", "remove", "close", "drop"),
  target: fc.integer({ min: 0, max: 6 }),
  subscriber: fc.integer({ min: 0, max: 6 }),
});

describe("SubscriptionLists", () => {
  it("holds the links that a set of pairs holds, the newest first", () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 150 }), (operations) => {
        const lists = newLists();
        const model = new Map<string, { target: number; subscriber: number; link: number }>();
        for (const { kind, target, subscriber } of operations) {
          const key = `${target} ${subscriber}`;
          const known = model.get(key);
          if (kind === "add") {
            const link = lists.add(target, subscriber);
            if (known !== undefined) expect(link).toBe(known.link);
            else for (const other of model.values()) expect(link).not.toBe(other.link);
            model.set(key, { target, subscriber, link });
          } else if (kind === "remove") {
            if (known === undefined) continue;
            lists.remove(known.link);
            model.delete(key);
          } else {
            if (kind === "close") lists.visitTargets(subscriber, (_, link) => lists.remove(link));
            else lists.visitSubscribers(target, (_, link) => lists.remove(link));
            for (const [at, entry] of model) {
              if (kind === "close" ? entry.subscriber === subscriber : entry.target === target) model.delete(at);
            }
          }
          expect(lists.count).toBe(model.size);
        }
        const links = [...model.values()].reverse();
        for (let id = 0; id < 8; id++) {
          const subscribers = links.filter(({ target }) => target === id).map(({ subscriber }) => subscriber);
          const targets = links.filter(({ subscriber }) => subscriber === id).map(({ target }) => target);
          expect(subscribersOf(lists, id)).toEqual(subscribers);
          expect(targetsOf(lists, id)).toEqual(targets);
          expect([lists.subscriberCount(id), lists.targetCount(id)]).toEqual([subscribers.length, targets.length]);
          for (let other = 0; other < 8; other++) {
            expect(lists.find(id, other)).toBe(model.get(`${id} ${other}`)?.link ?? 0);
          }
        }
        for (const { target, subscriber, link } of links) {
          expect([lists.targetOf(link), lists.subscriberOf(link)]).toEqual([target, subscriber]);
        }
      }),
    );
  });

  it.each(["subscribers", "targets"])("shows the %s there at their turn, whatever a visitor removes and adds", (of) => {
    const step = fc.record({
      at: fc.nat(12),
      removes: fc.array(fc.nat(12), { maxLength: 5 }),
      adds: fc.array(fc.nat(12)),
    });
    // Every link is in a list of the other kind too, with other neighbours.
    const pair = (owner: number, id: number): [number, number] => (of === "subscribers" ? [owner, id] : [id, owner]);
    fc.assert(
      fc.property(fc.array(step, { maxLength: 6 }), (steps) => {
        const lists = newLists();
        for (let id = 0; id < 10; id++) for (const owner of [2, 3, 4]) lists.add(...pair(owner, id));
        const waiting = new Set([9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
        const visit = (id: number, link: number): void => {
          expect(id).toBe([...waiting][0]);
          expect(lists.find(...pair(3, id))).toBe(link);
          waiting.delete(id);
          for (const { at, removes, adds } of steps) {
            if (at !== id) continue;
            for (const removed of removes) {
              const found = lists.find(...pair(3, removed));
              if (found !== 0) lists.remove(found);
              waiting.delete(removed);
            }
            // Takes the handles just freed.
            for (const added of adds) lists.add(...pair(added % 2 === 0 ? 3 : 5, added));
          }
        };
        if (of === "subscribers") lists.visitSubscribers(3, visit);
        else lists.visitTargets(3, visit);
        expect(waiting.size).toBe(0);
      }),
    );
  });

  it("lets a visit run inside another, and end with an error", () => {
    const lists = newLists();
    for (let subscriber = 0; subscriber < 4; subscriber++) for (const target of [1, 2]) lists.add(target, subscriber);
    const seen: string[] = [];
    lists.visitSubscribers(1, (outer, link) => {
      seen.push(`${outer}`);
      lists.visitTargets(outer, (target) => seen.push(`${outer}:${target}`));
      if (outer === 3) lists.visitTargets(2, (_, other) => lists.remove(other));
      if (outer === 1) lists.remove(link);
    });
    expect(seen).toEqual(["3", "3:2", "3:1", "1", "1:2", "1:1", "0", "0:2", "0:1"]);
    const fail = (): void => {
      throw new Error("a visitor failed");
    };
    expect(() => lists.visitSubscribers(2, fail)).toThrow("a visitor failed");
    expect(subscribersOf(lists, 2)).toEqual([3, 1, 0]);
    expect(() => lists.remove(lists.linkOfTarget(9))).toThrow("link 0 is not in use");
    const gone = lists.linkOfTarget(2);
    lists.remove(gone);
    expect(() => lists.remove(gone)).toThrow(`link ${gone} is not in use`);
  });

  it("removes all of a subscriber or a target in slices", () => {
    const lists = newLists();
    for (let i = 0; i < 100; i++) {
      lists.add(i, 7);
      lists.add(50, i);
    }
    for (let i = 0; i < 60; i++) lists.remove(lists.linkOfSubscriber(7));
    expect([lists.targetCount(7), lists.count]).toEqual([40, 139]);
    while (lists.linkOfTarget(50) !== 0) lists.remove(lists.linkOfTarget(50));
    expect(subscribersOf(lists, 50)).toEqual([]);
  });

  it("takes less than 40 bytes for one more subscription and gives them back", () => {
    const lists = newLists();
    const held = lists.heldBytes;
    const links: number[] = [];
    for (let i = 0; i < 200_000; i++) links.push(lists.add(i % 4000, 3000 + Math.floor(i / 4000)));
    expect((lists.heldBytes - held) / 200_000).toBeLessThan(40);
    for (const link of links) lists.remove(link);
    expect(lists.heldBytes).toBe(held);
    expect([lists.count, lists.subscriberCount(1), lists.targetCount(3001)]).toEqual([0, 0, 0]);
    expect(() => lists.remove(links[0])).toThrow("is not in use");
  });
});
