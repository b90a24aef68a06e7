/** A master and its replicas as real processes, and some writes to them. */
import { expect, vi } from "vitest";
import { TRANSPORT_FLAGS } from "../tested-transport.ts";
import { type ServerProcess, ServerProcesses } from "./server-process.ts";

const QUICK = ["--set", "replication.heartbeat_ms=100", "--set", "replication.link_timeout_ms=1000"];
export const WAIT = { timeout: 15_000, interval: 20 };

export class ReplicaProcesses {
  readonly #processes = new ServerProcesses(TRANSPORT_FLAGS);

  end(): Promise<void> {
    return this.#processes.end();
  }

  startMaster(): Promise<ServerProcess> {
    return this.#processes.start("master", "--resp-port", "0", ...QUICK);
  }

  /** One whose master may be down. */
  startUnlinked(name: string, master: ServerProcess): Promise<ServerProcess> {
    return this.#processes.start(name, "--resp-port", "0", "--replica-of", master.url, ...QUICK);
  }

  async startReplica(name: string, master: ServerProcess): Promise<ServerProcess> {
    const replica = await this.startUnlinked(name, master);
    await vi.waitFor(async () => expect(await replica.isReady()).toBe(true), WAIT);
    return replica;
  }
}

/** A hundred keys to a command. */
export async function write(server: ServerProcess, from: number, count: number): Promise<void> {
  for (let first = from; first < from + count; first += 100) {
    const pairs = Array.from({ length: Math.min(100, from + count - first) }, (_, i) => ({
      key: `key ${String(first + i).padStart(7, "0")}`,
      value: `value ${first + i}`,
    }));
    await server.run("kv.mset", { pairs });
  }
}
