/**
 * Every command of the registry against every kind of token, in every shape that a request can have. What a command needs comes
 * from its declaration, so a new command is tested without a word here, and one whose declaration leaves an argument out
 * fails the first test.
 */
import { Packr, Unpackr } from "msgpackr";
import { describe, expect, it } from "vitest";
import { Grant } from "../../src/access/grant.ts";
import { type Level, type Permission, SUBSYSTEMS } from "../../src/access/permission.ts";
import { allCommands } from "../../src/commands/all.ts";
import type { Command } from "../../src/commands/command.ts";
import { examplePayload, type Payload } from "../../src/openapi/examples.ts";
import { Connection, Fixture } from "../dispatcher-fixture.ts";

/** Names that no rule has to look at, and why. */
const NOT_GUARDED: Readonly<Record<string, string>> = {
  "kv.scan.prefix": "the command narrows what it walks by the token",
  "kv.scan.pattern": "as its prefix",
  "kv.keys.pattern": "as kv.scan",
  "kv.unwatch.pattern": "ends what the connection has",
  "kv.unwatch.prefix": "as its pattern",
  "queue.unsubscribe.queue": "ends what the connection has",
  "stream.unsubscribe.room": "ends what the connection has",
  "pubsub.unsubscribe.topics": "ends what the connection has",
  "stream.publish.event": "a kind of event, within its room",
  "stream.publish.dedup_id": "a mark within its room",
  "queue.publish.dedup_id": "a mark within its queue",
  "transaction.multi.client_id": "each token has client ids of its own",
  "transaction.exec.client_id": "as of transaction.multi",
  "transaction.discard.client_id": "as of transaction.multi",
  "transaction.watch.client_id": "as of transaction.multi",
  "transaction.unwatch.client_id": "as of transaction.multi",
};

const PREFIX = "in.";

function guardPaths({ accessRule }: Command): readonly string[] {
  return "arguments" in accessRule ? accessRule.arguments.map(({ path }) => path) : [];
}

it("names in its rule every argument that is a name", () => {
  const open: string[] = [];
  for (const command of allCommands) {
    const guarded = new Set(guardPaths(command).map((path) => path.split(".")[0]));
    for (const { name, kind, item } of command.shape.fields) {
      const isName = kind === "key" || item?.kind === "key";
      if (isName && !guarded.has(name) && !(`${command.name}.${name}` in NOT_GUARDED))
        open.push(`${command.name}.${name}`);
    }
    for (const path of guarded) expect(command.shape.fields.map(({ name }) => name)).toContain(path);
  }
  expect(open).toEqual([]);
});

/** The example of a command, with its names under a prefix. */
function payloadOf(command: Command, prefix: string): Payload {
  const payload: Record<string, unknown> = { ...examplePayload(command) };
  const { accessRule } = command;
  if (command.name === "kv.scan") payload.prefix = prefix;
  if (command.name === "kv.keys") payload.pattern = `${prefix}*`;
  if (!("arguments" in accessRule)) return payload;
  // One of several that are optional, and none of them in the example.
  const [{ path: first }] = accessRule.arguments;
  if (!accessRule.arguments.some(({ path }) => path.split(".")[0] in payload)) payload[first] = "";
  for (const { path, ...rest } of accessRule.arguments) {
    const [name, member] = path.split(".");
    const as = "as" in rest ? rest.as : undefined;
    const made = as === "glob" ? `${prefix}*` : as === "topic" ? `${prefix}#` : `${prefix}x`;
    const given = payload[name];
    if (Array.isArray(given)) payload[name] = given.map((each) => (member ? { ...each, [member]: made } : made));
    else if (given !== undefined) payload[name] = made;
  }
  return payload;
}

function grantOf(level: Level, prefix: string, subsystem: Permission["subsystem"], expiresAtMs?: number): Grant {
  return new Grant("tester", [{ subsystem, level, prefix }], expiresAtMs);
}

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

interface Sent {
  readonly code: string | undefined;
  readonly payload: unknown;
}

type Shape = (fixture: Fixture, connection: Connection, command: string, payload: Payload) => Sent | undefined;

const codeOf = (reply: Record<string, unknown> | undefined): Sent => ({
  code: reply?.code as string | undefined,
  payload: reply?.payload,
});

