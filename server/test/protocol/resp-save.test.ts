/** What Redis clients see of the disk, and admin.snapshot, on a server that has one and on one that has not. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { configFromFlags } from "../../src/config/load.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { type RunningServer, startServer } from "../../src/server.ts";
import { type Plain, plainReply, RawConnection } from "./differential/raw-connection.ts";

let server: RunningServer | undefined;
let directory: string | undefined;

afterEach(async () => {
  await server?.stop();
  if (directory !== undefined) rmSync(directory, { recursive: true });
  server = undefined;
  directory = undefined;
});

async function start(...flags: string[]): Promise<RunningServer> {
  server = await startServer(configFromFlags("--port", "0", "--log-level", "silent", ...flags), silentLogger);
  return server;
}

async function startWithDisk(...flags: string[]): Promise<RunningServer> {
  directory ??= mkdtempSync(join(tmpdir(), "synap-save-"));
  return start("--data-dir", directory, ...flags);
}

async function ask(...words: string[]): Promise<Plain> {
  const connection = await RawConnection.open(server?.respUrl ?? "");
  const reply = plainReply(await connection.call(...words));
  connection.close();
  return reply;
}

interface Answer {
  readonly success: boolean;
  readonly code?: string;
  readonly error?: string;
  readonly payload?: Record<string, unknown>;
}

async function run(command: string): Promise<Answer> {
  const reply = await fetch(`${server?.url}/api/v1/command`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ command, payload: {} }),
  });
  return (await reply.json()) as Answer;
}

async function persistence(): Promise<Record<string, unknown>> {
  return (await run("admin.info")).payload?.persistence as Record<string, unknown>;
}

const snapshotsIn = (): string[] => readdirSync(directory ?? "").filter((name) => /^snapshot-\d/.test(name));

it("without a disk nothing can be saved, and it says so", async () => {
  await start("--no-persistence");
  expect(await ask("bgsave")).toBe("-ERR nothing is kept on disk here: persistence.enabled is false");
  expect(await ask("save")).toMatch(/^-ERR SAVE is not supported/);
  expect(await ask("config", "get", "appendonly", "save")).toEqual(["appendonly", "no", "save", ""]);
  expect(await ask("info", "persistence")).toContain("aof_enabled:0\r\n");
  expect(await ask("lastsave")).toBeGreaterThan(1_700_000_000);
  expect(await run("admin.snapshot")).toMatchObject({ success: false, code: "INVALID_REQUEST" });
  expect(await persistence()).toEqual({ enabled: false });
});

it("admin.snapshot begins one and answers at once; admin.info shows it, and the next start begins with it", async () => {
  await startWithDisk();
  await ask("set", "k", "v");
  const before = await persistence();
  expect(before).toMatchObject({
    enabled: true,
    directory,
    fsync: "always",
    segments: 1,
    log_bytes: 16 * 2 ** 20,
    snapshot_in_progress: false,
  });
  expect(before).not.toHaveProperty("last_snapshot");
  expect(before).not.toHaveProperty("refusing_writes");
  expect(before.free_bytes).toBeGreaterThan(0);
  const begun = await Promise.all([run("admin.snapshot"), run("admin.snapshot")]);
  const offset = Number(before.durable_offset);
  expect(begun.map(({ payload }) => payload)).toEqual([
    { started: true, offset },
    { started: false, offset },
  ]);
  await expect.poll(persistence).toMatchObject({ snapshot_in_progress: false, last_snapshot: { offset } });
  const { last_snapshot } = await persistence();
  const number = expect.any(Number) as number;
  expect(last_snapshot).toEqual({ offset, bytes: number, at: number, seconds: number });
  await server?.stop();
  await startWithDisk();
  const after = await persistence();
  expect(after.last_snapshot).toEqual({ ...(last_snapshot as object), seconds: undefined });
  expect(await ask("get", "k")).toBe("v");
});

it("BGSAVE is admin.snapshot, LASTSAVE and INFO tell of it", async () => {
  await startWithDisk("--fsync", "interval", "--set", "persistence.snapshot_interval_secs=600");
  await ask("set", "k", "v");
  const startedAt = Number(await ask("lastsave"));
  const connection = await RawConnection.open(server?.respUrl ?? "");
  await connection.call("multi");
  await connection.call("set", "in", "a transaction");
  await connection.call("bgsave");
  expect(plainReply(await connection.call("exec"))).toEqual(["+OK", expect.stringContaining("within a transaction")]);
  connection.close();
  expect(await ask("bgsave")).toBe("+Background saving started");
  await expect.poll(snapshotsIn).toHaveLength(1);
  await expect.poll(() => ask("info", "persistence")).toContain("rdb_bgsave_in_progress:0\r\n");
  expect(await ask("info", "persistence")).toMatch(
    /aof_enabled:1\r\n[\s\S]*aof_last_write_status:ok\r\n[\s\S]*aof_current_size:16777216\r\n/,
  );
  const { last_snapshot } = await persistence();
  const seconds = Math.round((last_snapshot as { readonly seconds: number }).seconds);
  expect(await ask("info", "persistence")).toContain(
    `rdb_last_bgsave_status:ok\r\nrdb_last_bgsave_time_sec:${seconds}\r\n`,
  );
  expect(Number(await ask("lastsave"))).toBeGreaterThanOrEqual(startedAt);
  expect(await ask("config", "get", "append*", "save", "dir")).toEqual([
    "appendfsync",
    "everysec",
    "appendonly",
    "yes",
    "save",
    "600 1",
    "dir",
    directory,
  ]);
  const replies = await Promise.all([ask("bgsave"), ask("bgsave")]);
  expect(replies.sort()).toEqual(["+Background saving started", "-ERR Background save already in progress"]);
});

it("a disk that is nearly full takes no snapshot, and both say why", async () => {
  await startWithDisk("--set", "persistence.reserve_bytes=1024gb");
  // How much is free may change from one look to the next.
  const reason = "the disk is nearly full \\(\\d+ MB left, 1048576 MB are kept in reserve\\): make room";
  const refused = new RegExp(`^-SERVICE_UNAVAILABLE ${reason}`);
  expect((await persistence()).refusing_writes).toMatch(new RegExp(`^${reason}`));
  const answer = await run("admin.snapshot");
  expect(answer).toMatchObject({ success: false, code: "SERVICE_UNAVAILABLE" });
  expect(answer.error).toMatch(new RegExp(`^${reason}`));
  expect(await ask("bgsave")).toMatch(refused);
  expect(await ask("set", "k", "v")).toMatch(refused);
  expect(await ask("get", "k")).toBeNull();
  expect(await ask("info", "persistence")).toContain("aof_last_write_status:err\r\n");
});
