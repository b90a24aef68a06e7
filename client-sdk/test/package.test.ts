/** The package as others get it: packed and installed in an empty project, bundled for browsers, and run in one. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Chromium, chromium } from "./chromium.ts";
import { ServerProcess } from "./server-process.ts";

const packageFolder = fileURLToPath(new URL("..", import.meta.url));
const BUNDLE_BYTES_MAX = 25 * 1_024;

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "synap-package-"));
});

afterAll(() => rmSync(folder, { recursive: true }));

function npm(cwd: string, ...args: readonly string[]): string {
  const { stdout, stderr, status } = spawnSync("npm", args, { cwd, encoding: "utf8" });
  expect(status, stderr).toBe(0);
  return stdout;
}

/** A program for a page or an empty project. */
function bundle(entry: string, minify: boolean): Promise<string> {
  const options = { bundle: true, format: "esm", platform: "browser", target: "es2022", write: false } as const;
  return build({ ...options, minify, stdin: { contents: entry, resolveDir: packageFolder } }).then(
    ({ outputFiles }) => outputFiles[0].text,
  );
}

describe("packed", () => {
  it("installs and runs in an empty project", async () => {
    const [{ filename, files }] = JSON.parse(
      npm(packageFolder, "pack", "--json", "--ignore-scripts", "--pack-destination", folder),
    ) as [{ filename: string; files: { path: string }[] }];
    const paths = files.map(({ path }) => path);
    expect(paths).toContain("dist/index.js");
    expect(paths).toContain("dist/index.d.ts");
    expect(paths).toContain("dist/index.js.map");
    expect(
      paths.filter(
        (path) => !/^(?:dist\/.*\.(?:js|d\.ts|js\.map)|src\/.*\.ts|package\.json|README\.md|LICENSE)$/.test(path),
      ),
    ).toEqual([]);

    writeFileSync(join(folder, "package.json"), '{ "name": "empty", "type": "module", "private": true }');
    npm(folder, "install", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund", `./${filename}`);
    writeFileSync(
      join(folder, "main.js"),
      `import { connect } from "@synap/client";
       const synap = await connect(process.argv[2]);
       await synap.kv.set("packed", { n: 2n ** 60n });
       console.log(await synap.kv.get("packed"));
       await synap.close();`,
    );
    const server = await ServerProcess.start();
    const child = spawn(process.execPath, ["main.js", server.url], {
      cwd: folder,
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    await once(child, "close");
    await server.end();
    expect(output).toBe("{ n: 1152921504606846976n }\n");
  }, 60_000);

  it("needs nothing of the server's, and no more than it says", () => {
    // Its own file.
    const { dependencies } = JSON.parse(readFileSync(join(packageFolder, "package.json"), "utf8")) as {
      dependencies: Record<string, string>;
    };
    expect(Object.keys(dependencies)).toEqual(["ws"]);
  });
});

describe("bundled for browsers", () => {
  it("is at most 25 KB, MessagePack included, and has no ws in it", async () => {
    const text = await bundle('export { connect } from "./dist/index.js";', true);
    const bytes = gzipSync(text).length;
    console.log(`the browser bundle is ${bytes} bytes after gzip`);
    expect(bytes).toBeLessThanOrEqual(BUNDLE_BYTES_MAX);
    expect(text).not.toMatch(/require\(|Sec-WebSocket/);
  });
});

/** Runs in the page, and posts what it finds. */
const PAGE_PROGRAM = `
  import { connect } from "./dist/index.js";
  async function main() {
    const query = new URLSearchParams(location.search);
    const synap = await connect(query.get("server"), { format: query.get("format") });
    await synap.stream.getOrCreate("page");
    const values = await Promise.all([
      synap.kv.set("page", { text: "ünïcödé", n: 2n ** 60n }).then(({ success }) => success),
      synap.kv.get("page").then((value) => String(value.n)),
    ]);
    await synap.stream.publish("page", "e", { n: 1 });
    const events = [];
    for await (const event of synap.stream.subscribe("page", { fromOffset: 0 })) {
      events.push(event.data.n);
      break;
    }
    const done = new Promise((resolve) => {
      synap.queue.worker("page", ({ payload }) => resolve(payload));
    });
    await synap.queue.publish("page", "work");
    return { values, events, work: await done };
  }
  main().then(
    (result) => fetch("/result", { method: "POST", body: JSON.stringify(result) }),
    (error) => fetch("/result", { method: "POST", body: JSON.stringify({ error: String(error) }) }),
  );
`;

// skipped where there is no Chromium: client-sdk/scripts/install-chromium.sh installs it
describe.skipIf(chromium === undefined)("in Chromium (scripts/install-chromium.sh installs it)", () => {
  it.each(["msgpack", "json"])(
    "speaks %s with a server that allows its origin",
    async (format) => {
      const script = await bundle(PAGE_PROGRAM, false);
      let told: (result: unknown) => void = () => {};
      const result = new Promise((resolve) => (told = resolve));
      const pages: Server = createServer((request, response) => {
        let body = "";
        request.on("data", (chunk: Buffer) => {
          body += chunk.toString();
        });
        request.on("end", () => {
          if (request.method === "POST") told(JSON.parse(body));
          response.setHeader("content-type", "text/html; charset=utf-8");
          response.end(request.method === "POST" ? "" : `<!doctype html><script type="module">${script}</script>`);
        });
      });
      pages.listen(0, "127.0.0.1");
      await once(pages, "listening");
      // It listens on TCP.
      const { port } = pages.address() as { port: number };
      const origin = `http://127.0.0.1:${port}`;
      const server = await ServerProcess.start({ settings: [`access.allowed_origins=${origin}`] });
      const browser = new Chromium(
        String(chromium),
        `${origin}/?server=${encodeURIComponent(server.url)}&format=${format}`,
      );
      try {
        expect(await result).toEqual({ values: [true, "1152921504606846976"], events: [1], work: "work" });
      } finally {
        await browser.end();
        pages.closeAllConnections();
        pages.close();
        await server.end();
      }
    },
    60_000,
  );
});
