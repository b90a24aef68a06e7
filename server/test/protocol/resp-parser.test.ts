/** The RESP parser: every stream whole, byte by byte and split at random; what Redis refuses; what it may cost. */
import { describe, expect, it } from "vitest";
import { BROKEN, COMPLETE, NEEDS_MORE, RespParser, SpanList, WORDS_MAX } from "../../src/codecs/resp/resp-parser.ts";
import { RespRequest } from "../../src/codecs/resp/resp-request.ts";
import { seededRandom } from "../engine.ts";

const REQUEST_BYTES_MAX = 128 * 1024;

/** What a stream holds: requests as lists of words (Latin-1, one character per byte), then the error that ends it, if one does. */
interface Parsed {
  readonly requests: string[][];
  error: string | undefined;
}

/** Feeds pieces as a connection does: what is not consumed comes again, at 0, with the next piece behind it. */
class Feed {
  readonly parsed: Parsed = { requests: [], error: undefined };
  readonly parser = new RespParser(REQUEST_BYTES_MAX);
  held = Buffer.alloc(0);

  give(piece: Uint8Array): void {
    if (this.parsed.error !== undefined) return;
    const all = Buffer.concat([this.held, piece]);
    // Room behind the end, with what must not be looked at.
    const bytes = new Uint8Array(all.length + 8).fill(0x0a);
    bytes.set(all);
    const spans = new SpanList();
    const request = new RespRequest();
    let at = 0;
    for (;;) {
      const outcome = this.parser.next(bytes, at, all.length, request, spans);
      at = this.parser.at;
      if (outcome === COMPLETE) this.parsed.requests.push(wordsOf(request));
      else if (outcome === BROKEN) this.parsed.error = this.parser.error;
      if (outcome !== COMPLETE) break;
    }
    this.held = all.subarray(at);
  }
}

function wordsOf(request: RespRequest): string[] {
  const words: string[] = [];
  for (let i = 0; i < request.count; i++) {
    words.push(Buffer.from(request.bytes.subarray(request.start(i), request.end(i))).toString("latin1"));
  }
  return words;
}

function parse(pieces: readonly Uint8Array[]): Parsed {
  const feed = new Feed();
  for (const piece of pieces) feed.give(piece);
  return feed.parsed;
}

function bytes(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

function byteByByte(stream: Buffer): Buffer[] {
  return Array.from(stream, (_, i) => stream.subarray(i, i + 1));
}

function splitAtRandom(stream: Buffer, random: () => number): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < stream.length; ) {
    const end = Math.min(stream.length, at + 1 + Math.floor(random() ** 3 * 40));
    pieces.push(stream.subarray(at, end));
    at = end;
  }
  return pieces;
}

