/** A snapshot as its owner takes it: chunk by chunk, out of a buffer that is used again. */
import type { StateMachine } from "../src/state/state-machine.ts";
import { StateRestorer } from "../src/state/state-restorer.ts";
import { StateSnapshot } from "../src/state/state-snapshot.ts";

export class SnapshotCopy {
  readonly snapshot: StateSnapshot;
  readonly chunks: Buffer[] = [];

  constructor(state: StateMachine) {
    this.snapshot = new StateSnapshot(state);
  }

  /** Takes what was written since; after commits too. */
  take(): void {
    const { images } = this.snapshot;
    if (images.length === 0) return;
    this.chunks.push(Buffer.from(images.bytes.subarray(0, images.length)));
    // Whoever still reads the buffer finds nothing of use in it.
    images.bytes.fill(0xff, 0, images.length);
    images.reset();
  }

  step(budgetBytes: number): boolean {
    const isComplete = this.snapshot.step(budgetBytes);
    this.take();
    return isComplete;
  }

  /** All of it in one chunk. */
  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  restoreTo(state: StateMachine): void {
    const restorer = new StateRestorer(state);
    for (const chunk of this.chunks) restorer.apply(chunk, chunk.length);
    restorer.finish(this.snapshot.offset);
  }
}

/** A snapshot of a state that does not change meanwhile. */
export function quietCopy(state: StateMachine, budgetBytes = 100_000): SnapshotCopy {
  const copy = new SnapshotCopy(state);
  while (!copy.step(budgetBytes));
  copy.snapshot.end();
  return copy;
}
