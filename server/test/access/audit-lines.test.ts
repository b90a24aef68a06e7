/** What the audit log is told of, command by command: of what ran and of what was refused, each once, and of arguments nothing. */
import { describe, expect, it, vi } from "vitest";
import { Grant } from "../../src/access/grant.ts";
import { parsePermissions } from "../../src/access/permission.ts";
import { Connection, Fixture } from "../dispatcher-fixture.ts";
import { respDispatcher, respPeer, say } from "../resp-fixture.ts";

function grantOf(...allow: string[]): Grant {
  const permissions = parsePermissions(allow);
  if (typeof permissions === "string") throw new Error(permissions);
  return new Grant("tester", permissions);
}

/** A fixture where one has to log in, and what its audit log is told. */
function audited() {
  const fixture = new Fixture();
  const { access } = fixture.engine;
  access.turnOn();
  const record = vi.spyOn(access.audit, "record");
  const connect = (...allow: string[]): Connection => {
    const connection = new Connection("websocket");
    connection.grant = allow.length === 0 ? access.newcomer : grantOf(...allow);
    return connection;
  };
  return {
    fixture,
    access,
    connect,
    /** The lines since they were last looked at, as `kind token command`, with `ok` of what ran. */
    lines(): string[] {
      const lines = record.mock.calls.map(([kind, { token, command, ok }]) =>
        [kind, token ?? "nobody", command ?? "", ...(kind === "admin" ? [ok] : [])].join(" "),
      );
      record.mockClear();
      return lines;
    },
    /** All of them as text. */
    told: () => JSON.stringify(record.mock.calls),
    /** A Redis client, and what it is answered. */
    redis(...allow: string[]) {
      const dispatch = respDispatcher(fixture);
      const client = dispatch.connect(1, respPeer());
      if (allow.length > 0) client.granted(grantOf(...allow));
      return { client, say: (...words: string[]) => say(dispatch, client, words) };
    },
  };
}

const CREATE = { command: "admin.tokens.create", request_id: 1, payload: { name: "new", allow: ["kv:read:*"] } };
const RESET = { command: "admin.slowlog.reset", payload: {} };

