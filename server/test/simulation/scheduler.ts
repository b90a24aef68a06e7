/**
 * The time of a simulation. Everything that would come from outside a process (the disk has answered, a message has arrived,
 * a timer rings, the power fails) is an event with an instant; the next one runs, then all that its promises lead to, and
 * only then the one behind it. Time jumps from event to event, so a minute costs what happens in it.
 *
 *     step   [event at 3.1 ms][microtasks]  [event at 3.4 ms][microtasks] ...
 *
 * Nothing but promises may wait inside a simulation. `setImmediate` is not used as a timer: it comes back when the queue of
 * microtasks is empty, however long the chains of promises were, and nothing else of the process runs meanwhile.
 */

export interface Scheduled {
  cancel(): void;
}

interface Event extends Scheduled {
  readonly atMs: number;
  readonly order: number;
  run: (() => void) | undefined;
}

export class Scheduler {
  /** Since the beginning. */
  nowMs = 0;
  /** Events that have run. */
  count = 0;
  /** The next event is at the end. */
  readonly #events: Event[] = [];
  #order = 0;

  after(delayMs: number, run: () => void): Scheduled {
    this.#order++;
    const event: Event = {
      atMs: this.nowMs + delayMs,
      order: this.#order,
      run,
      cancel() {
        event.run = undefined;
      },
    };
    let [low, high] = [0, this.#events.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.#events[middle];
      // Of two at the same instant the one that was asked for first comes first.
      if (other.atMs > event.atMs) low = middle + 1;
      else high = middle;
    }
    this.#events.splice(low, 0, event);
    return event;
  }

  /** Runs the next event and what its promises lead to. @returns false where there is none. */
  async step(): Promise<boolean> {
    const event = this.#events.pop();
    if (event === undefined) return false;
    const { run } = event;
    if (run === undefined) return true;
    this.nowMs = event.atMs;
    this.count++;
    run();
    await microtasks();
    return true;
  }
}

function microtasks(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
