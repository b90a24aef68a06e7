/** When a server of RESP that is still reading its data answers for the first time. */
import { connect } from "node:net";
import { sleep } from "../servers/processes.ts";

const ASK_EVERY_MS = 2;
const PING = "PING\r\n";
const PONG = "+PONG";

/**
 * Asks until somebody listens and answers with PONG: a server that says it is loading is asked again.
 * @returns the milliseconds since `startedMs` of `performance.now`
 */
export async function firstPong(port: number, startedMs: number, timeoutMs: number): Promise<number> {
  while (!(await pong(port))) {
    if (performance.now() - startedMs > timeoutMs) throw new Error(`no PONG on ${port} within ${timeoutMs} ms`);
    await sleep(ASK_EVERY_MS);
  }
  return performance.now() - startedMs;
}

function pong(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    socket.once("connect", () => socket.write(PING));
    socket.once("data", (chunk) => {
      resolve(chunk.toString("latin1").startsWith(PONG));
      socket.destroy();
    });
    // Nobody listens yet.
    socket.once("error", () => resolve(false));
    socket.once("close", () => resolve(false));
  });
}
