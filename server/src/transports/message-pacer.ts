/**
 * Keeps one connection's messages from holding the loop. All messages of one read of a socket are handed over in a row,
 * thousands of small ones that may each take a millisecond. A connection that has used up its time waits with the rest of
 * its messages, in memory and in order, for the ends of the turns to come, where all who wait get a slice in turn.
 *
 *     read  | m m m m m m m m m . . . . .        handled at once, until 20 ms of any 50 are used up
 *                              \. . . . .        wait; what comes meanwhile joins them
 *     turn  | others ... | m m m | others ... | m m m | others ...
 *
 * A connection whose messages cost little never waits, however many they are: a full read of them takes a few milliseconds.
 */
import type { TurnEnd, TurnEndTask } from "../runtime/turn-end.ts";
import { Fifo } from "./fifo.ts";

const LONG_AGO = Number.NEGATIVE_INFINITY;
const WINDOW_MS = 50;
const BUSY_MS_MAX = 20;
/** What those who wait get together in one turn, and one of them in a row. */
const TURN_MS_MAX = 4;
const SLICE_MS_MAX = 1;
/** What a kept message takes beside its bytes. */
const MESSAGE_BYTES = 128;

export interface PacedConnection {
  /** Works on a message. */
  handle(message: Uint8Array, isBinary: boolean): void;
  /** Runs `work` so that the replies to many messages leave together. */
  inOneWrite(work: () => void): void;
  /** What waits has changed, and is to be counted again. */
  recount(): void;
  /** More waits than may. The pace has forgotten it all. */
  flooded(): void;
}

interface KeptMessage {
  readonly bytes: Uint8Array;
  readonly isBinary: boolean;
}

/** One per transport. */
export class MessagePacer {
  readonly clock: { monotonicMs(): number };
  /** The most that may wait of one connection. */
  readonly waitingBytesMax: number;
  readonly #task: TurnEndTask;
  readonly #waiting = new Fifo<MessagePace>();

  constructor(turnEnd: TurnEnd, clock: { monotonicMs(): number }, waitingBytesMax: number) {
    this.clock = clock;
    this.waitingBytesMax = waitingBytesMax;
    this.#task = turnEnd.add(() => {
      this.#run();
      return false;
    });
  }

  /** Has a connection's messages handled at the ends of turns, until none waits. */
  add(pace: MessagePace): void {
    this.#waiting.push(pace);
    this.#task.request();
  }

  #run(): void {
    const endMs = this.clock.monotonicMs() + TURN_MS_MAX;
    try {
      for (let pace = this.#waiting.shift(); pace !== undefined; pace = this.#waiting.shift()) {
        // Back in line before it runs: a bug in one message must not lose the others.
        this.#waiting.push(pace);
        const nowMs = pace.handleWaiting();
        if (pace.waitingBytes === 0) this.#leave(pace);
        if (nowMs >= endMs) break;
      }
    } finally {
      if (this.#waiting.size > 0) this.#task.request();
    }
  }

  /** Takes out the one that was put back last. */
  #leave(pace: MessagePace): void {
    this.#waiting.pop();
    pace.hasCaughtUp();
  }
}

/** One per connection. */
export class MessagePace {
  /** Of the messages that wait. */
  waitingBytes = 0;
  readonly #pacer: MessagePacer;
  readonly #connection: PacedConnection;
  #windowStartMs = LONG_AGO;
  #busyMs = 0;
  #isLate = false;
  #kept: Fifo<KeptMessage> | undefined;
  readonly #handleSlice = (): void => this.#handleSome();

  constructor(pacer: MessagePacer, connection: PacedConnection) {
    this.#pacer = pacer;
    this.#connection = connection;
  }

  /** @param message socket memory, gone when this returns. */
  receive(message: Uint8Array, isBinary: boolean): void {
    if (this.#isLate) {
      this.#keep(message, isBinary);
      return;
    }
    const { clock } = this.#pacer;
    const startedMs = clock.monotonicMs();
    if (startedMs - this.#windowStartMs > WINDOW_MS) {
      this.#windowStartMs = startedMs;
      this.#busyMs = 0;
    } else if (this.#busyMs >= BUSY_MS_MAX) {
      this.#isLate = true;
      this.#keep(message, isBinary);
      this.#pacer.add(this);
      return;
    }
    this.#connection.handle(message, isBinary);
    this.#busyMs += clock.monotonicMs() - startedMs;
  }

  /** Nothing more is to be handled. */
  close(): void {
    this.#kept?.clear();
    this.waitingBytes = 0;
  }

  /** Handles what waits for about `SLICE_MS_MAX`, one message at least; returns when it ended. For the pacer. */
  handleWaiting(): number {
    this.#connection.inOneWrite(this.#handleSlice);
    this.#connection.recount();
    return this.#pacer.clock.monotonicMs();
  }

  #handleSome(): void {
    const { clock } = this.#pacer;
    const endMs = clock.monotonicMs() + SLICE_MS_MAX;
    do {
      const kept = this.#kept?.shift();
      if (kept === undefined) return;
      this.waitingBytes -= kept.bytes.length + MESSAGE_BYTES;
      this.#connection.handle(kept.bytes, kept.isBinary);
    } while (clock.monotonicMs() < endMs);
  }

  /** For the pacer. */
  hasCaughtUp(): void {
    this.#isLate = false;
    this.#windowStartMs = LONG_AGO;
  }

  #keep(message: Uint8Array, isBinary: boolean): void {
    const bytes = new Uint8Array(message);
    this.#kept ??= new Fifo();
    this.#kept.push({ bytes, isBinary });
    this.waitingBytes += bytes.length + MESSAGE_BYTES;
    if (this.waitingBytes > this.#pacer.waitingBytesMax) {
      this.close();
      this.#connection.flooded();
    }
    this.#connection.recount();
  }
}
