/**
 * What the studies of stalls have in common: a load, and the delay of the server's event loop beside that of a process that
 * does nothing, which sees the stalls that the machine makes.
 *
 *     server with the probe  --+
 *                              +-- begin ... end -->  { synap, bare }
 *     the probe alone        --+
 */
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Load } from "../load/load.ts";
import type { LoopDelay } from "../load/loop-probe.ts";
import { KEY_BYTES, VALUE_BYTES } from "../load/workload.ts";
import type { Row } from "../report/row.ts";
import { start } from "../servers/processes.ts";

const PROBE = fileURLToPath(new URL("../load/loop-probe.ts", import.meta.url));
const BATCH = 20;
/** A bare loop that is held up for longer says that the machine is busy with something else. */
const QUIET_MS_MAX = 10;

/** Arguments of Node for the server, which is started with a channel (`ipc`). */
export const PROBE_ARGS: readonly string[] = [...process.execArgv, "--import", PROBE];

export interface LoopDelays {
  readonly synap: LoopDelay;
  readonly bare: LoopDelay;
}

export class StallProbe {
  readonly #synap: ChildProcess;
  readonly #bare: ChildProcess;

  /** @param synap a server that was started with `PROBE_ARGS` */
  constructor(synap: ChildProcess) {
    this.#synap = synap;
    this.#bare = start(process.execPath, [...process.execArgv, PROBE], {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
  }

  begin(): void {
    for (const child of [this.#synap, this.#bare]) child.send("begin");
  }

  async end(): Promise<LoopDelays> {
    return { synap: await delayOf(this.#synap), bare: await delayOf(this.#bare) };
  }
}

function delayOf(child: ChildProcess): Promise<LoopDelay> {
  child.send("end");
  return new Promise((resolve) => child.once("message", (delay) => resolve(delay as LoopDelay)));
}

export function shownDelay({ p50Ms, p99Ms, p999Ms, maxMs }: LoopDelay): string {
  return [p50Ms, p99Ms, p999Ms, maxMs].map((ms) => ms.toFixed(2)).join(" / ");
}

/** Less the delays of a bare loop, a busy machine would flatter us: where it stalls itself, nothing is judged. */
export function stallBounds(runs: readonly LoopDelays[]): Pick<Row, "better" | "least" | "goal" | "note"> {
  return runs.every(({ bare }) => bare.maxMs < QUIET_MS_MAX)
    ? { better: "less", least: 20, goal: 10 }
    : { note: "not judged: the bare loop stalled too, so the machine was busy" };
}

/** A fifth are writes, and a fifth writes that expire one to three seconds later. */
export function stallLoad(port: number, keys: number, commandsPerSec: number, seconds: number): Load {
  return {
    protocol: "websocket",
    port,
    workload: {
      mix: { get: 0.6, set: 0.2, set_ttl: 0.2 },
      keys,
      keyBytes: KEY_BYTES,
      valueBytes: VALUE_BYTES,
      batch: BATCH,
      ttlMs: [1_000, 3_000],
    },
    connections: 10,
    requestsPerSec: commandsPerSec / BATCH,
    pacing: "timer",
    seconds,
    warmupSeconds: 1,
  };
}
