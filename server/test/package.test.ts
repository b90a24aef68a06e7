/**
 * The packages of the server and of its benchmark as others get them: packed, installed in an empty project with only what they
 * need, and started there.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { version } from "../src/config/version.ts";
import { ownEnvironment } from "./own-environment.ts";
import { testedTransport } from "./tested-transport.ts";

const packageFolder = fileURLToPath(new URL("..", import.meta.url));
const benchmarkFolder = fileURLToPath(new URL("../../benchmark-cli", import.meta.url));

let folder: string;
let paths: string[];
const children: ChildProcess[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "synap-server-package-"));
  const [server, benchmark] = pack(packageFolder, benchmarkFolder);
  paths = server.files.map(({ path }) => path);
  writeFileSync(join(folder, "package.json"), '{ "name": "empty", "private": true }');
  const files = [`./${server.filename}`, `./${benchmark.filename}`];
  npm(folder, "install", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund", ...files);
}, 120_000);

afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, maxRetries: 5 });
});

function pack(...folders: readonly string[]): { filename: string; files: { path: string }[] }[] {
  return JSON.parse(npm(folder, "pack", ...folders, "--json", "--ignore-scripts", "--pack-destination", folder));
}

function npm(cwd: string, ...args: readonly string[]): string {
  const { stdout, stderr, status } = spawnSync("npm", args, { cwd, encoding: "utf8" });
  expect(status, stderr).toBe(0);
  return stdout;
}

function start(...args: readonly string[]): ChildProcess {
  const kept = Object.entries(ownEnvironment()).filter(([name]) => !name.startsWith("npm_"));
  const child = spawn("npx", ["--no-install", "synap-server", ...args], {
    cwd: folder,
    env: Object.fromEntries(kept),
    stdio: ["ignore", "pipe", "inherit"],
    // npx runs a shell: the group is ended with it.
    detached: true,
  });
  children.push(child);
  return child;
}

it("has what it needs to run, and its documents", () => {
  expect(paths).toEqual(
    expect.arrayContaining(["bin/synap-server.js", "dist/main.js", "docs/configuration.md", "README.md"]),
  );
  expect(paths.filter((path) => !/^(?:bin|dist|docs)\/[^.]|^(?:package\.json|README\.md)$/.test(path))).toEqual([]);
});

it("starts with npx, with the transport that there is here", async () => {
  const server = start("--port", "0", "--resp-port", "0");
  const ended = once(server, "close");
  const lines: string[] = [];
  for await (const line of createInterface({ input: server.stdout ?? process.stdin })) {
    lines.push(line);
    if (line.includes(" ready: ")) break;
  }
  const log = lines.join("\n");
  expect(log).toContain(`transport: ${testedTransport} (`);
  expect(log).toContain(`synap ${version} ready: `);
  const url = / ready: (\S+)/.exec(log)?.[1];
  const answer = await fetch(`${url}/api/v1/command`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ command: "kv.incr", payload: { key: "starts" } }),
  });
  expect(await answer.json()).toEqual({ success: true, payload: { value: 1 } });
  // The process that the ready line names: npx and its shell are between.
  process.kill(Number(/, pid (\d+)/.exec(log)?.[1]), "SIGTERM");
  await ended;
}, 60_000);

// The benchmark reads /proc.
it.skipIf(process.platform !== "linux")(
  "is measured by the benchmark beside it",
  () => {
    const args = [
      "--no-install",
      "synap-benchmark",
      "kv",
      "--operations",
      "500",
      "--keys",
      "100",
      "--connections",
      "2",
    ];
    const { stdout, stderr, status } = spawnSync("npx", args, { cwd: folder, encoding: "utf8", timeout: 50_000 });
    expect(status, stderr).toBe(0);
    expect(stdout).toContain("errors: none");
  },
  60_000,
);
