#!/usr/bin/env node
/**
 * `synap-server`. npm links a program at installation and only if its file is there, and dist/ is built after that: so
 * this file is what it links, and the program is dist/main.js.
 */
import { existsSync } from "node:fs";

const program = new URL("../dist/main.js", import.meta.url);
if (existsSync(program)) {
  await import(program.href);
} else {
  process.stderr.write("synap-server: the server is not built yet; run npm run build.\n");
  process.exitCode = 1;
}
