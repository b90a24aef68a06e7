/** What is written is what another MessagePack, and JSON.parse, read; whatever the value, and however frames are put together. */
import fc from "fast-check";
import { Packr } from "msgpackr";
import { describe, expect, it } from "vitest";
import { CannotEncodeError, ProtocolError } from "../errors.ts";
import type { Numbering } from "./codec.ts";
import { JsonCodec } from "./json-codec.ts";
import { MessagePackCodec } from "./message-pack-codec.ts";
import { MessagePackReader } from "./message-pack-reader.ts";
import { MessagePackWriter } from "./message-pack-writer.ts";
import { Request, type Safety } from "./request.ts";

// `auto` is in its documentation, and not in its types.
const packr = new Packr({ useRecords: false, int64AsType: "auto" as "bigint" });

/** Values of JSON, with strings and numbers at the limits of their forms. */
const values = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "medium", withCrossShrink: true },
    fc.string({ unit: "binary", maxLength: 300 }),
    fc.string({ unit: "grapheme-ascii", minLength: 25, maxLength: 70 }),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (Object.is(value, -0) ? 0 : value)),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie("value"), { maxLength: 20 }),
    fc.dictionary(
      fc.string().filter((name) => name !== "__proto__"),
      tie("value"),
      { maxKeys: 20 },
    ),
  ),
})).value;

function request(payload: object, safety: Safety = "read", id = 0): Request {
  const made = new Request("kv.set", payload, safety, undefined);
  made.id = id;
  return made;
}

