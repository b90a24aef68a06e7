/** Which Node versions the server runs on. Checked first, for an older one ends with an error that says nothing of it. */
import { StartError } from "./start-error.ts";

/** Earlier ones lack zlib.crc32, which came to the lines of Node that live long, and to every line after 22. */
const LINES: Readonly<Record<number, { readonly minorMin: number }>> = {
  20: { minorMin: 15 },
  22: { minorMin: 2 },
};
const NEWEST_LINE = 22;

/** @throws StartError that names the way out */
export function checkNodeVersion(version: string): void {
  const [major, minor] = version.replace(/^v/, "").split(".").map(Number);
  const line = LINES[major];
  if (line === undefined ? major > NEWEST_LINE : minor >= line.minorMin) return;
  throw new StartError(
    `Synap does not run on Node ${version}: install Node 20 (20.15 or later), Node 22 (22.2 or later) or a newer one, ` +
      "or use a container image such as node:24-slim.",
  );
}
