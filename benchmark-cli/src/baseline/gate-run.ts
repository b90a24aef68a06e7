/** Measures all gates: the CPU time of the server for a request, by that of the bare handler, in short turns. */
import type { ChildProcess } from "node:child_process";
import { ClientProcess } from "../load/client-process.ts";
import { fill } from "../load/load.ts";
import { drawValue, VALUE_BYTES } from "../load/workload.ts";
import { median } from "../report/row.ts";
import { moduleFile } from "../servers/module-file.ts";
import { exactCpuSeconds, freePort, listening, start, stop } from "../servers/processes.ts";
import { startSynap } from "../servers/synap-process.ts";
import { GATE_CASES, KEYS } from "./gate-case.ts";
import type { GateClientConfig, Slice } from "./gate-client.ts";
import type { GateFigures } from "./gate-statistics.ts";

const BARE_SERVER = moduleFile(new URL("../servers/bare-server.ts", import.meta.url));

export interface GateOptions {
  readonly server: string | undefined;
  /** How often the servers are started anew. */
  readonly starts: number;
  /** Turns of each gate in one start. */
  readonly turns: number;
  /** Requests of a turn. */
  readonly requests: number;
}

/** Turns that compile what the gates use and do not count; where the compiler is done is found by experience. */
const WARMUP_TURNS = 10;

export async function measureGates(options: GateOptions, tell: (line: string) => void): Promise<GateFigures[]> {
  const ratios = GATE_CASES.map((): number[] => []);
  for (let each = 1; each <= options.starts; each++) {
    const figures = await measureOnce(options);
    for (const [i, ratio] of figures.entries()) ratios[i].push(ratio);
    tell(
      `  start ${each} of ${options.starts}: ${figures.map((ratio) => ratio.toFixed(2)).join(", ")} x the bare handler's CPU`,
    );
  }
  return GATE_CASES.map(({ name }, i) => ({ name, ratios: ratios[i] }));
}

async function measureOnce({ server, turns, requests }: GateOptions): Promise<number[]> {
  // Without a disk: how long a sync takes is not what the gates are for.
  const synap = await startSynap(server, { durability: "memory" });
  const bare = await startBare();
  await fill(synap.port, { count: KEYS, valueBytes: VALUE_BYTES });
  const config: GateClientConfig = { port: synap.port, respPort: synap.respPort, barePort: bare.port };
  const client = new ClientProcess(new URL("gate-client.ts", import.meta.url), config);
  await client.until("ready");
  const cost = async (gate: number, which: Slice["server"]): Promise<number> => {
    const child = which === "synap" ? synap.child : bare.child;
    const before = exactCpuSeconds(child);
    client.tell("go", { gate, server: which, requests } satisfies Slice);
    await client.until("done");
    return (exactCpuSeconds(child) - before) / requests;
  };
  const results: number[][] = GATE_CASES.map(() => []);
  for (let turn = -WARMUP_TURNS; turn < turns; turn++) {
    for (const gate of GATE_CASES.keys()) {
      const own = await cost(gate, "synap");
      const ratio = own / (await cost(gate, "bare"));
      if (turn >= 0) results[gate].push(ratio);
    }
  }
  await client.stop();
  await synap.stop();
  await stop(bare.child);
  return results.map(median);
}

async function startBare(): Promise<{ child: ChildProcess; port: number }> {
  const port = await freePort();
  const body = JSON.stringify({ success: true, payload: drawValue(VALUE_BYTES) });
  const child = start(process.execPath, [...process.execArgv, BARE_SERVER, `${port}`, body]);
  await listening(port, child);
  return { child, port };
}
