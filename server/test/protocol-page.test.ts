import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { ERROR_STATUS } from "../src/commands/errors.ts";

it("docs/protocol.md has every error code with its status", () => {
  const page = readFileSync(new URL("../docs/protocol.md", import.meta.url), "utf8");
  const rows = [...page.matchAll(/^\| ([A-Z_, ]+) \| ([\d, ]+) \|/gm)];
  const listed = rows.flatMap(([, codes, statuses]) =>
    codes.split(", ").flatMap((code) => statuses.split(", ").map((status) => `${code} ${status}`)),
  );
  for (const [code, status] of Object.entries(ERROR_STATUS)) expect(listed).toContain(`${code} ${status}`);
});
