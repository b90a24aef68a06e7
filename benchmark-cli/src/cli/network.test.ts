/**
 * A server as the README's "On a network" runs one, with TLS on every port and with tokens: every protocol can be measured there,
 * its deliveries are checked, and who is not let in is told why.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { RUN_MS_MAX, readReport, refusalOf, run, runHere } from "../../test/program-run.ts";
import { serverProgram } from "../servers/server-build.ts";
import { withoutToken } from "./session.ts";

const CERTIFICATES = fileURLToPath(new URL("../../../server/test/access/certificates/", import.meta.url));
const [CERTIFICATE, KEY, OTHER] = ["first.crt", "first.key", "second.crt"].map((file) => join(CERTIFICATES, file));

let directory: string;
let server: ChildProcess;
let url: string;
let respUrl: string;
let respPort: string;
/** Tokens that permit everything, and keys alone. */
let everything: string;
let keys: string;

/** Of the shell that runs the tests, nothing that a server or a client would read. */
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("SYNAP_")));

function createToken(name: string, allow: string): string {
  const args = [serverProgram(undefined), "token", "create", "--name", name, "--allow", allow];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { cwd: directory, env, encoding: "utf8" });
  expect(status, stderr).toBe(0);
  return stdout.trim().split(" ").at(-1) ?? "";
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "synap-benchmark-network-"));
  [everything, keys] = [createToken("everything", "*"), createToken("keys", "kv:write:*")];
  const tls = ["--set", `access.tls_cert_file=${CERTIFICATE}`, "--set", `access.tls_key_file=${KEY}`];
  const args = [serverProgram(undefined), "--port", "0", "--fsync", "interval", ...tls];
  server = spawn(process.execPath, args, { cwd: directory, env, stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  const ready = /ready: https:\/\/127\.0\.0\.1:(\d+) .*rediss:\/\/127\.0\.0\.1:(\d+)/;
  await new Promise<void>((resolve, reject) => {
    server.once("exit", (code) => reject(new Error(`the server ended with code ${code}: ${output}`)));
    server.stdout?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      if (ready.test(output)) resolve();
    });
  });
  const ports = output.match(ready) ?? [];
  respPort = ports[2];
  url = `https://localhost:${ports[1]}`;
  respUrl = `rediss://localhost:${respPort}`;
}, RUN_MS_MAX);
afterEach(() => vi.unstubAllEnvs());
afterAll(async () => {
  const gone = new Promise((resolve) => server.once("exit", resolve));
  server.kill();
  await gone;
  rmSync(directory, { recursive: true });
});

