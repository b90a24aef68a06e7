/**
 * Rounds of load and kill -9 on one data directory: a server is started, clients write, the process is killed in the middle
 * of it, and the next one has to have everything that was acknowledged. Segments and snapshots are small, so that rotations
 * and snapshots are hit too; the policy of fsync changes from round to round, since the end of a process loses nothing with
 * any of them.
 */
import { once } from "node:events";
import { AcknowledgedWrites } from "./acknowledged-writes.ts";
import type { ServerProcess, ServerProcesses } from "./server-process.ts";

const POLICIES = ["always", "always", "interval", "always", "never"] as const;
export const SMALL_FILES = [
  ...["--set", "persistence.segment_bytes=64kb"],
  ...["--set", "persistence.snapshot_log_bytes=1mb"],
  ...["--set", "persistence.reserve_bytes=1mb"],
];

export interface CrashRoundsOptions {
  readonly processes: ServerProcesses;
  readonly rounds: number;
  readonly random: () => number;
  /** Told after each round. */
  readonly onRound?: (round: number, acknowledged: number) => void;
}

export interface CrashRounds {
  readonly acknowledged: number;
  /** Starts that were killed before they were ready. */
  readonly killedStarts: number;
  readonly snapshotsSeen: number;
}

export async function crashRounds({ processes, rounds, random, onRound }: CrashRoundsOptions): Promise<CrashRounds> {
  const writes = new AcknowledgedWrites(400);
  let killedStarts = 0;
  let snapshotsSeen = 0;
  for (let round = 0; round < rounds; round++) {
    const args = [...SMALL_FILES, "--fsync", POLICIES[round % POLICIES.length]];
    if (round % 3 === 2) {
      await killWhileStarting(processes, args, random);
      killedStarts++;
    }
    const server = await processes.start("crash", ...args);
    try {
      await writes.verify(server);
      const writing = writes.runUntilGone(server);
      await delay(50 + random() * 300);
      if (round % 2 === 1) await server.ask("admin.snapshot");
      await delay(random() * 400);
      await Promise.all([server.kill("SIGKILL"), writing]);
    } catch (error) {
      throw new Error(`round ${round}: ${await ending(server)}`, { cause: error });
    }
    if (/snapshot at offset/.test(server.output)) snapshotsSeen++;
    onRound?.(round, writes.count);
  }
  const last = await processes.start("crash", ...SMALL_FILES);
  await writes.verify(last);
  await writes.drain(last);
  await last.kill("SIGTERM");
  return { acknowledged: writes.count, killedStarts, snapshotsSeen };
}

/** How a server is, or has ended, and what it has said. */
async function ending(server: ServerProcess): Promise<string> {
  const { child, output } = server;
  // One that has closed a connection because it ends needs a moment for that.
  await Promise.race([once(child, "close"), delay(2000)]);
  return `exit code ${child.exitCode}, signal ${child.signalCode}: ${output.slice(-4000)}`;
}

/** Somewhere between its first instruction and its readiness: while it takes the lock, reads, cuts, or begins an epoch. */
async function killWhileStarting(
  processes: ServerProcesses,
  args: readonly string[],
  random: () => number,
): Promise<void> {
  const server = processes.begin("crash", ...args);
  await delay(random() * 700);
  await server.kill("SIGKILL");
}

/** How long something is let run: there is nothing to wait for. */
function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
