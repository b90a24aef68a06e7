/**
 * A process that sends as many requests as it is told, to the server under test or to the bare one, and says when the last
 * reply has come. It lives as long as the measurement, so that its connections and requests are made once.
 */
import { serve } from "../load/client-process.ts";
import { type Connection, openConnection, type Protocol } from "../load/connection.ts";
import { seededRandom } from "../load/random.ts";
import { requestOf } from "../load/workload.ts";
import { GATE_CASES, type GateCase } from "./gate-case.ts";

export interface GateClientConfig {
  readonly port: number;
  readonly respPort: number;
  readonly barePort: number;
}

/** Comes with `go`. */
export interface Slice {
  readonly gate: number;
  readonly server: "synap" | "bare";
  readonly requests: number;
}

const CONNECTIONS = 10;
const REQUESTS_DRAWN = 5_000;
const SEED = 1;

class Lane {
  readonly #connections: readonly Connection[];
  readonly #requests: readonly Buffer[];
  readonly #pipeline: number;

  constructor(connections: readonly Connection[], requests: readonly Buffer[], pipeline: number) {
    this.#connections = connections;
    this.#requests = requests;
    this.#pipeline = pipeline;
  }

  run(count: number): Promise<void> {
    return new Promise((resolve) => {
      let sent = 0;
      let answered = 0;
      const send = (connection: Connection) => {
        if (sent < count) connection.send(this.#requests[sent++ % REQUESTS_DRAWN]);
      };
      for (const connection of this.#connections) {
        connection.onReply = () => {
          answered += 1;
          if (answered === count) resolve();
          else send(connection);
        };
      }
      for (const connection of this.#connections) {
        connection.cork();
        for (let i = 0; i < this.#pipeline; i++) send(connection);
        connection.uncork();
      }
    });
  }
}

async function openLane(protocol: Protocol, port: number, gate: GateCase): Promise<Lane> {
  const random = seededRandom(SEED);
  const requests = Array.from({ length: REQUESTS_DRAWN }, (_, i) =>
    requestOf(protocol, port, [gate.command(i, random)]),
  );
  const connections: Connection[] = [];
  for (let i = 0; i < CONNECTIONS; i++) connections.push(await openConnection(protocol, port));
  return new Lane(connections, requests, gate.pipeline);
}

serve<GateClientConfig>(async ({ port, respPort, barePort }, benchmark) => {
  const lanes: Record<Slice["server"], Lane>[] = [];
  for (const gate of GATE_CASES) {
    lanes.push({
      synap: await openLane(gate.protocol, gate.protocol === "resp" ? respPort : port, gate),
      bare: await openLane(gate.bareProtocol, barePort, gate),
    });
  }
  benchmark.tell("ready");
  for (;;) {
    const { gate, server, requests } = await benchmark.until<Slice>("go");
    await lanes[gate][server].run(requests);
    benchmark.tell("done");
  }
});