function multibulk(...words: string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`;
}

const ERR = "ERR Protocol error: ";

const NOT_TEXT = `${ERR}a line holds bytes that are no text: another protocol, or TLS on a port without it`;

const streams: readonly (readonly [name: string, stream: string, requests: string[][], error?: string])[] = [
  ["a request", multibulk("SET", "k", "v"), [["SET", "k", "v"]]],
  [
    "several",
    multibulk("GET", "a") + multibulk("GET", "bb"),
    [
      ["GET", "a"],
      ["GET", "bb"],
    ],
  ],
  ["empty words", multibulk("SET", "", ""), [["SET", "", ""]]],
  ["words of line ends and zeros", multibulk("\r\n", "*3\r\n", "\0"), [["\r\n", "*3\r\n", "\0"]]],
  ["bytes above 127", multibulk("\xff\x80\xfe"), [["\xff\x80\xfe"]]],
  ["nothing asked", `*0\r\n*-1\r\n*-5\r\n${multibulk("PING")}`, [["PING"]]],
  ["line ends that are not looked at", "*1\rx$4\rxPINGxx", [["PING"]]],
  ["inline", "PING\r\nGET  a \r\n", [["PING"], ["GET", "a"]]],
  ["inline with only a line feed", "PING\nGET a\n", [["PING"], ["GET", "a"]]],
  ["inline without words", `\r\n \t \r\n\n${multibulk("PING")}`, [["PING"]]],
  ["inline between others", `${multibulk("A")}B c\r\n${multibulk("D")}`, [["A"], ["B", "c"], ["D"]]],
  ["double quotes", `SET "a b" "\\x41\\n\\r\\t\\b\\a\\"\\q\\xzz"\r\n`, [["SET", "a b", 'A\n\r\t\b\x07"qxzz']]],
  ["single quotes", `SET 'a b' 'it\\'s \\n'\r\n`, [["SET", "a b", "it's \\n"]]],
  ["empty quotes", `SET "" ''\r\n`, [["SET", "", ""]]],
  ["a quote within a word", `a"b c"\r\n`, [["ab c"]]],
  ["an inline line that a zero ends", "PING\0 rest\r\n", [["PING"]]],
  ["tabs, and bytes of UTF-8 behind the first", "\tSET k\tgr\xc3\xbcn\r\n", [["SET", "k", "gr\xc3\xbcn"]]],
  ["a line that begins as TLS does", "\x16\x03\x01\x02\0\r\nSET a 1\r\n", [], NOT_TEXT],
  ["a line that begins with a zero", "\0\x01\r\nSET a 1\r\n", [], NOT_TEXT],
  ["a line that begins behind ASCII", "\x80.\r\nSET a 1\r\n", [], NOT_TEXT],
  ["a control character in a line", "PING\r\nGET \x01\r\nSET a 1\r\n", [["PING"]], NOT_TEXT],
  ["a carriage return in a line", "GET a\rSET a 1\r\n", [], NOT_TEXT],
  ["a binary line behind a request", `${multibulk("PING")}\x7f\r\nSET a 1\r\n`, [["PING"]], NOT_TEXT],
  ["a double quote left open", 'GET "a\r\n', [], `${ERR}unbalanced quotes in request`],
  ["a single quote left open", "GET 'a\r\n", [], `${ERR}unbalanced quotes in request`],
  ["a quote with something behind it", 'GET "a"b\r\n', [], `${ERR}unbalanced quotes in request`],
  ["no dollar", "*1\r\nPING\r\n", [], `${ERR}expected '$', got 'P'`],
  ["a count that is none", "*abc\r\n", [], `${ERR}invalid multibulk length`],
  ["an empty count", "*\r\n", [], `${ERR}invalid multibulk length`],
  ["a count with a zero in front", "*03\r\n", [], `${ERR}invalid multibulk length`],
  ["a count with a plus", "*+3\r\n", [], `${ERR}invalid multibulk length`],
  ["too many words", `*${WORDS_MAX + 1}\r\n`, [], `${ERR}invalid multibulk length`],
  ["far too many words", "*99999999999999999999999\r\n", [], `${ERR}invalid multibulk length`],
  ["a length that is none", "*1\r\n$x\r\n", [], `${ERR}invalid bulk length`],
  ["a negative length", "*1\r\n$-1\r\n", [], `${ERR}invalid bulk length`],
  ["an empty length", "*1\r\n$\r\n", [], `${ERR}invalid bulk length`],
  ["a length over the limit", `*1\r\n$${REQUEST_BYTES_MAX + 1}\r\n`, [], `${ERR}invalid bulk length`],
  ["a broken request behind a good one", `${multibulk("PING")}*1\r\n:1\r\n`, [["PING"]], `${ERR}expected '$', got ':'`],
];

describe.each(streams.map(([name, text, requests, error]) => ({ name, text, requests, error })))("$name", (stated) => {
  const { text, requests, error } = stated;
  const stream = bytes(text);
  const expected = { requests, error };

  it("whole, byte by byte and split at random", () => {
    expect(parse([stream])).toEqual(expected);
    expect(parse(byteByByte(stream))).toEqual(expected);
    for (let seed = 0; seed < 50; seed++) {
      expect(parse(splitAtRandom(stream, seededRandom(seed))), `seed ${seed}`).toEqual(expected);
    }
  });

  it("is never more than it is: every beginning gives a beginning", () => {
    for (let length = 0; length < stream.length; length++) {
      const parsed = parse([stream.subarray(0, length)]);
      expect(parsed.requests).toEqual(requests.slice(0, parsed.requests.length));
      if (parsed.error !== undefined) expect(parsed.error).toBe(error);
    }
  });
});