/** What is answered when a test says so. */
function later<Answer>() {
  let resolve: (answer: Answer) => void = () => {};
  const promise = new Promise<Answer>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

describe("a command that administers", () => {
  it("has one line when it has run, with what became of it", () => {
    const { fixture, connect, lines } = audited();
    const admin = connect("admin:*");
    fixture.sendAs(admin, RESET);
    fixture.sendAs(admin, { command: "admin.promote", request_id: 1, payload: {} });
    fixture.sendAs(admin, { type: "batch", commands: [RESET, { command: "admin.info", payload: {} }] });
    expect(lines()).toEqual([
      "admin tester admin.slowlog.reset true",
      "admin tester admin.promote false",
      "admin tester admin.slowlog.reset true",
    ]);
  });

  it("has the line of a refusal and no other for who may not run it, and none where it cannot be read", () => {
    const { fixture, connect, lines } = audited();
    const app = connect("kv:write:*", "admin:read");
    fixture.sendAs(app, RESET);
    fixture.sendAs(app, { type: "batch", commands: [RESET] });
    fixture.sendAs(app, { ...RESET, payload: { nonsense: 1 } });
    fixture.sendAs(app, { type: "batch", commands: [{ ...RESET, payload: { nonsense: 1 } }] });
    const { request_id: _, ...withoutId } = CREATE;
    fixture.sendAs(app, withoutId);
    expect(lines()).toEqual(["refused tester admin.slowlog.reset", "refused tester admin.slowlog.reset"]);
  });

  it("has it though its own token has ended by the time of the answer", async () => {
    const { fixture, connect, lines } = audited();
    const admin = connect("admin:*");
    const revoked = later<undefined>();
    vi.spyOn(fixture.engine.access, "keepsTokens", "get").mockReturnValue(true);
    vi.spyOn(fixture.engine.access, "revoke").mockReturnValue(revoked.promise);
    const request = { command: "admin.tokens.revoke", request_id: 1, payload: { name: "tester" } };
    expect(fixture.sendAs(admin, request)).toBeUndefined();
    expect(lines()).toEqual([]);
    admin.grant.end = "revoked";
    revoked.resolve(undefined);
    await vi.waitFor(() => expect(admin.lateReplies).toHaveLength(1));
    expect(lines()).toEqual(["admin tester admin.tokens.revoke true"]);
  });

  it("has it by the token that permitted it, though its connection has another by the time of the answer", async () => {
    const { fixture, connect, lines } = audited();
    const admin = connect("admin:*");
    const created = later<string>();
    vi.spyOn(fixture.engine.access, "keepsTokens", "get").mockReturnValue(true);
    vi.spyOn(fixture.engine.access, "create").mockReturnValue(created.promise);
    expect(fixture.sendAs(admin, CREATE)).toBeUndefined();
    admin.grant = new Grant("another", admin.grant.permissions);
    created.resolve("there is one");
    await vi.waitFor(() => expect(admin.lateReplies).toHaveLength(1));
    expect(lines()).toEqual(["admin tester admin.tokens.create false"]);
  });

  it("has it though its connection has closed before the answer", () => {
    const { fixture, connect, lines } = audited();
    const admin = connect("admin:*");
    vi.spyOn(fixture.engine.access, "keepsTokens", "get").mockReturnValue(true);
    vi.spyOn(fixture.engine.access, "create").mockReturnValue(new Promise(() => {}));
    expect(fixture.sendAs(admin, CREATE)).toBeUndefined();
    admin.session?.closed();
    expect(lines()).toEqual(["admin tester admin.tokens.create "]);
  });

  it("has it where it may not wait for its answer", () => {
    const { fixture, connect, lines } = audited();
    vi.spyOn(fixture.engine.access, "keepsTokens", "get").mockReturnValue(true);
    vi.spyOn(fixture.engine.access, "create").mockReturnValue(new Promise(() => {}));
    fixture.dispatcher.stopping();
    expect(fixture.sendAs(connect("admin:*"), CREATE)).toMatchObject({ code: "SERVICE_UNAVAILABLE" });
    expect(lines()).toEqual(["admin tester admin.tokens.create "]);
  });
});

it("an idempotent batch that is refused has one line", () => {
  const { fixture, connect, lines } = audited();
  const batch = { type: "batch", atomic: true, request_id: 1, client_id: "c", idempotent: true };
  const commands = [{ command: "kv.set", payload: { key: "other", value: 1 } }];
  expect(fixture.sendAs(connect("kv:write:app:"), { ...batch, commands })).toMatchObject({ code: "FORBIDDEN" });
  expect(lines()).toEqual(["refused tester kv.set"]);
});

it("an idempotent write that is refused has one line, whether there is a reply of it or not", () => {
  const { fixture, connect, lines } = audited();
  const write = { command: "kv.set", request_id: 1, client_id: "c", idempotent: true, payload: { key: "k", value: 1 } };
  const may = connect("kv:write:*");
  const mayNot = connect("kv:write:app:");
  expect(fixture.sendAs(mayNot, write)).toMatchObject({ code: "FORBIDDEN" });
  expect(fixture.sendAs(may, write)).toMatchObject({ success: true });
  expect(fixture.sendAs(may, write)).toMatchObject({ success: true });
  expect(fixture.dispatcher.idempotentReplays).toBe(1);
  expect(fixture.sendAs(mayNot, write)).toMatchObject({ code: "FORBIDDEN" });
  expect(lines()).toEqual(["refused tester kv.set", "refused tester kv.set"]);
});

describe("a connection command of a Redis client", () => {
  it("has one line when it has run and administers, with what became of it", () => {
    const { redis, lines } = audited();
    const admin = redis("admin:*");
    expect(admin.say("CONFIG", "SET", "notify-keyspace-events", "KEA")).toBe("+OK\r\n");
    expect(admin.say("CONFIG", "SET", "maxmemory", "1")).toMatch(/^-ERR /);
    expect(admin.say("CLIENT", "KILL", "ID", "7")).toBe(":0\r\n");
    expect(admin.say("CLIENT", "LIST")).toMatch(/^\$/);
    expect(lines()).toEqual([
      "admin tester config|set true",
      "admin tester config|set false",
      "admin tester client|kill true",
    ]);
  });

  it("has it though its reply is left out, and once where it ran in a transaction", () => {
    const { redis, lines } = audited();
    const admin = redis("admin:*");
    admin.say("MULTI");
    admin.say("CONFIG", "SET", "notify-keyspace-events", "KEA");
    expect(lines()).toEqual([]);
    expect(admin.say("EXEC")).toBe("*1\r\n+OK\r\n");
    expect(lines()).toEqual(["admin tester config|set true"]);
    admin.say("CLIENT", "REPLY", "OFF");
    expect(admin.say("CLIENT", "KILL", "9.9.9.9:9")).toBe("");
    expect(lines()).toEqual(["admin tester client|kill false"]);
  });

  it("has the line of a refusal and no other where it is not permitted, without a word of its arguments", () => {
    const { redis, lines, told, access } = audited();
    const app = redis("kv:write:app:", "pubsub:write:news.");
    expect(app.say("CONFIG", "SET", "secret", "secret")).toMatch(/^-NOPERM .* config\|set: it needs admin:admin/);
    expect(app.say("CLIENT", "LIST")).toMatch(/^-NOPERM /);
    expect(app.say("WATCH", "secret")).toMatch(/^-NOPERM /);
    expect(app.say("SUBSCRIBE", "news.a", "secret")).toMatch(/^-NOPERM .* 'secret'/);
    expect(app.say("PSUBSCRIBE", "secret*")).toMatch(/^-NOPERM .* 'secret\*'/);
    expect(app.say("GET", "secret")).toMatch(/^-NOPERM /);
    expect(told()).not.toContain("secret");
    expect(access.refusedCount).toBe(6);
    expect(lines()).toEqual([
      "refused tester config|set",
      "refused tester client|list",
      "refused tester watch",
      "refused tester subscribe",
      "refused tester psubscribe",
      "refused tester kv.get",
    ]);
  });

  it("has a line where nobody has logged in, or the token has ended", () => {
    const { redis, lines, access, told } = audited();
    const stranger = redis();
    expect(stranger.say("GET", "k")).toMatch(/^-NOAUTH /);
    expect(stranger.say("secret", "k")).toMatch(/^-NOAUTH /);
    expect(stranger.say("HELLO", "3")).toMatch(/^-NOAUTH /);
    const former = redis("kv:write:*");
    former.client.grant.end = "revoked";
    expect(former.say("CLIENT", "KILL", "ID", "secret")).toMatch(/^-NOAUTH the token was revoked/);
    expect(told()).not.toContain("secret");
    expect(access.refusedCount).toBe(4);
    expect(lines()).toEqual([
      "refused nobody kv.get",
      "refused nobody ",
      "refused nobody hello",
      "refused tester client",
    ]);
  });

  it("has one where a new token does not permit what goes on by the old one", () => {
    const { redis, access, lines } = audited();
    const subscriber = redis("pubsub:read:*");
    // A subscriber of RESP2 may not even say AUTH.
    subscriber.say("HELLO", "3");
    expect(subscriber.say("SUBSCRIBE", "news")).not.toMatch(/^-/);
    vi.spyOn(access, "authenticate").mockReturnValue(grantOf("kv:read:*"));
    expect(subscriber.say("AUTH", "token")).toMatch(/^-NOPERM this connection has subscriptions/);
    expect(lines()).toEqual(["refused tester auth"]);
  });
});

describe("a WebSocket without a valid token", () => {
  it("has one line for each message, with the name of its command where there is such a one", () => {
    const { fixture, connect, lines, access, told } = audited();
    const stranger = connect();
    fixture.sendAs(stranger, { command: "kv.get", payload: { key: "k" } });
    fixture.sendAs(stranger, { command: "secret", payload: {} });
    fixture.sendAs(stranger, { type: "batch", commands: [{ command: "kv.get", payload: { key: "k" } }] });
    expect(told()).not.toContain("secret");
    expect(access.refusedCount).toBe(3);
    expect(lines()).toEqual(["refused nobody kv.get", "refused nobody ", "refused nobody "]);
  });
});
