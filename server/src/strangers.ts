/**
 * Who is connected and has not logged in, where one has to: each has a time for it, whatever it says meanwhile. Otherwise a
 * WebSocket or a RESP connection of anybody would hold a place, and what it has sent of a message, for as long as it likes.
 */
import type { AccessControl } from "./access/access-control.ts";
import type { Caller } from "./dispatch/caller.ts";
import type { Connections } from "./transports/connections.ts";
import { Overdue } from "./transports/overdue.ts";

export interface StrangersParts {
  readonly access: Pick<AccessControl, "newcomer">;
  readonly connections: Connections;
  readonly clock: { monotonicMs(): number };
  /** 0 = no limit. */
  readonly loginTimeoutMs: number;
}

export class Strangers {
  readonly #parts: StrangersParts;
  readonly #waiting: Overdue<Caller>;

  constructor(parts: StrangersParts) {
    this.#parts = parts;
    this.#waiting = new Overdue(parts.loginTimeoutMs);
  }

  /** Called now and then. The time of each begins when it is first seen here: RESET makes a stranger of one that was none. */
  expelOverdue(): void {
    const { access, connections, clock, loginTimeoutMs } = this.#parts;
    if (loginTimeoutMs === 0) return;
    const nowMs = clock.monotonicMs();
    for (const caller of connections.callers()) {
      if (caller.grant === access.newcomer) this.#waiting.add(caller, nowMs);
      else this.#waiting.remove(caller);
    }
    this.#waiting.sweep(nowMs, (caller) => {
      // It may have left by itself since it was seen.
      if (!connections.has(caller)) return;
      connections.silentClientsCutOff += 1;
      caller.expel("Nobody has logged in on this connection in time.");
    });
  }
}