describe("MessagePack", () => {
  it("is read by another as it was given", () => {
    const writer = new MessagePackWriter();
    fc.assert(
      fc.property(values, (value) => {
        writer.begin();
        writer.value(value, 0);
        expect(packr.unpack(writer.bytes.slice(writer.start, writer.at))).toEqual(value);
      }),
      { numRuns: 300 },
    );
  });

  it.each([31, 32, 48, 49, 255, 256, 8_191, 8_192, 8_193, 65_535, 65_536, 200_000])(
    "strings of %i characters, plain and not",
    (length) => {
      const writer = new MessagePackWriter();
      for (const text of ["x".repeat(length), "é".repeat(length), `${"x".repeat(length - 1)}漢`]) {
        writer.begin();
        writer.value(text, 0);
        expect(packr.unpack(writer.bytes.slice(writer.start, writer.at)) === text).toBe(true);
      }
    },
  );

  it("is read as another wrote it", () => {
    const reader = new MessagePackReader();
    fc.assert(
      fc.property(values, (value) => {
        expect(reader.read(Uint8Array.from(packr.pack(value)))).toEqual(value);
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    [[0xcc, 0xff], 255],
    [[0xcd, 0xff, 0xfe], 65_534],
    [[0xce, 0xff, 0xff, 0xff, 0xff], 2 ** 32 - 1],
    [[0xcf, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Number.MAX_SAFE_INTEGER],
    [[0xcf, 0, 0x20, 0, 0, 0, 0, 0, 0], 2n ** 53n],
    [[0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 2n ** 64n - 1n],
    [[0xd0, 0x80], -128],
    [[0xd1, 0x80, 0], -32_768],
    [[0xd2, 0x80, 0, 0, 0], -(2 ** 31)],
    [[0xd3, 0xff, 0xe0, 0, 0, 0, 0, 0, 1], -Number.MAX_SAFE_INTEGER],
    [[0xd3, 0xff, 0xdf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], -(2n ** 53n) - 1n],
    [[0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0], -(2n ** 63n)],
    [[0xca, 0x3f, 0x80, 0, 0], 1],
    [[0xe0], -32],
    [[0xa4, 0xef, 0xbb, 0xbf, 0x61], "\uFEFFa"],
    [[0xd9, 1, 0x61], "a"],
    [[0xda, 0, 1, 0x61], "a"],
    [[0xdb, 0, 0, 0, 1, 0x61], "a"],
    [[0xdc, 0, 1, 7], [7]],
    [[0xdd, 0, 0, 0, 1, 7], [7]],
    [[0xde, 0, 1, 0xa1, 0x61, 7], { a: 7 }],
    [[0xdf, 0, 0, 0, 1, 0xd9, 1, 0x61, 7], { a: 7 }],
    [[0xc4, 2, 1, 2], new Uint8Array([1, 2])],
    [[0xc5, 0, 1, 9], new Uint8Array([9])],
    [[0xc6, 0, 0, 0, 1, 9], new Uint8Array([9])],
  ])("reads %j, whichever form a writer chose", (bytes, value) => {
    const reader = new MessagePackReader();
    expect(reader.read(new Uint8Array(bytes))).toEqual(value);
    for (let length = 0; length < bytes.length; length++) {
      expect(() => reader.read(new Uint8Array(bytes.slice(0, length)))).toThrow(RangeError);
    }
    expect(() => reader.read(new Uint8Array([...bytes, 0]))).toThrow("more than one value");
  });

  it.each([
    [{ success: true, request_id: 7, payload: { value: "v" } }],
    [{ success: true, request_id: "seven", payload: null }],
    [{ success: true, request_id: 7, error: "no" }],
    [{ success: false, code: "X", error: "no" }],
    [{ request_id: 7, success: true, payload: 1 }],
    [{ success: true, payload: 1, request_id: 7 }],
    [{ type: "event", request_id: 7, payload: 1 }],
    [{ success: true, request_id: 7, payload: 1, offset: 2 }],
    [{ a: 1, b: 2, c: 3 }],
  ])("reads replies and what only looks like one: %j", (message) => {
    const bytes = Uint8Array.from(packr.pack(message));
    const reader = new MessagePackReader();
    for (let round = 0; round < 2; round++) {
      const read = reader.read(bytes) as object;
      expect(read).toEqual(message);
      expect(Object.keys(read)).toEqual(Object.keys(message));
    }
    for (let length = 0; length < bytes.length; length++) {
      expect(() => reader.read(bytes.slice(0, length))).toThrow(RangeError);
    }
  });

  it("bytes are no Buffer, though their frame is one", () => {
    const frame = Buffer.from([0x82, 0xa1, 0x61, 0xc4, 2, 1, 2, 0xa1, 0x62, 0xc4, 0]);
    const { a, b } = new MessagePackReader().read(frame) as { a: Uint8Array; b: Uint8Array };
    for (const bytes of [a, b]) expect(Buffer.isBuffer(bytes)).toBe(false);
    expect([[...a], [...b]]).toEqual([[1, 2], []]);
  });

  it("has a field of any name, and no prototype from outside", () => {
    const bytes = new Uint8Array([0x81, 0xa9, ...new TextEncoder().encode("__proto__"), 0x81, 0xa1, 0x61, 1]);
    const value = new MessagePackReader().read(bytes) as object;
    expect(Object.keys(value)).toEqual(["__proto__"]);
    expect((value as { a?: number }).a).toBeUndefined();
  });

  it.each([[0xc1], [0xc7], [0xd4], [0xd8]])("refuses what no server writes: %i", (head) => {
    expect(() => new MessagePackReader().read(new Uint8Array([head, 1, 1, 1]))).toThrow("no value begins with");
  });

  it("names that share a place in its memory stay apart", () => {
    const reader = new MessagePackReader();
    const names = Array.from({ length: 2_000 }, (_, i) => `n${i.toString(36)}`);
    const fields = Object.fromEntries(names.map((name, i) => [name, i]));
    for (let round = 0; round < 2; round++) expect(reader.read(Uint8Array.from(packr.pack(fields)))).toEqual(fields);
  });

  it("integers keep every digit", () => {
    const writer = new MessagePackWriter();
    const edges = [
      0,
      127,
      128,
      65_535,
      65_536,
      2 ** 32 - 1,
      2 ** 32,
      Number.MAX_SAFE_INTEGER,
      -1,
      -32,
      -33,
      -(2 ** 31) - 1,
    ];
    for (const value of [...edges, -Number.MAX_SAFE_INTEGER, 2n ** 63n - 1n, -(2n ** 63n)]) {
      writer.begin();
      writer.value(value, 0);
      const read: unknown = packr.unpack(writer.bytes.slice(writer.start, writer.at));
      expect(BigInt(read as number)).toBe(BigInt(value));
    }
  });

  it("what was written stays, whatever is written after it", () => {
    const codec = new MessagePackCodec("me");
    fc.assert(
      fc.property(fc.array(fc.nat(40_000), { minLength: 1, maxLength: 20 }), (lengths) => {
        const requests = lengths.map((length, i) =>
          request({ key: `${i}`, value: "v".repeat(length) }, i % 2 ? "numbered" : "read", 100 + i),
        );
        for (const each of requests) codec.encode(each);
        for (const numbering of ["own", "none"] as const) {
          const frame: unknown = packr.unpack(codec.batch(requests, 7, numbering, false) as Uint8Array);
          expect(frame).toEqual({
            type: "batch",
            request_id: 7,
            ...(numbering === "own" ? { client_id: "me" } : {}),
            commands: lengths.map((length, i) => ({
              command: "kv.set",
              payload: { key: `${i}`, value: "v".repeat(length) },
              ...(numbering === "own" && i % 2 ? { request_id: 100 + i, idempotent: true } : {}),
            })),
          });
        }
      }),
      { numRuns: 30 },
    );
  });

  it("a frame of one command stays as it is while others are written, also at the end of a chunk", () => {
    const codec = new MessagePackCodec("me");
    const frames: { readonly frame: Uint8Array; readonly i: number }[] = [];
    // A chunk has 64 KB: several are filled, each to within less than the end of a frame takes.
    for (let i = 0; i < 3_000; i++) {
      const made = request({ key: `${i}`, value: "v".repeat(i % 97) }, "numbered");
      codec.encode(made);
      frames.push({ frame: codec.single(made, i, true) as Uint8Array, i });
    }
    for (const { frame, i } of frames) {
      const payload = { key: `${i}`, value: "v".repeat(i % 97) };
      expect(packr.unpack(frame)).toEqual({
        command: "kv.set",
        payload,
        request_id: i,
        client_id: "me",
        idempotent: true,
      });
    }
  });

  it("a value that cannot be written leaves nothing behind", () => {
    const codec = new MessagePackCodec("me");
    expect(() => codec.encode(request({ value: [1, "two", Number.NaN] }))).toThrow(CannotEncodeError);
    const good = request({ value: 1 });
    codec.encode(good);
    expect(packr.unpack(codec.single(good, 3, false) as Uint8Array)).toEqual({
      command: "kv.set",
      payload: { value: 1 },
      request_id: 3,
    });
  });

  it.each([[new Uint8Array([0x93, 1])], [new Uint8Array([7])], [new Uint8Array()], ["{}"]])(
    "garbage is a ProtocolError: %j",
    (frame) => {
      expect(() => new MessagePackCodec("me").decode(frame)).toThrow(ProtocolError);
    },
  );
});

describe("both formats", () => {
  it.each([0, 5, 31, 48, 49, 300, 9_000])(
    "half of a surrogate pair behind %i characters is refused, a whole one is not",
    (length) => {
      const front = "x".repeat(length);
      for (const codec of [new JsonCodec("me"), new MessagePackCodec("me")]) {
        for (const half of ["\ud800", "\udfff", "\udc00\ud800", "\ud83d", "😀\ude00"]) {
          for (const text of [front + half, `${front}${half}behind`]) {
            expect(() => codec.encode(request({ value: text })), text).toThrow(CannotEncodeError);
            expect(() => codec.encode(request({ [text]: 1 })), text).toThrow(CannotEncodeError);
          }
        }
        for (const whole of ["😀", '\u0000"\\', "\ud7ff\ue000"])
          codec.encode(request({ value: front + whole, [whole]: 1 }));
      }
    },
  );

  const safeties: readonly Safety[] = ["read", "numbered", "unsafe"];
  const numberings: readonly Numbering[] = ["whole", "own", "none"];

  it("say the same of the same commands, alone and together, numbered or not, and each time they are sent", () => {
    const [json, messagePack] = [new JsonCodec("me"), new MessagePackCodec("me")];
    // A number may be none yet, that of the frame, one of its own, or that of an earlier frame with a place in it.
    const item = fc.record({
      safety: fc.constantFrom(...safeties),
      id: fc.constantFrom(0, 7, 100),
      index: fc.nat(300),
    });
    fc.assert(
      fc.property(
        fc.array(item, { minLength: 1, maxLength: 8 }),
        fc.array(fc.record({ numbering: fc.constantFrom(...numberings), isAtomic: fc.boolean() }), { minLength: 1 }),
        (items, attempts) => {
          const make = (codec: JsonCodec | MessagePackCodec) =>
            items.map(({ safety, id, index }, i) => {
              const made = request({ key: `${i}` }, safety, id);
              if (id === 100 && index % 2 === 1) made.index = index;
              made.isExempt = safety === "unsafe";
              codec.encode(made);
              return made;
            });
          const [texts, bytes] = [make(json), make(messagePack)];
          const plain = items.map((_, i) => ({ command: "kv.set", payload: { key: `${i}` } }));
          for (const { numbering, isAtomic } of attempts) {
            const isNumbered = numbering !== "none";
            const batch = {
              type: "batch",
              request_id: 7,
              ...(isAtomic ? { atomic: true } : {}),
              ...(numbering === "whole" ? { idempotent: true } : {}),
              ...(isNumbered ? { client_id: "me" } : {}),
              commands: plain.map((each, i) => {
                const { safety, id, index } = items[i];
                if (safety === "unsafe" && numbering === "whole") return { ...each, idempotent: false };
                if (!isNumbered || safety !== "numbered" || id !== 100) return each;
                return { ...each, request_id: 100, idempotent: true, ...(index % 2 === 1 ? { index } : {}) };
              }),
            };
            expect(JSON.parse(json.batch(texts, 7, numbering, isAtomic) as string)).toEqual(batch);
            expect(packr.unpack(messagePack.batch(bytes, 7, numbering, isAtomic) as Uint8Array)).toEqual(batch);
            for (const [i, each] of plain.entries()) {
              const single = { ...each, request_id: 9, ...(isNumbered ? { client_id: "me", idempotent: true } : {}) };
              expect(JSON.parse(json.single(texts[i], 9, isNumbered) as string)).toEqual(single);
              expect(packr.unpack(messagePack.single(bytes[i], 9, isNumbered) as Uint8Array)).toEqual(single);
            }
          }
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe("JSON", () => {
  const codec = new JsonCodec("me");

  function written(value: unknown): string {
    const made = request({ value });
    codec.encode(made);
    return codec.single(made, 1, false) as string;
  }

  it("is read by JSON.parse as it was given", () => {
    fc.assert(
      fc.property(values, (value) => {
        expect(JSON.parse(written(value))).toEqual({ command: "kv.set", payload: { value }, request_id: 1 });
      }),
      { numRuns: 300 },
    );
  });

  it("keeps the digits of what comes", () => {
    const text =
      '{"success":true,"payload":{"a":9223372036854775807,"b":"9223372036854775807","c":1.2345678901234567,"d":-9007199254740993}}';
    expect(codec.decode(text).payload).toEqual({
      a: 9223372036854775807n,
      b: "9223372036854775807",
      c: 1.2345678901234567,
      d: -9007199254740993n,
    });
  });

  it("has a form for bytes", () => {
    const bytes = new Uint8Array([0, 255, 1]);
    expect(written(bytes)).toContain('{"$bytes":"AP8B"}');
    expect(codec.decode('{"success":true,"payload":[{"$bytes":"AP8B"}]}').payload).toEqual([bytes]);
  });

  it.each([
    { $bytes: "no base64!" },
    { $bytes: "AP8" },
    { $bytes: 1, more: 12345678901234567890n.toString() },
    { "$synap-client-integer": "1.5", $bytes: "" },
    { "$synap-client-integer": "1234567890123456x" },
  ])("leaves what only looks like a mark as it is: %j", (payload) => {
    expect(codec.decode(JSON.stringify({ success: true, payload }))).toEqual({ success: true, payload });
  });

  it.each([["{"], ["7"], ["null"], [new Uint8Array([1])]])("garbage is a ProtocolError: %j", (frame) => {
    expect(() => codec.decode(frame)).toThrow(ProtocolError);
  });
});
