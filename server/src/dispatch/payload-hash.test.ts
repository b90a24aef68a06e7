import { describe, expect, it } from "vitest";
import { json, msgpack, type WireFormat } from "../../test/conformance/format.ts";
import { JsonCodec } from "../codecs/json/json-codec.ts";
import { MessagePackCodec } from "../codecs/msgpack/message-pack-codec.ts";
import { allCommands } from "../commands/all.ts";
import type { Command } from "../commands/command.ts";
import { CommandError } from "../commands/errors.ts";
import type { ByteRange } from "../structures/byte-range.ts";
import { PayloadHash } from "./payload-hash.ts";

const LIMITS = { batchCommandsMax: 10, valueBytesMax: 64 * 1024 };
const CODECS = { json: new JsonCodec(LIMITS), msgpack: new MessagePackCodec(LIMITS) };
const hash = new PayloadHash();

function commandOf(name: string): Command {
  const command = allCommands.find((each) => each.name === name);
  if (command === undefined) throw new Error(`there is no ${name}`);
  return command;
}

function argumentsOf(format: WireFormat, name: string, payload: unknown): Record<string, unknown> {
  const codec = CODECS[format.name];
  const envelope = codec.decodeEnvelope(new Uint8Array(format.encode({ command: name, payload })));
  if (envelope instanceof CommandError) throw new Error(`${name} is no request`);
  const args = codec.decodeArguments(envelope.payload, commandOf(name).shape);
  if (args instanceof CommandError) throw new Error(args.message);
  return args;
}

function hashOf(name: string, payload: unknown, format: WireFormat = json): string {
  return hex(hash.ofCommand(commandOf(name), argumentsOf(format, name, payload)));
}

function hex({ bytes, start, end }: ByteRange): string {
  return Buffer.from(bytes.subarray(start, end)).toString("hex");
}

/** Requests that are all different, with values of every kind. */
const REQUESTS: readonly (readonly [name: string, payload: unknown])[] = [
  ["kv.set", { key: "a", value: "1" }],
  ["kv.getset", { key: "a", value: "1" }],
  ["kv.set", { key: "a", value: 1 }],
  ["kv.set", { key: "a", value: 2 }],
  ["kv.set", { key: "a", value: 2n ** 62n }],
  ["kv.incr", { key: "a", amount: 1 }],
  ["kv.incr", { key: "a", amount: -1 }],
  ["kv.incr", { key: "a", amount: 2 ** 31 }],
  ["kv.incr", { key: "a", amount: -(2 ** 31) }],
  ["kv.incr", { key: "a", amount: 2n ** 62n }],
  ["kv.incr", { key: "a", min: 1 }],
  ["kv.set", { key: "a", value: 1.5 }],
  ["kv.set", { key: "a", value: true }],
  ["kv.set", { key: "a", value: null }],
  ["kv.set", { key: "a", value: { b: [1, "x", null, { c: false }] } }],
  ["kv.set", { key: "a", value: { b: [1, "x", null, { c: true }] } }],
  ["kv.set", { key: "a", value: Uint8Array.of(49) }],
  ["kv.set", { key: "a", value: Uint8Array.of(0, 255) }],
  ["kv.set", { key: "a1", value: "" }],
  ["kv.set", { key: "a", value: "1", ttl: 1 }],
  ["kv.set", { key: "a", value: "1", ttl_ms: 1 }],
  ["kv.set", { key: "a", value: "1", nx: true }],
  ["kv.set", { key: "a", value: "1", xx: true }],
  ["kv.set", { key: "a", value: "x".repeat(5000) }],
  ["kv.set", { key: "a", value: `${"x".repeat(4999)}y` }],
  ["kv.del", { key: "a" }],
  ["kv.del", { keys: ["a"] }],
  ["kv.del", { keys: ["a", "b"] }],
  ["kv.del", { keys: ["ab"] }],
  ["kv.mset", { pairs: [{ key: "a", value: "b" }] }],
  ["kv.mset", { pairs: [{ key: "a", value: "b", ttl: 5 }] }],
  ["kv.mset", { pairs: Array.from({ length: 400 }, (_, i) => ({ key: `key ${i}`, value: i })) }],
  ["kv.mset", { pairs: Array.from({ length: 400 }, (_, i) => ({ key: `key ${i || "x"}`, value: i })) }],
  ["queue.publish", { queue: "a", payload: "b", headers: { c: "d" } }],
  ["queue.publish", { queue: "a", payload: "b", headers: { c: "e" } }],
];

describe("the hash of a payload", () => {
  it("tells what is different apart", () => {
    expect(new Set(REQUESTS.map(([name, payload]) => hashOf(name, payload))).size).toBe(REQUESTS.length);
  });

  it.each([...REQUESTS.keys()])("is the same in both formats: request %i", (index) => {
    const [name, payload] = REQUESTS[index];
    expect(hashOf(name, payload, msgpack)).toBe(hashOf(name, payload, json));
  });

  it.each([
    ["kv.set", { key: "a", value: 1, ttl: 5 }, { ttl: 5, value: 1, key: "a" }],
    ["kv.incr", { key: "a" }, { key: "a", amount: 1 }],
    ["queue.publish", { queue: "a", payload: 1 }, { name: "a", message: 1 }],
    ["kv.set", { key: "a", value: 1 }, { key: "a", value: 1, client_id: "c", ttl: null }],
  ])("is of the meaning and not of the spelling: %s %j", (name, payload, same) => {
    expect(hashOf(name, same)).toBe(hashOf(name, payload));
  });

  it.each([
    ["a few fields", "kv.set", { key: "a", value: { b: 1 }, ttl: 5 }, "9feea76a854d6ca071fad60ebd021bc1"],
    ["a long key", "kv.set", { key: "k".repeat(300), value: "v".repeat(64) }, "f2bfaf71504666af64a382a7b0cdfffe"],
    ["65 bytes", "kv.set", { key: "a", value: "v".repeat(65) }, "4335743e5896e6bd31a251fa60b6fd26"],
    ["8,191 bytes", "kv.set", { key: "a", value: "v".repeat(8191) }, "4ac53a2cdfb484d439b535c14ec4f3a2"],
    ["8,192 bytes", "kv.set", { key: "a", value: "v".repeat(8192) }, "8d9a5ee9fbeb6f006052e6c4f79d7691"],
    ["a list", "kv.del", { keys: ["a", "b"] }, "481add5e0a4450b1f72f75d9b83c0394"],
    [
      "many fields",
      "kv.mset",
      { pairs: Array.from({ length: 400 }, (_, i) => ({ key: `key ${i}`, value: i })) },
      "d1eba55e23a8d42219e41d059118e5f6",
    ],
  ])("stays what it is, for what a server has remembered is compared by the next one: %s", (_, name, payload, is) => {
    expect(hashOf(name, payload)).toBe(is);
    expect(hashOf(name, payload, msgpack)).toBe(is);
  });

  it("tells a batch from a command, and batches by where their commands are", () => {
    const batch = (...payloads: unknown[]) => {
      hash.beginBatch();
      for (const payload of payloads) hash.add(commandOf("kv.del"), argumentsOf(json, "kv.del", payload));
      return hex(hash.end());
    };
    const [a, b] = [{ key: "a" }, { key: "b" }];
    const all = [batch(), batch(a), batch(b), batch(a, b), batch(b, a), batch(a, a), hashOf("kv.del", a)];
    expect(new Set(all).size).toBe(all.length);
  });
});
