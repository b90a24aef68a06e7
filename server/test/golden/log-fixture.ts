/**
 * Makes the data directory that log-format.test.ts reads: every kind of operation before a snapshot, behind it, and behind an
 * unclean start, which begins an epoch. The same bytes each time: seed, clock and id are fixed.
 *
 * A released format never changes, so its fixture is never made again. A new version gets a folder of its own:
 *
 *     npx tsx server/test/golden/log-fixture.ts server/test/golden/log-format-3
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";
import { DataNode, TestClock } from "../quiet-node.ts";
import { OperationTour } from "./operation-tour.ts";

export const ALL_KINDS: readonly number[] = [...range(1, 7), ...range(32, 46), ...range(64, 68), ...range(96, 97)];

function range(from: number, through: number): number[] {
  return Array.from({ length: through - from + 1 }, (_, i) => from + i);
}

const SEGMENT_BYTES = 4096;

/** Leaves files and a dump of what they hold in a directory, which is made anew. */
export async function makeLogFixture(path: string): Promise<void> {
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  const clock = new TestClock();
  const options = { path, clock, fsync: "interval", segmentBytes: SEGMENT_BYTES } as const;
  const first = await DataNode.open(options);
  await new OperationTour(first, "before").run();
  await first.snapshot();
  await new OperationTour(first, "behind").run();
  await first.kill();
  clock.ms += 1000;
  const second = await DataNode.open(options);
  await new OperationTour(second, "in the second epoch").run();
  const dump = second.state.dump();
  await second.close();
  for (const name of readdirSync(path)) if (name.endsWith(".tmp")) rmSync(`${path}/${name}`);
  writeFileSync(`${path}/dump.txt`, `${dump}\n`);
}

if (argv[1] === fileURLToPath(import.meta.url)) await makeLogFixture(argv[2]);
