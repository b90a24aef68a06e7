/**
 * Snapshots taken while random operations of all kinds go on. Each must restore to the state at its offset, byte for byte as
 * a replay has it, and follow the log from there.
 */
import { expect, it } from "vitest";
import { quietCopy, SnapshotCopy } from "../../test/snapshot-copy.ts";
import { soaked } from "../../test/soak.ts";
import { checkState, follow, StateWorkload, smallState, type WorkloadOptions } from "../../test/state-workload.ts";

const VARIANTS: readonly { readonly name: string; readonly options: WorkloadOptions }[] = [
  { name: "few flushes", options: { flushesPerMille: 1 } },
  { name: "many flushes", options: { flushesPerMille: 12 } },
  { name: "little memory", options: { memoryBytesMax: 900_000, flushesPerMille: 2 } },
  { name: "large offsets", options: { offsetBefore: 2 ** 47, flushesPerMille: 2 } },
];
const SEEDS = soaked(2);
/** A purge takes away the lane that is being walked, and the next lane has older messages. */
const PURGED_LANE = 85_686_739;
const STEPS = 2000;

class Run {
  readonly workload: StateWorkload;
  readonly options: WorkloadOptions;
  #copy: SnapshotCopy | undefined = undefined;
  #dump = "";
  #stepBytesMax = 0;
  completeCount = 0;
  abortedCount = 0;

  constructor(seed: number, options: WorkloadOptions) {
    this.workload = new StateWorkload(seed, options);
    this.options = options;
  }

  step(): void {
    const { workload } = this;
    workload.step();
    this.#copy?.take();
    const copy = this.#copy;
    if (copy === undefined) {
      if (workload.below(40) === 0) this.#begin();
    } else if (workload.below(300) === 0) {
      copy.snapshot.end();
      this.#copy = undefined;
      this.abortedCount++;
    } else if (workload.below(3) === 0 && copy.step(1 + workload.below(this.#stepBytesMax))) {
      copy.snapshot.end();
      this.#copy = undefined;
      this.completeCount++;
      this.#check(copy);
    }
  }

  #begin(): void {
    const { workload } = this;
    this.#dump = workload.state.dump();
    this.#copy = new SnapshotCopy(workload.state);
    // Some are over in a few steps, and some see most of what there was change.
    this.#stepBytesMax = workload.pick([100, 500, 3000, 100_000]);
  }

  #check(copy: SnapshotCopy): void {
    const { workload } = this;
    const { offset } = copy.snapshot;
    const restored = smallState(this.options.memoryBytesMax === undefined ? {} : { memoryBytesMax: 0 });
    copy.restoreTo(restored);
    expect(restored.dump()).toBe(this.#dump);
    checkState(restored);
    if (this.completeCount % 3 === 0) {
      const replayed = smallState({ ...this.options, memoryBytesMax: 0 });
      follow(replayed, workload.records, offset);
      expect(quietCopy(restored).bytes.equals(quietCopy(replayed, 1).bytes)).toBe(true);
    }
    follow(restored, workload.records);
    expect(restored.dump()).toBe(workload.state.dump());
    checkState(restored);
    checkState(workload.state);
  }

  finish(): void {
    this.#copy?.snapshot.end();
    const { state } = this.workload;
    checkState(state);
    while (state.keys.freeDetached(1));
    while (state.queues.freeDetached(100));
    while (state.rooms.freeDetached(100));
    checkState(state);
    expect([state.queues.detachedBytes, state.rooms.detachedBytes]).toEqual([0, 0]);
  }
}

for (const { name, options } of VARIANTS) {
  const drawn = Array.from({ length: SEEDS }, (_, i) => (i < SEEDS - 1 ? i + 1 : Math.floor(Math.random() * 2 ** 31)));
  const seeds = [PURGED_LANE, ...drawn];
  it.each(seeds)(`snapshots are exact with ${name}, seed %i`, (seed) => {
    const run = new Run(seed, options);
    for (let step = 0; step < STEPS; step++) run.step();
    run.finish();
    expect(run.completeCount).toBeGreaterThan(0);
  });
}
