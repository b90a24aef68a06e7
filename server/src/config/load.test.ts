import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { StartError } from "../runtime/start-error.ts";
import { readCommandLine } from "./command-line.ts";
import { readEnvironment } from "./environment.ts";
import { parseConfigFile } from "./file.ts";
import { checkListenAddress, configFromFlags, isLoopback, loadConfig, resolveConfig } from "./load.ts";
import { configAsYaml, describeConfig } from "./print.ts";
import { camelCase, KEYS } from "./schema.ts";

const MB = 2 ** 20;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "synap-config-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

function fileWith(content: string | Uint8Array): string {
  const path = join(directory, "synap.yml");
  writeFileSync(path, content);
  return path;
}

/** The sentence a start with this file, environment and flags ends with. */
async function refusal(content: string | undefined, environment = {}, ...flags: string[]): Promise<string> {
  const file = content === undefined ? [] : ["--config", fileWith(content)];
  const failure = await load(environment, ...file, ...flags).then(
    () => "it was accepted",
    (error: unknown) => error,
  );
  if (!(failure instanceof StartError)) throw failure;
  return failure.message.replaceAll(directory, "DIR");
}

// An async function, so that a refused flag is a rejection too.
async function load(environment: Record<string, string>, ...flags: string[]) {
  return await loadConfig(readCommandLine(flags), environment, 1_000_000);
}

describe("the table of keys", () => {
  it("has defaults that are allowed, shown as they are read, and consistent", () => {
    for (const { path, setting } of KEYS) {
      const shown = setting.show(setting.default as never);
      expect(setting.read(shown), path).toEqual(setting.default);
      expect(setting.description, path).toMatch(/^.{10,250}\.$/s);
    }
    resolveConfig([]);
  });

  it("maps names by one rule", () => {
    expect(camelCase("max_memory_bytes")).toBe("maxMemoryBytes");
    expect(KEYS.find((key) => key.path === "kv_store.max_memory_bytes")?.environmentName).toBe(
      "SYNAP_KV_STORE_MAX_MEMORY_BYTES",
    );
  });

  it("has the specification's defaults", () => {
    expect(configFromFlags()).toMatchObject({
      server: {
        host: "127.0.0.1",
        port: 15500,
        maxConnections: 100_000,
        connectionTimeoutSecs: 60,
        idleTimeoutSecs: 300,
      },
      protocol: { compression: true, compressionThresholdBytes: 1024 },
      kvStore: { evictionPolicy: "none" },
    });
  });
});

