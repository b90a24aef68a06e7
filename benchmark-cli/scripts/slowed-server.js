/**
 * The built server, which spends a tenth more CPU time than it should: for a proof that the gates notice. Every few commands
 * it looks at what they have cost the process, and spins for a tenth of that.
 */
import { Executor } from "../../server/dist/commands/execute.js";

const SHARE = 0.1;
const LOOK_EVERY = 64;
const CALIBRATION_ITERATIONS = 20_000_000;

let sink = 0;

function spin(iterations) {
  let mixed = sink;
  for (let i = 0; i < iterations; i++) mixed = Math.imul(mixed ^ i, 0x9e3779b1);
  sink = mixed;
}

function cpuUs() {
  const { user, system } = process.cpuUsage();
  return user + system;
}

const startUs = cpuUs();
spin(CALIBRATION_ITERATIONS);
const iterationsPerUs = CALIBRATION_ITERATIONS / (cpuUs() - startUs);

let commands = 0;
let seenUs = cpuUs();
const { attempt } = Executor.prototype;
Executor.prototype.attempt = function slowed(command, args, caller) {
  commands += 1;
  if (commands % LOOK_EVERY === 0) {
    spin((cpuUs() - seenUs) * SHARE * iterationsPerUs);
    // What was spun is not to be paid for again.
    seenUs = cpuUs();
  }
  return attempt.call(this, command, args, caller);
};

// The program itself: it reads the arguments of this process.
await import(new URL("../../server/dist/main.js", import.meta.url).href);
