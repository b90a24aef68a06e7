import { expect, test } from "vitest";
import { ManualClock } from "../../runtime/clock.ts";
import { TurnEnd } from "../../runtime/turn-end.ts";
import { Connections } from "../connections.ts";
import type { RespConnection } from "./resp-connection.ts";
import { RespTraffic } from "./resp-traffic.ts";
import type { RespTransportParts } from "./resp-transport.ts";

test("a connection whose turn throws does not take theirs from the others", () => {
  const deferred: (() => void)[] = [];
  const bugs: unknown[] = [];
  const turnEnd = new TurnEnd(
    (run) => deferred.push(run),
    (bug) => bugs.push(bug),
  );
  const options = { outboxBytesMax: 1000, replyBytesMax: 1000, connectionTimeoutMs: 1000 };
  const parts = { options, dispatch: { requestBytesMax: 1000 }, connections: new Connections(), turnEnd };
  // Who only takes turns needs no more of the server than this.
  const traffic = new RespTraffic({ ...parts, clock: new ManualClock() } as unknown as RespTransportParts);
  const turns: string[] = [];
  const later = (name: string, isBroken = false): void => {
    const connection = {
      continue() {
        turns.push(name);
        if (isBroken) throw new Error(name);
      },
    };
    // As above.
    traffic.runLater(connection as unknown as RespConnection);
  };
  later("first", true);
  later("second");
  while (deferred.length > 0) deferred.shift()?.();
  expect(turns).toEqual(["first", "second"]);
  expect(bugs).toEqual([new Error("first")]);
});