describe("the layers", () => {
  it("win in the order file, environment, flag", async () => {
    const file = [
      "--config",
      fileWith("server:\n  port: 1001\n  host: localhost\nkv_store:\n  max_memory_bytes: 64mb\n"),
    ];
    const environment = { SYNAP_SERVER_PORT: "1002", SYNAP_KV_STORE_MAX_MEMORY_BYTES: "128mb", PATH: "/bin" };
    const { config } = await load(environment, ...file, "--port", "1003");
    expect([config.server.port, config.server.host, config.kvStore.maxMemoryBytes]).toEqual([
      1003,
      "localhost",
      128 * MB,
    ]);
    expect((await load(environment, ...file)).config.server.port).toBe(1002);
    expect((await load({}, ...file)).config.server.port).toBe(1001);
  });

  it("lets the last of the same flag win, --set among them", () => {
    expect(configFromFlags("--port", "1", "--set", "server.port=2").server.port).toBe(2);
    expect(configFromFlags("--set", "server.port=2", "--port=1").server.port).toBe(1);
  });

  it("gives a configuration that is frozen through and through", () => {
    const config = configFromFlags("--set", "access.allowed_origins=https://a.example");
    for (const part of [config, ...Object.values(config), config.access.allowedOrigins]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });

  it("checks a bad value in the file also where a flag replaces it", async () => {
    expect(await refusal("server:\n  port: much\n", {}, "--port", "1")).toContain('server.port is "much"');
  });
});

describe("the file", () => {
  it("may be empty, hold empty sections, comments, lists and aliases of keys", async () => {
    for (const content of ["", "# nothing\n", "server:\n", "---\n", "server: {}\n"]) {
      expect((await load({}, "--config", fileWith(content))).config).toEqual(configFromFlags());
    }
    const { config } = await load(
      {},
      "--config",
      fileWith("protocol:\n  compression_threshold: 2kb # alias\naccess:\n  allowed_origins: [https://a.example]\n"),
    );
    expect(config.protocol.compressionThresholdBytes).toBe(2048);
    expect(config.access.allowedOrigins).toEqual(["https://a.example"]);
  });

  it.each([
    [
      "server:\n  host: localhost\n  prot: 80\n",
      "DIR/synap.yml, line 3: there is no key server.prot; the nearest is server.port.",
    ],
    ["\nserber:\n  port: 80\n", "DIR/synap.yml, line 2: there is no section serber; the nearest is server."],
    ["server:\n  port: 99999\n", "DIR/synap.yml, line 2: server.port is 99999; allowed is an integer from 0 to 65535."],
    [
      "kv_store:\n  eviction_policy: random\n",
      'DIR/synap.yml, line 2: kv_store.eviction_policy is "random"; allowed is one of none, lru, lfu, ttl.',
    ],
    ["server:\n  port:\n", "DIR/synap.yml, line 2: server.port is null; allowed is an integer from 0 to 65535."],
    ["server: 5\n", "DIR/synap.yml, line 1: server is a section and must hold keys, one per line below it."],
    ["server:\n  port: *other\n", "DIR/synap.yml, line 2: *other refers to another place; write the value out here."],
    [
      "server: &a\n  port: 1\nmetrics: *a\n",
      "DIR/synap.yml, line 3: *a refers to another place; write the value out here.",
    ],
    [
      "server:\n  port: 1\n---\nserver:\n  port: 2\n",
      "DIR/synap.yml, line 3: a second document begins here, and the file must be one.",
    ],
    [`server: ${"[".repeat(3000)}`, "DIR/synap.yml, line 1: this is nested too deeply for sections with keys."],
    ["server:\n  ? [port]\n  : 1\n", "DIR/synap.yml, line 2: the name of a key must be plain text."],
    [
      "mystery:\n  fsync: always\n",
      "DIR/synap.yml, line 1: there is no section mystery; there are server, protocol, kv_store, queue, stream, pubsub, transaction, persistence, replication, access, slowlog, logging, metrics.",
    ],
    [
      "slowlog:\n  path: a\n",
      "DIR/synap.yml, line 2: there is no key slowlog.path; slowlog has threshold_ms, max_entries.",
    ],
    [
      "protocol:\n  compression_threshold: 2kb\n  compression_threshold_bytes: 3kb\n",
      "DIR/synap.yml, line 3: this is another name of protocol.compression_threshold_bytes, which DIR/synap.yml, line 2 gives; keep one of them.",
    ],
    ["- a\n- b\n", 'DIR/synap.yml, line 1: the file must hold sections, such as "server:", with keys.'],
  ])("%j is refused", async (content, sentence) => expect(await refusal(content)).toBe(sentence));

  it.each([
    ["server:\n  port: [1\n", /^DIR\/synap\.yml, line \d: this is not valid YAML: [^\n]+\.$/],
    ["server:\n  port: 1\n  port: 2\n", /line 3: this is not valid YAML: Map keys must be unique/],
    ["server:\n\tport: 1\n", /line 2: this is not valid YAML/],
  ])("%j is refused as YAML", async (content, sentence) => expect(await refusal(content)).toMatch(sentence));

  it("that is named must exist and be readable", async () => {
    expect(await refusal(undefined, {}, "--config", join(directory, "absent.yml"))).toBe(
      "The configuration file DIR/absent.yml does not exist.",
    );
    expect(await refusal(undefined, {}, "--config", directory)).toBe(
      "The configuration file DIR cannot be read: it is a directory.",
    );
    fileWith(Uint8Array.of(0x61, 0xff, 0xfe));
    expect(await refusal(undefined, {}, "--config", join(directory, "synap.yml"))).toBe(
      "The configuration file DIR/synap.yml cannot be read: it is not UTF-8 text.",
    );
  });

  it("is a regular file of at most 1 MB", async () => {
    const unreadable = (path: string) => refusal(undefined, {}, "--config", path);
    expect(await unreadable("/dev/zero")).toBe(
      "The configuration file /dev/zero cannot be read: it is not a regular file.",
    );
    const pipe = join(directory, "pipe");
    execFileSync("mkfifo", [pipe]);
    expect(await unreadable(pipe)).toBe("The configuration file DIR/pipe cannot be read: it is not a regular file.");
    expect(await refusal("#".repeat(MB + 1))).toContain("it is larger than 1 MB.");
    expect((await load({}, "--config", fileWith("#".repeat(MB)))).config).toEqual(configFromFlags());
  });

  it("warns of the original's http2 keys and ignores them", async () => {
    const layer = await parseConfigFile("f.yml", "server:\n  http2_enabled: true\nprotocol:\n  http2: {max: 5}\n");
    expect(layer.assignments).toEqual([]);
    expect(layer.warnings).toEqual([
      "f.yml, line 2: server.http2_enabled has no effect, this server does not speak HTTP/2",
      "f.yml, line 4: protocol.http2 has no effect, this server does not speak HTTP/2",
    ]);
  });
});

describe("the environment", () => {
  it("names every key, aliases among them", () => {
    for (const { environmentName, path } of KEYS) {
      expect(readEnvironment({ [environmentName]: "x" }).assignments[0].key.path).toBe(path);
    }
    expect(readEnvironment({ SYNAP_PROTOCOL_COMPRESSION_THRESHOLD: "1" }).assignments[0].key.name).toBe(
      "compression_threshold_bytes",
    );
  });

  it("is refused with the variable, the value and what is allowed", async () => {
    expect(await refusal(undefined, { SYNAP_SERVER_PROT: "1" })).toBe(
      "SYNAP_SERVER_PROT is not a setting of this server; the nearest is SYNAP_SERVER_PORT.",
    );
    expect(await refusal(undefined, { SYNAP_KV_STORE_MAX_MEMORY_BYTES: "lots" })).toBe(
      'SYNAP_KV_STORE_MAX_MEMORY_BYTES: kv_store.max_memory_bytes is "lots"; allowed is a size from 1mb to 16gb, or 0 for no limit.',
    );
    const twice = { SYNAP_PROTOCOL_COMPRESSION_THRESHOLD: "1", SYNAP_PROTOCOL_COMPRESSION_THRESHOLD_BYTES: "2" };
    expect(await refusal(undefined, twice)).toBe(
      "SYNAP_PROTOCOL_COMPRESSION_THRESHOLD_BYTES: this is another name of protocol.compression_threshold_bytes, " +
        "which SYNAP_PROTOCOL_COMPRESSION_THRESHOLD gives; keep one of them.",
    );
  });

  it("warns of http2 variables", () => {
    expect(readEnvironment({ SYNAP_SERVER_HTTP2_ENABLED: "true" }).warnings).toHaveLength(1);
  });

  it("is not confused by the variables Kubernetes sets for a service named synap or synap-server", async () => {
    const { config, warnings } = await load({
      SYNAP_SERVICE_HOST: "10.0.0.1",
      SYNAP_SERVICE_PORT: "15500",
      SYNAP_SERVICE_PORT_HTTP: "15500",
      SYNAP_PORT: "tcp://10.0.0.1:15500",
      SYNAP_PORT_15500_TCP: "tcp://10.0.0.1:15500",
      SYNAP_PORT_15500_TCP_ADDR: "10.0.0.1",
      SYNAP_SERVER_PORT: "tcp://10.0.0.1:15500",
    });
    expect(config).toEqual(configFromFlags());
    expect(warnings).toEqual([
      "SYNAP_SERVER_PORT is ignored: tcp://10.0.0.1:15500 is what Kubernetes sets for a service of that name",
    ]);
  });
});

describe("the flags", () => {
  it("set what they say", () => {
    const config = configFromFlags(
      ...["--host", "0.0.0.0", "--insecure", "--port=0", "--max-memory", "512mb", "--log-level", "debug"],
      ...["--set", "slowlog.threshold_ms=-1", "--set", "access.allowed_hosts=a.example,b.example"],
    );
    expect(config.server).toMatchObject({ host: "0.0.0.0", port: 0 });
    expect(config.kvStore.maxMemoryBytes).toBe(512 * MB);
    expect(config.logging.level).toBe("debug");
    expect(config.slowlog.thresholdMs).toBe(-1);
    expect(config.access).toMatchObject({ insecure: true, allowedHosts: ["a.example", "b.example"] });
  });

  it("has one that switches the disk off", () => {
    expect(configFromFlags().persistence).toMatchObject({ enabled: true, directory: "data", fsync: "always" });
    const flags = ["--no-persistence", "--data-dir", "/data", "--fsync", "interval"];
    expect(configFromFlags(...flags).persistence).toMatchObject({
      enabled: false,
      directory: "/data",
      fsync: "interval",
    });
  });

  it.each([
    [["--prot", "1"], "There is no flag --prot; the nearest is --port."],
    [["-x"], "There is no flag -x; synap-server --help shows all flags, and --set KEY=VALUE sets any key."],
    [["--constructor"], /^There is no flag --constructor; synap-server --help shows/],
    [["--replica-of", "a b"], /^--replica-of: replication.master_url is "a b"; allowed is an address/],
    [
      ["--replica-of", "https://me:secret@m.example:1"],
      /master_url is "https:\/\/m.example:1..."; allowed is an address/,
    ],
    [
      ["--replica-of", "m.example/?api_key=secret"],
      /master_url is "m.example..."; .*a token is for `replication.token`/,
    ],
    [
      ["--replica-of", "localhost:99999"],
      /^replication.master_url localhost:99999 is no address: give a host and a port/,
    ],
    [["--replica-of", "a:1", "--no-persistence"], /^A replica keeps its master's log on disk/],
    [["--set", "replication.role=replica"], /^replication.role is replica, and replication.master_url does not say/],
    [["--no-persistence", "--set", "replication.min_replicas_for_write=1"], /needs replicas, and those need/],
    [["--set", "replication.heartbeat_ms=2501"], /link_timeout_ms 5000 must be at least twice .*heartbeat_ms 2501/],
    [["--fsync", "sometimes"], '--fsync: persistence.fsync is "sometimes"; allowed is one of always, interval, never.'],
    [["--no-persistence=no"], "--no-persistence takes no value."],
    [["--port"], "--port needs a value: --port N."],
    [["--port", "--insecure"], "--port needs a value: --port N."],
    [["--port="], "--port needs a value: --port N."],
    [["--insecure=yes"], "--insecure takes no value."],
    [["--port", "abc"], '--port: server.port is "abc"; allowed is an integer from 0 to 65535.'],
    [["--set", "port"], "--set needs a key and a value: --set port=VALUE."],
    [["--set", "=1"], /^--set needs a key and a value/],
    [
      ["--set", "kv_store.evict=lru"],
      "--set: there is no key kv_store.evict; the nearest is kv_store.eviction_policy.",
    ],
    [["--set", "server.constructor=1"], "--set: there is no key server.constructor; --print-config shows all keys."],
    [["serve"], 'There is no command "serve"; see synap-server --help.'],
  ])("%j is refused", async (flags, sentence) => {
    const message = await refusal(undefined, {}, ...flags);
    if (typeof sentence === "string") expect(message).toBe(sentence);
    else expect(message).toMatch(sentence);
  });

  it("that npm start takes for itself are told from others", async () => {
    const underNpm = (taken: Record<string, string>) => ({ npm_lifecycle_event: "start", ...taken });
    expect(() => readCommandLine(["16000"], underNpm({ npm_config_port: "true" }))).toThrow(
      'There is no command "16000"; put -- before the server\'s flags, as in npm start -- --port 16000.',
    );
    expect(() => readCommandLine(["serve"], underNpm({}))).toThrow('There is no command "serve"; see synap-server');
    const { warnings } = readCommandLine([], underNpm({ npm_config_port: "16000", npm_config_max_memory: "true" }));
    expect(warnings).toEqual([
      "npm has taken --port for its own: put -- before the server's flags, as in npm start -- --port 16000",
      "npm has taken --max-memory for its own: put -- before the server's flags, as in npm start -- --max-memory SIZE",
    ]);
    expect(readCommandLine([], { npm_lifecycle_event: "test", npm_config_port: "1" }).warnings).toEqual([]);
  });

  it("ask for one action", () => {
    expect(["-h", "--version", "--print-config", "--insecure"].map((flag) => readCommandLine([flag]).action)).toEqual([
      "help",
      "version",
      "print-config",
      "serve",
    ]);
  });

  it("accept http2 keys by --set with a warning", () => {
    expect(readCommandLine(["--set", "server.http2_enabled=true"]).warnings).toHaveLength(1);
  });
});

describe("keys that must fit together", () => {
  it("refuses an address others can reach, unless one has to log in or told that it is meant", () => {
    const check = (mustLogIn: boolean, ...flags: string[]) => checkListenAddress(configFromFlags(...flags), mustLogIn);
    expect(() => check(false, "--host", "0.0.0.0")).toThrow(/^server\.host 0\.0\.0\.0 .*token create.*--insecure/);
    expect(() => check(false, "--host", "synap.example")).toThrow("--insecure");
    // The token has to be where this server looks for it.
    const file = "--set access.tokens_file=FILE";
    expect(() => check(false, "--host", "::", "--data-dir", "shop")).toThrow("--allow LIST --data-dir shop,");
    expect(() => check(false, "--host", "::", "--no-persistence")).toThrow(
      `${file} here and in synap-server token create`,
    );
    expect(() => check(false, "--host", "::", "--set", "access.tokens_file=t")).toThrow("--set access.tokens_file=t,");
    check(false, "--host", "::", "--insecure");
    check(true, "--host", "0.0.0.0");
    check(false, "--host", "127.0.0.1");
  });

  it("knows the loopback", () => {
    for (const host of ["127.0.0.1", "127.1.2.3", "::1", "localhost", "LOCALHOST"]) expect(isLoopback(host)).toBe(true);
    for (const host of ["0.0.0.0", "::", "10.0.0.1", "127.example.com", "localhost.example", "128.0.0.1"]) {
      expect(isLoopback(host), host).toBe(false);
    }
  });

  it("refuses a value that no request could carry and a reply that no outbox could hold", async () => {
    expect(await refusal(undefined, {}, "--set", "kv_store.max_value_bytes=16mb")).toContain("must be below");
    expect(await refusal(undefined, {}, "--set", "protocol.outbox_bytes_max=1mb")).toContain("must not be over");
  });
});

it("lowers the connections to what the limit of open files allows, with a warning", async () => {
  const withLimit = (limit: number, ...flags: string[]) => loadConfig(readCommandLine(flags), {}, limit);
  const { config, warnings } = await withLimit(19_900);
  // Nobody has asked for the default.
  expect([config.server.maxConnections, warnings]).toEqual([19_900, []]);
  const lowered = await withLimit(19_900, "--set", "server.max_connections=30000");
  expect(lowered.config.server.maxConnections).toBe(19_900);
  expect(lowered.warnings).toEqual([
    expect.stringMatching(/^server\.max_connections is lowered from 30000 to 19900, /),
  ]);
  for (const [limit, asked] of [
    [19_900, 19_900],
    [Number.POSITIVE_INFINITY, 100_000],
  ]) {
    const kept = await withLimit(limit, "--set", `server.max_connections=${asked}`);
    expect([kept.config.server.maxConnections, kept.warnings]).toEqual([asked, []]);
  }
});

describe("the printed configuration", () => {
  it("is a file that gives the same configuration", async () => {
    const config = configFromFlags(
      ...["--max-memory", "0", "--port", "1", "--set", "access.allowed_origins=https://a.example,https://b.example"],
      ...["--set", "protocol.compression=false", "--set", "slowlog.threshold_ms=-1"],
    );
    const { assignments } = await parseConfigFile("printed.yml", await configAsYaml(config));
    expect(assignments).toHaveLength(KEYS.length);
    expect(resolveConfig(assignments)).toEqual(config);
  });

  it("has the keys of the file", () => {
    expect(describeConfig(configFromFlags())).toMatchObject({ kv_store: { max_memory_bytes: "2gb" } });
  });
});
