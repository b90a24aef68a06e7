/**
 * A cache that loads what it does not have, once.
 *
 *     many callers here --> one flight per key --> value there? --------------------------> value
 *                                                    no |    stale --> value, and a refresh behind it
 *                                                       v
 *                               take the lease (kv.set nx, a few seconds) --- taken --> wait a little, look again
 *                                                       | ours
 *                                                       v
 *                               load, store with its ttl, give the lease back
 *
 * The value is stored as it is, so that others can read it; whether it is stale shows in the time it has left. The lease is
 * renewed while the loader runs; a process that dies in between holds the others up for one lease.
 */
import { onAbort } from "./abort-signals.ts";
import type { CallOptions, Commander } from "./commander.ts";
import { CommandTimeoutError } from "./errors.ts";
import type { KvSetReply } from "./generated/shapes.ts";
import { type StandardSchema, validated } from "./standard-schema.ts";
import { unref } from "./timer.ts";

/** How to keep a value that was loaded. */
export interface LoadOptions<T> extends CallOptions {
  /** Seconds for which the value is as good as new. */
  readonly ttl: number;
  /**
   * Seconds after that in which the old value is still given, while one caller in the background loads the new one. Default 0.
   */
  readonly staleTtl?: number | undefined;
  /** How long others wait for a process that died while loading, in ms. Default 5000. */
  readonly leaseMs?: number | undefined;
  /**
   * How long the loader may take, here or in another process that is waited for, in ms. Then its signal is aborted, and the
   * callers get a CommandTimeoutError. Default 30,000.
   */
  readonly loadTimeoutMs?: number | undefined;
  /** Hears why a value that was loaded could not be stored; its callers get it all the same. */
  readonly onStoreError?: ((error: unknown) => void) | undefined;
  /** Checks what comes from the store. What does not fit is loaded anew. */
  readonly schema?: StandardSchema<T> | undefined;
}

type Loader<T> = (signal: AbortSignal) => T | Promise<T>;

interface State {
  readonly found: boolean;
  readonly value: unknown;
  readonly ttl_ms: number | null;
}

interface Flight {
  readonly result: Promise<unknown>;
  readonly controller: AbortController;
  waiterCount: number;
}

const LEASE_MS = 5_000;
const LOAD_TIMEOUT_MS = 30_000;
const LOOK_AGAIN_MIN_MS = 4;
const LOOK_AGAIN_MAX_MS = 100;
/** What the key of a lease begins with. */
const LEASE = "lease:";

export class ReadThrough {
  readonly #commander: Commander;
  readonly #flights = new Map<string, Flight>();
  readonly #refreshing = new Set<string>();

  constructor(commander: Commander) {
    this.#commander = commander;
  }

