/** What Redis clients see of a master and its replica: ROLE, INFO, WAIT, and refused writes. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { configFromFlags } from "../../src/config/load.ts";
import { RESP_PORT } from "../../src/config/schema.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { type RunningServer, startServer } from "../../src/server.ts";
import { type Plain, plainReply, RawConnection } from "./differential/raw-connection.ts";

const directory = mkdtempSync(join(tmpdir(), "synap-resp-replication-"));
let master: RunningServer;
let replica: RunningServer;

function start(name: string, ...flags: string[]): Promise<RunningServer> {
  const own = ["--port", "0", "--log-level", "silent", "--data-dir", join(directory, name)];
  return startServer(configFromFlags(...own, ...flags), silentLogger);
}

async function ask(server: RunningServer, ...words: string[]): Promise<Plain> {
  const connection = await RawConnection.open(server.respUrl ?? "");
  try {
    return plainReply(await connection.call(...words));
  } finally {
    connection.close();
  }
}

beforeAll(async () => {
  master = await start("master");
  replica = await start("replica", "--replica-of", master.url);
  await vi.waitFor(async () => expect((await fetch(`${replica.url}/ready`)).status).toBe(200), 15_000);
}, 20_000);

afterAll(async () => {
  await replica?.stop();
  await master?.stop();
  rmSync(directory, { recursive: true, maxRetries: 5 });
});

describe("a master", () => {
  it("waits for its replica, and lists it", async () => {
    await ask(master, "set", "k", "v");
    expect(await ask(master, "wait", "1", "5000")).toBe(1);
    expect(await ask(master, "wait", "2", "1")).toBe(1);
    const port = new URL(replica.url).port;
    expect(await ask(master, "role")).toEqual([
      "master",
      expect.any(Number),
      [["127.0.0.1", port, expect.stringMatching(/^\d+$/)]],
    ]);
    expect(await ask(master, "info", "replication")).toMatch(
      new RegExp(`role:master\\r\\nconnected_slaves:1\\r\\nslave0:ip=127.0.0.1,port=${port},state=online,offset=\\d+`),
    );
  });

  it("does not wait in a transaction", async () => {
    const connection = await RawConnection.open(master.respUrl ?? "");
    for (const words of [["multi"], ["wait", "5", "0"]]) await connection.call(...words);
    expect(plainReply(await connection.call("exec"))).toEqual([1]);
    connection.close();
  });
});

describe("a replica", () => {
  it("answers reads and refuses writes as Redis does", async () => {
    await ask(master, "set", "read", "me");
    await ask(master, "wait", "1", "5000");
    expect(await ask(replica, "get", "read")).toBe("me");
    const refused = "-READONLY You can't write against a read only replica.";
    expect(await ask(replica, "set", "a", "b")).toBe(refused);
    expect(await ask(replica, "publish", "c", "m")).toBe(refused);
    expect(await ask(replica, "wait", "1", "1")).toMatch(/^-ERR WAIT cannot be used with replica instances/);
  });

  it("gathers no transaction that writes", async () => {
    const connection = await RawConnection.open(replica.respUrl ?? "");
    await connection.call("multi");
    expect(plainReply(await connection.call("set", "a", "b"))).toMatch(/^-READONLY/);
    expect(plainReply(await connection.call("exec"))).toMatch(/^-EXECABORT/);
    connection.close();
  });

  it("has any free port, as its master, where HTTP has", () => {
    expect(new URL(replica.respUrl ?? "").port).not.toBe(String(RESP_PORT));
  });

  it("tells whose it is", async () => {
    const { port } = new URL(master.url);
    expect(await ask(replica, "role")).toEqual(["slave", "127.0.0.1", Number(port), "connected", expect.any(Number)]);
    expect(await ask(replica, "info", "replication")).toContain(
      `role:slave\r\nmaster_host:127.0.0.1\r\nmaster_port:${port}\r\nmaster_link_status:up`,
    );
    expect(await ask(replica, "hello", "2")).toEqual(expect.arrayContaining(["role", "replica"]));
  });
});
