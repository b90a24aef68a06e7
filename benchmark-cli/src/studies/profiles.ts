/**
 * What the profiles of `synap-server --profile` change, each beside the defaults, in turns: the rate of sets with
 * `high-throughput`, the memory of the process with `low-memory`, and values of many megabytes with `large-values`.
 *
 *     npm run profiles -w benchmark-cli -- [--rounds 3] [--seconds 2] [--keys 200000] [--help]
 */
import { openWebSocket } from "../load/client-socket.ts";
import { fill, runLoad } from "../load/load.ts";
import { frameFor, perform, performFrame } from "../load/requests.ts";
import { KEY_BYTES, VALUE_BYTES } from "../load/workload.ts";
import { Report } from "../report/report.ts";
import { median } from "../report/row.ts";
import { rssBytes, sleep } from "../servers/processes.ts";
import { type Synap, startSynap } from "../servers/synap-process.ts";
import { benchmarkOptions } from "./benchmark-options.ts";

const MB = 2 ** 20;
const CONNECTIONS = 10;
const IN_FLIGHT = 8;
const SETTLE_MS = 2_000;
const LARGE_VALUE_BYTES = 4 * MB;
const LARGEST_MB = [4, 8, 16, 31];

const options = benchmarkOptions("What the configuration profiles change, beside the defaults.", {
  rounds: { default: 3, about: "repetitions, of which the median counts" },
  seconds: { default: 2, min: 0.1, isFraction: true, about: "seconds of one run" },
  keys: { default: 200_000, about: "keys that memory is measured with" },
});
const report = new Report("Configuration profiles");

await compare("high-throughput", "sets of 100 bytes over WebSocket", "sets/s", setsPerSec);
await compare("low-memory", `RSS with ${options.keys.toLocaleString("en-US")} keys of 100 bytes`, "MB", megabytes);
await compare("large-values", "sets of 4 MB over WebSocket", "MB/s", largeMegabytesPerSec);
await compare("large-values", "largest value of 4, 8, 16 and 31 MB that is accepted", "MB", largestMegabytes);
report.finish(options.json);
process.exit();

type Measure = (synap: Synap) => Promise<number>;

async function compare(profile: string, what: string, unit: string, measure: Measure): Promise<void> {
  const values: Record<"defaults" | "profile", number[]> = { defaults: [], profile: [] };
  for (let round = 1; round <= options.rounds; round++) {
    for (const which of ["defaults", "profile"] as const) {
      const args = which === "profile" ? ["--profile", profile] : [];
      const synap = await startProfiled(args);
      values[which].push(await measure(synap));
      await synap.stop();
    }
    const last = (which: "defaults" | "profile") => values[which][round - 1].toFixed(1);
    report.progress(`round ${round}, ${what}: ${last("defaults")} ${unit}, with ${profile} ${last("profile")}`);
  }
  report.add({ what: `${what}, defaults`, value: median(values.defaults), unit, runs: values.defaults });
  const ratio = median(values.profile.map((value, i) => value / values.defaults[i]));
  const note = `${ratio.toFixed(2)} x`;
  report.add({ what: `${what}, ${profile}`, value: median(values.profile), unit, runs: values.profile, note });
}

/** Without a flag for `fsync`, which would win over the profile's. */
function startProfiled(args: readonly string[]): Promise<Synap> {
  return startSynap(options.server, { durability: "configured", args });
}

async function setsPerSec(synap: Synap): Promise<number> {
  const workload = { mix: { set: 1 }, keys: 10_000, keyBytes: KEY_BYTES, valueBytes: VALUE_BYTES, batch: 1 };
  const load = { protocol: "websocket", port: synap.port, workload, connections: CONNECTIONS } as const;
  const result = await runLoad(
    { ...load, inFlight: IN_FLIGHT, seconds: options.seconds, warmupSeconds: 1 },
    synap.child,
  );
  return result.commandsPerSec;
}

async function megabytes(synap: Synap): Promise<number> {
  await fill(synap.port, { count: options.keys, valueBytes: VALUE_BYTES });
  await sleep(SETTLE_MS);
  return rssBytes(synap.child) / MB;
}

async function largeMegabytesPerSec(synap: Synap): Promise<number> {
  const socket = await openWebSocket(synap.port);
  const value = "v".repeat(LARGE_VALUE_BYTES);
  const frame = frameFor({ command: "kv.set", payload: { key: "large", value } });
  const startMs = performance.now();
  const endMs = startMs + options.seconds * 1_000;
  let stored = 0;
  while (performance.now() < endMs) {
    await performFrame(socket, frame, "kv.set");
    stored += LARGE_VALUE_BYTES / MB;
  }
  socket.close();
  return (stored * 1_000) / (performance.now() - startMs);
}

async function largestMegabytes(synap: Synap): Promise<number> {
  let largest = 0;
  for (const size of LARGEST_MB) {
    const socket = await openWebSocket(synap.port);
    // A connection whose message is over the limit is closed.
    socket.mayBeClosed();
    const value = "v".repeat(size * MB);
    const accepted = await Promise.race([
      perform(socket, "kv.set", { key: "large", value }).then(
        () => true,
        () => false,
      ),
      socket.closed.then(() => false),
    ]);
    socket.close();
    if (!accepted) break;
    largest = size;
  }
  return largest;
}
