#!/usr/bin/env node
/**
 * `synap-benchmark`. The program is TypeScript that is never built: tsx reads it, here and in the client processes, which
 * take this process' flags over.
 */
import { register } from "tsx/esm/api";

process.execArgv.push("--import", import.meta.resolve("tsx"));
register();
await import(new URL("../src/main.ts", import.meta.url).href);
