/** What only JSON has: its grammar, escapes and duplicate names; and the very bytes of a reply. */
import { describe, expect, it } from "vitest";
import { compileShape } from "../../commands/argument-shape.ts";
import { CommandError } from "../../commands/errors.ts";
import { Int64, Integer, Key, List, Optional, StoredValue, Struct } from "../../commands/schema.ts";
import { readInt64, TAG_BYTES, TAG_INTEGER, TAG_JSON, TAG_TEXT, Value } from "../../state/value.ts";
import { ByteRange, rangeOf } from "../../structures/byte-range.ts";
import { OutputBuffer, OutputLimitError } from "../output-buffer.ts";
import { JsonCodec } from "./json-codec.ts";

const codec = new JsonCodec({ batchCommandsMax: 10, valueBytesMax: 1000 });
const shape = compileShape(
  Struct({
    key: Key(),
    value: Optional(StoredValue()),
    n: Optional(Integer({ aliases: ["number"] })),
    wide: Optional(Int64()),
    keys: Optional(List(Key())),
  }),
);

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

function argumentsOf(payload: string): Record<string, unknown> | CommandError {
  const envelope = codec.decodeEnvelope(bytesOf(`{"payload":${payload}}`));
  return envelope instanceof CommandError ? envelope : codec.decodeArguments(envelope.payload, shape);
}

function written(value: unknown): string {
  const out = new OutputBuffer(1, 100_000);
  codec.encodeValue(out, value);
  return new TextDecoder().decode(out.view());
}

describe("JSON text", () => {
  it.each([
    "",
    " ",
    "{",
    "{}{}",
    "{},",
    '{"type":}',
    '{"type":1,}',
    '{,"type":1}',
    '{"type" 1}',
    '{"type":1 "version":2}',
    "{type:1}",
    "{'type':1}",
    '{"type":[1,]}',
    '{"type":[,1]}',
    '{"type":[1 2]}',
    '{"type":[}',
    '{"type":{]}',
    '{"type":01}',
    '{"type":-}',
    '{"type":+1}',
    '{"type":1.}',
    '{"type":.5}',
    '{"type":1e}',
    '{"type":1e+}',
    '{"type":0x10}',
    '{"type":1e400}',
    '{"payload":{"key":[-1E+309]}}',
    `{"type":${"9".repeat(400)}}`,
    `{"type":-${"9".repeat(310)}.5}`,
    '{"type":NaN}',
    '{"type":tru}',
    '{"type":truE}',
    '{"type":nul',
    '{"type":"\n"}',
    '{"type":"\u0000"}',
    '{"type":"\\x41"}',
    '{"type":"\\u12G4"}',
    '{"type":"\\u123',
    '{"type":"\\',
    '{"type":"\\ud800"}',
    '{"type":"\\udc00"}',
    '{"type":"\\ud800\\u0041"}',
    '{"type":"\\ud800x"}',
    '{"type":"\\ud800\\ud801"}',
    '\ufeff{"type":1}',
    '{"type":1}\u0000',
    '{"type":1} // comment',
    `{"type":${"[".repeat(200)}${"]".repeat(200)}}`,
    "[".repeat(1_000_000),
    '{"type":'.repeat(100_000),
  ])("%# is refused", (text) => {
    expect(codec.decodeEnvelope(bytesOf(text))).toMatchObject({ code: "INVALID_REQUEST" });
  });

  it.each([
    "{}",
    ' \t\r\n{ "type" : [ 1 , -0 , 0.5 , 1E5 , 1e-5 , -1.5e+5 , true , false , null , { } , [ ] ] } \n',
    '{"type":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\u007f\u2028"}',
    '{"type":{"a":1,"a":2}}',
  ])("%# is accepted", (text) => {
    expect(codec.decodeEnvelope(bytesOf(text))).not.toBeInstanceOf(CommandError);
  });

  it("must be UTF-8", () => {
    for (const bad of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0xf5, 0x80, 0x80, 0x80]]) {
      const message = Uint8Array.of(...bytesOf('{"type":"'), ...bad, ...bytesOf('"}'));
      expect(codec.decodeEnvelope(message)).toMatchObject({ code: "INVALID_REQUEST" });
    }
  });

  it("says where it is wrong", () => {
    expect(codec.decodeEnvelope(bytesOf('{"type":x}'))).toMatchObject({ details: { position: 8 } });
  });
});

describe("JSON names", () => {
  it("may be escaped", () => {
    const text = '{"c\\u006fmmand":"kv\\u002eget","\\u0070ayload":{"k\\u0065y":"\\u0061\\n"}}';
    const envelope = codec.decodeEnvelope(bytesOf(text));
    if (envelope instanceof CommandError) throw new Error(envelope.message);
    expect(envelope.command?.toString()).toBe("kv.get");
    expect(String(codec.decodeArguments(envelope.payload, shape))).toBe("[object Object]");
    expect(argumentsOf('{"k\\u0065y":"\\u0061\\n"}')).toMatchObject({ key: expect.objectContaining({ length: 2 }) });
  });

  it("may not be there twice", () => {
    for (const text of ['{"command":"a","command":"a"}', '{"command":"a","c\\u006fmmand":null}']) {
      expect(codec.decodeEnvelope(bytesOf(text))).toMatchObject({
        code: "INVALID_REQUEST",
        details: { path: "command" },
      });
    }
    for (const [text, path] of [
      ['{"key":"a","key":"a"}', "key"],
      ['{"key":"a","k\\u0065y":"a"}', "key"],
      ['{"key":"a","n":null,"n":1}', "n"],
      ['{"key":"a","number":1,"n":1}', "n"],
    ]) {
      expect(argumentsOf(text)).toMatchObject({ code: "INVALID_PAYLOAD", details: { path } });
    }
  });
});

