/** TLS on every port, with certificates that are renewed while the server runs. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { readCertificate } from "../../src/access/certificate.ts";
import { configFromFlags } from "../../src/config/load.ts";
import { type Logger, silentLogger } from "../../src/runtime/logger.ts";
import { StartError } from "../../src/runtime/start-error.ts";
import { type RunningServer, startServer } from "../../src/server.ts";
import { TRANSPORT_FLAGS } from "../tested-transport.ts";
import { AccessServer } from "./access-server.ts";

const WAIT = { timeout: 15_000, interval: 50 };
const pathOf = (file: string) => fileURLToPath(new URL(`certificates/${file}`, import.meta.url));
const CA = [readFileSync(pathOf("first.crt")), readFileSync(pathOf("second.crt"))];

let server: AccessServer;
let certFile: string;
let keyFile: string;
const others: RunningServer[] = [];

beforeEach(() => {
  server = new AccessServer();
  certFile = join(server.directory, "server.crt");
  keyFile = join(server.directory, "server.key");
  use("first");
});
afterEach(async () => {
  await Promise.all(others.splice(0).map((each) => each.stop()));
  await server.end();
});

function use(name: string): void {
  copyFileSync(pathOf(`${name}.crt`), certFile);
  copyFileSync(pathOf(`${name}.key`), keyFile);
}

const tlsFlags = () => ["--set", `access.tls_cert_file=${certFile}`, "--set", `access.tls_key_file=${keyFile}`];

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly certificate: string;
}

function ask(url: string, body: object): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json" };
    const asked = request(`${url}/api/v1/command`, { method: "POST", headers, ca: CA, agent: false }, (response) => {
      const certificate = (response.socket as TLSSocket).getPeerCertificate().subject.CN as string;
      let text = "";
      response.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body: text, certificate }));
    });
    asked.on("error", reject);
    asked.end(JSON.stringify(body));
  });
}

async function resp(respUrl: string | undefined): Promise<{ socket: TLSSocket; name: string }> {
  const { hostname, port } = new URL(respUrl ?? "");
  const socket = connectTls({ host: hostname, port: Number(port), ca: CA });
  await once(socket, "secureConnect");
  return { socket, name: socket.getPeerCertificate().subject.CN as string };
}

const SET = { command: "kv.set", payload: { key: "k", value: 1 } };

describe("a server with a certificate", () => {
  it("speaks TLS on every port, and nothing else", async () => {
    await server.start(...tlsFlags());
    const { url, respUrl } = server.server;
    expect([url, respUrl]).toEqual([expect.stringMatching(/^https:/), expect.stringMatching(/^rediss:/)]);
    expect(await ask(url, SET)).toMatchObject({ status: 200, certificate: "synap test first" });
    const socket = new WebSocket(`${url.replace("https", "wss")}/api/v1/ws`, { ca: CA });
    await once(socket, "open");
    socket.send(JSON.stringify({ command: "kv.get", payload: { key: "k" } }));
    const [message] = (await once(socket, "message")) as [Buffer];
    expect(JSON.parse(message.toString())).toMatchObject({ payload: 1 });
    socket.terminate();
    const { socket: redis } = await resp(respUrl);
    redis.write("GET k\r\n");
    expect(String((await once(redis, "data"))[0])).toBe("$1\r\n1\r\n");
    redis.destroy();
    await expect(fetch(url.replace("https", "http"))).rejects.toThrow();
    const plain = await server.resp();
    plain.say("PING");
    await vi.waitFor(() => expect(plain.isClosed).toBe(true), WAIT);
    expect(plain.received).not.toContain("PONG");
    expect(await ask(url, SET)).toMatchObject({ status: 200 });
  });

  it("takes up a renewed one, and goes on with the connections that it has", async () => {
    await server.start(...tlsFlags());
    const { url, respUrl } = server.server;
    const { socket: old } = await resp(respUrl);
    const before = new WebSocket(`${url.replace("https", "wss")}/api/v1/ws`, { ca: CA });
    await once(before, "open");
    use("second");
    await vi.waitFor(async () => expect((await ask(url, SET)).certificate).toBe("synap test second"), WAIT);
    const renewed = await resp(respUrl);
    expect(renewed.name).toBe("synap test second");
    renewed.socket.destroy();
    old.write("PING\r\n");
    expect(String((await once(old, "data"))[0])).toBe("+PONG\r\n");
    before.send(JSON.stringify({ command: "kv.get", payload: { key: "k" } }));
    expect(String((await once(before, "message"))[0])).toContain('"payload":1');
    for (const name of ["first", "second", "first"]) {
      use(name);
      await vi.waitFor(async () => expect((await ask(url, SET)).certificate).toBe(`synap test ${name}`), WAIT);
    }
    old.destroy();
    before.terminate();
  });

  it("keeps the one it has where the new files cannot be used, and says so once", async () => {
    await server.start(...tlsFlags());
    copyFileSync(pathOf("second.crt"), certFile);
    const said = () => server.lines.filter((line) => line.includes("is not that of the certificate"));
    await vi.waitFor(() => expect(said()).toHaveLength(1), WAIT);
    expect(await ask(server.server.url, SET)).toMatchObject({ status: 200, certificate: "synap test first" });
    copyFileSync(pathOf("second.key"), keyFile);
    await vi.waitFor(async () => {
      expect((await ask(server.server.url, SET)).certificate).toBe("synap test second");
    }, WAIT);
    expect(said()).toHaveLength(1);
  });

  it("does not share its port with another", async () => {
    await server.start(...tlsFlags());
    const { port } = new URL(server.server.url);
    const second = startServer(
      configFromFlags(...TRANSPORT_FLAGS, "--no-persistence", "--resp-port", "0", "--port", port, ...tlsFlags()),
      silentLogger,
    );
    await expect(second).rejects.toThrow(StartError);
  });
});

describe("the health check of a container", () => {
  const program = fileURLToPath(new URL("../../bin/health-check.js", import.meta.url));
  /** Its exit code, and what it tells. */
  const checked = async (url: string) => {
    const check = spawn(process.execPath, [program], {
      env: { SYNAP_SERVER_PORT: new URL(url).port },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let told = "";
    check.stderr.on("data", (text: Buffer) => {
      told += text.toString();
    });
    const [code] = (await once(check, "close")) as [number | null];
    return { code, told };
  };

  it.each([
    ["in the clear", () => []],
    ["over TLS", tlsFlags],
  ])("finds a server that answers %s, and none that does not", async (_, flags) => {
    await server.token("app", ["*"]);
    await server.start(...flags());
    const { url } = server.server;
    expect(await checked(url)).toEqual({ code: 0, told: "" });
    await server.server.stop();
    expect(await checked(url)).toEqual({ code: 1, told: expect.stringContaining("ECONNREFUSED") });
  });

  it("does not take any answer for a healthy one, nor wait for ever", async () => {
    let answer = "503 Service Unavailable";
    const other = createServer((socket) => {
      socket.on("error", () => socket.destroy());
      if (answer !== "") socket.end(`HTTP/1.1 ${answer}\r\nContent-Length: 0\r\n\r\n`);
    });
    other.listen(0, "127.0.0.1");
    await once(other, "listening");
    const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    expect(await checked(url)).toEqual({ code: 1, told: expect.stringContaining("it answers 503") });
    answer = "";
    expect(await checked(url)).toEqual({ code: 1, told: expect.stringContaining("aborted") });
    other.close();
  });
});

