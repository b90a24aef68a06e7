import { expect, it } from "vitest";
import { parsePermission, parsePermissions, showPermission } from "./permission.ts";

it.each([
  ["kv:write:session:", "kv:write:session:"],
  ["kv:write:session:*", "kv:write:session:"],
  ["kv:read:a:b::c", "kv:read:a:b::c"],
  ["queue:read:*", "queue:read:*"],
  ["queue:read", "queue:read:*"],
  ["admin:*", "admin:admin:*"],
  ["admin", "admin:admin:*"],
  ["admin:read:*", "admin:read:*"],
  ["*", "*:admin:*"],
  ["*:read:*", "*:read:*"],
  ["*:read:ž", "*:read:ž"],
])("%s is %s", (text, shown) => {
  const permission = parsePermission(text);
  expect(typeof permission === "string" ? permission : showPermission(permission)).toBe(shown);
  // What is kept reads as what it was.
  expect(parsePermission(shown)).toEqual(permission);
});

it.each([
  ["", "there is no subsystem"],
  ["keys:read:*", "it is one of kv, queue, stream, pubsub, admin, or *"],
  ["KV:read:*", "there is no subsystem"],
  ["kv:rw:*", "access is read, write, admin or *"],
  ["kv::*", "access is read, write, admin or *"],
  ["kv:read:", "the prefix is empty; write * for everything"],
  ["kv:read:a*b", "no * within it"],
  ["kv:read:**", "no * within it"],
  ["admin:read:users", "admin has no names"],
  [`kv:read:${"x".repeat(1025)}`, "at most 1024 bytes"],
])("%j is refused", (text, reason) => {
  expect(parsePermission(text)).toContain(reason);
});

it("a list has one permission at least, and a hundred at most", () => {
  expect(parsePermissions([])).toContain("good for nothing");
  expect(parsePermissions(Array<string>(100).fill("kv:read:*"))).toHaveLength(100);
  expect(parsePermissions(Array<string>(101).fill("kv:read:*"))).toContain("at most 100");
  expect(parsePermissions(["kv:read:*", "nonsense"])).toContain('"nonsense"');
});
