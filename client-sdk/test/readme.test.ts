/** The programs of README.md: they compile against the package, run as they stand there, and print what they say. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { transform } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ServerProcess } from "./server-process.ts";

const packageFolder = fileURLToPath(new URL("..", import.meta.url));

interface Program {
  readonly name: string;
  readonly code: string;
}

function programs(): Program[] {
  const text = readFileSync(join(packageFolder, "README.md"), "utf8");
  const found: Program[] = [];
  let name = "";
  for (const part of text.split(/^(?=#{1,3} )/m)) {
    name = /^#+ (.*)$/m.exec(part)?.[1] ?? name;
    for (const [, code] of part.matchAll(/^```ts\n([\s\S]*?)^```$/gm)) found.push({ name, code });
  }
  return found;
}

/** What a program says that it prints: a comment after a console.log, or lines of comments where that is far away. */
function printed(code: string): string[] {
  const lines: string[] = [];
  let isAfterOutput = false;
  for (const line of code.split("\n")) {
    const inline = /^console\.log\(.*\); \/\/ (.*)$/.exec(line);
    const own = /^\/\/ ((?:sent|given|ada|bob|notify).*)$/.exec(line);
    if (inline !== null) lines.push(inline[1]);
    else if (own !== null && (isAfterOutput || lines.length === 0)) lines.push(own[1]);
    isAfterOutput = line === "}" || own !== null;
  }
  return lines;
}

let folder: string;
let server: ServerProcess;

beforeAll(async () => {
  server = await ServerProcess.start();
  folder = mkdtempSync(join(tmpdir(), "synap-readme-"));
  mkdirSync(join(folder, "node_modules/@synap"), { recursive: true });
  symlinkSync(packageFolder, join(folder, "node_modules/@synap/client"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  for (const [index, { code }] of programs().entries()) writeFileSync(join(folder, `program-${index}.ts`), code);
});

afterAll(async () => {
  rmSync(folder, { recursive: true });
  await server.end();
});

it("has a program for each entry of the cookbook", () => {
  expect(programs().map(({ name }) => name)).toEqual([
    "@synap/client",
    "Cache",
    "Rate limiter",
    "Job queue",
    "Chat with history",
    "Presence",
    "Leader lock with fencing",
    "Fan-out notifications",
  ]);
});

it("its programs compile, strictly", () => {
  const require = createRequire(import.meta.url);
  const compiler = join(dirname(require.resolve("typescript/package.json")), "bin", "tsc");
  const options = {
    target: "ES2022",
    module: "NodeNext",
    lib: ["ES2023", "DOM"],
    strict: true,
    noEmit: true,
    types: [],
    noUnusedLocals: true,
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: options, include: ["*.ts"] }));
  const { stdout, status } = spawnSync(process.execPath, [compiler, "-p", folder], { encoding: "utf8" });
  expect(stdout).toBe("");
  expect(status).toBe(0);
});

describe("its programs run and print what they say", () => {
  it.each(programs().map(({ name }, index) => [name, index] as const))("%s", async (_name, index) => {
    const { code } = programs()[index];
    const { code: script } = await transform(code, { loader: "ts", format: "esm", target: "node20" });
    const path = join(folder, `program-${index}.mjs`);
    writeFileSync(path, script.replaceAll("ws://localhost:15500", server.url));
    const child = spawn(process.execPath, [path], { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        output += chunk.toString();
      });
    }
    const [exitCode] = await once(child, "close");
    expect(output.trimEnd().split("\n")).toEqual(printed(code));
    expect(exitCode).toBe(0);
  });
});
