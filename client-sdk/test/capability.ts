/** What the server under test can do, for tests of what not every version can. */
import { WebSocket } from "ws";
import { ServerProcess } from "./server-process.ts";

export interface Capabilities {
  /** Whether it runs a write that is sent twice under one number once. */
  readonly idempotency: boolean;
  /** Whether it can be a replica, and be promoted. */
  readonly replication: boolean;
  /** Whether it keeps data over a restart. */
  readonly persistence: boolean;
}

/** Asks a running server; for `describe.skipIf`, which wants to know before the tests begin. */
export async function capabilities(): Promise<Capabilities> {
  const server = await ServerProcess.start();
  try {
    const socket = new WebSocket(`${server.url.replace("http", "ws")}/api/v1/ws`);
    const replies: { readonly code?: string }[] = [];
    await new Promise<void>((resolve, reject) => {
      socket.on("error", reject);
      socket.on("open", () => {
        const numbered = { request_id: 1, client_id: "probe", idempotent: true };
        socket.send(JSON.stringify({ command: "kv.del", payload: { key: "probe" }, ...numbered }));
        socket.send(JSON.stringify({ command: "admin.promote", request_id: 2, payload: { probe: true } }));
        socket.send(JSON.stringify({ command: "admin.snapshot", request_id: 3, payload: { probe: true } }));
      });
      socket.on("message", (data) => {
        // A reply of the server.
        replies.push(JSON.parse(String(data)) as { code?: string });
        if (replies.length === 3) resolve();
      });
    });
    socket.terminate();
    return {
      idempotency: replies[0].code === undefined,
      replication: replies[1].code !== "INVALID_COMMAND",
      persistence: replies[2].code !== "INVALID_COMMAND",
    };
  } finally {
    await server.end();
  }
}