  get<T>(key: string, loader: Loader<T>, options: LoadOptions<T>): Promise<T> {
    if (options.signal?.aborted === true) return Promise.reject(options.signal.reason);
    let flight = this.#flights.get(key);
    if (flight === undefined) {
      const controller = new AbortController();
      const result = within(options, controller, () => this.#find(key, loader, options, controller.signal));
      const begun: Flight = { result, controller, waiterCount: 0 };
      flight = begun;
      this.#flights.set(key, flight);
      const landed = (): void => {
        if (this.#flights.get(key) === begun) this.#flights.delete(key);
      };
      result.then(landed, landed);
    }
    return this.#wait(key, flight, options.signal) as Promise<T>;
  }

  /** One caller may give up; the flight goes on for the others, and ends when nobody is left. */
  #wait(key: string, flight: Flight, signal: AbortSignal | undefined): Promise<unknown> {
    flight.waiterCount += 1;
    if (signal === undefined) return flight.result;
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        reject(signal.reason);
        flight.waiterCount -= 1;
        if (flight.waiterCount > 0) return;
        this.#flights.delete(key);
        flight.controller.abort(signal.reason);
      };
      const done = onAbort(signal, leave);
      flight.result.then(resolve, reject).then(done, done);
    });
  }

  async #find<T>(key: string, loader: Loader<T>, options: LoadOptions<T>, signal: AbortSignal): Promise<unknown> {
    const state = await this.#state(key, options, undefined);
    const kept = await usable(state, key, options);
    if (kept === undefined) return this.#load(key, loader, options, signal);
    if (isStale(state, options)) this.#refresh(key, loader, options);
    return kept.value;
  }

  async #load<T>(key: string, loader: Loader<T>, options: LoadOptions<T>, signal: AbortSignal): Promise<unknown> {
    const { leaseMs = LEASE_MS } = options;
    for (let waitMs = LOOK_AGAIN_MIN_MS; ; waitMs = Math.min(LOOK_AGAIN_MAX_MS, waitMs * 1.5)) {
      signal.throwIfAborted();
      // Of one turn, so in one frame, with nothing between: no value and our lease means that nobody else is loading.
      const [state, lease] = await Promise.all([
        this.#state(key, options, "master"),
        this.#take(key, leaseMs, options),
      ]);
      const kept = await usable(state, key, options);
      const isFresh = kept !== undefined && !isStale(state, options);
      if (lease.success && !isFresh) return this.#loadUnderLease(key, loader, options, signal, lease.version ?? 0);
      if (lease.success) await this.#release(key, lease.version ?? 0);
      if (kept !== undefined) return kept.value;
      // Whoever waits for the value keeps the process alive.
      await new Promise((resolve) => setTimeout(resolve, waitMs * (0.5 + Math.random())));
    }
  }

  async #loadUnderLease<T>(
    key: string,
    loader: Loader<T>,
    { ttl, staleTtl = 0, leaseMs = LEASE_MS, timeoutMs, onStoreError }: LoadOptions<T>,
    signal: AbortSignal,
    version: number,
  ): Promise<T> {
    let held: Promise<number> = Promise.resolve(version);
    const renew = setInterval(() => {
      held = held.then((last) => this.#renew(key, leaseMs, last));
      // A lease that cannot be renewed runs out: then somebody else may load as well, which is the lesser harm.
      held.catch((error: unknown) => error);
    }, leaseMs / 2);
    unref(renew);
    try {
      signal.throwIfAborted();
      const value = await Promise.race([loader(signal), aborted(signal)]);
      const payload = { key, value, ttl_ms: Math.max(1, Math.round((ttl + staleTtl) * 1_000)) };
      await this.#commander.send("kv.set", payload, undefined, { timeoutMs }).catch((error: unknown) => {
        onStoreError?.(error);
      });
      return value;
    } finally {
      clearInterval(renew);
      await this.#release(key, await held.catch(() => version));
    }
  }

  /** Loads behind the callers' backs, unless somebody does already. */
  #refresh<T>(key: string, loader: Loader<T>, options: LoadOptions<T>): void {
    if (this.#refreshing.has(key)) return;
    this.#refreshing.add(key);
    const done = (): void => {
      this.#refreshing.delete(key);
    };
    // A failure leaves the old value, and the next caller tries again; when it has run out, the caller gets the error.
    const controller = new AbortController();
    within(options, controller, () => this.#load(key, loader, options, controller.signal)).then(done, done);
  }

  #state(key: string, { timeoutMs }: CallOptions, readFrom: "master" | undefined): Promise<State> {
    return this.#commander.send("kv.get", { key, meta: true }, undefined, { timeoutMs, readFrom });
  }

  #take(key: string, leaseMs: number, { timeoutMs }: CallOptions): Promise<KvSetReply> {
    const payload = { key: LEASE + key, value: 1, nx: true, ttl_ms: leaseMs };
    return this.#commander.send("kv.set", payload, undefined, { timeoutMs });
  }

  async #renew(key: string, leaseMs: number, version: number): Promise<number> {
    const payload = { key: LEASE + key, value: 1, if_version: version, ttl_ms: leaseMs };
    const reply = await this.#commander.send<KvSetReply>("kv.set", payload);
    return reply.version ?? version;
  }

  /** Only while it is ours: another's has another version. */
  async #release(key: string, version: number): Promise<void> {
    await this.#commander.send("kv.set", { key: LEASE + key, value: 0, if_version: version, ttl_ms: 1 });
  }
}

/** Runs what is to end within `loadTimeoutMs`. */
async function within<T>(
  { loadTimeoutMs = LOAD_TIMEOUT_MS }: LoadOptions<T>,
  controller: AbortController,
  run: () => Promise<unknown>,
): Promise<unknown> {
  const timer = setTimeout(() => {
    controller.abort(new CommandTimeoutError(`nothing was loaded within ${loadTimeoutMs} ms`, false));
  }, loadTimeoutMs);
  try {
    return await run();
  } finally {
    clearTimeout(timer);
  }
}

/** Rejects when the signal is aborted. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => onAbort(signal, () => reject(signal.reason)));
}

/** What the store has, if it is there and fits. */
async function usable<T>(
  state: State,
  key: string,
  { schema }: LoadOptions<T>,
): Promise<{ readonly value: unknown } | undefined> {
  if (!state.found) return undefined;
  if (schema === undefined) return { value: state.value };
  try {
    return { value: await validated(schema, state.value, key) };
  } catch (error) {
    // Of an older form, perhaps: loading it anew mends that.
    return error instanceof Error ? undefined : { value: state.value };
  }
}

function isStale({ ttl_ms }: State, { staleTtl = 0 }: LoadOptions<unknown>): boolean {
  return ttl_ms !== null && ttl_ms <= staleTtl * 1_000;
}
