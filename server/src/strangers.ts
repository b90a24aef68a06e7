/**
 * Who is connected without a valid token, where one has to have one:
 *
 *     its grant has ended       is cut off at once: by its time, its token's or its key's end, or by the first token there is
 *     has not logged in yet     has a time for it, whatever it says meanwhile
 *
 * Otherwise a WebSocket or a RESP connection of anybody would hold a place, and what it has sent of a message, for as long as
 * it likes.
 */
import type { AccessControl } from "./access/access-control.ts";
import type { Grant, GrantEnd } from "./access/grant.ts";
import type { Caller } from "./dispatch/caller.ts";
import type { Connections } from "./transports/connections.ts";
import { Overdue } from "./transports/overdue.ts";

export interface StrangersParts {
  readonly access: Pick<AccessControl, "isOn" | "newcomer">;
  readonly connections: Connections;
  readonly clock: { nowMs(): number; monotonicMs(): number };
  /** How long a connection may take to log in; 0 = no limit. */
  readonly loginTimeoutMs: number;
}

const TOKEN_ENDED = "The token that this connection has logged in with is not valid any more.";
const TOLD: Readonly<Record<GrantEnd, string>> = {
  anonymous: "This server wants a token now, and nobody has logged in on this connection.",
  revoked: TOKEN_ENDED,
  expired: TOKEN_ENDED,
};

export class Strangers {
  readonly #parts: StrangersParts;
  readonly #waiting: Overdue<Caller>;

  constructor(parts: StrangersParts) {
    this.#parts = parts;
    this.#waiting = new Overdue(parts.loginTimeoutMs);
  }

  /** Called now and then, and when grants have ended. */
  expel(): void {
    const { access, connections, clock } = this.#parts;
    if (!access.isOn) return;
    const nowMs = clock.nowMs();
    const monotonicMs = clock.monotonicMs();
    // Who is cut off may leave the list at once: a walk over it goes on with the next.
    for (const caller of connections.callers()) {
      const end = this.#endOf(caller.grant, nowMs);
      if (end !== undefined) caller.expel(TOLD[end]);
      else this.#see(caller, monotonicMs);
    }
    for (const link of connections.links) if (this.#endOf(link.grant, nowMs) !== undefined) link.expel();
    this.#waiting.sweep(monotonicMs, (caller) => this.#expelOverdue(caller));
  }

  /** Who has not said who it is may still do so. */
  #endOf(grant: Grant, nowMs: number): GrantEnd | undefined {
    return grant === this.#parts.access.newcomer ? undefined : grant.endAt(nowMs);
  }

  /** The time of each begins when it is first seen here: RESET makes a stranger of one that was none. */
  #see(caller: Caller, nowMs: number): void {
    const { access, loginTimeoutMs } = this.#parts;
    if (loginTimeoutMs > 0 && caller.grant === access.newcomer) this.#waiting.add(caller, nowMs);
    else this.#waiting.remove(caller);
  }

  #expelOverdue(caller: Caller): void {
    const { connections } = this.#parts;
    // It may have left by itself since it was seen.
    if (!connections.has(caller)) return;
    connections.silentClientsCutOff += 1;
    caller.expel("Nobody has logged in on this connection in time.");
  }
}
