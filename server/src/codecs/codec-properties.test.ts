/** Random input against references: JSON.parse, msgpackr and TypeBox. fast-check prints the seed of a failure. */
import fc from "fast-check";
import { Packr } from "msgpackr";
import { Value as TypeBoxValue } from "typebox/value";
import { describe, expect, it } from "vitest";
import { compileShape } from "../commands/argument-shape.ts";
import { CommandError } from "../commands/errors.ts";
import { Choice, Flag, Int64, Integer, Key, List, Optional, StoredValue, Struct, Text } from "../commands/schema.ts";
import { readInt64, TAG_INTEGER, TAG_JSON, type Value } from "../state/value.ts";
import { base64DecodedLength, decodeBase64, writeBase64 } from "./base64.ts";
import type { Codec } from "./codec.ts";
import { parseInteger, parseNumber, writeInteger } from "./decimal.ts";
import { JsonCodec } from "./json/json-codec.ts";
import { JsonScanner } from "./json/json-scanner.ts";
import { MessagePackCodec } from "./msgpack/message-pack-codec.ts";
import { OutputBuffer } from "./output-buffer.ts";

const limits = { batchCommandsMax: 100, valueBytesMax: 1 << 20 };
const json = new JsonCodec(limits);
const messagePack = new MessagePackCodec(limits);
// msgpackr's types lag behind it: "auto" gives a bigint only where a number would not be exact.
const packr = new Packr({ useRecords: false, int64AsType: "auto" } as never);
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

const valueShape = compileShape(Struct({ value: StoredValue() }));

const codecs = { json, msgpack: messagePack };
const encodeMessage: Record<Codec["name"], (message: unknown) => Uint8Array> = {
  json: (message) => encoder.encode(JSON.stringify(message)),
  // A plain Uint8Array, as transports give: the `slice` of a Buffer would not copy.
  msgpack: (message) => new Uint8Array(packr.pack(message)),
};
const decodeMessage: Record<Codec["name"], (bytes: Uint8Array) => unknown> = {
  json: (bytes) => JSON.parse(decoder.decode(bytes)),
  msgpack: (bytes) => packr.unpack(bytes),
};

function storedFrom(codec: Codec, message: Uint8Array): Value {
  const envelope = codec.decodeEnvelope(message);
  if (envelope instanceof CommandError) throw new Error(envelope.message);
  const args = codec.decodeArguments(envelope.payload, valueShape);
  if (args instanceof CommandError) throw new Error(args.message);
  // The shape has one field, a value.
  return (args.value as Value).copy();
}

function store(codec: Codec, value: unknown): Value {
  return storedFrom(codec, encodeMessage[codec.name]({ payload: { value } }));
}

function encodedBytes(codec: Codec, value: unknown): Uint8Array {
  const out = new OutputBuffer(16, 1 << 24);
  codec.encodeValue(out, value);
  return out.view().slice();
}

function read(codec: Codec, value: unknown): unknown {
  return decodeMessage[codec.name](encodedBytes(codec, value));
}

function holds(value: unknown, isOdd: (leaf: unknown) => boolean): boolean {
  if (typeof value !== "object" || value === null) return isOdd(value);
  return Object.entries(value).some(([name, item]) => isOdd(name) || holds(item, isOdd));
}

/**
 * JSON values that every encoder writes in one way: without the object that means bytes, without `__proto__` (msgpackr
 * reads another name), without minus zero (msgpackr writes 0), and without integers that are not safe (msgpackr writes a
 * float, JSON.stringify digits).
 */
const jsonValues = fc
  .jsonValue({ stringUnit: "binary", maxDepth: 4 })
  .filter(
    (value) =>
      !holds(
        value,
        (leaf) =>
          leaf === "$bytes" ||
          leaf === "__proto__" ||
          Object.is(leaf, -0) ||
          (typeof leaf === "number" && Number.isInteger(leaf) && !Number.isSafeInteger(leaf)),
      ),
  );

