/** Ends a wait for what does not come any more, so that a benchmark says what was lost instead of hanging. */
import { sleep } from "../servers/processes.ts";

/** Without any progress for this long, what is missing is lost. */
const STALLED_MS = 15_000;

/**
 * Resolves with the work, or when the work has stalled.
 * @param progress a number that changes as long as something comes
 */
export function doneOrStalled(done: Promise<void>, progress: () => number): Promise<void> {
  let isDone = false;
  const watch = async () => {
    for (let seen = Number.NaN; !isDone && progress() !== seen; ) {
      seen = progress();
      await sleep(STALLED_MS);
    }
  };
  const marked = done.then(() => {
    isDone = true;
  });
  return Promise.race([marked, watch()]);
}
