/** Who is cut off for want of a valid token, when, and what it is told. */
import { beforeEach, describe, expect, it } from "vitest";
import { Connection } from "../test/dispatcher-fixture.ts";
import { anonymousGrant, Grant, unrestrictedGrant } from "./access/grant.ts";
import { ManualClock } from "./runtime/clock.ts";
import { Strangers } from "./strangers.ts";
import { Connections } from "./transports/connections.ts";

const LOGIN_MS = 5000;
const ENDED = "The token that this connection has logged in with is not valid any more.";
const LATE = "Nobody has logged in on this connection in time.";

let clock: ManualClock;
let connections: Connections;
let newcomer: Grant;

/** Leaves the list when it is told to go, as a socket does. */
class Peer extends Connection {
  override readonly id = connections.nextId();

  constructor(grant: Grant) {
    super("websocket");
    this.grant = grant;
    connections.register(this);
  }

  override expel(message: string): void {
    super.expel(message);
    connections.unregister(this);
  }
}

beforeEach(() => {
  clock = new ManualClock();
  connections = new Connections();
  newcomer = anonymousGrant();
});

function strangers(isOn = true, loginTimeoutMs = LOGIN_MS): Strangers {
  return new Strangers({ access: { isOn, newcomer }, connections, clock, loginTimeoutMs });
}

function grantOf(expiresAtMs?: number): Grant {
  return new Grant("app", [{ subsystem: "kv", level: "read", prefix: "" }], expiresAtMs);
}

describe("a connection", () => {
  it("whose token has ended is cut off, and those beside it are not", () => {
    const [revoked, valid] = [grantOf(), grantOf()];
    const peers = [revoked, valid, revoked, grantOf(clock.nowMs() + 1), revoked].map((grant) => new Peer(grant));
    const all = strangers();
    all.expel();
    expect(peers.flatMap(({ expelled }) => expelled)).toEqual([]);
    revoked.end = "revoked";
    clock.advance(1);
    all.expel();
    expect(peers.map(({ expelled }) => expelled)).toEqual([[ENDED], [], [ENDED], [ENDED], [ENDED]]);
    expect([...connections.callers()]).toEqual([peers[1]]);
  });

  it("of before the first token is told that one is wanted now, and not of a token that it never had", () => {
    const open = unrestrictedGrant();
    const peer = new Peer(open);
    open.isUnrestricted = false;
    open.end = "anonymous";
    strangers().expel();
    expect(peer.expelled).toEqual(["This server wants a token now, and nobody has logged in on this connection."]);
  });

  it("may take its time to log in and no more, counted from when it was first seen", () => {
    const peer = new Peer(newcomer);
    const all = strangers();
    all.expel();
    clock.advance(LOGIN_MS - 1);
    all.expel();
    expect(peer.expelled).toEqual([]);
    clock.advance(1);
    all.expel();
    expect([peer.expelled, connections.silentClientsCutOff]).toEqual([[LATE], 1]);
  });

  it("that logs in stays, and has its time anew when it says that it is nobody", () => {
    const peer = new Peer(newcomer);
    const all = strangers();
    all.expel();
    peer.grant = grantOf();
    clock.advance(LOGIN_MS);
    all.expel();
    peer.grant = newcomer;
    all.expel();
    clock.advance(LOGIN_MS - 1);
    all.expel();
    expect(peer.expelled).toEqual([]);
    clock.advance(1);
    all.expel();
    expect(peer.expelled).toEqual([LATE]);
  });

  it("that has left by itself is not counted as cut off", () => {
    const peer = new Peer(newcomer);
    const all = strangers();
    all.expel();
    connections.unregister(peer);
    clock.advance(LOGIN_MS);
    all.expel();
    expect([peer.expelled, connections.silentClientsCutOff]).toEqual([[], 0]);
  });

  it("may stay a stranger where there is no limit", () => {
    const peer = new Peer(newcomer);
    const all = strangers(true, 0);
    all.expel();
    clock.advance(LOGIN_MS * 10);
    all.expel();
    expect(peer.expelled).toEqual([]);
  });

  it("needs no token where nobody has to log in", () => {
    newcomer = unrestrictedGrant();
    const peer = new Peer(newcomer);
    const all = strangers(false);
    all.expel();
    clock.advance(LOGIN_MS * 10);
    all.expel();
    expect(peer.expelled).toEqual([]);
  });
});

it("the link of a replica ends with its token", () => {
  const grant = grantOf();
  const told: string[] = [];
  for (const name of ["one", "two"]) {
    const link = {
      grant,
      expel() {
        told.push(name);
        connections.links.delete(link);
      },
    };
    connections.links.add(link);
  }
  grant.end = "revoked";
  strangers().expel();
  expect([told, connections.links.size]).toEqual([["one", "two"], 0]);
});
