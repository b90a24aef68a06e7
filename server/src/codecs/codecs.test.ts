/** What both codecs must agree on: one list of cases, run over JSON and MessagePack. */
import { Packr, Unpackr } from "msgpackr";
import { describe, expect, it } from "vitest";
import { type ArgumentShape, compileShape } from "../commands/argument-shape.ts";
import { CommandError } from "../commands/errors.ts";
import {
  Bytes,
  Choice,
  Flag,
  Int64,
  Integer,
  Key,
  List,
  Name,
  Optional,
  StoredValue,
  Struct,
  Text,
} from "../commands/schema.ts";
import { integerValue, readInt64, TAG_BYTES, TAG_INTEGER, TAG_JSON, TAG_TEXT, Value } from "../state/value.ts";
import { ByteRange, rangeOf } from "../structures/byte-range.ts";
import { type Codec, DEPTH_MAX, type Envelope } from "./codec.ts";
import { JsonCodec } from "./json/json-codec.ts";
import { MessagePackCodec } from "./msgpack/message-pack-codec.ts";
import { OutputBuffer } from "./output-buffer.ts";

const limits = { batchCommandsMax: 3, valueBytesMax: 4096 };
// msgpackr's types lag behind it: "auto" gives a bigint only where a number would not be exact.
const packr = new Packr({ useRecords: false, int64AsType: "auto" } as never);
const unpackr = new Unpackr({ useRecords: false, int64AsType: "auto", mapsAsObjects: true } as never);

interface Format {
  codec: Codec;
  encode: (message: unknown) => Uint8Array;
  decode: (bytes: Uint8Array) => unknown;
}

const json: Format = {
  codec: new JsonCodec(limits),
  encode: (message) => new TextEncoder().encode(JSON.stringify(message)),
  decode: (bytes) => JSON.parse(new TextDecoder().decode(bytes)),
};

const messagePack: Format = {
  codec: new MessagePackCodec(limits),
  encode: (message) => packr.pack(message),
  decode: (bytes) => unpackr.unpack(bytes),
};

const shape = compileShape(
  Struct(
    {
      key: Key(),
      value: Optional(StoredValue()),
      ttl: Optional(Integer({ minimum: 0, maximum: 1000, aliases: ["expires"] })),
      amount: Optional(Int64({ default: 1 })),
      nx: Optional(Flag()),
      mode: Optional(Choice(["value", "notify"])),
      note: Optional(Text({ maxBytes: 20 })),
      prefix: Optional(Bytes()),
      room: Optional(Name()),
      keys: Optional(List(Key(), { maxItems: 3 })),
      pairs: Optional(List(Struct({ key: Key(), value: StoredValue() }))),
      config: Optional(Struct({ depth: Optional(Integer()), inner: Optional(List(Key())) })),
    },
    { ignored: ["type"] },
  ),
);

const noArguments = compileShape(Struct({}));

function textOf(range: ByteRange | undefined): string | undefined {
  return range?.toString();
}

function accepted<T>(result: T | CommandError): T {
  if (result instanceof CommandError) throw new Error(`refused: ${result.message}`);
  return result;
}

function refused(result: unknown): CommandError {
  if (!(result instanceof CommandError)) throw new Error("accepted what must be refused");
  return result;
}

/** Arguments with ranges and values in a form that is easy to compare. */
function plain(value: unknown): unknown {
  if (value instanceof Value) {
    if (value.tag === TAG_INTEGER) return { integer: readInt64(value.bytes, value.start) };
    if (value.tag === TAG_TEXT) return { text: value.toString() };
    if (value.tag === TAG_BYTES) return { bytes: [...value.bytes.subarray(value.start, value.end)] };
    return { json: value.toString() };
  }
  if (value instanceof ByteRange) return value.toString();
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(entries.map(([name, item]) => [name, plain(item)]));
}

