/** What only MessagePack has: announced lengths, extensions, kinds of numbers; and the very bytes of a reply. */
import { describe, expect, it } from "vitest";
import { compileShape } from "../../commands/argument-shape.ts";
import { CommandError } from "../../commands/errors.ts";
import { Int64, Integer, Key, Optional, StoredValue, Struct } from "../../commands/schema.ts";
import { TAG_BYTES, TAG_INTEGER, TAG_JSON, TAG_TEXT, Value } from "../../state/value.ts";
import { ByteRange, rangeOf } from "../../structures/byte-range.ts";
import { OutputBuffer } from "../output-buffer.ts";
import { MessagePackCodec } from "./message-pack-codec.ts";

const codec = new MessagePackCodec({ batchCommandsMax: 10, valueBytesMax: 1000 });
const shape = compileShape(
  Struct({
    key: Optional(Key()),
    value: Optional(StoredValue()),
    n: Optional(Integer({ minimum: -10, maximum: 2 ** 40 })),
    wide: Optional(Int64()),
  }),
);

/** `{"payload": {name: <bytes>}}` */
function message(name: string, ...bytes: number[]): Uint8Array {
  const text = (word: string): number[] => [0xa0 | word.length, ...Buffer.from(word)];
  return Uint8Array.of(0x81, ...text("payload"), 0x81, ...text(name), ...bytes);
}

function argumentsOf(name: string, ...bytes: number[]): Record<string, unknown> | CommandError {
  const envelope = codec.decodeEnvelope(message(name, ...bytes));
  return envelope instanceof CommandError ? envelope : codec.decodeArguments(envelope.payload, shape);
}

function stored(...bytes: number[]): [tag: number, text: string] {
  const args = argumentsOf("value", ...bytes);
  if (args instanceof CommandError) throw new Error(args.message);
  const value = args.value as Value; // The shape says so.
  return [value.tag, value.toString()];
}

function written(value: unknown): number[] {
  const out = new OutputBuffer(1, 1 << 20);
  codec.encodeValue(out, value);
  return [...out.view()];
}

function float64(number: number): number[] {
  const bytes = Buffer.alloc(9, 0xcb);
  bytes.writeDoubleBE(number, 1);
  return [...bytes];
}

describe("MessagePack messages", () => {
  it.each([
    ["nothing", []],
    ["a byte that is never used", [0xc1]],
    ["four billion array items in five bytes", [0xdd, 0xff, 0xff, 0xff, 0xff]],
    ["four billion map pairs in five bytes", [0xdf, 0xff, 0xff, 0xff, 0xff]],
    ["a string of four billion bytes", [0xdb, 0xff, 0xff, 0xff, 0xff, 0x61]],
    ["binary of four billion bytes", [0xc6, 0xff, 0xff, 0xff, 0xff, 0x61]],
    ["an extension of four billion bytes", [0xc9, 0xff, 0xff, 0xff, 0xff, 0x01]],
    ["an extension cut off", [0xd8, 0x01, 0x00]],
    ["a header cut off", [0xda, 0x00]],
    ["a number cut off", [0xcf, 0x00, 0x00]],
    ["a string that is not UTF-8", [0xa2, 0xc3, 0x28]],
    ["a string with half a surrogate pair", [0xa3, 0xed, 0xa0, 0x80]],
    ["too deep", [...new Array(200).fill(0x91), 0xc0]],
    ["something after the end", [0xc0, 0xc0]],
  ])("with %s are refused", (_name, bytes) => {
    expect(codec.decodeEnvelope(message("value", ...bytes))).toMatchObject({ code: "INVALID_REQUEST" });
  });

  it("with a million open arrays are refused", () => {
    const bytes = new Uint8Array(1_000_000).fill(0x91);
    expect(codec.decodeEnvelope(bytes)).toMatchObject({ code: "INVALID_REQUEST" });
  });

  it("with names that are no strings are refused", () => {
    expect(codec.decodeEnvelope(Uint8Array.of(0x81, 0x01, 0x01))).toMatchObject({ code: "INVALID_REQUEST" });
    expect(codec.decodeEnvelope(Uint8Array.of(0x81, 0xa1, 0xff, 0x01))).toMatchObject({ code: "INVALID_REQUEST" });
    const envelope = codec.decodeEnvelope(Uint8Array.of(0x81, 0xa7, ...Buffer.from("payload"), 0x81, 0x01, 0x01));
    if (envelope instanceof CommandError) throw new Error(envelope.message);
    expect(codec.decodeArguments(envelope.payload, shape)).toMatchObject({ code: "INVALID_PAYLOAD" });
  });

  it("with a name twice are refused", () => {
    const name = [0xa4, ...Buffer.from("type")];
    const twice = Uint8Array.of(0x82, ...name, 0x01, ...name, 0x01);
    expect(codec.decodeEnvelope(twice)).toMatchObject({ code: "INVALID_REQUEST", details: { path: "type" } });
    const n = [0xa1, 0x6e, 0x01];
    const envelope = codec.decodeEnvelope(Uint8Array.of(0x81, 0xa7, ...Buffer.from("payload"), 0x82, ...n, ...n));
    if (envelope instanceof CommandError) throw new Error(envelope.message);
    expect(codec.decodeArguments(envelope.payload, shape)).toMatchObject({ details: { path: "n" } });
  });
});