/** What a request can look like. `undefined` where the command cannot be sent so. */
const SHAPES: Readonly<Record<string, Shape>> = {
  json: (fixture, connection, command, payload) =>
    codeOf(fixture.sendAs(connection, { command, payload, request_id: 1 })),
  msgpack(fixture, connection, command, payload) {
    const bytes = packr.pack({ command, payload, request_id: 1 });
    const reply = fixture.dispatcher.handle(bytes, "msgpack", "msgpack", connection);
    if (reply === undefined) return { code: undefined, payload: undefined };
    return codeOf(unpackr.unpack(reply.bytes.slice(0, reply.length)) as Record<string, unknown>);
  },
  batch(fixture, connection, command, payload) {
    const { isBlocking } = commandOf(command);
    if (isBlocking !== undefined) return undefined;
    const reply = fixture.sendAs(connection, { type: "batch", commands: [{ command, payload }] });
    const results = reply?.results as Record<string, unknown>[] | undefined;
    return codeOf(results?.[0] ?? reply);
  },
  "atomic batch"(fixture, connection, command, payload) {
    if (!commandOf(command).atomic || commandOf(command).isBlocking !== undefined) return undefined;
    const reply = fixture.sendAs(connection, { type: "batch", atomic: true, commands: [{ command, payload }] });
    const results = reply?.results as Record<string, unknown>[] | undefined;
    return codeOf(results?.[0] ?? reply);
  },
  "idempotent write"(fixture, connection, command, payload) {
    if (commandOf(command).plan === undefined) return undefined;
    return codeOf(fixture.sendAs(connection, { command, payload, request_id: 1, client_id: "c", idempotent: true }));
  },
  "command of a transaction"(fixture, connection, command, payload) {
    if (!commandOf(command).isQueueable || commandOf(command).isBlocking !== undefined) return undefined;
    fixture.sendAs(connection, { command: "transaction.multi", request_id: 1, payload: { client_id: "t" } });
    const queued = fixture.sendAs(connection, { command, payload: { ...payload, client_id: "t" }, request_id: 2 });
    if (queued?.success !== true) return codeOf(queued);
    const done = fixture.sendAs(connection, {
      command: "transaction.exec",
      request_id: 3,
      payload: { client_id: "t" },
    });
    const results = (done?.payload as { results?: Record<string, unknown>[] } | undefined)?.results;
    return codeOf(results?.[0] ?? done);
  },
};

function commandOf(name: string): Command {
  const command = allCommands.find((each) => each.name === name);
  if (command === undefined) throw new Error(name);
  return command;
}

interface Outcome extends Sent {
  /** Whether anything was written or subscribed. */
  readonly hasLeftTraces: boolean;
}

function send(
  fixture: Fixture,
  shape: Shape,
  command: Command,
  grant: Grant | "stranger",
  prefix = PREFIX,
): Outcome | undefined {
  const connection = new Connection("websocket");
  if (grant === "stranger") {
    fixture.engine.access.turnOn();
    connection.grant = fixture.engine.access.newcomer;
  } else {
    connection.grant = grant;
  }
  const before = fixture.engine.log.nextOffset;
  const sent = shape(fixture, connection, command.name, payloadOf(command, prefix));
  if (sent === undefined) return undefined;
  return { ...sent, hasLeftTraces: fixture.engine.log.nextOffset !== before || connection.session !== undefined };
}

const REFUSED = ["UNAUTHORIZED", "FORBIDDEN"];

describe.each(Object.entries(SHAPES))("as %s", (_shape, shape) => {
  it.each(allCommands.map((command) => [command.name, command] as const))("%s", (_name, command) => {
    const { access, subsystem, accessRule } = command;
    const { kind } = accessRule;
    const isAnybody = kind === "anybody";
    // Of all that are refused: none leaves anything to the next. The stranger comes first, before there is a token.
    const refusing = new Fixture();
    const expectRefused = (code: string, grant: Grant | "stranger", prefix?: string): void => {
      const outcome = send(refusing, shape, command, grant, prefix);
      if (outcome === undefined) return;
      expect(outcome.code).toBe(code);
      expect(outcome.hasLeftTraces).toBe(false);
    };
    const expectPermitted = (grant: Grant): void => {
      const outcome = send(new Fixture(), shape, command, grant);
      if (outcome !== undefined) expect(REFUSED).not.toContain(outcome.code);
    };
    const right = grantOf(access, kind === "whole" ? "" : PREFIX, subsystem);
    expectPermitted(right);
    expectPermitted(grantOf("admin", "", "*"));
    if (isAnybody) return;

    expectRefused("UNAUTHORIZED", "stranger");
    expectRefused("UNAUTHORIZED", grantOf(access, "", subsystem, 0));
    const revoked = grantOf(access, "", subsystem);
    revoked.end = "revoked";
    expectRefused("UNAUTHORIZED", revoked);
    if (kind === "known") return;

    const [other] = SUBSYSTEMS.filter((each) => each !== subsystem);
    expectRefused("FORBIDDEN", grantOf("admin", "", other));
    if (access !== "read") expectRefused("FORBIDDEN", grantOf(access === "admin" ? "write" : "read", "", subsystem));
    if (kind === "whole") expectRefused("FORBIDDEN", grantOf(access, PREFIX, subsystem));
    if (kind === "named" || kind === "matching") expectRefused("FORBIDDEN", grantOf(access, "other.", subsystem));
    if (kind === "named" || kind === "matching") expectRefused("FORBIDDEN", right, "i");
  });
});

