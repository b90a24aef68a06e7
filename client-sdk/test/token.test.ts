/** Tokens that are refused, or end while a client is connected. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { connect, type SynapClient, UnauthorizedError } from "../src/index.ts";
import { failure } from "./condition.ts";
import { ServerProcess } from "./server-process.ts";

let directory: string;
let server: ServerProcess;
let admin: SynapClient;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "synap-token-"));
  server = await ServerProcess.start({ dataDirectory: directory });
  const open = await connect(server.url);
  const { token } = await open.admin.tokens.create("admin", ["*"]);
  await open.close();
  admin = await connect(server.url, { token });
});

afterAll(async () => {
  await admin.close();
  await server.end();
  rmSync(directory, { recursive: true });
});

it("a token that is not valid is told when connecting", async () => {
  expect(await failure(connect(server.url, { token: "wrong" }))).toBeInstanceOf(UnauthorizedError);
  expect(await failure(connect(server.url))).toMatchObject({
    code: expect.stringMatching(/UNAUTHORIZED|CONNECTION_FAILED/),
  });
});

it("a token that is revoked ends what waits, what comes and what is followed", async () => {
  const { token } = await admin.admin.tokens.create("app", ["kv:read:*", "stream:read:*"]);
  await admin.stream.getOrCreate("room");
  const app = await connect(server.url, { token, reconnect: { initialMs: 5, maxMs: 50 } });
  expect(await app.kv.get("nothing")).toBeNull();
  const room = app.stream.subscribe("room", { fromOffset: 0 });
  await room.ready;
  const next = failure(room.next());
  await admin.admin.tokens.revoke("app");
  expect(await next).toBeInstanceOf(UnauthorizedError);
  expect(await failure(app.kv.get("nothing"))).toBeInstanceOf(UnauthorizedError);
  await app.close();
});
