/** Builds the packages once before the tests: those that start a process start what is in the source, as others will, from dist/. */
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export default function build(): void {
  const compiler = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");
  const packages = ["server", "client-sdk", "benchmark-cli"].map((name) =>
    fileURLToPath(new URL(`../../${name}`, import.meta.url)),
  );
  // A type error is shown and does not stop the tests of everything else; `npm test` has checked the types before.
  spawnSync(process.execPath, [compiler, "--build", ...packages], { stdio: "inherit" });
}
