/**
 * Keeps the messages of one turn from holding the loop. All messages of one read of a socket are handed over in a row,
 * thousands of small ones that may each take a millisecond, and many sockets are read in a turn. When those of a turn have
 * used up its time, what comes after them waits in memory, by connection and in order, for the ends of turns, where all who
 * wait get a slice in turn; those who have just begun to wait come first.
 *
 *     turn  | m m m m m m m . . . . .  |  end: slices of those who wait  | HTTP, timers, ... m m . . .
 *             25 ms of work   wait          20 ms in all
 *
 * A connection keeps its order: while something of it waits, all that comes joins it. What waits is bounded. A sender of cheap
 * messages who is faster than the server has its oldest ones handled at the bound, before more is read: that slows it down as
 * the socket would. One whose messages cost much for their size is cut off there.
 */
import type { TurnEnd, TurnEndTask } from "../runtime/turn-end.ts";
import { Fifo } from "./fifo.ts";

/** What messages may take in one turn before others wait; a few ms of it may be of turns before. */
const TURN_MS_MAX = 25;
/** The end of a turn is asked for when so much was used, and not in each of the many turns that use little. */
const COUNTED_MS_MIN = 5;
/** What those who wait get together in one turn, and one of them in a row. */
const WAITING_MS_MAX = 20;
const SLICE_MS_MAX = 1;
/** What a kept message takes beside its bytes. */
const MESSAGE_BYTES = 128;
/** Messages that take longer for their size are not cheap. A small write takes 0.05 ms per KB, a large one a tenth of that. */
const CHEAP_MS_PER_BYTE = 0.25 / 1024;
/** Nobody is judged by less work: a first message on cold code takes a hundred times as long. */
const JUDGED_MS_MIN = 10;

export interface PacedConnection {
  /** Works on a message. */
  handle(message: Uint8Array, isBinary: boolean): void;
  /** Runs `work` so that the replies to many messages leave together. */
  inOneWrite(work: () => void): void;
  /** What waits has changed, and is to be counted again. */
  recount(): void;
  /** Nothing waits any more. */
  caughtUp(): void;
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
  /** Those who have had no slice yet, and the others. */
  readonly #fresh = new Fifo<MessagePace>();
  readonly #waiting = new Fifo<MessagePace>();
  #turnMs = 0;
  #isCounted = false;

  constructor(turnEnd: TurnEnd, clock: { monotonicMs(): number }, waitingBytesMax: number) {
    this.clock = clock;
    this.waitingBytesMax = waitingBytesMax;
    this.#task = turnEnd.add(() => {
      this.#run();
      return false;
    });
  }

  /** The messages of this turn have had their time. */
  get isTurnOver(): boolean {
    return this.#turnMs >= TURN_MS_MAX;
  }

  spent(ms: number): void {
    this.#turnMs += ms;
    if (this.#turnMs < COUNTED_MS_MIN || this.#isCounted) return;
    this.#isCounted = true;
    this.#task.request();
  }

  /** Has a connection's messages handled at the ends of turns, until none waits. */
  add(pace: MessagePace): void {
    this.#fresh.push(pace);
    this.#task.request();
  }

  #run(): void {
    this.#turnMs = 0;
    this.#isCounted = false;
    const endMs = this.clock.monotonicMs() + WAITING_MS_MAX;
    try {
      for (;;) {
        const pace = this.#fresh.shift() ?? this.#waiting.shift();
        if (pace === undefined) break;
        // Back in line before it runs: a bug in one message must not lose the others.
        this.#waiting.push(pace);
        pace.handleSome(SLICE_MS_MAX);
        if (pace.waitingBytes === 0) {
          this.#waiting.pop();
          pace.hasCaughtUp();
        }
        if (this.clock.monotonicMs() >= endMs) break;
      }
    } finally {
      if (this.#fresh.size + this.#waiting.size > 0) this.#task.request();
    }
  }
}

/** One per connection. */
export class MessagePace {
  /** Of the messages that wait. */
  waitingBytes = 0;
  readonly #pacer: MessagePacer;
  readonly #connection: PacedConnection;
  #isLate = false;
  #kept: Fifo<KeptMessage> | undefined;
  /** Of the messages that had to wait: what they took, and their size. */
  #lateMs = 0;
  #lateBytes = 0;
  #sliceMs = 0;
  readonly #handleSlice = (): void => this.#handleFor(this.#sliceMs);

  constructor(pacer: MessagePacer, connection: PacedConnection) {
    this.#pacer = pacer;
    this.#connection = connection;
  }

  /** @param message socket memory, gone when this returns. */
  receive(message: Uint8Array, isBinary: boolean): void {
    const pacer = this.#pacer;
    if (this.#isLate) {
      this.#keep(message, isBinary);
      return;
    }
    if (pacer.isTurnOver) {
      this.#isLate = true;
      this.#keep(message, isBinary);
      pacer.add(this);
      return;
    }
    const startedMs = pacer.clock.monotonicMs();
    this.#connection.handle(message, isBinary);
    pacer.spent(pacer.clock.monotonicMs() - startedMs);
  }

  /** Nothing more is to be handled. */
  close(): void {
    this.#kept?.clear();
    this.waitingBytes = 0;
  }

  /** Handles what waits for about `ms`, one message at least. */
  handleSome(ms: number): void {
    this.#sliceMs = ms;
    this.#connection.inOneWrite(this.#handleSlice);
    this.#connection.recount();
  }

  #handleFor(ms: number): void {
    const { clock } = this.#pacer;
    const startedMs = clock.monotonicMs();
    let nowMs = startedMs;
    do {
      const kept = this.#kept?.shift();
      if (kept === undefined) break;
      this.waitingBytes -= kept.bytes.length + MESSAGE_BYTES;
      this.#lateBytes += kept.bytes.length;
      this.#connection.handle(kept.bytes, kept.isBinary);
      nowMs = clock.monotonicMs();
    } while (nowMs - startedMs < ms);
    this.#lateMs += nowMs - startedMs;
  }

  /** For the pacer. */
  hasCaughtUp(): void {
    this.#isLate = false;
    this.#lateMs = 0;
    this.#lateBytes = 0;
    this.#connection.caughtUp();
  }

  #keep(message: Uint8Array, isBinary: boolean): void {
    const { waitingBytesMax } = this.#pacer;
    const bytes = new Uint8Array(message);
    this.#kept ??= new Fifo();
    this.#kept.push({ bytes, isBinary });
    this.waitingBytes += bytes.length + MESSAGE_BYTES;
    while (this.waitingBytes > waitingBytesMax && this.#isCheap) this.handleSome(0);
    if (this.waitingBytes > waitingBytesMax) {
      this.close();
      this.#connection.flooded();
    }
    this.#connection.recount();
  }

  get #isCheap(): boolean {
    return this.#lateMs <= Math.max(JUDGED_MS_MIN, this.#lateBytes * CHEAP_MS_PER_BYTE);
  }
}