describe("values", () => {
  for (const from of [json, messagePack]) {
    for (const to of [json, messagePack]) {
      it(`come back from ${from.name} in ${to.name}`, () => {
        fc.assert(
          fc.property(jsonValues, (value) => {
            expect(read(to, store(from, value))).toEqual(value);
          }),
          { numRuns: 100 },
        );
      });
    }
  }

  it("stored from either format are the same", () => {
    fc.assert(
      fc.property(jsonValues, (value) => {
        const fromJson = store(json, value);
        const fromMessagePack = store(messagePack, value);
        expect(fromMessagePack.tag).toBe(fromJson.tag);
        expect(fromMessagePack.bytes).toEqual(fromJson.bytes);
      }),
      { numRuns: 100 },
    );
  });

  it("that are bytes come back as they were", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, isNested) => {
        const base64 = { $bytes: Buffer.from(bytes).toString("base64") };
        const wrap = (value: unknown): unknown => (isNested ? { list: [value] } : value);
        const fromJson = store(json, wrap(base64));
        const fromMessagePack = store(messagePack, wrap(Buffer.from(bytes)));
        expect(fromMessagePack).toEqual(fromJson);
        expect(read(messagePack, fromJson)).toEqual(wrap(bytes));
        const text = decoder.decode(bytes);
        const isText = !isNested && Buffer.from(text).equals(Buffer.from(bytes));
        expect(read(json, fromJson)).toEqual(wrap(isText ? text : base64));
      }),
    );
  });

  it("that are integers keep every digit, nested or not", () => {
    const integers = fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }), fc.maxSafeInteger().map(BigInt));
    fc.assert(
      fc.property(integers, (integer) => {
        const fromJson = storedFrom(json, encoder.encode(`{"payload": {"value": ${integer}}}`));
        const fromMessagePack = store(messagePack, integer);
        expect(fromMessagePack).toEqual(fromJson);
        expect(fromJson.tag).toBe(integer < 2n ** 63n ? TAG_INTEGER : TAG_JSON);
        if (fromJson.tag === TAG_INTEGER) expect(BigInt(readInt64(fromJson.bytes, 0))).toBe(integer);
        const nested = store(messagePack, [integer]);
        expect(decoder.decode(encodedBytes(json, [fromJson, nested]))).toBe(`[${integer},[${integer}]]`);
        const packed = read(messagePack, [fromJson, nested]) as [number | bigint, [number | bigint]];
        expect([BigInt(packed[0]), BigInt(packed[1][0])]).toEqual([integer, integer]);
      }),
    );
  });

  it("that are floats come back, also minus zero", () => {
    const message = encodeMessage.msgpack({ payload: { value: 0.1 } });
    const float = new DataView(message.buffer, message.length - 8);
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
        float.setFloat64(0, number);
        const stored = storedFrom(messagePack, message);
        // Beyond 2^53 the digits may be those of an integer.
        expect(Number(read(messagePack, stored))).toBe(number);
        expect(read(json, stored)).toBe(number);
        if (Number.isSafeInteger(number) && !Object.is(number, -0)) expect(stored.tag).toBe(TAG_INTEGER);
      }),
      { examples: [[-0], [0], [5], [2 ** 53], [1e19], [1e21], [5e-324]] },
    );
  });

  it("with white space and escapes are read as JSON.parse reads them", () => {
    fc.assert(
      fc.property(jsonValues, fc.nat(4), (value, indent) => {
        const escaped = JSON.stringify({ payload: { value } }, null, indent).replace(
          /[\u007f-\uffff/]/g,
          (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
        );
        const stored = storedFrom(json, encoder.encode(` ${escaped}\r\n\t`));
        expect(read(json, stored)).toEqual(value);
        expect(read(messagePack, stored)).toEqual(value);
      }),
    );
  });
});

/** Changes, removes or inserts a few bytes, or cuts the end off. */
const damage = fc.record({
  edits: fc.array(fc.tuple(fc.nat(), fc.nat(255), fc.constantFrom("change", "remove", "insert")), { maxLength: 3 }),
  keep: fc.option(fc.nat(), { nil: undefined, freq: 3 }),
});

function damaged(bytes: Uint8Array, { edits, keep }: { edits: [number, number, string][]; keep: number | undefined }) {
  const changed = [...bytes];
  for (const [position, byte, edit] of edits) {
    const at = position % (changed.length + 1);
    if (edit === "insert") changed.splice(at, 0, byte);
    else if (edit === "remove") changed.splice(at, 1);
    else if (at < changed.length) changed[at] = byte;
  }
  return Uint8Array.from(keep === undefined ? changed : changed.slice(0, keep % (changed.length + 1)));
}

const argumentShape = compileShape(
  Struct({
    key: Key(),
    value: Optional(StoredValue()),
    count: Optional(Integer({ minimum: -10, maximum: 10 })),
    amount: Optional(Int64()),
    on: Optional(Flag()),
    mode: Optional(Choice(["one", "two"])),
    keys: Optional(List(Key(), { maxItems: 3 })),
    pairs: Optional(List(Struct({ key: Key(), value: StoredValue() }))),
  }),
);

