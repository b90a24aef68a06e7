/**
 * What a snapshot costs: writing and restoring a key, the longest step, and what overwriting a key costs without one, with
 * one under way where the image has to be written first, and where it was written before.
 *
 *     npx tsx server/bench/structures/snapshot.ts [SIZE ...] [--json FILE]
 */
import { KeyStore } from "../../src/state/key-store.ts";
import { OperationWriter } from "../../src/state/operation.ts";
import { QueueStore } from "../../src/state/queue-store.ts";
import { ReplyStore } from "../../src/state/reply-store.ts";
import { RoomStore } from "../../src/state/room-store.ts";
import { StateMachine } from "../../src/state/state-machine.ts";
import { StateRestorer } from "../../src/state/state-restorer.ts";
import { StateSnapshot } from "../../src/state/state-snapshot.ts";
import { TAG_BYTES, Value } from "../../src/state/value.ts";
import { KEY_BYTES, reusableKey, shuffled, VALUE_BYTES, value, writeKey } from "./bench-key.ts";
import { nanoseconds, printTable, readArguments, writeJson } from "./bench-report.ts";

const { numbers, jsonFile } = readArguments();
const sizes = numbers.length > 0 ? numbers : [100_000, 1_000_000, 5_000_000];

/** What the owner gives a step, and takes from it as one chunk. */
const STEP_BYTES = 2 ** 17;
const PUTS = 200_000;

function emptyState(): StateMachine {
  const keys = new KeyStore({ memoryBytesMax: 0, evictionPolicy: "none" });
  return new StateMachine(keys, new QueueStore({ hashSeed: 1 }), new RoomStore(), new ReplyStore({ hashSeed: 1 }));
}

class Bench {
  readonly state = emptyState();
  readonly size: number;
  readonly #order: Int32Array;
  readonly #writer = new OperationWriter();
  readonly #key = reusableKey();
  readonly #value = new Value(TAG_BYTES, value, 0, VALUE_BYTES);
  constructor(size: number) {
    this.size = size;
    this.#order = shuffled(size);
    for (let i = 0; i < size; i++) this.put(i);
  }

  put(i: number): void {
    writeKey(this.#key.bytes, 0, i);
    this.#writer.put(this.#key, TAG_BYTES, this.#value, 0);
    this.state.apply(this.#writer.bytes, this.#writer.length, this.state.appliedOffset + 1);
    this.#writer.reset();
  }

  /** Overwrites keys in an order without locality, the same ones each time. ns per put. */
  overwrite(images?: OperationWriter): number {
    const count = Math.min(PUTS, this.size);
    return nanoseconds(count, () => {
      for (let i = 0; i < count; i++) {
        this.put(this.#order[i]);
        if (images !== undefined && images.length > STEP_BYTES) images.reset();
      }
    });
  }
}

/** Takes all of a snapshot as chunks. */
function write(state: StateMachine): { chunks: Uint8Array[]; steps: number[] } {
  const chunks: Uint8Array[] = [];
  const steps: number[] = [];
  const snapshot = new StateSnapshot(state);
  const { images } = snapshot;
  for (let isComplete = false; !isComplete; ) {
    steps.push(
      nanoseconds(1, () => {
        isComplete = snapshot.step(STEP_BYTES);
      }),
    );
    chunks.push(images.bytes.slice(0, images.length));
    images.reset();
  }
  snapshot.end();
  return { chunks, steps };
}

function measure(size: number): Record<string, number> {
  const bench = new Bench(size);
  const { state } = bench;
  bench.overwrite();
  const { chunks, steps } = write(state);
  steps.sort((a, b) => a - b);
  const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const result: Record<string, number> = {
    size,
    write: steps.reduce((sum, step) => sum + step, 0) / size,
    "bytes a key": bytes / size - KEY_BYTES - VALUE_BYTES,
    "step 99%, ms": steps[Math.floor(steps.length * 0.99)] / 1e6,
    "step max, ms": steps[steps.length - 1] / 1e6,
  };
  const restored = emptyState();
  result.restore = nanoseconds(size, () => {
    const restorer = new StateRestorer(restored);
    for (const chunk of chunks) restorer.apply(chunk, chunk.length);
    restorer.finish(state.appliedOffset);
  });
  if (restored.keys.size !== size) throw new Error("keys are missing");
  // In turns and the best of each, since nothing here makes a put faster than it is.
  const best = (name: string, ns: number): void => {
    result[name] = Math.min(result[name] ?? Number.POSITIVE_INFINITY, ns);
  };
  for (let round = 0; round < 5; round++) {
    best("put, none", bench.overwrite());
    const snapshot = new StateSnapshot(state);
    best("put, first", bench.overwrite(snapshot.images));
    best("put, again", bench.overwrite(snapshot.images));
    snapshot.end();
  }
  return result;
}

// Once unmeasured, so that every size runs the same optimized code.
measure(20_000);
const rows = sizes.map((size) => measure(size));
printTable("Snapshots: nanoseconds per key or put, bytes of an image beside key and value", rows);
writeJson(jsonFile, "snapshot", rows);