describe("a replica", () => {
  it("links to a master with TLS and tokens, and to none whose certificate it cannot verify", async () => {
    const token = await server.token("replica", ["admin:*"]);
    const writer = await server.token("writer", ["kv:write:*", "admin:read"]);
    await server.start(
      "--set",
      "persistence.enabled=true",
      "--data-dir",
      join(server.directory, "master"),
      ...tlsFlags(),
    );
    const { url } = server.server;
    const lines: string[] = [];
    const note = (fields: unknown, sentence?: string) => lines.push(JSON.stringify([fields, sentence]));
    const logger: Logger = { ...silentLogger, info: note, warn: note, error: note };
    const replica = async (name: string, ...flags: string[]) => {
      const own = [...TRANSPORT_FLAGS, "--port", "0", "--resp-port", "0", "--replica-of", url];
      const config = configFromFlags(...own, "--data-dir", join(server.directory, name), ...flags);
      const started = await startServer(config, logger);
      others.push(started);
      return started;
    };
    const ca = ["--set", `replication.ca_file=${pathOf("first.crt")}`];
    await replica("unverified", "--set", `replication.token=${token}`);
    await vi.waitFor(() => expect(lines.join()).toContain("self-signed certificate"), WAIT);
    await replica("stranger", ...ca);
    await replica("reader", ...ca, "--set", `replication.token=${writer}`);
    await vi.waitFor(() => expect(lines.join()).toMatch(/server response: 401.*server response: 403/s), WAIT);
    const linked = await replica("linked", ...ca, "--set", `replication.token=${token}`);
    await vi.waitFor(async () => expect((await fetch(`${linked.url}/ready`)).status).toBe(200), WAIT);
    expect(lines.join()).not.toContain(token);
  });
});

describe("a certificate", () => {
  const NOW = Date.now();

  it("is read with its key and its end", async () => {
    const { expiresAtMs } = await readCertificate(pathOf("first.crt"), pathOf("first.key"), NOW);
    expect(new Date(expiresAtMs).getUTCFullYear()).toBeGreaterThan(2100);
  });

  it("that cannot be used is told of in a sentence", async () => {
    const missing = join(server.directory, "none");
    const nonsense = join(server.directory, "nonsense");
    writeFileSync(nonsense, "nonsense");
    const failure = (cert: string, key: string, nowMs = NOW) =>
      readCertificate(cert, key, nowMs).then(
        () => "",
        (error: Error) => `${error.name}: ${error.message}`,
      );
    const [cert, key] = [pathOf("first.crt"), pathOf("first.key")];
    expect(await failure(missing, key)).toMatch(/^StartError: access.tls_cert_file cannot be read: ENOENT/);
    expect(await failure(cert, missing)).toMatch(/^StartError: access.tls_key_file cannot be read: ENOENT/);
    expect(await failure(nonsense, key)).toContain("holds no certificate");
    expect(await failure(cert, nonsense)).toContain("holds no private key");
    expect(await failure(cert, pathOf("second.key"))).toContain("is not that of the certificate");
    expect(await failure(cert, key, Date.UTC(2200, 0))).toContain("has expired on 21");
    expect(await failure(cert, key, 0)).toContain("is valid from 20");
    expect(() => configFromFlags("--set", `access.tls_cert_file=${cert}`)).toThrow(/go together/);
  });
});
