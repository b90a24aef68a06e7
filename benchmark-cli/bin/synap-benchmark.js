#!/usr/bin/env node
/**
 * `synap-benchmark`. What `npm run build` has made of the program runs where it is there and no file of the source is newer: each of
 * its processes starts in half the time. Else, as in the npm package, tsx reads the source, here and in the client processes,
 * which take this process' flags over.
 */
import { readdirSync, statSync } from "node:fs";

const source = new URL("../src/", import.meta.url);
const built = new URL("../dist/", import.meta.url);

function isBuilt() {
  // tsc writes it with every build that changes something.
  const builtAtMs = statSync(new URL(".tsbuildinfo", built), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return readdirSync(source, { recursive: true })
    .filter((path) => path.endsWith(".ts") && !path.endsWith(".test.ts"))
    .every((path) => statSync(new URL(path, source)).mtimeMs <= builtAtMs);
}

if (isBuilt()) {
  await import(new URL("main.js", built).href);
} else {
  const { register } = await import("tsx/esm/api");
  process.execArgv.push("--import", import.meta.resolve("tsx"));
  register();
  await import(new URL("main.ts", source).href);
}
