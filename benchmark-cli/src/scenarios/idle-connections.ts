/** A process that holds idle WebSockets, each of which has asked once, and counts those that its server has closed. */
import { serve } from "../load/client-process.ts";
import { openIdle } from "../load/idle-socket.ts";

export interface IdleConnectionsConfig {
  readonly port: number;
  readonly connections: number;
}

/** Comes with `held`. */
export interface IdleConnections {
  readonly lost: number;
}

const OPENING = 100;

serve<IdleConnectionsConfig>(async ({ port, connections }, benchmark) => {
  let lost = 0;
  const open = async (): Promise<void> => {
    const socket = await openIdle(port);
    void socket.closed.then(() => {
      lost += 1;
    });
  };
  for (let first = 0; first < connections; first += OPENING) {
    await Promise.all(Array.from({ length: Math.min(OPENING, connections - first) }, open));
  }
  benchmark.tell("ready");
  await benchmark.until("count");
  const held: IdleConnections = { lost };
  benchmark.tell("held", held);
});
