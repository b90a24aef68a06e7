/**
 * What a command over RESP costs between the bytes that were read and those that are to be written, without sockets: bursts of 64
 * requests for random keys, once as the server runs (runtime/inlining.ts) and once with what V8 inlines by itself.
 *
 *     npx tsx server/bench/dispatch/resp-bursts.ts [--keys 1000000] [--rounds 5]
 *
 * The two are processes of their own and take turns; shown are nanoseconds of CPU for a command, of the fastest slice of all
 * rounds: what others do on the machine can only make a slice slower. New keys are those of the second half of the fill, in no order.
 */
import { execFileSync } from "node:child_process";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { inlineMore } from "../../src/runtime/inlining.ts";
import { Fixture } from "../../test/dispatcher-fixture.ts";
import { requestBytes } from "../../test/protocol/differential/raw-connection.ts";
import { respDispatcher, respPeer } from "../../test/resp-fixture.ts";
import { shuffled } from "../structures/bench-key.ts";

const BURST = 64;
const BURSTS = 2000;
const SLICES = 16;
const VALUE = "x".repeat(100);

const { values } = parseArgs({
  options: {
    keys: { type: "string", default: "1000000" },
    rounds: { type: "string", default: "5" },
    /** What this process is to measure; without it, it compares. */
    side: { type: "string" },
  },
});
if (values.side === undefined) compare();
else {
  if (values.side === "server") inlineMore();
  console.log(JSON.stringify(measured(Number(values.keys))));
}

function compare(): void {
  const best = new Map<string, { plain: number; server: number }>();
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const side of round % 2 === 0 ? (["plain", "server"] as const) : (["server", "plain"] as const)) {
      const args = ["--import", "tsx", fileURLToPath(import.meta.url), "--side", side, "--keys", values.keys];
      // It is what `measured` answers with.
      const figures = JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" })) as Record<string, number>;
      for (const [name, ns] of Object.entries(figures)) {
        const so = best.get(name) ?? { plain: Number.POSITIVE_INFINITY, server: Number.POSITIVE_INFINITY };
        so[side] = Math.min(so[side], ns);
        best.set(name, so);
      }
    }
  }
  for (const [name, { plain, server }] of best) {
    const percent = (server / plain - 1) * 100;
    console.log(
      `${name}: ${plain.toFixed(0)} ns plain, ${server.toFixed(0)} ns as the server runs, ${percent.toFixed(1)} %`,
    );
  }
}

/** Nanoseconds by command. */
function measured(keys: number): Record<string, number> {
  // As a server without persistence has it: nobody reads the log.
  const fixture = new Fixture({ backlogBytesMax: 0 });
  const clock = { nowMs: () => fixture.clock.nowMs(), monotonicMs: () => performance.now() };
  const resp = respDispatcher(fixture, { clock });
  const client = resp.connect(1, respPeer());
  const input = new Uint8Array(64 * 1024);

  const burstOf = (requestOf: (i: number) => string[]) =>
    Buffer.concat(Array.from({ length: BURST }, (_, i) => requestBytes(requestOf(i))));
  const keyOf = (number: number) => `key:${String(number).padStart(12, "0")}`;
  const run = (burst: Buffer): void => {
    // As a read of a socket brings it.
    input.set(burst);
    for (let at = 0; at < burst.length; at = resp.consumed) resp.handle(client, input, at, burst.length);
  };
  const nanoseconds = (of: readonly Buffer[]): number => {
    const before = process.cpuUsage();
    for (const burst of of) run(burst);
    const { user, system } = process.cpuUsage(before);
    return ((user + system) * 1000) / (of.length * BURST);
  };
  const order = shuffled(keys);
  const added: number[] = [];
  for (let first = 0; first < keys; first += BURSTS * BURST) {
    const count = Math.min(BURSTS, Math.ceil((keys - first) / BURST));
    const keyAt = (at: number) => keyOf(order[at % keys]);
    added.push(
      nanoseconds(
        Array.from({ length: count }, (_, burst) => burstOf((i) => ["SET", keyAt(first + burst * BURST + i), VALUE])),
      ),
    );
  }

  const bursts = (request: (key: string) => string[]) =>
    Array.from({ length: BURSTS }, () => burstOf(() => request(keyOf(Math.floor(Math.random() * keys)))));
  const cases = {
    GET: bursts((key) => ["GET", key]),
    SET: bursts((key) => ["SET", key, VALUE]),
    INCR: bursts((key) => ["INCR", `n${key}`]),
  };
  const best: Record<string, number> = {};
  // A single slice would be that of code that has just begun to run.
  if (added.length > 1) best["SET of a new key"] = Math.min(...added.slice(added.length >> 1));
  for (let slice = 0; slice < SLICES; slice++) {
    for (const [name, of] of Object.entries(cases)) {
      best[name] = Math.min(best[name] ?? Number.POSITIVE_INFINITY, nanoseconds(of));
    }
  }
  return best;
}
