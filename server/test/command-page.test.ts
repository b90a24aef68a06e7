import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { commandPage, pagePath } from "../scripts/command-page.ts";

it("docs/commands.md is what the registry says; `npm run docs` writes it", () => {
  expect(readFileSync(pagePath, "utf8")).toBe(commandPage());
});