describe("limits", () => {
  it("takes a bulk string up to its limit", () => {
    const word = "x".repeat(REQUEST_BYTES_MAX - 100);
    expect(parse([bytes(multibulk("SET", word))]).requests).toEqual([["SET", word]]);
  });

  it("refuses a request whose words together are too large", () => {
    const word = "x".repeat(REQUEST_BYTES_MAX / 2);
    const feed = new Feed();
    feed.give(bytes(`*4\r\n$3\r\nSET\r\n$${word.length}\r\n${word}\r\n`));
    expect(feed.parsed.error).toBeUndefined();
    feed.give(bytes(`$${word.length}\r\n${word}\r\n`));
    expect(feed.parsed.error).toBe(`${ERR}too big request`);
  });

  it.each([
    ["too big inline request", ""],
    ["too big mbulk count string", "*"],
    ["too big bulk count string", "*1\r\n$"],
  ])("%s", (error, start) => {
    const feed = new Feed();
    feed.give(bytes(`${start}${"1".repeat(60 * 1024)}`));
    expect(feed.parsed.error).toBeUndefined();
    feed.give(bytes("1".repeat(8 * 1024)));
    expect(feed.parsed.error).toBe(`${ERR}${error}`);
  });

  it("waits for what is announced, and has nothing of it until it comes", () => {
    const feed = new Feed();
    const spans = new SpanList();
    const announced = bytes(`*${WORDS_MAX}\r\n$${REQUEST_BYTES_MAX}\r\n`);
    const room = spans.spans.length;
    expect(feed.parser.next(announced, 0, announced.length, new RespRequest(), spans)).toBe(NEEDS_MORE);
    expect(spans.spans).toHaveLength(room);
  });

  it("takes a request of many words in many pieces", () => {
    const stream = bytes(multibulk(...Array.from({ length: 15_000 }, (_, i) => `${i % 10}`)));
    const pieces: Buffer[] = [];
    for (let at = 0; at < stream.length; at += 100) pieces.push(stream.subarray(at, at + 100));
    const { requests } = parse(pieces);
    expect(requests.map((words) => words.length)).toEqual([15_000]);
  });
});

describe("the fuzzer", () => {
  it("finds the requests again, however they are cut and whatever their words hold", () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = seededRandom(seed);
      const requests = Array.from({ length: 1 + Math.floor(random() * 20) }, () => randomWords(random));
      const stream = bytes(requests.map((words) => multibulk(...words)).join(""));
      expect(parse(splitAtRandom(stream, random)), `seed ${seed}`).toEqual({ requests, error: undefined });
    }
  });

  it("makes the same of a damaged stream, whole or in pieces, and ends", () => {
    for (let seed = 1; seed <= 2000; seed++) {
      const random = seededRandom(seed);
      const stream = bytes(
        Array.from({ length: 1 + Math.floor(random() * 5) }, () => multibulk(...randomWords(random))).join(""),
      );
      for (let damage = 0; damage <= random() * 4; damage++) {
        const alphabet = "*$0123456789-\r\n\"' \\xA\0";
        stream[Math.floor(random() * stream.length)] = alphabet.charCodeAt(Math.floor(random() * alphabet.length));
      }
      const whole = parse([stream]);
      expect(parse(splitAtRandom(stream, random)), `seed ${seed}`).toEqual(whole);
      expect(parse(byteByByte(stream)), `seed ${seed}`).toEqual(whole);
    }
  });
});

function randomWords(random: () => number): string[] {
  return Array.from({ length: 1 + Math.floor(random() * 6) }, () =>
    Array.from({ length: Math.floor(random() ** 2 * 30) }, () => String.fromCharCode(Math.floor(random() * 256))).join(
      "",
    ),
  );
}