describe("a list", () => {
  const names = (prefix: string) => Array.from({ length: 5 }, (_, i) => `${prefix}${i}`);
  const filled = () => {
    const fixture = new Fixture();
    for (const name of [...names("a."), ...names("in."), ...names("z.")]) {
      fixture.run("queue.create", { name });
      fixture.run("stream.create", { room: name });
      fixture.run("kv.set", { key: name, value: 1 });
    }
    return fixture;
  };
  const pages = (
    fixture: Fixture,
    grant: Grant,
    command: string,
    field: string,
  ): { names: string[]; total: unknown } => {
    const connection = new Connection("websocket");
    connection.grant = grant;
    const found: string[] = [];
    let cursor: unknown;
    let total: unknown;
    do {
      const payload = { limit: 2, ...(cursor ? { cursor } : {}) };
      const reply = fixture.sendAs(connection, { command, request_id: 1, payload });
      const page = reply?.payload as Record<string, unknown>;
      for (const each of page[field] as (string | { name: string })[]) {
        found.push(typeof each === "string" ? each : each.name);
      }
      ({ cursor, total } = page);
    } while (cursor);
    return { names: found, total };
  };

  it.each([
    ["queue.list", "queues", "queue"],
    ["stream.list", "rooms", "stream"],
    ["kv.scan", "keys", "kv"],
  ] as const)("%s has what the token permits, page by page, and counts no more", (command, field, subsystem) => {
    const grant = grantOf("read", PREFIX, subsystem);
    const listed = pages(filled(), grant, command, field);
    expect(listed.names).toEqual(names("in."));
    if (command !== "kv.scan") expect(listed.total).toBe(5);
    expect(pages(filled(), grantOf("read", "", subsystem), command, field).names).toHaveLength(15);
    if (command !== "kv.scan")
      expect(pages(filled(), grantOf("read", "none", subsystem), command, field).names).toEqual([]);
  });

  it.each([
    ["queue.list", "queues", "queue"],
    ["stream.list", "rooms", "stream"],
  ] as const)(
    "%s goes through several prefixes in order, and through one that is inside another once",
    (command, field, subsystem) => {
      const prefixes = ["z.", "none.", "a.", "a.3", "in.4"];
      const grant = new Grant(
        "t",
        prefixes.map((prefix) => ({ subsystem, level: "read", prefix })),
      );
      const listed = pages(filled(), grant, command, field);
      expect(listed).toEqual({ names: [...names("a."), "in.4", ...names("z.")], total: 11 });
    },
  );
});

describe("a transaction", () => {
  it("is its token's own: nobody else adds to it, runs it or drops it", () => {
    const fixture = new Fixture();
    const [mine, theirs] = [new Connection("websocket"), new Connection("websocket")];
    mine.grant = new Grant("mine", [{ subsystem: "kv", level: "write", prefix: "" }]);
    theirs.grant = new Grant("theirs", [{ subsystem: "kv", level: "write", prefix: "theirs:" }]);
    const client = { client_id: "c" };
    const send = (connection: Connection, command: string, payload: object = client) =>
      fixture.sendAs(connection, { command, payload, request_id: 1 });
    send(mine, "transaction.multi");
    expect(send(theirs, "kv.set", { key: "theirs:1", value: 1, ...client })?.payload).toMatchObject({
      key: "theirs:1",
    });
    expect(send(theirs, "transaction.exec")).toMatchObject({ success: false });
    expect(send(theirs, "transaction.discard")).toMatchObject({ success: false });
    expect(send(mine, "kv.set", { key: "a", value: 1, ...client })?.payload).toMatchObject({ queued: true });
    expect(send(mine, "transaction.exec")?.payload).toMatchObject({ success: true, results: [{ success: true }] });
  });
});

it("a remembered reply is for those alone who could have it anew", () => {
  const fixture = new Fixture();
  const [mine, theirs] = [new Connection("websocket"), new Connection("websocket")];
  mine.grant = grantOf("write", "", "kv");
  theirs.grant = grantOf("write", "theirs:", "kv");
  const message = {
    command: "kv.getset",
    payload: { key: "k", value: "new" },
    request_id: 1,
    client_id: "c",
    idempotent: true,
  };
  const batch = { type: "batch", atomic: true, commands: [{ command: "kv.getset", payload: message.payload }] };
  const idempotentBatch = { ...batch, request_id: 2, client_id: "c", idempotent: true };
  expect(fixture.sendAs(mine, message)).toMatchObject({ success: true });
  expect(fixture.sendAs(mine, idempotentBatch)).toMatchObject({ success: true });
  expect(fixture.sendAs(theirs, message)).toMatchObject({ code: "FORBIDDEN" });
  expect(fixture.sendAs(theirs, idempotentBatch)).toMatchObject({ code: "FORBIDDEN" });
  expect(fixture.sendAs(mine, message)).toMatchObject({ success: true });
});
