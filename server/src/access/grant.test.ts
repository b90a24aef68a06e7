import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { rangeOf } from "../structures/byte-range.ts";
import { anonymousGrant, Grant, slotOf, unrestrictedGrant } from "./grant.ts";
import { LEVELS, type Level, parsePermissions, SUBSYSTEMS } from "./permission.ts";

function grantOf(...allow: string[]): Grant {
  const permissions = parsePermissions(allow);
  if (typeof permissions === "string") throw new Error(permissions);
  return new Grant("test", permissions);
}

const KV_READ = slotOf("kv", "read");
const KV_WRITE = slotOf("kv", "write");

describe("a grant", () => {
  it("permits names by their beginning, and of the levels the lesser too", () => {
    const grant = grantOf("kv:write:app:", "kv:read:shared:");
    const may = (name: string) => [grant.allows(KV_READ, rangeOf(name)), grant.allows(KV_WRITE, rangeOf(name))];
    expect(["app:1", "app:", "shared:1", "app", "App:1", "xapp:1", ""].map(may)).toEqual([
      [true, true],
      [true, true],
      [true, false],
      [false, false],
      [false, false],
      [false, false],
      [false, false],
    ]);
    expect([grant.allowsAll(KV_READ), grant.allowsAny(KV_WRITE), grant.allowsAny(slotOf("kv", "admin"))]).toEqual([
      false,
      true,
      false,
    ]);
    expect(grant.allowsAny(slotOf("queue", "read"))).toBe(false);
  });

  it("permits what plain strings say", () => {
    const word = fc.constantFrom("", "a", "ab", "abc", "b", "ba", "é", "a:");
    const permission = fc.record({
      subsystem: fc.constantFrom(...SUBSYSTEMS, "*" as const),
      level: fc.constantFrom(...LEVELS),
      prefix: word,
    });
    fc.assert(
      fc.property(
        fc.array(permission, { maxLength: 4 }),
        fc.constantFrom(...SUBSYSTEMS),
        fc.constantFrom<Level>(...LEVELS),
        fc.string({ unit: fc.constantFrom("a", "b", "c", ":", "é"), maxLength: 4 }),
        (permissions, subsystem, level, name) => {
          const expected = permissions.some(
            (each) =>
              (each.subsystem === "*" || each.subsystem === subsystem) &&
              LEVELS.indexOf(each.level) >= LEVELS.indexOf(level) &&
              name.startsWith(each.prefix),
          );
          const grant = new Grant("test", permissions);
          expect(grant.allows(slotOf(subsystem, level), rangeOf(`x${name}`.slice(1)))).toBe(expected);
        },
      ),
    );
  });

  it("permits the topic that a pattern of its prefix matches too", () => {
    const grant = grantOf("pubsub:read:orders.", "kv:read:orders.");
    const slot = slotOf("pubsub", "read");
    expect(["orders", "orders.eu", "order", "ordersx"].map((name) => grant.allows(slot, rangeOf(name)))).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect(grant.allows(KV_READ, rangeOf("orders"))).toBe(false);
    const beginnings = ["orders", "orders.", "orders.eu", "order", ""];
    expect(beginnings.map((prefix) => grant.allowsAllFrom(slot, rangeOf(prefix)))).toEqual([
      false,
      true,
      true,
      false,
      false,
    ]);
  });

  it("narrows a walk to what it permits, where that is one range of names", () => {
    const narrowed = (grant: Grant, wanted: string) => grant.narrowed(KV_READ, rangeOf(wanted))?.toString();
    const one = grantOf("kv:read:app:", "kv:write:app:users:");
    expect(["", "app:", "app:users:", "ap", "b"].map((wanted) => narrowed(one, wanted))).toEqual([
      "app:",
      "app:",
      "app:users:",
      "app:",
      undefined,
    ]);
    const two = grantOf("kv:read:app:", "kv:read:apple:");
    expect([narrowed(two, ""), narrowed(two, "app"), narrowed(two, "appl")]).toEqual([undefined, undefined, "apple:"]);
    expect(narrowed(unrestrictedGrant(), "x")).toBe("x");
    expect(narrowed(anonymousGrant(), "x")).toBeUndefined();
  });

  it("covers another where it may do all that the other may", () => {
    expect(grantOf("*").covers(grantOf("kv:write:a:", "admin:*"))).toBe(true);
    expect(grantOf("kv:write:a:").covers(grantOf("kv:read:a:b"))).toBe(true);
    expect(grantOf("kv:read:a:b").covers(grantOf("kv:read:a:"))).toBe(false);
    expect(grantOf("kv:read:*").covers(grantOf("kv:write:a"))).toBe(false);
    expect(grantOf("pubsub:read:orders.").covers(grantOf("pubsub:read:orders"))).toBe(false);
    expect(grantOf("pubsub:read:orders").covers(grantOf("pubsub:read:orders."))).toBe(true);
    expect(grantOf("*").covers(unrestrictedGrant())).toBe(false);
    expect(unrestrictedGrant().covers(grantOf("*"))).toBe(true);
  });

  it("ends at its time, or before", () => {
    const grant = new Grant("test", [], 1000);
    expect([grant.endAt(999), grant.endAt(1000)]).toEqual([undefined, "expired"]);
    grant.end = "revoked";
    expect(grant.endAt(0)).toBe("revoked");
  });
});
