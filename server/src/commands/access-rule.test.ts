import { expect, it } from "vitest";
import { Grant } from "../access/grant.ts";
import { parsePermissions } from "../access/permission.ts";
import { rangeOf } from "../structures/byte-range.ts";
import { accessRefusal } from "./access-rule.ts";
import { keyCopy } from "./key/key.ts";

it.each([
  ["kv:write:app:", { source: "other", destination: "app:1" }, "kv:read", "source"],
  ["kv:read:*", { source: "other", destination: "app:1" }, "kv:write", "destination"],
])("%s is told what it needs for the argument that it may not use", (allow, names, needs, path) => {
  const permissions = parsePermissions([allow]);
  if (typeof permissions === "string") throw new Error(permissions);
  const args = { source: rangeOf(names.source), destination: rangeOf(names.destination) };
  const refusal = accessRefusal(keyCopy, args, new Grant("app", permissions), 0);
  expect(refusal).toMatchObject({ code: "FORBIDDEN", details: { needs, path } });
  expect(refusal.message).toBe(`the token does not permit key.copy: it needs ${needs} for what is given as ${path}`);
});