// skipped elsewhere: CPU time and memory of the clients are read from /proc
describe.skipIf(process.platform !== "linux")("a server with TLS and tokens", () => {
  const rooms = ["--rooms", "4", "--events-per-room", "50", "--subscribers-per-room", "4", "--duration", "0.2"];
  const topics = ["--topics", "50", "--messages", "1000", "--subscribers", "50", "--duration", "0.2"];

  it.each([
    ["kv", "http", "--duration", "0.3", "--keys", "500", "--loop", "closed"],
    ["queue", "ws", "--way", "subscribed", "--messages", "2000", "--duration", "0"],
    ["queue", "http", "--messages", "600", "--duration", "0"],
    ["queue", "resp", "--messages", "600", "--duration", "0.2"],
    ["stream", "ws", ...rooms],
    ["stream", "resp", ...rooms, "--clients", "1", "--replay-history", "false"],
    ["pubsub", "ws", ...topics],
    ["pubsub", "http", ...topics, "--clients", "1"],
  ])(
    "is measured: %s over %s, and no report has the token",
    { timeout: RUN_MS_MAX },
    async (name, protocol, ...sizes) => {
      const [json, html] = [join(directory, `${name}-${protocol}.json`), join(directory, `${name}-${protocol}.html`)];
      const args = ["--url", url, "--resp-port", respPort, "--ca", CERTIFICATE, "--overwrite", "--protocol", protocol];
      vi.stubEnv("SYNAP_TOKEN", everything);
      const output = await runHere([name, ...args, ...sizes, "--json", json, "--report", html]);
      expect(output).toContain("errors: none");
      const [{ errors, deliveries, phases, notes }] = readReport(json).results;
      expect(errors).toEqual({});
      expect(phases.every(({ done, serverCores }) => done > 0 && serverCores !== null)).toBe(true);
      if (name !== "kv") expect(deliveries?.expected).toBeGreaterThan(0);
      const mixes = name !== "kv" && protocol !== "ws";
      expect(notes.some((note) => note.includes("WebSocket") || note.includes("--way subscribed"))).toBe(mixes);
      for (const text of [output, readFileSync(json, "utf8"), readFileSync(html, "utf8")]) {
        expect(text).not.toContain(everything);
      }
    },
  );

  it("is told of a token by a flag, which is not shown, or by the environment", { timeout: RUN_MS_MAX }, async () => {
    const json = join(directory, "token.json");
    const args = ["kv", "--url", url, "--ca", CERTIFICATE, "--overwrite", "--duration", "0.2", "--keys", "100"];
    const all = [...args, "--loop", "closed", "--token", everything, "--json", json];
    const { code, output } = await run(all, undefined, { ...env, SYNAP_TOKEN: "another" });
    expect(output).toContain("errors: none");
    expect(code).toBe(0);
    expect(readReport(json).command).toContain("--token ... --json");
    expect(readFileSync(json, "utf8")).not.toContain(everything);
  });

  it("says who is not trusted, and what is no address", async () => {
    const { port } = new URL(url);
    vi.stubEnv("SYNAP_TOKEN", everything);
    expect(await refusalOf(["kv", "--url", url])).toContain("name the file of who signed it with --ca");
    expect(await refusalOf(["kv", "--url", respUrl, "--protocol", "resp", "--ca", OTHER])).toContain("--ca");
    expect(await refusalOf(["kv", "--url", `http://localhost:${port}`])).toContain("begins with https:// (rediss://");
    expect(await refusalOf(["kv", "--url", `redis://localhost:${respPort}`, "--protocol", "resp"])).toContain(
      "rediss://",
    );
    expect(await refusalOf(["kv", "--url", url, "--ca", KEY])).toContain("has no certificate in it");
    expect(await refusalOf(["kv", "--url", `http://localhost:${port}`, "--ca", CERTIFICATE])).toContain("speaks TLS");
    const withToken = await refusalOf(["kv", "--url", `https://all:${everything}@localhost:${port}`]);
    expect(withToken).toContain("give a token by SYNAP_TOKEN");
    expect(withToken).not.toContain(everything);
    for (const [flag, value] of [
      ["--ca", CERTIFICATE],
      ["--token", "x"],
      ["--resp-port", "1"],
    ]) {
      expect(await refusalOf(["kv", flag, value])).toContain(`${flag} is for a server that is there already`);
    }
  });

  it("says whom it does not let in before anything is measured", async () => {
    const known = ["--ca", CERTIFICATE, "--overwrite"];
    const overResp = ["kv", "--url", respUrl, "--protocol", "resp", ...known];
    expect(await refusalOf(["kv", "--url", url, ...known])).toContain("wants a token: set SYNAP_TOKEN to it");
    expect(await refusalOf(overResp)).toContain("wants a token: set SYNAP_TOKEN to it");
    vi.stubEnv("SYNAP_TOKEN", "synap_wrong");
    expect(await refusalOf(["queue", "--url", url, ...known])).toContain("refused the token");
    expect(await refusalOf(overResp)).toContain("refused the token");
    vi.stubEnv("SYNAP_TOKEN", "two words");
    expect(await refusalOf(overResp)).toContain("characters in it that no token has");
    vi.stubEnv("SYNAP_TOKEN", keys);
    for (const [name, needs] of [
      ["queue", "queue:write"],
      ["stream", "stream:write"],
      ["pubsub", "pubsub:write"],
    ]) {
      expect(await refusalOf([name, "--url", url, ...known])).toContain(`it needs ${needs}`);
    }
  });

  it("says what RESP alone is not enough for", async () => {
    vi.stubEnv("SYNAP_TOKEN", everything);
    const args = ["--url", respUrl, "--protocol", "resp", "--ca", CERTIFICATE, "--overwrite"];
    for (const name of ["queue", "stream", "pubsub"]) {
      expect(await refusalOf([name, ...args])).toContain("speaks RESP alone, which is enough for kv");
    }
    const unknown = ["queue", "--url", url, "--protocol", "resp", "--ca", CERTIFICATE, "--overwrite"];
    expect(await refusalOf(unknown)).toContain("say where its RESP is with --resp-port");
    expect(await refusalOf([...unknown, "--resp-port", "1"])).toContain("(RESP on ");
  });
});

describe("what a report shows of the arguments", () => {
  it("has neither tokens nor what an address has beside one", () => {
    const args = [
      "kv",
      "--token",
      "secret",
      "--token=secret",
      "--url",
      "https://me:other@host:1/",
      "ws://host?api_key=k",
    ];
    expect(withoutToken(args, "secret").join(" ")).toBe(
      "kv --token ... --token=... --url https://...@host:1/ ws://host?...",
    );
  });
});
