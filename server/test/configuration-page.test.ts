import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { configurationPage, pagePath } from "../scripts/configuration-page.ts";

it("docs/configuration.md is what the schema says; `npm run docs` writes it", () => {
  expect(readFileSync(pagePath, "utf8")).toBe(configurationPage());
});
