/** The built program as a person starts it: real processes, their output, signals and exit codes. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { version } from "../../src/config/version.ts";
import { ownEnvironment } from "../own-environment.ts";

const packageFolder = fileURLToPath(new URL("../..", import.meta.url));
const description: { readonly bin: Record<string, string>; readonly files: readonly string[] } = JSON.parse(
  readFileSync(join(packageFolder, "package.json"), "utf8"),
);
/** What npm links as `synap-server`. */
const program = join(packageFolder, description.bin["synap-server"]);

let directory: string;
let children: ChildProcess[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "synap-command-line-"));
  children = [];
});

afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(directory, { recursive: true });
});

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

class Process {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  #stdout = "";
  #stderr = "";
  #changed: () => void = () => {};

  constructor(command: string, args: readonly string[], environment: Record<string, string>, cwd = directory) {
    this.child = spawn(command, args, {
      cwd,
      env: { ...ownEnvironment(), ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    children.push(this.child);
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#stdout += text;
      this.#changed();
    });
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
    });
    this.ended = once(this.child, "close").then(([code]: unknown[]) => {
      this.#changed();
      return { code: typeof code === "number" ? code : null, stdout: this.#stdout, stderr: this.#stderr };
    });
  }

  /** The first line of the log whose message matches. */
  async logged(message: RegExp): Promise<string> {
    for (;;) {
      const line = this.#stdout.split("\n").find((each) => message.test(each));
      if (line !== undefined) return line;
      if (this.child.exitCode !== null) throw new Error(`it ended without logging ${message}: ${this.#stderr}`);
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }
}

function start(args: readonly string[], environment: Record<string, string> = {}): Process {
  return new Process(process.execPath, [program, ...args], environment);
}

function run(args: readonly string[], environment: Record<string, string> = {}): Promise<Ended> {
  return start(args, environment).ended;
}

describe("information", () => {
  it("--help explains every flag", async () => {
    const { code, stdout, stderr } = await run(["--help"]);
    expect([code, stderr]).toEqual([0, ""]);
    for (const flag of ["config", "host", "port", "max-memory", "log-level", "insecure", "set", "print-config"]) {
      expect(stdout).toContain(`--${flag}`);
    }
    expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(120);
  });

  it("--version prints the version alone", async () => {
    expect(await run(["--version"])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
  });

  it("--print-config prints what file, environment and flags give", async () => {
    writeFileSync(join(directory, "synap.yml"), "server:\n  port: 1001\n  host: 127.0.0.2\n  http2_enabled: true\n");
    const { code, stdout, stderr } = await run(["--print-config", "--max-memory", "512mb"], {
      SYNAP_SERVER_PORT: "1002",
    });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^server:\n {2}host: 127\.0\.0\.2\n {2}port: 1002\n/);
    expect(stdout).toContain("max_memory_bytes: 512mb");
    expect(stderr).toContain("server.http2_enabled has no effect");
    // What this machine allows is not for the file, which may be for another.
    expect(stdout).toContain("max_connections: 100000");
  });
});

describe("the program that npm links", () => {
  // npm links at `npm ci` what exists then, and dist/ does not.
  it("is in the checkout and in the package, and may be executed", () => {
    const path = description.bin["synap-server"];
    expect(description.files).toContain(path.split("/")[0]);
    expect(path).not.toMatch(/^dist/);
    if (process.platform !== "win32") expect(statSync(program).mode & 0o111).toBe(0o111);
  });

  it("says in one sentence that the server is not built", () => {
    const copied = join(directory, "bin", "synap-server.mjs");
    cpSync(program, copied);
    const { status, stdout, stderr } = spawnSync(process.execPath, [copied], { encoding: "utf8" });
    expect([status, stdout, stderr]).toEqual([
      1,
      "",
      "synap-server: the server is not built yet; run npm run build.\n",
    ]);
  });
});

describe("a start that cannot be", () => {
  const oneSentence = /^synap-server: [^\n]+\.\n$/;

  it.each([
    ["an unknown flag", ["--prot", "1"], {}, "--port"],
    ["a flag that npm took for its own", ["1"], { npm_lifecycle_event: "start", npm_config_port: "true" }, "--port 1"],
    ["a file that is not there", ["--config", "absent.yml"], {}, "absent.yml does not exist"],
    ["a mistyped variable", [], { SYNAP_SERVER_PROT: "1" }, "SYNAP_SERVER_PORT"],
    ["an open address", ["--host", "0.0.0.0"], {}, "--insecure"],
  ])("ends with one sentence and code 1: %s", async (_, args, environment, part) => {
    const { code, stdout, stderr } = await run(args, environment);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(oneSentence);
    expect(stderr).toContain(part);
  });

  it("names file and line of a bad key", async () => {
    writeFileSync(join(directory, "synap.yml"), "server:\n  port: 1\n  prot: 2\n");
    const { code, stderr } = await run([]);
    expect([code, stderr]).toEqual([
      1,
      "synap-server: synap.yml, line 3: there is no key server.prot; the nearest is server.port.\n",
    ]);
  });

  it("shows what would steer a terminal", async () => {
    writeFileSync(join(directory, "synap.yml"), '"ser\\nver\\e[2J": {}\n');
    const { code, stderr } = await run([]);
    expect([code, stderr]).toEqual([1, expect.stringMatching(oneSentence)]);
    expect(stderr).toContain("no section ser\\u000aver\\u001b[2J;");
  });

  it.each([
    ["is a file", "synap.yml", "it is a file"],
    ["lies below a file", "synap.yml/data", "ENOTDIR"],
    ["cannot be made", "/proc/synap", "mkdir '/proc"],
  ])("names a data directory that %s", async (_, path, why) => {
    writeFileSync(join(directory, "synap.yml"), "server:\n  port: 0\n");
    const { code, stderr } = await run(["--resp-port", "0", "--data-dir", path]);
    expect([code, stderr]).toEqual([1, expect.stringMatching(oneSentence)]);
    expect(stderr).toContain(`the data directory ${path} cannot be used: `);
    expect(stderr).toContain(why);
    expect(stderr).toContain("name another directory with --data-dir");
    const made = await run(["token", "create", "--name", "app", "--allow", "*", "--data-dir", path]);
    expect(made).toEqual({ code: 1, stdout: "", stderr: expect.stringMatching(oneSentence) });
    expect(made.stderr).toContain(`The tokens in ${path}/tokens.json cannot be written: `);
  });

  it("names a file of tokens that cannot be looked at", async () => {
    symlinkSync("loop", join(directory, "loop"));
    const { code, stdout, stderr } = await run(["--port", "0", "--resp-port", "0", "--data-dir", "loop"]);
    expect([code, stdout, stderr]).toEqual([1, "", expect.stringMatching(oneSentence)]);
    expect(stderr).toContain("loop/tokens.json cannot be looked at: ELOOP");
  });

  it("names a port in use", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const address = taken.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const { code, stderr } = await run(["--port", String(port)]);
    taken.close();
    expect(code).toBe(1);
    expect(stderr).toMatch(oneSentence);
    expect(stderr).toContain(`127.0.0.1:${port}: the port is in use`);
  });
});

