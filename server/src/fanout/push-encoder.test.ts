import { describe, expect, test } from "vitest";
import { JsonCodec } from "../codecs/json/json-codec.ts";
import { MessagePackCodec } from "../codecs/msgpack/message-pack-codec.ts";
import { TAG_JSON, Value } from "../state/value.ts";
import { rangeOf } from "../structures/byte-range.ts";
import { PushEncoder } from "./push-encoder.ts";

const LIMITS = { batchCommandsMax: 10, valueBytesMax: 1024 };
const encoder = new PushEncoder({ json: new JsonCodec(LIMITS), msgpack: new MessagePackCodec(LIMITS) }, 4096);

function jsonValue(text: string): Value {
  const { bytes, start, end } = rangeOf(text);
  return new Value(TAG_JSON, bytes, start, end);
}

describe("PushEncoder", () => {
  const push = { type: "event", offset: 3, data: jsonValue('{"a": 1}') };

  test("JSON is the push itself", () => {
    expect(Buffer.from(encoder.encode(push, "json")).toString()).toBe('{"type":"event","offset":3,"data":{"a": 1}}');
  });

  test("MessagePack begins with a map of its three fields", () => {
    const frame = encoder.encode(push, "msgpack");
    expect(frame[0]).toBe(0x83);
    expect(frame.length).toBeLessThan(40);
  });

  test("a server-sent event has the id where there is one, and ends with an empty line", () => {
    const data = 'data: {"type":"event","offset":3,"data":{"a": 1}}\n\n';
    expect(Buffer.from(encoder.encode(push, "sse", "7-3")).toString()).toBe(`id: 7-3\n${data}`);
    expect(Buffer.from(encoder.encode(push, "sse")).toString()).toBe(data);
  });

  test("line breaks between the tokens of stored JSON do not end the event", () => {
    const frame = encoder.encode({ data: jsonValue('{\n"a":\r\n1}') }, "sse");
    const lines = Buffer.from(frame)
      .toString()
      .split("\n")
      .filter((line) => line !== "");
    expect(lines.every((line) => line.startsWith("data: "))).toBe(true);
    expect(JSON.parse(lines.map((line) => line.slice(6)).join("\n"))).toEqual({ data: { a: 1 } });
  });

  test("frames keep their bytes when others are encoded", () => {
    const first = encoder.encode({ n: 1 }, "json");
    encoder.encode({ n: 2 }, "json");
    expect(Buffer.from(first).toString()).toBe('{"n":1}');
  });
});