describe("MessagePack numbers", () => {
  it.each<[number[], number | bigint]>([
    [[0x7f], 127],
    [[0xff], -1],
    [[0xf6], -10],
    [[0xcc, 0xff], 255],
    [[0xcd, 0xff, 0xff], 65_535],
    [[0xce, 0xff, 0xff, 0xff, 0xff], 4_294_967_295],
    [[0xcf, 0, 0, 1, 0, 0, 0, 0, 0], 2 ** 40],
    [[0xd0, 0xf6], -10],
    [[0xd1, 0xff, 0xf6], -10],
    [[0xd2, 0xff, 0xff, 0xff, 0xf6], -10],
    [[0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf6], -10],
    [[0xca, 0x40, 0xa0, 0, 0], 5],
    [float64(2 ** 40), 2 ** 40],
    [float64(-0), 0],
  ])("%j is the integer %d", (bytes, integer) => {
    expect(argumentsOf("n", ...bytes)).toMatchObject({ n: integer });
    expect(argumentsOf("wide", ...bytes)).toMatchObject({ wide: integer });
  });

  it.each([
    [float64(1.5)],
    [float64(Number.NaN)],
    [float64(2 ** 53)],
    [[0xcf, ...new Array(8).fill(0xff)]],
    [[0xc0 | 2]],
  ])("%j is no integer here", (bytes) => {
    expect(argumentsOf("n", ...bytes)).toMatchObject({ code: "INVALID_PAYLOAD", details: { path: "n" } });
    expect(argumentsOf("wide", ...bytes)).toMatchObject({ code: "INVALID_PAYLOAD", details: { path: "wide" } });
  });

  it("of 64 bits keep every digit", () => {
    expect(argumentsOf("wide", 0xcf, 0x7f, ...new Array(7).fill(0xff))).toMatchObject({ wide: 2n ** 63n - 1n });
    expect(argumentsOf("wide", 0xd3, 0x80, ...new Array(7).fill(0))).toMatchObject({ wide: -(2n ** 63n) });
  });
});

describe("MessagePack values", () => {
  it("are stored by their kind", () => {
    expect(stored(0xa2, 0xc3, 0xa4)).toEqual([TAG_TEXT, "ä"]);
    expect(stored(0xc4, 0x01, 0x61)).toEqual([TAG_BYTES, "a"]);
    expect(stored(...float64(5))[0]).toBe(TAG_INTEGER);
    expect(stored(...float64(0.5))).toEqual([TAG_JSON, "0.5"]);
    expect(stored(...float64(-0))).toEqual([TAG_JSON, "-0"]);
    expect(stored(0xcf, ...new Array(8).fill(0xff))).toEqual([TAG_JSON, "18446744073709551615"]);
    expect(stored(0x92, 0xcf, ...new Array(8).fill(0xff), 0xc4, 0x01, 0xff)).toEqual([
      TAG_JSON,
      '[18446744073709551615,{"$bytes":"/w=="}]',
    ]);
  });

  it.each([
    ["an extension", [0xd4, 0x01, 0x00], "extension"],
    ["a time stamp inside", [0x91, 0xd6, 0xff, 0, 0, 0, 0], "extension"],
    ["NaN", float64(Number.NaN), "finite"],
    ["infinity inside", [0x91, ...float64(Number.POSITIVE_INFINITY)], "finite"],
    ["a number for a name", [0x81, 0x01, 0x01], "strings"],
    ["binary for a name", [0x81, 0xc4, 0x01, 0x61, 0x01], "strings"],
  ])("refuse %s", (_name, bytes, reason) => {
    const error = argumentsOf("value", ...bytes);
    expect(error).toMatchObject({ code: "INVALID_PAYLOAD", details: { path: "value" } });
    expect(error).toMatchObject({ message: expect.stringContaining(reason) });
  });

  it("stay in the message unless they must be unpacked", () => {
    const bytes = message("value", 0xa1, 0x61);
    const envelope = codec.decodeEnvelope(bytes);
    if (envelope instanceof CommandError) throw new Error(envelope.message);
    expect(codec.decodeArguments(envelope.payload, shape)).toMatchObject({ value: { bytes, tag: TAG_TEXT } });
  });

  it("that grow as JSON text are stopped at the limit", () => {
    const controls = new Array(200).fill(0x01);
    expect(argumentsOf("value", 0x91, 0xd9, 200, ...controls)).toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
    expect(argumentsOf("value", 0xd9, 200, ...controls)).not.toBeInstanceOf(CommandError);
  });
});

