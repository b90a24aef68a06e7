/** What is measured of the disk: syncs of the log, and snapshots. */
import { DurationHistogram } from "./duration-histogram.ts";

const SYNC_SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

export class StorageInstruments {
  readonly syncs = new DurationHistogram(1, SYNC_SECONDS);
  snapshotCount = 0;
  /** Of the last snapshot. */
  snapshotSeconds = 0;
  snapshotBytes = 0;

  synced(durationMs: number): void {
    this.syncs.observe(0, durationMs);
  }

  tookSnapshot(bytes: number, durationMs: number): void {
    this.snapshotCount += 1;
    this.snapshotBytes = bytes;
    this.snapshotSeconds = durationMs / 1000;
  }
}
