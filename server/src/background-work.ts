/** What the ticker does: everything that is due at some time rather than asked for by a client. */
import type { AccessControl } from "./access/access-control.ts";
import type { ServerCertificate } from "./access/certificate.ts";
import type { Executor } from "./commands/execute.ts";
import type { Config } from "./config/schema.ts";
import type { Dispatcher } from "./dispatch/dispatcher.ts";
import type { Waits } from "./dispatch/waits.ts";
import type { Fanout } from "./fanout/fanout.ts";
import type { DataDirectory } from "./oplog/data-directory.ts";
import type { Replication } from "./replication/replication.ts";
import type { Clock } from "./runtime/clock.ts";
import type { Ticker } from "./runtime/ticker.ts";
import type { StateMachine } from "./state/state-machine.ts";
import { Strangers, type StrangersParts } from "./strangers.ts";
import type { Transport } from "./transports/transport.ts";

/** How many keys expire between two looks at the clock. */
const EXPIRE_SLICE_KEYS = 64;
/** How many keys are evicted ahead between two looks at the clock, as one record. */
const EVICT_SLICE_KEYS = 128;
/** How soon it is looked again whether little memory is left. */
const EVICT_IDLE_MS = 20;
/** Chunks, of 64 MB at most, dropped between two looks at the clock. */
const FREE_SLICE_CHUNKS = 1;
/** Messages and blocks of events freed between two looks at the clock. */
const FREE_SLICE_MESSAGES = 128;
const FREE_SLICE_BLOCKS = 128;
/** What messages and events of other sizes have left behind is put together from here on, a span at a time. */
const RECLAIM_BYTES_MIN = 4 * 2 ** 20;
/** Messages whose deadline, delay or life is over that are dealt with between two looks at the clock, as one record. */
const DUE_SLICE_MESSAGES = 64;
const DUE_SLICE_ROOMS = 16;
/** How soon replies that are overdue or leave little room are looked for, and how many are forgotten by one record. */
const REPLIES_TICK_MS = 20;
const REPLIES_SLICE = 1000;
/** How soon waits are looked at again at the latest, as the machine's clock may be set, and at the earliest, as many end one by one. */
const WAITS_TICK_MS = 100;
const WAITS_PAUSE_MS = 5;
/** How many end between two looks at the clock. */
const WAITS_SLICE = 64;
const TRANSACTIONS_TICK_MS = 1000;
const TRANSACTIONS_SLICE = 256;
const TRANSPORT_TICK_MS = 1000;
/** How soon a link is opened that is due, and a silent one found. */
const LINKS_TICK_MS = 20;
const DIRECTORY_TICK_MS = 100;
/** How often it is looked what queues, rooms and outboxes leave of the memory limit for keys. */
const MEASURE_MS = 100;
/** How soon detached memory is looked for again after there was none. */
const FREE_IDLE_MS = 100;

export interface WorkParts {
  readonly config: Config;
  readonly clock: Clock;
  readonly executor: Executor;
  readonly state: StateMachine;
  readonly fanout: Fanout;
  readonly dispatcher: Dispatcher;
  readonly transport: Transport;
  readonly respTransport: Transport;
  /** Undefined where everything is in memory only. */
  readonly directory: DataDirectory | undefined;
  readonly replication: Replication;
}

/** How soon a change of the tokens' file is seen, and a token's end by those who have logged in with it. */
const ACCESS_TICK_MS = 1000;

export interface AccessWorkParts extends StrangersParts {
  readonly access: AccessControl;
  readonly waits: Waits;
  readonly certificate: ServerCertificate | undefined;
}

export function registerAccess(ticker: Ticker, parts: AccessWorkParts): void {
  const { access, certificate, waits } = parts;
  const strangers = new Strangers(parts);
  const registration = ticker.register("tokens", () => {
    void access.reloadLater();
    void certificate?.reloadLater();
    // Before their connections go: who waits is told why. One over HTTP has no other connection than its request.
    if (access.isOn) waits.refuseEnded(parts.clock.nowMs());
    strangers.expel();
    return ACCESS_TICK_MS;
  });
  access.onEnded = () => registration.wake();
}

type InSlices = (name: string, idleMs: number, slice: () => boolean) => void;

