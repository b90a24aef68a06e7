/** What the audit log is told of, command by command: of what ran and of what was refused, each once, and of arguments nothing. */
import { describe, expect, it, vi } from "vitest";
import { Grant } from "../../src/access/grant.ts";
import { parsePermissions } from "../../src/access/permission.ts";
import { Connection, Fixture } from "../dispatcher-fixture.ts";

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
        [kind, token || "nobody", command ?? "", ...(kind === "admin" ? [ok] : [])].join(" "),
      );
      record.mockClear();
      return lines;
    },
    told: record.mock.calls,
  };
}

const CREATE = { command: "admin.tokens.create", request_id: 1, payload: { name: "new", allow: ["kv:read:*"] } };
const RESET = { command: "admin.slowlog.reset", payload: {} };

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
    let revoked: (problem: undefined) => void = () => {};
    vi.spyOn(fixture.engine.access, "keepsTokens", "get").mockReturnValue(true);
    vi.spyOn(fixture.engine.access, "revoke").mockReturnValue(
      new Promise((resolve) => {
        revoked = resolve;
      }),
    );
    const request = { command: "admin.tokens.revoke", request_id: 1, payload: { name: "tester" } };
    expect(fixture.sendAs(admin, request)).toBeUndefined();
    expect(lines()).toEqual([]);
    admin.grant.end = "revoked";
    revoked(undefined);
    await vi.waitFor(() => expect(admin.lateReplies).toHaveLength(1));
    expect(lines()).toEqual(["admin tester admin.tokens.revoke true"]);
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
    expect(lines()).toEqual(["admin tester admin.tokens.create false"]);
  });
});

it("an idempotent batch that is refused has one line", () => {
  const { fixture, connect, lines } = audited();
  const batch = { type: "batch", atomic: true, request_id: 1, client_id: "c", idempotent: true };
  const commands = [{ command: "kv.set", payload: { key: "other", value: 1 } }];
  expect(fixture.sendAs(connect("kv:write:app:"), { ...batch, commands })).toMatchObject({ code: "FORBIDDEN" });
  expect(lines()).toEqual(["refused tester kv.set"]);
});