describe("a server", () => {
  it.each(["SIGTERM", "SIGINT"] as const)(
    "says when it is ready, serves, stays up on SIGHUP, and ends with 0 on %s",
    async (signal) => {
      const server = start(["--port", "0"]);
      const ready: unknown = JSON.parse(await server.logged(/ ready: /));
      expect(ready).toMatchObject({
        pid: server.child.pid,
        msg: expect.stringMatching(
          /^synap \S+ ready: http:\/\/127\.0\.0\.1:\d+ \(ws:\/\/127\.0\.0\.1:\d+\/api\/v1\/ws\), redis:\/\/127\.0\.0\.1:\d+, pid \d+$/,
        ),
      });
      const [url] = /http:\/\/[^ ]+/.exec(JSON.stringify(ready)) ?? [""];
      server.child.kill("SIGHUP");
      await server.logged(/SIGHUP/);
      const health = await fetch(`${url}/health`);
      expect(await health.json()).toEqual({ status: "healthy", service: "synap", version });
      server.child.kill(signal);
      const { code, stdout, stderr } = await server.ended;
      expect([code, stderr]).toEqual([0, ""]);
      expect(stdout).toContain(`${signal}: stopping`);
      expect(stdout.trimEnd().split("\n").at(-1)).toContain('"msg":"stopped"');
    },
  );

  it("logs one JSON object per line to a pipe, lines for people on request, and keeps to the level", async () => {
    const pretty = start(["--port", "0", "--set", "logging.format=pretty"]);
    expect(await pretty.logged(/ ready: /)).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: synap /);
    pretty.child.kill("SIGTERM");
    expect((await pretty.ended).code).toBe(0);

    const quiet = start([
      "--port",
      "0",
      "--log-level",
      "warn",
      "--set",
      "server.http2_enabled=true",
      "--set",
      "server.max_connections=100",
    ]);
    const line: unknown = JSON.parse(await quiet.logged(/http2/));
    expect(line).toMatchObject({ level: 40, msg: expect.stringContaining("has no effect") });
    quiet.child.kill("SIGTERM");
    expect((await quiet.ended).stdout.trimEnd().split("\n")).toHaveLength(1);
  });

  it("is the process that npm start signals, with no shell between", async () => {
    const checkout = join(packageFolder, "..");
    const root: { readonly scripts: { readonly start: string } } = JSON.parse(
      readFileSync(join(checkout, "package.json"), "utf8"),
    );
    // As npm does it: the arguments after the script, all of it by a shell.
    const script = `${root.scripts.start} --port 0 --no-persistence --set logging.format=json`;
    const server = new Process("sh", ["-c", script], {}, checkout);
    expect(JSON.parse(await server.logged(/ ready: /))).toMatchObject({ pid: server.child.pid });
    server.child.kill("SIGTERM");
    expect((await server.ended).code).toBe(0);
  });
});
