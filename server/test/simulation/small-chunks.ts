/**
 * Gives the stores chunks of 2 MB instead of 64. A simulation makes a state at every start of a node, each with a chunk per
 * store, of which it touches a few pages: the system gives those out for next to nothing, but the garbage collector of V8 is
 * called for every 64 MB that an `ArrayBuffer` says it has, and would take most of the time.
 */
import type { StateMachine } from "../../src/state/state-machine.ts";
import { CHUNK_BYTES } from "../../src/structures/page-heap.ts";

const SMALL_BYTES = 2 ** 21;

/** @returns undoes it. */
export function useSmallChunks(): () => void {
  const original = globalThis.ArrayBuffer;
  globalThis.ArrayBuffer = new Proxy(original, {
    construct(target, [length, ...options], newTarget) {
      const bytes = length === CHUNK_BYTES ? SMALL_BYTES : length;
      // What a constructor returns is an object.
      return Reflect.construct(target, [bytes, ...options], newTarget) as object;
    },
  });
  return () => {
    globalThis.ArrayBuffer = original;
  };
}

/** Throws where a store has come near the end of its small chunk: what it writes behind that is lost. */
export function checkSmallChunks({ keys, queues, rooms, replies }: StateMachine): void {
  for (const { residentBytes } of [keys, queues, rooms, replies]) {
    if (residentBytes > SMALL_BYTES * 0.75) throw new Error("a state of the simulation is too large for its chunks");
  }
}