export function registerWork(ticker: Ticker, parts: WorkParts): void {
  const { config, clock, executor, state, fanout, dispatcher, directory } = parts;
  /** Repeats `slice` while it has more to do and time is left; then it is called again at once, or after `idleMs`. */
  const inSlices: InSlices = (name, idleMs, slice) => {
    ticker.register(name, (budgetMs) => {
      const endMs = clock.monotonicMs() + budgetMs;
      do {
        if (!slice()) return idleMs;
      } while (clock.monotonicMs() < endMs);
      return 0;
    });
  };
  /** The same for what becomes operations: not while the log takes none. */
  const planned: InSlices = (name, idleMs, slice) => {
    inSlices(name, idleMs, () => executor.mayPlan && slice());
  };
  planned("expire keys", config.kvStore.ttlTickMs, () => {
    return executor.expireDue(clock.nowMs(), EXPIRE_SLICE_KEYS) === EXPIRE_SLICE_KEYS;
  });
  if (config.kvStore.evictionPolicy !== "none") {
    planned("evict keys ahead", EVICT_IDLE_MS, () => {
      executor.at(clock.nowMs());
      executor.begin();
      const count = executor.planner.evictAhead(EVICT_SLICE_KEYS);
      executor.commit();
      return count === EVICT_SLICE_KEYS;
    });
  }
  planned("due messages", config.queue.tickMs, () => {
    return fanout.consumers.runDue(clock.nowMs(), DUE_SLICE_MESSAGES) === DUE_SLICE_MESSAGES;
  });
  planned("due rooms", config.stream.tickMs, () => {
    return fanout.rooms.runDue(clock.nowMs(), DUE_SLICE_ROOMS) === DUE_SLICE_ROOMS;
  });
  registerWaits(ticker, clock, dispatcher.waits);
  registerReplies(inSlices, planned, parts);
  ticker.register("measure memory", () => {
    state.keys.memory.measure();
    return MEASURE_MS;
  });
  inSlices("overdue transactions", TRANSACTIONS_TICK_MS, () => {
    return executor.transactions.forgetOverdue(clock.nowMs(), TRANSACTIONS_SLICE) === TRANSACTIONS_SLICE;
  });
  registerHousekeeping(inSlices, state);
  if (directory !== undefined) registerDirectory(ticker, directory);
  registerLinks(ticker, parts);
}

/** Ends waits when their time is over, and none earlier. */
export function registerWaits(ticker: Ticker, clock: Clock, waits: Waits): void {
  const registration = ticker.register("overdue waits", (budgetMs) => {
    const endMs = clock.monotonicMs() + budgetMs;
    while (waits.runDue(clock.nowMs(), WAITS_SLICE) === WAITS_SLICE) if (clock.monotonicMs() >= endMs) return 0;
    return Math.min(Math.max(WAITS_PAUSE_MS, waits.nextDeadlineMs - clock.nowMs()), WAITS_TICK_MS);
  });
  waits.onEarlier = (delayMs) => registration.wake(Math.max(WAITS_PAUSE_MS, delayMs));
}

/** Memory: no operations, so it is done on every node, whatever the log says. */
function registerHousekeeping(inSlices: InSlices, state: StateMachine): void {
  inSlices("free flushed keys", FREE_IDLE_MS, () => state.keys.freeDetached(FREE_SLICE_CHUNKS));
  inSlices("free purged messages", FREE_IDLE_MS, () => state.queues.freeDetached(FREE_SLICE_MESSAGES));
  inSlices("free trimmed rooms", FREE_IDLE_MS, () => state.rooms.freeDetached(FREE_SLICE_BLOCKS));
  inSlices("reclaim messages", FREE_IDLE_MS, () => {
    return state.queues.reclaimableBytes > RECLAIM_BYTES_MIN && state.queues.evacuate(1);
  });
  inSlices("reclaim rooms", FREE_IDLE_MS, () => {
    return state.rooms.reclaimableBytes > RECLAIM_BYTES_MIN && state.rooms.evacuate();
  });
}

function registerLinks(ticker: Ticker, { transport, respTransport, replication }: WorkParts): void {
  ticker.register("links to other nodes", () => {
    replication.tick();
    return LINKS_TICK_MS;
  });
  ticker.register("connection deadlines", () => {
    transport.tick();
    respTransport.tick();
    return TRANSPORT_TICK_MS;
  });
}

function registerReplies(inSlices: InSlices, planned: InSlices, { clock, executor, state }: WorkParts): void {
  planned("overdue replies", REPLIES_TICK_MS, () => {
    executor.at(clock.nowMs());
    executor.begin();
    const count = executor.replies.forgetDue(REPLIES_SLICE);
    executor.commit();
    return count === REPLIES_SLICE;
  });
  inSlices("reclaim replies", FREE_IDLE_MS, () => {
    return state.replies.reclaimableBytes > RECLAIM_BYTES_MIN && state.replies.evacuate();
  });
}

function registerDirectory(ticker: Ticker, directory: DataDirectory): void {
  ticker.register("data directory", () => {
    directory.tick();
    return DIRECTORY_TICK_MS;
  });
  ticker.register("snapshot", (budgetMs) => directory.snapshots.slice(budgetMs));
}
