/** What all comparisons are told. */
export interface PeerOptions {
  /** Repetitions, of which the median counts. */
  readonly rounds: number;
  /** Seconds of one run. */
  readonly duration: number;
  readonly connections: number;
  readonly keys: number;
  readonly payloadSize: number;
  readonly seed: number;
}

/** Seconds of each run before anything counts. */
export const WARMUP_SECS = 0.5;
