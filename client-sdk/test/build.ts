/** Builds the package once before the tests: some of them run it as others will, from dist/. */
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export default function build(): void {
  const compiler = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");
  const client = fileURLToPath(new URL("..", import.meta.url));
  // As in server/test/build.ts: a type error is shown, and `npm test` has checked the types before.
  spawnSync(process.execPath, [compiler, "--build", client], { stdio: "inherit" });
}
