/**
 * What the server costs before it does anything: the time to its ready line, the memory when idle, both beyond a bare
 * Node process that listens, and the memory of an idle WebSocket.
 *
 *     npx tsx benchmark-cli/src/studies/footprint.ts [--rounds 5] [--json FILE]
 */
import type { ChildProcess } from "node:child_process";
import { type Connection, openConnection } from "../load/connection.ts";
import { requestOf } from "../load/workload.ts";
import { Report } from "../report/report.ts";
import { median } from "../report/row.ts";
import { rssBytes, sleep, start, stop } from "../servers/processes.ts";
import { startSynap } from "../servers/synap-process.ts";
import { readOptions } from "./options.ts";

const MB = 2 ** 20;
const WEBSOCKETS = 5_000;
/** How long a process is left alone before its idle memory is read. */
const SETTLE_MS = 2_000;

const BARE_PROGRAM = `
  require("node:http").createServer().listen(0, "127.0.0.1", () => console.log("listening"));
`;

const options = readOptions({ rounds: 5 });
const report = new Report("Start and idle memory");

const starts = { synap: [] as number[], bare: [] as number[] };
const memory = { synap: [] as number[], bare: [] as number[] };
for (let round = 0; round < options.rounds; round++) {
  const bare = await startBare();
  const synap = await startSynap(options.server, { durability: "always" });
  await sleep(SETTLE_MS);
  starts.bare.push(bare.readyMs);
  starts.synap.push(synap.readyMs);
  memory.bare.push(rssBytes(bare.child));
  memory.synap.push(rssBytes(synap.child));
  const times = `ready after ${synap.readyMs.toFixed(0)} ms, bare Node ${bare.readyMs.toFixed(0)} ms`;
  const sizes = `RSS ${mb(memory.synap[round])} MB, bare Node ${mb(memory.bare[round])} MB`;
  report.progress(`round ${round + 1}: ${times}; ${sizes}`);
  await stop(bare.child);
  await synap.stop();
}
const beyond = ({ synap, bare }: typeof starts) => median(synap.map((value, round) => value - bare[round]));
report.add({ what: "start to ready, bare Node", value: median(starts.bare), unit: "ms" });
report.add({ what: "start to ready, Synap", value: median(starts.synap), unit: "ms" });
report.add({ what: "start beyond bare Node", value: beyond(starts), unit: "ms", better: "less", goal: 150 });
report.add({ what: "idle RSS, bare Node", value: median(memory.bare) / MB, unit: "MB" });
report.add({ what: "idle RSS, Synap", value: median(memory.synap) / MB, unit: "MB" });
report.add({ what: "idle RSS beyond bare Node", value: beyond(memory) / MB, unit: "MB", better: "less", goal: 45 });

const synap = await startSynap(options.server, { durability: "always" });
const connections: Connection[] = [];
// The first few hundred warm the paths up, and their memory is not the connections'.
await connect(500);
await sleep(SETTLE_MS);
const before = rssBytes(synap.child);
await connect(WEBSOCKETS);
await sleep(SETTLE_MS);
const each = (rssBytes(synap.child) - before) / WEBSOCKETS;
report.add({
  what: `an idle WebSocket, of ${WEBSOCKETS}`,
  value: each,
  unit: "bytes",
  better: "less",
  goal: 10_000,
  note: "RSS of the server; each has asked once; the kernel's socket buffers are not in it",
});
report.finish(options.json);
process.exit();

/** Opens WebSockets, each of which gets one command answered. */
async function connect(count: number): Promise<void> {
  const request = requestOf("websocket", synap.port, [{ command: "kv.get", payload: { key: "none" } }]);
  for (let i = 0; i < count; i++) {
    const connection = await openConnection("websocket", synap.port);
    const answered = new Promise<void>((resolve) => {
      connection.onReply = resolve;
    });
    connection.send(request);
    await answered;
    connections.push(connection);
  }
}

async function startBare(): Promise<{ child: ChildProcess; readyMs: number }> {
  const startedMs = performance.now();
  const child = start(process.execPath, ["-e", BARE_PROGRAM], { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise((resolve) => child.stdout?.once("data", resolve));
  return { child, readyMs: performance.now() - startedMs };
}

function mb(bytes: number): string {
  return (bytes / MB).toFixed(1);
}
