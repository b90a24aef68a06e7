/**
 * gzip both ways. Work over a fraction of a millisecond goes to the thread pool, for the main thread may not stand still.
 *
 *     small body  -> at once, on the main thread
 *     large body  -> a queue of both directions -> 2 jobs at a time of the pool's 4 threads
 *
 * The other threads stay free for the disk. A gzip bomb turns 16 KB into 16 MB and takes a tenth of a second: its output
 * is limited to what a plain body may have, it waits for its turn only as long as somebody waits for it, and where too
 * many wait already it is turned away.
 */
import { constants, gunzip, gunzipSync, gzip, gzipSync } from "node:zlib";
import { codeOf } from "../runtime/error-code.ts";

/** Expanding a body gave bytes, or it ran over the limit, or it is no gzip, or nobody wants it, or too many wait. */
export type GunzipResult = Uint8Array | "too-large" | "invalid" | "abandoned" | "no-room";

/** Replies are sent once: speed before size. Level 1 takes 0.1 ms for 32 KB of JSON, and 64 KB came out 4% larger than at 6. */
const REPLY_OPTIONS = { level: constants.Z_BEST_SPEED };
const SYNC_BYTES_MAX = 32 * 1024;
/** What is expanded at once: a body of this size, to four times of it. */
const SYNC_EXPAND_BYTES_MAX = 16 * 1024;
const SYNC_EXPANDED_BYTES_MAX = 64 * 1024;
const CONCURRENT_MAX = 2;
const WAITING_MAX = 64;

/** Compresses a copy at once where that is quick; `undefined` for a body that must go through a `GzipQueue`. */
export function compressSmall(body: Uint8Array): Uint8Array | undefined {
  return body.length <= SYNC_BYTES_MAX ? gzipSync(body, REPLY_OPTIONS) : undefined;
}

/** A job that calls `done` when the thread pool has finished it. */
type Start = (done: () => void) => void;

/** Compresses and expands off the main thread, a few at a time and in order of arrival. */
export class GzipQueue {
  readonly #expandedBytesMax: number;
  readonly #waiting: Start[] = [];
  #running = 0;

  constructor(expandedBytesMax: number) {
    this.#expandedBytesMax = expandedBytesMax;
  }

  /** So many wait that nothing more should be put here. */
  get isFull(): boolean {
    return this.#waiting.length >= WAITING_MAX;
  }

  /**
   * Asks for the body when it is its turn; `undefined` skips the job, which resolves with `undefined`. The body must not
   * change until then.
   */
  compress(body: () => Uint8Array | undefined): Promise<Uint8Array | undefined> {
    return new Promise((resolve, reject) => {
      this.#enqueue((done) => {
        const bytes = body();
        if (bytes === undefined) {
          resolve(undefined);
          done();
          return;
        }
        gzip(bytes, REPLY_OPTIONS, (error, compressed) => {
          if (error === null) resolve(compressed);
          else reject(error);
          done();
        });
      });
    });
  }

  /** The same for a request's body. Never rejects: one that is no gzip is a client's mistake. */
  async expand(body: () => Uint8Array | undefined): Promise<GunzipResult> {
    const small = body();
    if (small === undefined) return "abandoned";
    if (small.length <= SYNC_EXPAND_BYTES_MAX) {
      const maxOutputLength = Math.min(SYNC_EXPANDED_BYTES_MAX, this.#expandedBytesMax);
      const result = expandNow(small, maxOutputLength);
      if (result !== "too-large" || maxOutputLength === this.#expandedBytesMax) return result;
    }
    return this.isFull ? "no-room" : this.#expandLater(body);
  }

  #expandLater(body: () => Uint8Array | undefined): Promise<GunzipResult> {
    return new Promise((resolve) => {
      this.#enqueue((done) => {
        const bytes = body();
        if (bytes === undefined) {
          resolve("abandoned");
          done();
          return;
        }
        gunzip(bytes, { maxOutputLength: this.#expandedBytesMax }, (error, expanded) => {
          resolve(error === null ? expanded : failure(error));
          done();
        });
      });
    });
  }

  #enqueue(start: Start): void {
    this.#waiting.push(start);
    this.#startNext();
  }

  #startNext(): void {
    while (this.#running < CONCURRENT_MAX) {
      const start = this.#waiting.shift();
      if (start === undefined) return;
      this.#running += 1;
      start(() => {
        this.#running -= 1;
        this.#startNext();
      });
    }
  }
}

function expandNow(body: Uint8Array, maxOutputLength: number): GunzipResult {
  try {
    return gunzipSync(body, { maxOutputLength });
  } catch (error) {
    return failure(error);
  }
}

/** zlib throws nothing but its own errors here. */
function failure(error: unknown): "too-large" | "invalid" {
  return codeOf(error) === "ERR_BUFFER_TOO_LARGE" ? "too-large" : "invalid";
}