for (const format of [json, messagePack]) {
  const { codec, encode, decode } = format;

  const envelopeOf = (message: unknown): Envelope | CommandError => codec.decodeEnvelope(encode(message));

  const argumentsOf = (payload: unknown, of: ArgumentShape = shape): Record<string, unknown> | CommandError => {
    const envelope = accepted(codec.decodeEnvelope(encode({ command: "x", payload })));
    return codec.decodeArguments(envelope.payload, of);
  };

  const encoded = (write: (out: OutputBuffer) => void): unknown => {
    const out = new OutputBuffer(1, 1_000_000);
    write(out);
    return decode(out.view());
  };

  describe(`${codec.name} envelope`, () => {
    it("reads every field", () => {
      const message = {
        type: "x",
        version: 3,
        command: "kv.set",
        request_id: "r-1",
        payload: { key: "a" },
        client_id: "c",
        idempotent: true,
        atomic: false,
      };
      const envelope = accepted(envelopeOf(message));
      expect(textOf(envelope.command)).toBe("kv.set");
      expect(codec.decodeId(envelope.requestId as ByteRange)).toBe("r-1");
      expect(textOf(envelope.clientId)).toBe("c");
      expect(envelope.idempotent).toBe(true);
      expect(envelope.atomic).toBe(false);
      expect(envelope.items).toBeUndefined();
      expect(plain(codec.decodeArguments(envelope.payload, shape))).toEqual({ key: "a", amount: 1 });
    });

    it("forgets the message before", () => {
      accepted(envelopeOf({ command: "a", request_id: 1, payload: {}, client_id: "c", idempotent: true }));
      accepted(envelopeOf({ type: "batch", commands: [], atomic: true }));
      const envelope = accepted(envelopeOf({}));
      expect(envelope.command ?? envelope.requestId ?? envelope.payload ?? envelope.clientId).toBeUndefined();
      expect(envelope.idempotent || envelope.atomic).toBe(false);
    });

    it("takes null as absent", () => {
      const envelope = accepted(
        envelopeOf({ command: "a", payload: null, request_id: null, client_id: null, atomic: null, commands: null }),
      );
      expect(envelope.payload ?? envelope.requestId ?? envelope.clientId ?? envelope.items).toBeUndefined();
      expect(codec.decodeArguments(undefined, noArguments)).toEqual({});
      expect(refused(codec.decodeArguments(undefined, shape)).details).toEqual({ path: "key" });
    });

    it("reads a batch, and reuses its items", () => {
      const commands = [
        { command: "kv.set", payload: { key: "a", value: 1 } },
        { command: "kv.get", payload: { key: "b" } },
        { type: "x", command: "kv.dbsize" },
      ];
      const envelope = accepted(envelopeOf({ type: "batch", request_id: 7, atomic: true, commands }));
      expect(envelope.itemCount).toBe(3);
      expect(envelope.atomic).toBe(true);
      const items = envelope.items ?? [];
      expect(items.slice(0, 3).map((item) => textOf(item.command))).toEqual(["kv.set", "kv.get", "kv.dbsize"]);
      expect(plain(codec.decodeArguments(items[0].payload, shape))).toMatchObject({ key: "a", value: { integer: 1 } });
      expect(plain(codec.decodeArguments(items[1].payload, shape))).toMatchObject({ key: "b" });
      expect(items[2].payload).toBeUndefined();
      const again = accepted(envelopeOf({ commands: [{ command: "x" }] }));
      expect(again.itemCount).toBe(1);
      expect(again.items?.[0].payload).toBeUndefined();
      expect(again.requestId).toBeUndefined();
      expect(accepted(envelopeOf({ commands: [] })).itemCount).toBe(0);
    });

    it("reads the ids of the idempotent commands of a batch", () => {
      const one = { command: "kv.incr", request_id: 1, index: 2 ** 16, client_id: "c", idempotent: true };
      const commands = [one, { command: "kv.get" }, { command: "kv.get", idempotent: false }];
      const envelope = accepted(envelopeOf({ commands }));
      const [first, second, third] = envelope.items ?? [];
      expect([textOf(first.clientId), codec.decodeId(first.requestId as ByteRange)]).toEqual(["c", 1]);
      expect([first.index, second.index]).toEqual([2 ** 16, -1]);
      const said = [first, second, third, envelope].map(({ idempotent }) => idempotent);
      expect(said).toEqual([true, undefined, false, undefined]);
      expect(envelope.hasItemIds).toBe(true);
      const of = (commands: unknown[], fields = {}) => accepted(envelopeOf({ commands, ...fields })).hasItemIds;
      expect(of([{ request_id: 1 }], { idempotent: true })).toBe(true);
      expect(of([{ command: "kv.get" }], { idempotent: true, request_id: 1, client_id: "c" })).toBe(false);
    });

    it.each([
      ["a field it does not know", { command: "a", comand: 1 }, "comand"],
      ["a payload that is a list", { command: "a", payload: [] }, "payload"],
      ["a payload that is text", { command: "a", payload: "x" }, "payload"],
      ["a command that is a number", { command: 1 }, "command"],
      ["a request id that is a list", { command: "a", request_id: [] }, "request_id"],
      ["a request id with a fraction", { command: "a", request_id: 1.5 }, "request_id"],
      ["a request id that is true", { command: "a", request_id: true }, "request_id"],
      ["a request id of 256 bytes", { command: "a", request_id: "x".repeat(254) }, "request_id"],
      ["atomic as text", { commands: [], atomic: "yes" }, "atomic"],
      ["idempotent as a number", { command: "a", idempotent: 1 }, "idempotent"],
      ["commands as an object", { commands: {} }, "commands"],
      ["commands that are no objects", { commands: [1] }, "commands"],
      ["a batch inside a batch", { commands: [{ commands: [] }] }, "commands"],
      ["a request id inside a batch", { commands: [{ command: "a", request_id: 1 }] }, "request_id"],
      ["a client id inside a batch", { commands: [{ command: "a", client_id: "c" }] }, "client_id"],
      ["an idempotent command in an atomic batch", { commands: [{ idempotent: true }], atomic: true }, "idempotent"],
      ["ids in an atomic batch", { commands: [{}, { request_id: 1 }], atomic: true, idempotent: true }, "request_id"],
      ["atomic inside a batch", { commands: [{ command: "a", atomic: true }] }, "atomic"],
      ["an unknown field inside a batch", { commands: [{ command: "a", x: 1 }] }, "x"],
      ["a command beside commands", { command: "a", commands: [] }, "command"],
      ["a payload beside commands", { payload: {}, commands: [] }, "payload"],
      ["one command too many", { commands: [{}, {}, {}, {}] }, "commands"],
    ])("refuses %s", (_name, message, path) => {
      const error = refused(envelopeOf(message));
      expect(error.code).toBe("INVALID_REQUEST");
      expect(error.details).toMatchObject({ path });
    });

    it.each([["text"], [5], [[]], [null], [true]])("refuses %j in place of an envelope", (message) => {
      expect(refused(envelopeOf(message)).code).toBe("INVALID_REQUEST");
    });

    it("takes a message as deep as the limit and no deeper", () => {
      const nested = (depth: number): unknown => (depth === 0 ? [] : [nested(depth - 1)]);
      // The envelope and the payload are two levels, the innermost list is one.
      const deepest = { command: "x", payload: { type: nested(DEPTH_MAX - 3) } };
      expect(envelopeOf(deepest)).not.toBeInstanceOf(CommandError);
      expect(refused(envelopeOf({ command: "x", payload: { type: nested(DEPTH_MAX - 2) } })).code).toBe(
        "INVALID_REQUEST",
      );
    });

    it("echoes request ids and reads them", () => {
      for (const id of ["r", "", 'quote " and \\ and ä', 0, -1, 300, 70_000, -70_000, 2 ** 40, 2n ** 63n - 1n]) {
        const message = typeof id === "bigint" && codec.name === "json" ? undefined : encode({ request_id: id });
        const bytes = message ?? new TextEncoder().encode(`{"request_id": ${id}}`);
        const { requestId } = accepted(codec.decodeEnvelope(bytes));
        expect(codec.decodeId(requestId as ByteRange)).toBe(id);
        const reply = encoded((out) => codec.encodeSuccess(out, requestId, null));
        expect(reply).toEqual({
          success: true,
          request_id: typeof id === "bigint" ? expect.anything() : id,
          payload: null,
        });
      }
    });
  });

  describe(`${codec.name} arguments`, () => {
    it("reads every kind", () => {
      const payload = {
        key: "k",
        ttl: 1000,
        amount: -5,
        nx: true,
        mode: "notify",
        note: "grün",
        prefix: "",
        room: "r",
        keys: ["a", "b"],
        pairs: [{ key: "p", value: "v" }],
        config: { depth: 3, inner: ["x"] },
      };
      expect(plain(argumentsOf(payload))).toEqual({ ...payload, pairs: [{ key: "p", value: { text: "v" } }] });
    });

    it("gives absent and null optional fields their fallback", () => {
      expect(plain(argumentsOf({ key: "k" }))).toEqual({ key: "k", amount: 1 });
      expect(plain(argumentsOf({ key: "k", ttl: null, amount: null, keys: null }))).toEqual({ key: "k", amount: 1 });
    });

    it("skips what clients send without meaning here", () => {
      expect(plain(argumentsOf({ type: { a: [1, "x", { b: null }] }, key: "k" }))).toEqual({ key: "k", amount: 1 });
    });

    it("stores values by the table", () => {
      const stored = (value: unknown) => (plain(argumentsOf({ key: "k", value })) as { value: unknown }).value;
      expect(stored("")).toEqual({ text: "" });
      expect(stored('tab\t "quoted" \\ ä € 😀 \u0000 __proto__')).toEqual({
        text: 'tab\t "quoted" \\ ä € 😀 \u0000 __proto__',
      });
      expect(stored(0)).toEqual({ integer: 0 });
      expect(stored(-1)).toEqual({ integer: -1 });
      expect(stored(Number.MAX_SAFE_INTEGER)).toEqual({ integer: Number.MAX_SAFE_INTEGER });
      expect(stored(Number.MIN_SAFE_INTEGER)).toEqual({ integer: Number.MIN_SAFE_INTEGER });
      expect(stored(1.5)).toEqual({ json: "1.5" });
      expect(stored(1e300)).toEqual({ json: "1e+300" });
      expect(stored(null)).toEqual({ json: "null" });
      expect(stored(true)).toEqual({ json: "true" });
      expect(stored(false)).toEqual({ json: "false" });
      expect(stored([])).toEqual({ json: "[]" });
      expect(stored({ a: [1, -2, "x\n"], b: {} })).toEqual({ json: '{"a":[1,-2,"x\\n"],"b":{}}' });
      expect(stored({ $bytes: "AP8Q" })).toEqual({ bytes: [0, 255, 16] });
      expect(stored({ $bytes: "" })).toEqual({ bytes: [] });
      expect(stored({ $bytes: "AP8Q", x: 1 })).toEqual({ json: '{"$bytes":"AP8Q","x":1}' });
      expect(stored({ $bytes: 5 })).toEqual({ json: '{"$bytes":5}' });
      expect(stored([{ $bytes: "AP8Q" }])).toEqual({ json: '[{"$bytes":"AP8Q"}]' });
    });

    it("takes names that JavaScript objects have for data", () => {
      const payload = JSON.parse('{"key": "__proto__", "value": {"__proto__": {"x": 1}, "constructor": 1}}');
      const args = argumentsOf({ key: "__proto__", value: "hasOwnProperty" });
      expect(plain(args)).toMatchObject({ key: "__proto__", value: { text: "hasOwnProperty" } });
      if (codec.name === "json") {
        expect(plain(argumentsOf(payload))).toMatchObject({ value: { json: '{"__proto__":{"x":1},"constructor":1}' } });
      }
      const error = refused(argumentsOf(JSON.parse('{"key": "a", "__proto__": 1}')));
      expect(error.details).toMatchObject({ path: "__proto__" });
    });

    it.each([
      ["a missing field", {}, "key"],
      ["null for a required field", { key: null }, "key"],
      ["an empty key", { key: "" }, "key"],
      ["a key that is a number", { key: 5 }, "key"],
      ["a number below its minimum", { key: "k", ttl: -1 }, "ttl"],
      ["a number over its maximum", { key: "k", ttl: 1001 }, "ttl"],
      ["a number far over its maximum", { key: "k", ttl: 1e15 }, "ttl"],
      ["a fraction", { key: "k", ttl: 1.5 }, "ttl"],
      ["text for a number", { key: "k", ttl: "1" }, "ttl"],
      ["text for a flag", { key: "k", nx: "true" }, "nx"],
      ["a word that is no choice", { key: "k", mode: "values" }, "mode"],
      ["a word that is too long", { key: "k", note: "x".repeat(21) }, "note"],
      ["an unknown field", { key: "k", tll: 1 }, "tll"],
      ["an unknown field inside", { key: "k", config: { depht: 1 } }, "config.depht"],
      ["a list too long", { key: "k", keys: ["a", "b", "c", "d"] }, "keys"],
      ["a list too short", { key: "k", keys: [] }, "keys"],
      ["an object for a list", { key: "k", keys: {} }, "keys"],
      ["a list for an object", { key: "k", config: [] }, "config"],
      ["a wrong item", { key: "k", keys: ["a", 5] }, "keys[1]"],
      ["null for an item", { key: "k", keys: [null] }, "keys[0]"],
      ["a missing field of an item", { key: "k", pairs: [{ key: "a", value: 1 }, { key: "b" }] }, "pairs[1].value"],
      ["a wrong field of an item", { key: "k", pairs: [{ key: 1, value: 1 }] }, "pairs[0].key"],
      ["an item that is no object", { key: "k", pairs: [1] }, "pairs[0]"],
      ["a wrong item further in", { key: "k", config: { inner: ["a", 1] } }, "config.inner[1]"],
      ["a field and its alias", { key: "k", ttl: 1, expires: 1 }, "ttl"],
      ["bytes that are not base64", { key: "k", value: { $bytes: "AP8" } }, "value"],
      ["bytes that are not canonical", { key: "k", value: { $bytes: "AB==" } }, "value"],
    ])("refuses %s", (_name, payload, path) => {
      const error = refused(argumentsOf(payload));
      expect(error.code).toBe("INVALID_PAYLOAD");
      expect(error.details).toMatchObject({ path });
    });

    it("says how many items a list is to have, of one as of many", () => {
      expect(refused(argumentsOf({ key: "k", keys: [] })).message).toBe("keys must have at least 1 item");
      expect(refused(argumentsOf({ key: "k", keys: ["a", "b", "c", "d"] })).message).toBe(
        "keys may have at most 3 items",
      );
    });

    it("takes a path back after a failure", () => {
      refused(argumentsOf({ key: "k", config: { inner: ["a", 1] } }));
      expect(refused(argumentsOf({ key: 1 })).details).toEqual({ path: "key" });
    });

    it("names the argument that was meant", () => {
      expect(refused(argumentsOf({ key: "k", tll: 1 })).details).toEqual({ path: "tll", did_you_mean: "ttl" });
      expect(refused(argumentsOf({ key: "k", expire: 1 })).details).toEqual({
        path: "expire",
        did_you_mean: "expires",
      });
      expect(refused(argumentsOf({ key: "k", zzzzzzzz: 1 })).details).toEqual({ path: "zzzzzzzz" });
      const long = refused(argumentsOf({ key: "k", ["x".repeat(5000)]: 1 }));
      expect(long.message.length).toBeLessThan(300);
    });

    it("holds keys, names and values against their limits", () => {
      expect(argumentsOf({ key: "k".repeat(65_535) })).not.toBeInstanceOf(CommandError);
      const longKey = refused(argumentsOf({ key: "k".repeat(65_536) }));
      expect([longKey.code, longKey.details]).toEqual([
        "PAYLOAD_TOO_LARGE",
        { path: "key", limit_bytes: 65_535, bytes: 65_536 },
      ]);
      expect(argumentsOf({ key: "k", room: "ä".repeat(127) })).not.toBeInstanceOf(CommandError);
      expect(refused(argumentsOf({ key: "k", room: "ä".repeat(128) })).code).toBe("PAYLOAD_TOO_LARGE");
      for (const value of ["v".repeat(4096), ["v".repeat(4092)], { $bytes: "AAAA".repeat(1000) }]) {
        expect(argumentsOf({ key: "k", value })).not.toBeInstanceOf(CommandError);
      }
      for (const value of ["v".repeat(4097), ["v".repeat(4093)], { $bytes: "AAAA".repeat(1366) }]) {
        const error = refused(argumentsOf({ key: "k", value }));
        expect([error.code, error.details?.path]).toEqual(["PAYLOAD_TOO_LARGE", "value"]);
      }
    });

    it("keeps many unpacked values apart", () => {
      const pairs = Array.from({ length: 300 }, (_, i) => ({
        key: `k${i}\n`,
        value: i % 2 === 0 ? i : `"${i}" ${"x".repeat(500)}`,
      }));
      const args = accepted(argumentsOf({ key: "k", pairs }));
      const expected = pairs.map(({ key, value }) => ({
        key,
        value: typeof value === "number" ? { integer: value } : { text: value },
      }));
      expect(plain(args.pairs)).toEqual(expected);
    });
  });

  describe(`${codec.name} replies`, () => {
    it("writes successes and failures", () => {
      expect(encoded((out) => codec.encodeSuccess(out, undefined, { a: 1, b: undefined }))).toEqual({
        success: true,
        payload: { a: 1 },
      });
      const error = new CommandError("KEY_NOT_FOUND", 'no "key"', { path: "key", n: [1, null] });
      expect(encoded((out) => codec.encodeFailure(out, undefined, error))).toEqual({
        success: false,
        error: 'no "key"',
        code: "KEY_NOT_FOUND",
        details: { path: "key", n: [1, null] },
      });
      const bare = new CommandError("OVERFLOW", "x");
      expect(encoded((out) => codec.encodeFailure(out, undefined, bare))).toEqual({
        success: false,
        error: "x",
        code: "OVERFLOW",
      });
    });

    it("writes batches", () => {
      const { requestId } = accepted(envelopeOf({ request_id: "b" }));
      const reply = encoded((out) => {
        codec.beginBatch(out, requestId, 2);
        codec.separateBatchItem(out, 0);
        codec.encodeSuccess(out, undefined, rangeOf("x"));
        codec.separateBatchItem(out, 1);
        codec.encodeFailure(out, undefined, new CommandError("OVERFLOW", "y"));
        codec.endBatch(out);
      });
      expect(reply).toEqual({
        type: "batch_response",
        success: true,
        request_id: "b",
        results: [
          { success: true, payload: "x" },
          { success: false, error: "y", code: "OVERFLOW" },
        ],
      });
    });

    it("writes values of every kind", () => {
      const written = (value: unknown) => encoded((out) => codec.encodeValue(out, value));
      const values: unknown[] = [null, true, false, "", "ä\u2028😀\n", [], {}, [1, [2, { a: "b" }]]];
      const numbers = [
        0,
        1,
        9,
        10,
        99,
        127,
        128,
        255,
        256,
        65_535,
        65_536,
        2 ** 31,
        2 ** 32 - 1,
        2 ** 32,
        1e9,
        999_999_999,
      ];
      const large = [
        1e15 - 1,
        8_999_999_999_999_999,
        9_000_000_000_000_000,
        9_006_999_999_999_999,
        Number.MAX_SAFE_INTEGER,
        1.5,
        0.1,
        1e300,
      ];
      for (const value of [...values, ...numbers, ...numbers.map((n) => -n || 0), ...large, ...large.map((n) => -n)]) {
        expect(written(value)).toEqual(value);
      }
      expect(written(-0)).toBe(0);
      expect(written(Number.NaN)).toBe(null);
      expect(written(undefined)).toBe(null);
      expect(written([undefined])).toEqual([null]);
      expect(written("x".repeat(70_000))).toBe("x".repeat(70_000));
      expect(written("\ud800")).toBe("\ufffd");
      expect(written(rangeOf('key "1"\n'))).toBe('key "1"\n');
      expect(written(rangeOf("ключ"))).toBe("ключ");
      expect(written(integerValue(-7))).toBe(-7);
      const fields = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`f${i}`, i % 3 === 0 ? undefined : i]));
      expect(written(fields)).toEqual(JSON.parse(JSON.stringify(fields)));
      const items = Array.from({ length: 70_000 }, (_, i) => i);
      expect(written(items)).toEqual(items);
    });

    it("throws for what no result can be", () => {
      expect(() => encoded((out) => codec.encodeValue(out, () => 1))).toThrow();
    });

    it("gives stored text back", () => {
      for (const text of ["", "plain", 'a"b\\c\n\u0000', "ключ 😀", "x".repeat(1000)]) {
        const bytes = new TextEncoder().encode(text);
        const value = new Value(TAG_TEXT, bytes, 0, bytes.length);
        expect(encoded((out) => codec.encodeValue(out, value))).toBe(text);
      }
    });

    it("gives stored JSON back", () => {
      const texts = [
        '{"a": [1, 2.5, "x\\u00e9\\n", null, true, false, {}, []], "b" :{"c":"d"}}',
        " [ ] ",
        "1e3",
        "null",
      ];
      for (const text of texts) {
        const bytes = new TextEncoder().encode(text);
        const value = new Value(TAG_JSON, bytes, 0, bytes.length);
        expect(encoded((out) => codec.encodeValue(out, value))).toEqual(JSON.parse(text));
      }
    });
  });
}
