/**
 * gzip both ways. Work over a fraction of a millisecond goes to the thread pool, for the main thread may not stand still.
 *
 * A gzip bomb turns 16 KB into 16 MB. Its output is limited to what a plain body may have, and only a few bodies are
 * expanded at a time, so that a thousand connections with a bomb each cost no more memory than those few.
 */
import { constants, gunzip, gzip, gzipSync } from "node:zlib";

/** Expanding `body` gave bytes, or it ran over the limit, or it is no gzip. */
export type GunzipResult = Uint8Array | "too-large" | "invalid";

/** Replies are sent once: speed before size. Level 1 takes 0.1 ms for 32 KB of JSON, and 64 KB came out 4% larger than at 6. */
const REPLY_OPTIONS = { level: constants.Z_BEST_SPEED };
const SYNC_BYTES_MAX = 32 * 1024;
const CONCURRENT_MAX = 4;

/** Compresses a copy at once where that is quick; `undefined` for a body that `compressLarge` must take. */
export function compressSmall(body: Uint8Array): Uint8Array | undefined {
  return body.length <= SYNC_BYTES_MAX ? gzipSync(body, REPLY_OPTIONS) : undefined;
}

/** Compresses off the main thread. `body` must not change meanwhile. */
export function compressLarge(body: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    gzip(body, REPLY_OPTIONS, (error, compressed) => (error === null ? resolve(compressed) : reject(error)));
  });
}

/** Expands bodies, a few at a time and in order of arrival. */
export class Gunzipper {
  readonly #outputBytesMax: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(outputBytesMax: number) {
    this.#outputBytesMax = outputBytesMax;
  }

  /** Never rejects: a body that is no gzip is a client's mistake. `body` must not change meanwhile. */
  expand(body: Uint8Array): Promise<GunzipResult> {
    return new Promise((resolve) => {
      const start = () => {
        this.#running += 1;
        gunzip(body, { maxOutputLength: this.#outputBytesMax }, (error, expanded) => {
          this.#running -= 1;
          this.#waiting.shift()?.();
          resolve(error === null ? expanded : isOverLimit(error) ? "too-large" : "invalid");
        });
      };
      if (this.#running < CONCURRENT_MAX) start();
      else this.#waiting.push(start);
    });
  }
}

function isOverLimit(error: Error): boolean {
  return "code" in error && error.code === "ERR_BUFFER_TOO_LARGE";
}
