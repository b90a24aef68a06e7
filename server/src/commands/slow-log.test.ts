import { describe, expect, it } from "vitest";
import { caller as someCaller } from "../../test/engine.ts";
import type { Caller } from "../dispatch/caller.ts";
import { SlowLog } from "./slow-log.ts";

const caller: Caller = { ...someCaller, id: 7, protocol: "http" };

describe("SlowLog", () => {
  it("keeps the last entries, newest first", () => {
    const log = new SlowLog(10, 3);
    for (let i = 1; i <= 5; i++) log.add(`command.${i}`, i + 0.12345, 1000 + i, caller);
    expect(log.length).toBe(3);
    expect(log.latest(2).map(({ id, command }) => [id, command])).toEqual([
      [5, "command.5"],
      [4, "command.4"],
    ]);
    expect(log.latest(100)).toHaveLength(3);
    expect(log.latest(1)[0]).toEqual({
      id: 5,
      timestamp: 1005,
      duration_ms: 5.123,
      command: "command.5",
      client_id: 7,
      client_address: "127.0.0.1",
    });
  });

  it("goes on counting ids after a reset", () => {
    const log = new SlowLog(0, 10);
    log.add("a", 1, 1, caller);
    expect(log.reset()).toBe(1);
    expect(log.latest(10)).toEqual([]);
    log.add("b", 1, 1, caller);
    expect(log.latest(10)[0].id).toBe(2);
  });

  it("keeps nothing below a negative threshold", () => {
    expect(new SlowLog(-1, 10).thresholdMs).toBe(Number.POSITIVE_INFINITY);
    expect(new SlowLog(0, 10).thresholdMs).toBe(0);
  });
});
