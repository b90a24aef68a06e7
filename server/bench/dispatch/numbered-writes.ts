/**
 * What a command of a client's frame costs between the bytes that were read and those that are to be written, without sockets:
 * MessagePack batches of 100 for random keys, as the SDK sends them. Numbered is a SET that runs once however often it comes: its
 * reply is remembered. `--reply-bytes` is what all remembered replies may take, as `max_idempotency_bytes` is.
 *
 *     npx tsx server/bench/dispatch/numbered-writes.ts [--keys 100000] [--reply-bytes 67108864]
 *
 * Shown are nanoseconds of CPU for a command, of the fastest of many slices: what others do on the machine can only make one slower.
 */
import { parseArgs } from "node:util";
import { Packr } from "msgpackr";
import { inlineMore } from "../../src/runtime/inlining.ts";
import { Fixture } from "../../test/dispatcher-fixture.ts";
import { caller } from "../../test/engine.ts";

const FRAME_COMMANDS = 100;
const FRAMES = 500;
const SLICES = 24;
const VALUE = "x".repeat(100);
const CLIENT_ID = "0190a5b2-6f1c-4d1e-9c55-2f6f0a1b2c3d";

const { values } = parseArgs({
  options: {
    keys: { type: "string", default: "100000" },
    "reply-bytes": { type: "string", default: String(64 * 1024 * 1024) },
  },
});

inlineMore();
const keyCount = Number(values.keys);
// As a server without persistence has it: nobody reads the log.
const fixture = new Fixture({
  backlogBytesMax: 0,
  limits: { reply: { windowMs: 300_000, bytesMax: Number(values["reply-bytes"]) } },
});
const packr = new Packr({ useRecords: false });
let number = 0;

const randomKey = (): string => `key:${String(Math.floor(Math.random() * keyCount)).padStart(12, "0")}`;

interface Kind {
  readonly item: () => Record<string, unknown>;
  /** Beside the commands. */
  readonly batch?: Record<string, unknown>;
}

function frame({ item, batch }: Kind): Uint8Array {
  const commands = Array.from({ length: FRAME_COMMANDS }, item);
  return packr.pack({ type: "batch", client_id: CLIENT_ID, request_id: ++number, ...batch, commands }).slice();
}

const set = () => ({ command: "kv.set", payload: { key: randomKey(), value: VALUE } });

const kinds: Readonly<Record<string, Kind>> = {
  GET: { item: () => ({ command: "kv.get", payload: { key: randomKey() } }) },
  SET: { item: set },
  "SET in a numbered batch": { item: set, batch: { idempotent: true } },
  "SET with a number of its own": { item: () => ({ ...set(), request_id: ++number, idempotent: true }) },
};

function nanoseconds(frames: readonly Uint8Array[]): number {
  const before = process.cpuUsage();
  for (const bytes of frames) {
    const reply = fixture.dispatcher.handle(bytes, "msgpack", "msgpack", caller);
    if (reply?.status !== 200) throw new Error("a frame was refused");
  }
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / (frames.length * FRAME_COMMANDS);
}

const best = new Map<string, number>();
for (let slice = 0; slice < SLICES; slice++) {
  for (const [name, kind] of Object.entries(kinds)) {
    const frames = Array.from({ length: FRAMES }, () => frame(kind));
    fixture.observed.length = 0;
    best.set(name, Math.min(best.get(name) ?? Number.POSITIVE_INFINITY, nanoseconds(frames)));
  }
}
for (const [name, ns] of best) console.log(`${name}: ${ns.toFixed(0)} ns`);
console.log(`${fixture.engine.state.replies.count} replies remembered`);
