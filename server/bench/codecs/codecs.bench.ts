/**
 * What the codecs alone cost per command: envelope, arguments and reply, beside a parser that makes objects (msgpackr,
 * JSON.parse and JSON.stringify) on the same messages in the same run. Commands are not run: a get answers with a value
 * of 100 bytes, a set with its key and a version.
 *
 *     npx tsx server/bench/codecs/codecs.bench.ts [seconds per case]
 */
import { Packr } from "msgpackr";
import type { Codec, Envelope } from "../../src/codecs/codec.ts";
import { JsonCodec } from "../../src/codecs/json/json-codec.ts";
import { MessagePackCodec } from "../../src/codecs/msgpack/message-pack-codec.ts";
import { OutputBuffer } from "../../src/codecs/output-buffer.ts";
import { compileShape } from "../../src/commands/argument-shape.ts";
import { CommandError } from "../../src/commands/errors.ts";
import { Flag, Integer, Key, Optional, StoredValue, Struct } from "../../src/commands/schema.ts";
import { TAG_JSON, TAG_TEXT, Value } from "../../src/state/value.ts";

const seconds = Number(process.argv[2] ?? 1);
const limits = { batchCommandsMax: 1000, valueBytesMax: 16 * 1024 * 1024 };
const packr = new Packr({ useRecords: false });

const getShape = compileShape(Struct({ key: Key(), meta: Optional(Flag()) }, { ignored: ["type"] }));
const setShape = compileShape(
  Struct({
    key: Key(),
    value: StoredValue(),
    ttl: Optional(Integer({ minimum: 0 })),
    ttl_ms: Optional(Integer({ minimum: 0 })),
    nx: Optional(Flag()),
    xx: Optional(Flag()),
    keep_ttl: Optional(Flag()),
    if_version: Optional(Integer({ minimum: 0 })),
    get: Optional(Flag()),
  }),
);

const text = "The quick brown fox jumps over the lazy dog, again and again and again, until it is a hundred bytes..";
const textBytes = new TextEncoder().encode(text.slice(0, 100));
const textValue = new Value(TAG_TEXT, textBytes, 0, textBytes.length);
const object = { id: 12345, name: "a name", tags: ["one", "two"], nested: { on: true, ratio: 0.5, none: null } };
const jsonBytes = new TextEncoder().encode(JSON.stringify(object));
const jsonValue = new Value(TAG_JSON, jsonBytes, 0, jsonBytes.length);

const SET_BYTE = "s".charCodeAt(0);
const out = new OutputBuffer(64 * 1024, 64 * 1024 * 1024);
let version = 1_000_000;

function check<T>(result: T | CommandError): T {
  if (result instanceof CommandError) throw new Error(result.message);
  return result;
}

function runOne(codec: Codec, envelope: Envelope, stored: Value): void {
  const { command, payload } = envelope;
  const isSet = command !== undefined && command.bytes[command.start + 3] === SET_BYTE;
  const args = check(codec.decodeArguments(payload, isSet ? setShape : getShape));
  const result = isSet ? { success: true, key: args.key, version: version++, previous: undefined } : stored;
  codec.encodeSuccess(out, envelope.requestId, result);
}

function run(codec: Codec, message: Uint8Array, stored: Value): number {
  out.reset();
  const envelope = check(codec.decodeEnvelope(message));
  const { items, itemCount } = envelope;
  if (items === undefined) {
    runOne(codec, envelope, stored);
    return out.length;
  }
  codec.beginBatch(out, envelope.requestId, itemCount);
  for (let i = 0; i < itemCount; i++) {
    codec.separateBatchItem(out, i);
    runOne(codec, items[i], stored);
  }
  codec.endBatch(out);
  return out.length;
}

interface PlainRequest {
  command: string;
  request_id?: string;
  payload: { key: string };
  commands?: PlainRequest[];
}