const payloads = fc.record(
  {
    key: fc.string(),
    value: jsonValues,
    count: fc.integer({ min: -12, max: 12 }),
    amount: fc.maxSafeInteger(),
    on: fc.boolean(),
    mode: fc.constantFrom("one", "two"),
    keys: fc.array(fc.string(), { maxLength: 4 }),
    pairs: fc.array(fc.record({ key: fc.string(), value: jsonValues })),
  },
  { requiredKeys: ["key"] },
);

const requests = fc.record(
  {
    command: fc.string(),
    request_id: fc.oneof(fc.string(), fc.maxSafeInteger()),
    payload: payloads,
    commands: fc.array(fc.record({ command: fc.string(), payload: payloads })),
  },
  { requiredKeys: [] },
);

/** Reads a message to the end, whatever it is, and writes what came out of it. */
function readAll(codec: Codec, message: Uint8Array): void {
  const envelope = codec.decodeEnvelope(message);
  const out = new OutputBuffer(64, 1 << 24);
  if (envelope instanceof CommandError) {
    codec.encodeFailure(out, undefined, envelope);
    return;
  }
  if (envelope.requestId !== undefined) codec.decodeId(envelope.requestId);
  const items = envelope.items?.slice(0, envelope.itemCount) ?? [envelope];
  for (const { payload } of items) {
    const args = codec.decodeArguments(payload, argumentShape);
    for (const writer of [json, messagePack]) {
      if (args instanceof CommandError) writer.encodeFailure(out, undefined, args);
      else writer.encodeSuccess(out, undefined, args);
    }
  }
}

describe("damaged input", () => {
  for (const codec of [json, messagePack]) {
    it(`never throws out of ${codec.name}`, () => {
      fc.assert(
        fc.property(requests, damage, (request, change) => {
          readAll(codec, damaged(encodeMessage[codec.name](request), change));
        }),
        { numRuns: 600 },
      );
    });

    it(`of random bytes never throws out of ${codec.name}`, () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => readAll(codec, bytes)),
        { numRuns: 600 },
      );
    });

    it(`is refused by ${codec.name} wherever it is cut`, () => {
      const message = encodeMessage[codec.name]({
        request_id: "ä",
        commands: [{ command: "x", payload: { key: "k", value: [1.5, "ü", null, { a: 300 }] } }],
      });
      expect(codec.decodeEnvelope(message)).not.toBeInstanceOf(CommandError);
      for (let length = 0; length < message.length; length++) {
        const error = codec.decodeEnvelope(message.slice(0, length));
        expect(error).toMatchObject({ code: "INVALID_REQUEST" });
      }
      expect(codec.decodeEnvelope(Uint8Array.of(...message, 0x20, 0x31))).toMatchObject({ code: "INVALID_REQUEST" });
    });
  }

  it("is JSON for the scanner exactly when it is for JSON.parse", () => {
    const scanner = new JsonScanner();
    const isJson = (text: string): boolean => {
      try {
        // Numbers beyond the floats become infinite there, and are refused here.
        const finite = (_: string, each: unknown): unknown => {
          if (each === Infinity || each === -Infinity) throw new RangeError();
          return each;
        };
        return JSON.stringify(JSON.parse(text, finite)) !== undefined;
      } catch {
        return false;
      }
    };
    let acceptedCount = 0;
    fc.assert(
      fc.property(fc.json({ stringUnit: "grapheme-ascii" }), fc.nat(2), damage, (text, indent, change) => {
        const spaced = encoder.encode(JSON.stringify(JSON.parse(text), null, indent));
        // A byte above ASCII would first fail as UTF-8, and half a surrogate pair is refused on purpose.
        const bytes = damaged(spaced, change).map((byte) => byte & 0x7f);
        const candidate = decoder.decode(bytes);
        fc.pre(!/\\u[dD][89a-fA-F]/.test(candidate));
        scanner.begin(bytes);
        const past = scanner.value(scanner.space(0), 0);
        const accepts = past >= 0 && scanner.space(past) === bytes.length;
        if (accepts) acceptedCount++;
        expect([candidate, accepts]).toEqual([candidate, isJson(candidate)]);
      }),
      { numRuns: 2000 },
    );
    expect(acceptedCount).toBeGreaterThan(50);
  });
});

