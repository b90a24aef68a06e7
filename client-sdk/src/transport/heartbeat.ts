/** Finds out whether a server that says nothing is still there: it is asked for the time, and its silence ends the connection. */
import { ConnectionLostError } from "../errors.ts";
import { Request } from "../wire/request.ts";
import type { Connection } from "./connection.ts";

export class Heartbeat {
  readonly #heartbeatMs: number;
  readonly #issue: (request: Request) => void;
  #silentMs = 0;
  #isPinging = false;

  /** @param heartbeatMs of silence before it is asked, and once more before the connection ends. */
  constructor(heartbeatMs: number, issue: (request: Request) => void) {
    this.#heartbeatMs = heartbeatMs;
    this.#issue = issue;
  }

  /** So much time has passed for this connection. */
  passed(connection: Connection, stepMs: number): void {
    this.#silentMs = connection.wasHeard() ? 0 : this.#silentMs + stepMs;
    if (this.#silentMs > this.#heartbeatMs * 2) {
      const ms = Math.round(this.#silentMs);
      this.#silentMs = 0;
      connection.end(new ConnectionLostError(`nothing came from the server for ${ms} ms`, false));
    } else if (this.#silentMs > this.#heartbeatMs && !this.#isPinging) void this.#ping();
  }

  async #ping(): Promise<void> {
    this.#isPinging = true;
    const ping = new Request("kv.time", {}, "read", undefined);
    this.#issue(ping);
    // Any answer will do, a refusal too; when none comes, the silence ends the connection.
    await ping.promise.catch((error: unknown) => error);
    this.#isPinging = false;
  }
}
