/**
 * Work that is done once at the end of a turn of the event loop, however often it was asked for in it: the pushes of many
 * commands leave in one write per connection, and a reader far behind gets its next page after everybody else was served.
 *
 *     loop   | sockets: commands ... request() ... request() | turn end: run() | sockets ...
 */
export class TurnEnd {
  readonly #tasks: Task[] = [];
  readonly #onBug: (error: unknown) => void;
  readonly #defer: (run: () => void) => void;
  #isDeferred = false;
  readonly #run = (): void => this.#runAll();

  /**
   * @param defer calls back after the sockets of this turn were served; a test gives its own.
   * @param onBug is told what a task has thrown; what it was to do is lost, and the other tasks go on unless it throws too.
   */
  constructor(defer: (run: () => void) => void = afterSockets, onBug: (error: unknown) => void = rethrow) {
    this.#defer = defer;
    this.#onBug = onBug;
  }

  /**
   * @param run does a slice of the work, a few milliseconds at the most; returns whether it wants to go on in the next turn.
   * Tasks run in the order they were added.
   */
  add(run: () => boolean): TurnEndTask {
    const task: Task = { run, isRequested: false, request: () => this.#request(task) };
    this.#tasks.push(task);
    return task;
  }

  #request(task: Task): void {
    task.isRequested = true;
    if (this.#isDeferred) return;
    this.#isDeferred = true;
    this.#defer(this.#run);
  }

  #runAll(): void {
    this.#isDeferred = false;
    for (const task of this.#tasks) {
      if (!task.isRequested) continue;
      task.isRequested = false;
      try {
        if (task.run()) task.request();
      } catch (error) {
        this.#onBug(error);
      }
    }
  }
}

export interface TurnEndTask {
  /** Has `run` called at the end of this turn. */
  request(): void;
}

interface Task extends TurnEndTask {
  readonly run: () => boolean;
  isRequested: boolean;
}

export function afterSockets(run: () => void): void {
  setImmediate(run);
}

function rethrow(error: unknown): never {
  throw error;
}
