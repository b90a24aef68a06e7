/** Profiles a server under a load: a CPU profile with its flame graph, and a snapshot of the heap. */
import type { ChildProcess } from "node:child_process";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { ClientProcess } from "../load/client-process.ts";
import type { Protocol } from "../load/connection.ts";
import { fill, runLoad } from "../load/load.ts";
import { KEY_BYTES, VALUE_BYTES } from "../load/workload.ts";
import type { QueueCyclesConfig } from "../queue/queue-cycles.ts";
import { createRooms, RoomClients } from "../rooms/room-topology.ts";
import { BenchmarkError } from "../servers/benchmark-error.ts";
import { type FsyncPolicy, NO_SNAPSHOTS, type Synap, startSynap } from "../servers/synap-process.ts";
import type { TopicStreamConfig } from "../topics/topic-stream.ts";
import { type CpuProfile, flameGraph } from "./flame-graph.ts";

const PROBE = fileURLToPath(new URL("../../scripts/profile-probe.js", import.meta.url));

export interface ProfileOptions {
  readonly server: string | undefined;
  readonly scenario: "kv" | "queue" | "stream" | "pubsub";
  readonly protocol: Protocol;
  readonly readRatio: number;
  readonly keys: number;
  readonly connections: number;
  readonly pipeline: number;
  readonly duration: number;
  readonly fsync: FsyncPolicy;
  readonly out: string;
}

const PAYLOAD_BYTES = 100;
const WARMUP_SECS = 1;
const ROOMS = { rooms: 20, subscribersPerRoom: 10, dataBytes: PAYLOAD_BYTES, clients: 1 };
const ROOM_EVENTS = 500;
const ROOM_WINDOW = 4;

/** @returns the files that were written. */
export async function profileServer(options: ProfileOptions): Promise<string[]> {
  const { server, scenario, fsync, out } = options;
  mkdirSync(out, { recursive: true });
  const synap = await startSynap(server, {
    durability: fsync,
    args: NO_SNAPSHOTS,
    nodeArgs: ["--import", PROBE],
    ipc: true,
  });
  const profileFile = join(out, `${scenario}.cpuprofile`);
  const heapFile = join(out, `${scenario}.heapsnapshot`);
  const flameFile = join(out, `${scenario}-flame.html`);
  await LOADS[scenario](
    options,
    synap,
    () => act(synap.child, "begin"),
    () => act(synap.child, "end", profileFile),
  );
  await act(synap.child, "heap", heapFile);
  await synap.stop();
  // The probe has written what the inspector gave it.
  const profile = JSON.parse(readFileSync(profileFile, "utf8")) as CpuProfile;
  writeFileSync(flameFile, flameGraph(`Synap, ${scenario} (fsync: ${fsync})`, profile));
  return [flameFile, profileFile, heapFile].map((file) => `${file} (${(statSync(file).size / 2 ** 20).toFixed(1)} MB)`);
}

function act(child: ChildProcess, word: "begin" | "end" | "heap", file?: string): Promise<void> {
  return new Promise((done, reject) => {
    child.once("exit", () => reject(new BenchmarkError("the server ended while it was profiled")));
    child.once("message", () => done());
    child.send({ act: word, file: file === undefined ? undefined : resolve(file) });
  });
}

type ProfiledLoad = (
  options: ProfileOptions,
  synap: Synap,
  begin: () => Promise<void>,
  end: () => Promise<void>,
) => Promise<void>;

const LOADS: Readonly<Record<ProfileOptions["scenario"], ProfiledLoad>> = {
  async kv(options, synap, begin, end) {
    const { keys, protocol, readRatio, connections, pipeline, duration } = options;
    await fill(synap.port, { count: keys, valueBytes: VALUE_BYTES });
    const mix = { get: readRatio, set: 1 - readRatio };
    const workload = { mix, keys, keyBytes: KEY_BYTES, valueBytes: VALUE_BYTES, batch: 1 };
    const port = protocol === "resp" ? synap.respPort : synap.port;
    const inFlight = protocol === "http" ? 1 : pipeline;
    const load = { protocol, port, workload, connections, inFlight };
    await runLoad({ ...load, seconds: WARMUP_SECS }, synap.child);
    await begin();
    await runLoad({ ...load, seconds: duration }, synap.child);
    await end();
  },
  async queue({ connections, pipeline: inFlight, duration: seconds }, { port }, begin, end) {
    const config: QueueCyclesConfig = {
      ...{ protocol: "websocket", port, connections, inFlight, seconds },
      payloadBytes: PAYLOAD_BYTES,
      warmupSeconds: WARMUP_SECS,
    };
    await profileClient(new ClientProcess(new URL("../queue/queue-cycles.ts", import.meta.url), config), begin, end);
  },
  async pubsub({ duration: seconds }, { port }, begin, end) {
    const config: TopicStreamConfig = {
      ...{ server: "synap", port, batch: 1, window: 2_000, seconds },
      payloadBytes: PAYLOAD_BYTES,
      warmupSeconds: WARMUP_SECS,
    };
    await profileClient(new ClientProcess(new URL("../topics/topic-stream.ts", import.meta.url), config), begin, end);
  },
  async stream({ duration }, synap, begin, end) {
    await createRooms(synap, ROOMS.rooms, ROOM_EVENTS);
    const clients = await RoomClients.open("synap", synap, ROOMS);
    await clients.run(ROOM_EVENTS, ROOM_WINDOW);
    await begin();
    for (const endMs = performance.now() + duration * 1_000; performance.now() < endMs; ) {
      await clients.run(ROOM_EVENTS, ROOM_WINDOW);
    }
    await end();
    await clients.stop();
  },
};

/** Both clients say when they begin to measure and when they have. */
async function profileClient(
  client: ClientProcess,
  begin: () => Promise<void>,
  end: () => Promise<void>,
): Promise<void> {
  await client.until("measuring");
  await begin();
  await client.until("measured");
  await end();
  await client.until("done");
  await client.stop();
}
