/** The built server of this checkout; built now where nobody has yet, as in a clean clone. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { BenchmarkError } from "./benchmark-error.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const BUILT_SERVER = `${ROOT}server/dist/main.js`;
const COMPILER = `${ROOT}node_modules/.bin/tsc`;

/** @param program what was asked for by `--server` */
export function serverProgram(program: string | undefined): string {
  if (program !== undefined) {
    // The server runs in a directory of its own.
    if (existsSync(program)) return resolve(program);
    throw new BenchmarkError(`there is no server at ${program}: --server names its main.js`);
  }
  if (existsSync(BUILT_SERVER)) return BUILT_SERVER;
  console.error("the server is not built yet: building it");
  const { status } = spawnSync(COMPILER, ["--build", "server"], { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"] });
  if (status !== 0) throw new BenchmarkError("the server could not be built: npm ci && npm run build");
  return BUILT_SERVER;
}
