import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { connectionsWithinFileLimit } from "./file-limit.ts";

it("reads the soft limit and leaves room for other files", () => {
  const directory = mkdtempSync(join(tmpdir(), "synap-limits-"));
  const path = join(directory, "limits");
  const within = (line: string): number => {
    writeFileSync(path, `Limit                     Soft Limit           Hard Limit           Units\n${line}\n`);
    return connectionsWithinFileLimit(path);
  };
  expect(within("Max open files            20000                40000                files")).toBe(19_900);
  expect(within("Max open files            50                   50                   files")).toBe(1);
  expect(within("Max open files            unlimited            unlimited            files")).toBe(
    Number.POSITIVE_INFINITY,
  );
  rmSync(directory, { recursive: true });
  expect(connectionsWithinFileLimit(path)).toBe(Number.POSITIVE_INFINITY);
});
