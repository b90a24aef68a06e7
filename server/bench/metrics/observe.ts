/**
 * What the metrics cost: one observation on the path of a command, and one page on the event loop.
 *
 *     npx tsx server/bench/metrics/observe.ts
 *
 * Durations are drawn as a server sees them: most under 10 us, a tail of milliseconds.
 */
import { performance } from "node:perf_hooks";
import { allCommands } from "../../src/commands/all.ts";
import { CommandInstruments } from "../../src/metrics/command-instruments.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import { StorageInstruments } from "../../src/metrics/storage-instruments.ts";
import { emptySources } from "../../test/metrics-fixture.ts";

const OBSERVATIONS = 20_000_000;
const DRAWN = 4096;

function observeNs(instruments: CommandInstruments, durationsMs: Float64Array, loops: number): number {
  const { length } = instruments.commands;
  const startedMs = performance.now();
  for (let i = 0; i < loops; i++) {
    instruments.observe(i % length, durationsMs[i & (DRAWN - 1)], 1, (i & 15) === 0 ? 1 : 0);
  }
  return ((performance.now() - startedMs) * 1e6) / loops;
}

const random = mulberry32(1);
const typicalMs = Float64Array.from({ length: DRAWN }, () => 0.002 * (1 - random()) ** -1.2);
const worstMs = new Float64Array(DRAWN).fill(20_000);

const instruments = new CommandInstruments(allCommands);
observeNs(instruments, typicalMs, 1_000_000);
console.log(`observe, typical durations: ${observeNs(instruments, typicalMs, OBSERVATIONS).toFixed(1)} ns`);
console.log(`observe, all past the last bucket: ${observeNs(instruments, worstMs, OBSERVATIONS).toFixed(1)} ns`);

for (const times of [1, 2, 4]) {
  // More commands than there are, as there will be: the same ones again under other names.
  const commands = Array.from({ length: times }, (_, copy) =>
    allCommands.map((command) => ({ ...command, operation: `${command.operation}${copy}` })),
  ).flat();
  const many = new CommandInstruments(commands);
  observeNs(many, typicalMs, 1_000_000);
  const metrics = new Metrics({
    instruments: many,
    sources: emptySources,
    storage: new StorageInstruments(),
    fsync: "always",
    clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
    version: "0.0.0",
  });
  const pagesMs: number[] = [];
  let bytes = 0;
  for (let page = 0; page < 200; page++) {
    const startedMs = performance.now();
    bytes = (await metrics.render()).length;
    pagesMs.push(performance.now() - startedMs);
  }
  metrics.stop();
  const first = pagesMs[0];
  pagesMs.sort((a, b) => a - b);
  console.log(
    `page, ${commands.length} commands, ${(bytes / 1000).toFixed(0)} kB: first ${first.toFixed(2)} ms, median ` +
      `${pagesMs[100].toFixed(2)} ms, p99 ${pagesMs[198].toFixed(2)} ms`,
  );
}

/** A small seeded generator: the same durations in every run. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