describe("arguments", () => {
  it("are accepted exactly when the JSON Schema accepts them", () => {
    const schema = Struct({
      key: Key(),
      count: Optional(Integer({ minimum: -3, maximum: 3 })),
      on: Optional(Flag()),
      mode: Optional(Choice(["one", "two"])),
      note: Optional(Text()),
      keys: Optional(List(Key(), { maxItems: 2 })),
      inner: Optional(Struct({ count: Integer(), list: Optional(List(Flag(), { minItems: 0 })) })),
    });
    const shape = compileShape(schema);
    const leaves = fc.oneof(
      fc.constantFrom("", "one", "two", "three", "k", true, false, 1.5, -0.5, 1e21),
      fc.integer({ min: -5, max: 5 }),
    );
    const anything = fc.oneof(
      { weight: 6, arbitrary: leaves },
      fc.array(leaves, { maxLength: 3 }),
      fc.dictionary(fc.constantFrom("count", "list", "x"), fc.oneof(leaves, fc.array(fc.boolean())), { maxKeys: 2 }),
    );
    const fitting = fc.record(
      {
        key: fc.constantFrom("k", "key"),
        count: fc.integer({ min: -3, max: 4 }),
        on: fc.boolean(),
        mode: fc.constantFrom("one", "two"),
        note: fc.string({ maxLength: 20 }),
        keys: fc.array(fc.constantFrom("a", "b", ""), { minLength: 1, maxLength: 3 }),
        inner: fc.record({ count: fc.integer(), list: fc.array(fc.boolean()) }, { requiredKeys: ["count"] }),
      },
      { requiredKeys: ["key"] },
    );
    const overrides = fc.dictionary(
      fc.constantFrom("key", "count", "on", "mode", "note", "keys", "inner", "other"),
      anything,
      { maxKeys: 2 },
    );
    const counts = { accepted: 0, refused: 0 };
    fc.assert(
      fc.property(fitting, overrides, (base, override) => {
        const payload = { ...base, ...override };
        // Our Struct is a JSON Schema that TypeBox understands as it is.
        const expected = TypeBoxValue.Check(schema as Parameters<typeof TypeBoxValue.Check>[0], payload);
        if (expected) counts.accepted++;
        else counts.refused++;
        for (const codec of Object.values(codecs)) {
          const envelope = codec.decodeEnvelope(encodeMessage[codec.name]({ payload }));
          if (envelope instanceof CommandError) throw new Error(envelope.message);
          const args = codec.decodeArguments(envelope.payload, shape);
          expect([payload, !(args instanceof CommandError)]).toEqual([payload, expected]);
        }
      }),
      { numRuns: 600 },
    );
    expect(Math.min(counts.accepted, counts.refused)).toBeGreaterThan(20);
  });
});

describe("decimals and base64", () => {
  it("writes and reads integers as BigInt does", () => {
    const out = new OutputBuffer(32, 1000);
    fc.assert(
      fc.property(fc.oneof(fc.maxSafeInteger(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n })), (integer) => {
        out.reset();
        writeInteger(out, integer);
        expect(decoder.decode(out.view())).toBe(integer.toString());
        expect(BigInt(parseInteger(out.bytes, 0, out.length) ?? 0.5)).toBe(BigInt(integer));
      }),
    );
    for (const text of ["18446744073709551616", "-9223372036854775809", "1.0", "1e3", "999999999999999999999"]) {
      expect(parseInteger(encoder.encode(text), 0, text.length)).toBeUndefined();
    }
  });

  it("reads numbers as Number does", () => {
    const literals = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
      fc.tuple(fc.integer(), fc.nat()).map(([whole, decimals]) => `${whole}.${decimals}`),
      fc.constantFrom("-0", "0.0", "-0.0", "1E5", "1e-7", "123456789.1234567", "999999999999.999", "1e400"),
    );
    fc.assert(
      fc.property(literals, (text) => {
        expect(parseNumber(encoder.encode(text), 0, text.length)).toBe(Number(text));
      }),
      { numRuns: 500 },
    );
  });

  it("writes and reads base64 as Buffer does, and only the canonical one", () => {
    const out = new OutputBuffer(32, 1 << 20);
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        out.reset();
        writeBase64(out, bytes, 0, bytes.length);
        const text = out.view().slice();
        expect(decoder.decode(text)).toBe(Buffer.from(bytes).toString("base64"));
        expect(base64DecodedLength(text, 0, text.length)).toBe(bytes.length);
        out.reset();
        decodeBase64(out, text, 0, bytes.length);
        expect(out.view()).toEqual(bytes);
      }),
    );
    fc.assert(
      fc.property(fc.array(fc.constantFrom(..."AQg/+=-_ "), { maxLength: 12 }), (letters) => {
        const text = letters.join("");
        const isCanonical = Buffer.from(text, "base64").toString("base64") === text;
        expect(base64DecodedLength(encoder.encode(text), 0, text.length) >= 0).toBe(isCanonical);
      }),
    );
  });
});