function runPlainOne(request: PlainRequest, stored: unknown): unknown {
  const isSet = request.command === "kv.set";
  const payload = isSet ? { success: true, key: request.payload.key, version: version++ } : stored;
  return { success: true, request_id: request.request_id, payload };
}

function runPlain(request: PlainRequest, stored: unknown): unknown {
  if (request.commands === undefined) return runPlainOne(request, stored);
  const results = request.commands.map((command) => runPlainOne(command, stored));
  return { type: "batch_response", success: true, request_id: request.request_id, results };
}

/** Nanoseconds per call, the best of several slices: the machine is shared. */
function measure(call: () => number): number {
  let best = Number.POSITIVE_INFINITY;
  let sum = 0;
  const endAt = process.hrtime.bigint() + BigInt(Math.round(seconds * 1e9));
  let rounds = 8;
  while (process.hrtime.bigint() < endAt) {
    const start = process.hrtime.bigint();
    for (let i = 0; i < rounds; i++) sum += call();
    const elapsedNs = Number(process.hrtime.bigint() - start);
    if (elapsedNs < 5e6) rounds *= 2;
    else best = Math.min(best, elapsedNs / rounds);
  }
  if (sum === 0) throw new Error("nothing was encoded");
  return best;
}

function request(i: number, verb: "get" | "set", value: unknown): Record<string, unknown> {
  const key = `user:session:${String(i).padStart(7, "0")}`;
  return verb === "get" ? { command: "kv.get", payload: { key } } : { command: "kv.set", payload: { key, value } };
}

function batch(verbs: readonly ("get" | "set")[], value: unknown): Record<string, unknown> {
  const commands = Array.from({ length: 100 }, (_, i) => request(i, verbs[i % verbs.length], value));
  return { type: "batch", request_id: "batch-1", commands };
}

const json = new JsonCodec(limits);
const messagePack = new MessagePackCodec(limits);
const encoder = new TextEncoder();
const decoder = new TextDecoder();

const textStored = text.slice(0, 100);
const cases: [name: string, commandCount: number, message: Record<string, unknown>, stored: Value, plain: unknown][] = [
  ["get", 1, { ...request(1, "get", 0), request_id: "r-123456" }, textValue, textStored],
  ["set", 1, { ...request(1, "set", textStored), request_id: "r-123456" }, textValue, textStored],
  ["batch of 100, 80% get", 100, batch(["get", "get", "get", "get", "set"], textStored), textValue, textStored],
  ["batch of 100, 50% get", 100, batch(["get", "set"], textStored), textValue, textStored],
  ["batch of 100, 50% get, JSON objects", 100, batch(["get", "set"], object), jsonValue, object],
];

console.log("ns per command                                   codec   objects   codec/objects");
for (const [name, commandCount, message, stored, plain] of cases) {
  const packed = new Uint8Array(packr.pack(message));
  const stringified = encoder.encode(JSON.stringify(message));
  // The dispatcher would hold Buffers of the socket; decoding to text and encoding again is part of the plain way.
  const rows: [string, () => number, () => number][] = [
    [
      "msgpack",
      () => run(messagePack, packed, stored),
      () => packr.pack(runPlain(packr.unpack(packed) as PlainRequest, plain)).length,
    ],
    [
      "json",
      () => run(json, stringified, stored),
      () =>
        encoder.encode(JSON.stringify(runPlain(JSON.parse(decoder.decode(stringified)) as PlainRequest, plain))).length,
    ],
  ];
  for (const [format, codec, objects] of rows) {
    const codecNs = measure(codec) / commandCount;
    const objectsNs = measure(objects) / commandCount;
    const label = `${format} ${name}`.padEnd(46);
    const ratio = (codecNs / objectsNs).toFixed(2);
    console.log(`${label} ${codecNs.toFixed(0).padStart(7)} ${objectsNs.toFixed(0).padStart(9)} ${ratio.padStart(12)}`);
  }
}
