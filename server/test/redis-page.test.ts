/** docs/redis.md names every string and key command there is. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { keyCommands } from "../src/commands/resp/keys.ts";
import { stringCommands } from "../src/commands/resp/strings.ts";

it("names every command of the mapping", () => {
  const page = readFileSync(fileURLToPath(new URL("../docs/redis.md", import.meta.url)), "utf8");
  const names = [...stringCommands, ...keyCommands].map(({ name }) => name.replace("|", " ").toUpperCase());
  expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
});
