import { describe, expect, test } from "vitest";
import { caller as someCaller } from "../../test/engine.ts";
import { ClientSession, type SessionPart } from "./client-session.ts";

function part(told: string[], name: string): SessionPart {
  return { closed: () => void told.push(`${name} closed`), drained: () => void told.push(`${name} drained`) };
}

describe("ClientSession", () => {
  test("is made once for a connection", () => {
    const caller = { ...someCaller };
    expect(ClientSession.of(caller)).toBe(ClientSession.of(caller));
  });

  test("tells its parts what happens, until they are removed", () => {
    const told: string[] = [];
    const session = ClientSession.of({ ...someCaller });
    const gone = part(told, "gone");
    session.add(part(told, "kept"));
    session.add(gone);
    session.remove(gone);
    session.drained();
    session.closed();
    expect(told).toEqual(["kept drained", "kept closed"]);
  });

  test("is closed once, and takes nothing more", () => {
    const told: string[] = [];
    const session = ClientSession.of({ ...someCaller });
    session.add(part(told, "a"));
    session.closed();
    session.closed();
    expect(told).toEqual(["a closed"]);
    expect(session.isClosed).toBe(true);
    expect(() => session.add(part(told, "b"))).toThrow("closed session");
  });
});
