/**
 * Which Node versions and platforms uWebSockets.js has a binary for. Checked before it is imported, because its own
 * error is a stack trace that does not say what to do.
 */
import { StartError } from "./start-error.ts";

/** The parts of `process` that decide which binary is loaded. */
export interface NodeBinary {
  readonly version: string;
  readonly platform: string;
  readonly arch: string;
}

/** Even lines only: they are the ones that get security fixes for years. Earlier ones lack zlib.crc32. */
const NODE_LINES: Readonly<Record<number, { readonly minorMin: number }>> = {
  20: { minorMin: 15 },
  22: { minorMin: 2 },
};
const PLATFORMS = ["linux x64", "linux arm64", "linux arm", "darwin x64", "darwin arm64", "win32 x64"];

const WAY_OUT =
  "install Node 20 (20.15 or later) or Node 22 (22.2 or later), or use a container image of one of them such as node:22-slim";

/** @throws StartError that names the way out */
export function checkNodeVersion({ version, platform, arch }: NodeBinary): void {
  const [major, minor] = version.replace(/^v/, "").split(".").map(Number);
  const line = NODE_LINES[major];
  if (line === undefined || minor < line.minorMin) {
    throw new StartError(`Synap does not run on Node ${version}, which uWebSockets.js has no binary for: ${WAY_OUT}.`);
  }
  if (!PLATFORMS.includes(`${platform} ${arch}`)) {
    throw new StartError(
      `Synap does not run on ${platform} ${arch}; uWebSockets.js has binaries for ${PLATFORMS.join(", ")}.`,
    );
  }
}

/** The same for what only loading the binary shows, such as a Linux without glibc; any other error is returned as it is. */
export function explainLoadError(error: unknown): unknown {
  if (!(error instanceof Error) || !/uWS\.js supports only|uws_\w+\.node/.test(error.message)) return error;
  return new StartError(
    `uWebSockets.js cannot load its binary for Node ${process.version} on ${process.platform} ${process.arch}: ` +
      `it needs glibc (Alpine Linux has none) and all of node_modules; run npm ci again, or ${WAY_OUT}.`,
    { cause: error },
  );
}
