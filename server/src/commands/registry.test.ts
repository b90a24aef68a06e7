import { describe, expect, it } from "vitest";
import { ByteRange, rangeOf } from "../structures/byte-range.ts";
import { allCommands } from "./all.ts";
import { Registry } from "./registry.ts";

const registry = new Registry(allCommands);

describe("Registry", () => {
  it("finds every command by its bytes, also in the middle of a message", () => {
    for (const [index, { name }] of allCommands.entries()) {
      expect(registry.indexOf(rangeOf(name))).toBe(index);
      const message = rangeOf(`..${name}..`);
      expect(registry.indexOf(new ByteRange(message.bytes, 2, 2 + name.length))).toBe(index);
    }
  });

  it.each(["", "kv", "kv.", "kv.ge", "kv.gett", "KV.GET", "kv.get ", "__proto__", "constructor"])(
    "does not know %j",
    (name) => {
      expect(registry.indexOf(rangeOf(name))).toBe(-1);
    },
  );

  it.each([
    ["kv.gte", "kv.get"],
    ["get", "kv.get"],
    ["cache.mset", "kv.mset"],
    ["KV.SET", "kv.set"],
    ["admin.infos", "admin.info"],
  ])("for %j suggests %j first", (name, nearest) => {
    expect(registry.nearest(name)[0]).toBe(nearest);
  });

  it("suggests at most three names, and none where nothing is near", () => {
    expect(registry.nearest("kv.xet").length).toBeLessThanOrEqual(3);
    expect(registry.nearest("x".repeat(10_000))).toEqual([]);
  });

  it("refuses a name declared twice", () => {
    expect(() => new Registry([allCommands[0], allCommands[0]])).toThrow("declared twice");
  });
});

describe("every command", () => {
  it.each(allCommands.map((command) => [command.name, command] as const))("%s is declared whole", (name, command) => {
    // auth is what the wire contract calls it.
    if (name !== "auth") expect(name).toBe(`${command.component}.${command.operation}`);
    expect(name).toMatch(/^[a-z]+(\.[a-z]+(_[a-z]+)*)*$/);
    expect(command.summary).toMatch(/^[A-Z].*\.$/);
    const functions = [command.read, command.plan, command.act].filter((each) => each !== undefined);
    expect(functions).toHaveLength(1);
    if (command.act !== undefined) expect(command.atomic).toBe(false);
    if (command.isBlocking !== undefined) expect(command.atomic).toBe(false);
    if (command.access === "read") expect(command.plan).toBeUndefined();
    if (command.component === "admin") expect([command.access === "write", command.atomic]).toEqual([false, false]);
  });
});
