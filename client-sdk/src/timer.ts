/** Timers that keep no process alive: what they are for is worth nothing once all else has ended. */

/** In Node a timer keeps the process alive unless told otherwise; in a browser it is a number. */
export function unref(timer: unknown): void {
  (timer as { unref?(): void }).unref?.();
}

/** Before something is tried again by itself. Where a caller waits for an answer, the process has to stay: not for that. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => unref(setTimeout(resolve, ms)));
}
