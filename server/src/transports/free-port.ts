/**
 * A port that is free now, for a server that will want the same one again. What the system gives to who listens on port 0 cannot
 * be listened on again while connections of before linger: uWS has those marked as reusable for a port that it was told.
 */
import { once } from "node:events";
import { createServer } from "node:net";

/** 0 where there is none: whoever listens then says why. */
export async function freePort(host: string): Promise<number> {
  const probe = createServer();
  const listening = once(probe, "listening").then(
    () => true,
    () => false,
  );
  probe.listen({ host, port: 0, exclusive: true });
  if (!(await listening)) return 0;
  const address = probe.address();
  if (address === null || typeof address === "string") throw new Error("a TCP socket has a port");
  probe.close();
  await once(probe, "close");
  return address.port;
}