describe("JSON numbers", () => {
  it("are integers only without fraction and exponent", () => {
    expect(argumentsOf('{"key":"a","n":-0}')).toMatchObject({ n: 0 });
    for (const literal of ["5.0", "5e0", "1.5", "9007199254740993", "1".repeat(300)]) {
      expect(argumentsOf(`{"key":"a","n":${literal}}`)).toMatchObject({
        code: "INVALID_PAYLOAD",
        details: { path: "n" },
      });
    }
  });

  it("of 64 bits keep every digit and have their bounds", () => {
    expect(argumentsOf('{"key":"a","wide":9223372036854775807}')).toMatchObject({ wide: 9223372036854775807n });
    expect(argumentsOf('{"key":"a","wide":-9223372036854775808}')).toMatchObject({ wide: -9223372036854775808n });
    for (const literal of ["9223372036854775808", "-9223372036854775809", "1.0"]) {
      expect(argumentsOf(`{"key":"a","wide":${literal}}`)).toMatchObject({ details: { path: "wide" } });
    }
  });

  it("are stored as integers where they are, else as they are written", () => {
    for (const [literal, tag] of [
      ["9223372036854775807", TAG_INTEGER],
      ["-9223372036854775808", TAG_INTEGER],
      ["9223372036854775808", TAG_JSON],
      ["-0", TAG_JSON],
      ["1.0", TAG_JSON],
      ["1E2", TAG_JSON],
      ["123456789012345678901234567890", TAG_JSON],
    ] as const) {
      const args = argumentsOf(`{"key":"a","value": ${literal} }`);
      if (args instanceof CommandError) throw new Error(args.message);
      const value = args.value as Value; // The shape says so.
      expect(value.tag).toBe(tag);
      if (tag === TAG_INTEGER) expect(BigInt(readInt64(value.bytes, value.start))).toBe(BigInt(literal));
      expect(written(value)).toBe(literal);
    }
  });
});

describe("JSON values", () => {
  it("stay in the message unless they must be unpacked", () => {
    const message = bytesOf('{"payload":{"key":"plain","value":"also plain"}}');
    const envelope = codec.decodeEnvelope(message);
    if (envelope instanceof CommandError) throw new Error(envelope.message);
    const args = codec.decodeArguments(envelope.payload, shape);
    expect(args).toMatchObject({ key: { bytes: message }, value: { bytes: message, tag: TAG_TEXT } });
  });

  it("that are bytes may be written with white space and escapes", () => {
    for (const text of ['{ "$bytes" : "+/8=" }', '{"\\u0024bytes":"+\\/8="}', '{"$bytes":"\\u002b/8="}']) {
      const args = argumentsOf(`{"key":"a","value":${text}}`);
      if (args instanceof CommandError) throw new Error(args.message);
      const value = args.value as Value; // The shape says so.
      expect([value.tag, ...value.bytes.subarray(value.start, value.end)]).toEqual([TAG_BYTES, 0xfb, 0xff]);
    }
  });
});

describe("JSON replies", () => {
  const reply = (write: (out: OutputBuffer) => void): string => {
    const out = new OutputBuffer(1, 100_000);
    write(out);
    return new TextDecoder().decode(out.view());
  };

  it("have these bytes", () => {
    const id = rangeOf('"r\\u0031"');
    expect(reply((out) => codec.encodeSuccess(out, id, { success: true, key: rangeOf("k"), version: 12 }))).toBe(
      '{"success":true,"request_id":"r\\u0031","payload":{"success":true,"key":"k","version":12}}',
    );
    expect(reply((out) => codec.encodeSuccess(out, undefined, null))).toBe('{"success":true,"payload":null}');
    const error = new CommandError("OVERFLOW", "too\nmuch");
    expect(reply((out) => codec.encodeFailure(out, rangeOf("7"), error))).toBe(
      '{"success":false,"request_id":7,"error":"too\\nmuch","code":"OVERFLOW"}',
    );
  });

  it("splice stored JSON in as it is", () => {
    const text = '{"a" : [1.0, 1e2, "\\u0041"]}';
    expect(written(new Value(TAG_JSON, bytesOf(text), 0, text.length))).toBe(text);
  });

  it("escape what must be and nothing else", () => {
    expect(written(rangeOf('\u0000\u001f\b\f\n\r\t"\\/\u007fé\u2028😀'))).toBe(
      '"\\u0000\\u001f\\b\\f\\n\\r\\t\\"\\\\/\u007fé\u2028😀"',
    );
  });

  it("show bytes as text where they are", () => {
    const bytes = (...list: number[]): Value => new Value(TAG_BYTES, Uint8Array.from(list), 0, list.length);
    expect(written(bytes(0x61, 0x22, 0xc3, 0xa4))).toBe('"a\\"ä"');
    expect(written(bytes(0x61, 0xc3))).toBe('{"$bytes":"YcM="}');
    expect(written(new ByteRange(Uint8Array.of(0xff), 0, 1))).toBe('{"$bytes":"/w=="}');
  });

  it("stop at the limit of the buffer and not before", () => {
    const text = `${"x".repeat(50)}\n`.repeat(20);
    const length = JSON.stringify(text).length;
    const write = (bytesMax: number): number => {
      const out = new OutputBuffer(16, bytesMax);
      codec.encodeValue(out, rangeOf(text));
      return out.length;
    };
    expect(write(length)).toBe(length);
    expect(() => write(length - 1)).toThrow(OutputLimitError);
  });
});
