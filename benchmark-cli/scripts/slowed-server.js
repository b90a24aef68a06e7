/**
 * The built server, which does a tenth more on the hot path than it should: for a proof that the gates notice. Every twentieth
 * of a second it looks at what a command has cost meanwhile, and then spins for a tenth of that in each command.
 */
import { Executor } from "../../server/dist/commands/execute.js";

const SHARE = 0.1;
const LOOK_EVERY_MS = 50;
const CALIBRATION_ITERATIONS = 20_000_000;

let sink = 0;

function spin(iterations) {
  let mixed = sink;
  for (let i = 0; i < iterations; i++) mixed = Math.imul(mixed ^ i, 0x9e3779b1);
  sink = mixed;
}

const startMs = performance.now();
spin(CALIBRATION_ITERATIONS);
const iterationsPerUs = CALIBRATION_ITERATIONS / ((performance.now() - startMs) * 1_000);

let commands = 0;
let spinUs = 0;
let cpuAtLook = process.cpuUsage();
setInterval(() => {
  const used = process.cpuUsage(cpuAtLook);
  cpuAtLook = process.cpuUsage();
  if (commands === 0) return;
  const withoutSpin = (used.user + used.system) / commands - spinUs;
  spinUs = Math.max(0, SHARE * withoutSpin);
  commands = 0;
}, LOOK_EVERY_MS).unref();

const attempt = Executor.prototype.attempt;
Executor.prototype.attempt = function slowed(...args) {
  commands += 1;
  spin(spinUs * iterationsPerUs);
  return attempt.apply(this, args);
};

// The program itself: it reads the arguments of this process.
await import(new URL("../../server/dist/main.js", import.meta.url).href);