describe("MessagePack replies", () => {
  it("use the smallest forms", () => {
    expect(written(127)).toEqual([0x7f]);
    expect(written(128)).toEqual([0xcc, 128]);
    expect(written(256)).toEqual([0xcd, 1, 0]);
    expect(written(65_536)).toEqual([0xce, 0, 1, 0, 0]);
    expect(written(2 ** 32)).toEqual([0xcf, 0, 0, 0, 1, 0, 0, 0, 0]);
    expect(written(-32)).toEqual([0xe0]);
    expect(written(-33)).toEqual([0xd0, 0xdf]);
    expect(written(-129)).toEqual([0xd1, 0xff, 0x7f]);
    expect(written(-32_769)).toEqual([0xd2, 0xff, 0xff, 0x7f, 0xff]);
    expect(written(-(2 ** 31) - 1)).toEqual([0xd3, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
    expect(written(2n ** 63n)).toEqual([0xcf, 0x80, 0, 0, 0, 0, 0, 0, 0]);
    expect(written(-(2n ** 63n))).toEqual([0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0]);
    expect(written(0.5)).toEqual([0xca, 0x3f, 0, 0, 0]);
    expect(written(0.1)[0]).toBe(0xcb);
    expect(written("x".repeat(31))[0]).toBe(0xbf);
    expect(written("x".repeat(32)).slice(0, 2)).toEqual([0xd9, 32]);
    expect(written("x".repeat(256)).slice(0, 3)).toEqual([0xda, 1, 0]);
    expect(written(new Array(15).fill(0))[0]).toBe(0x9f);
    expect(written(new Array(16).fill(0)).slice(0, 3)).toEqual([0xdc, 0, 16]);
  });

  it("have these bytes", () => {
    const out = new OutputBuffer(1, 1000);
    codec.encodeSuccess(out, new ByteRange(Uint8Array.of(0xcc, 0x07), 0, 2), { a: undefined, b: rangeOf("k") });
    const text = (word: string): number[] => [0xa0 | word.length, ...Buffer.from(word)];
    expect([...out.view()]).toEqual([
      0x83,
      ...text("success"),
      0xc3,
      ...text("request_id"),
      0xcc,
      0x07,
      ...text("payload"),
      0x81,
      ...text("b"),
      ...text("k"),
    ]);
  });

  it("give bytes as binary, also those inside JSON", () => {
    const bytes = Uint8Array.of(0x61, 0xff);
    expect(written(new Value(TAG_BYTES, bytes, 0, 2))).toEqual([0xc4, 2, 0x61, 0xff]);
    expect(written(new Value(TAG_BYTES, bytes, 0, 1))).toEqual([0xc4, 1, 0x61]);
    expect(written(new ByteRange(bytes, 0, 2))).toEqual([0xc4, 2, 0x61, 0xff]);
    const json = Buffer.from('[{"$bytes":"Yf8="},{"$bytes":"?"},{"__proto__":-0}]');
    expect(written(new Value(TAG_JSON, json, 0, json.length))).toEqual([
      0x93,
      ...[0xc4, 2, 0x61, 0xff],
      ...[0x81, 0xa6, ...Buffer.from("$bytes"), 0xa1, 0x3f],
      ...[0x81, 0xa9, ...Buffer.from("__proto__"), 0xca, 0x80, 0, 0, 0],
    ]);
  });

  it("take linear time for JSON that nests deep and wide", () => {
    // Moving what is written whenever a header grows would move all of it at each level.
    const level = `[${"1,".repeat(20)}`;
    const json = Buffer.from(`${level.repeat(120)}0${"]".repeat(120)}`);
    const bytes = written(new Value(TAG_JSON, json, 0, json.length));
    expect(bytes.length).toBe(120 * 23 + 1);
  });
});
