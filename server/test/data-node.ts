/** A node on disk (quiet-node.ts) for tests, and a directory for it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

export { DataNode, type NodeOptions, REPLICATION_ID, TestClock, takeLock, waitUntil } from "./quiet-node.ts";

/** A directory of its own for one test. */
export function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "synap-data-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
