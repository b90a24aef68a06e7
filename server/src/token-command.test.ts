import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { runTokenCommand } from "./token-command.ts";

const NOW = Date.UTC(2026, 0, 1);

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "synap-token-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** What it prints; it throws what the program would tell. */
async function run(...args: string[]): Promise<string> {
  let printed = "";
  await runTokenCommand([...args, "--data-dir", directory], {}, NOW, (text) => {
    printed += text;
  });
  return printed;
}

it("prints a token once, last on its line, and lists and revokes it", async () => {
  expect(await run("list")).toMatch(/^There is no token in .*tokens\.json\n$/);
  const created = await run("create", "--name", "app", "--allow", "kv:write:app:, queue:read", "--expires=30d");
  expect(created).toMatch(
    /^app kv:write:app:,queue:read:\* expires 2026-01-31T00:00:00\.000Z, in .*\/tokens\.json: synap_[\w-]{43}\n$/,
  );
  await run("create", "--name=all", "--allow=*");
  expect(await run("list")).toBe(
    "app kv:write:app:,queue:read:* expires 2026-01-31T00:00:00.000Z\nall *:admin:* never expires\n",
  );
  expect(await run("revoke", "--name", "app")).toBe("revoked app\n");
  expect(await run("list")).toBe("all *:admin:* never expires\n");
});

it("tells of what it can do", async () => {
  expect(await run("--help")).toContain("synap-server token create --name NAME --allow LIST");
  expect(await run("create", "--help")).toContain("kv:write:session:");
});

it.each([
  [[], "wants create, list or revoke"],
  [["make"], "wants create, list or revoke"],
  [["create", "--allow", "*"], "It needs --name NAME"],
  [["create", "--name", "app"], "It needs --allow LIST"],
  [["create", "--name"], "token --help tells more"],
  [["create", "--name", "a b", "--allow", "*"], "a name has 1 to 64 letters"],
  [["create", "--name", "app", "--allow", "nonsense"], '"nonsense": there is no subsystem'],
  [["create", "--name", "app", "--allow", "kv:read:"], "the prefix is empty"],
  [["create", "--name", "app", "--allow", "*", "--expires", "soon"], "--expires is a number with s, m, h or d"],
  [["revoke", "--name", "none"], "There is no token none"],
  [["revoke", "shop"], 'token revoke takes no "shop" by itself: use --name shop'],
  [["list", "--no-persistence"], "set access.tokens_file"],
  [["list", "--nonsense"], "There is no flag --nonsense"],
])("refuses %j", async (args, reason) => {
  await expect(run(...args)).rejects.toThrow(reason);
});

it("refuses a second token of one name", async () => {
  await run("create", "--name", "app", "--allow", "*");
  await expect(run("create", "--name", "app", "--allow", "*")).rejects.toThrow(
    "There is a token app: revoke it first.",
  );
});
