/**
 * Where a reply of RESP is written to, part by part: what reply shapes and connection commands see of
 * codecs/resp/resp-writer.ts. Each writes what its protocol version has for the thing; an aggregate announces how many
 * parts follow.
 */
import type { Value } from "../../state/value.ts";
import type { ByteRange } from "../../structures/byte-range.ts";

export interface ReplySink {
  /** That of the client whose reply it is. */
  readonly version: 2 | 3;
  ok(): void;
  /** A status: `+text`. It must hold no line break. */
  simple(text: string): void;
  /** With its prefix: `ERR no such key`. Line breaks become spaces. */
  error(text: string): void;
  integer(value: number | bigint): void;
  /** Bytes as they are. */
  bulk(range: ByteRange): void;
  /** What a RESP reader gets of a stored value: bytes, the decimal of an integer, or JSON text. */
  value(value: Value): void;
  /** A string as UTF-8. */
  text(text: string): void;
  /** Text for people: a verbatim string in RESP3. */
  verbatim(text: string): void;
  /** No value: `$-1`, or `_` in RESP3. */
  null(): void;
  /** No list: `*-1`, or `_` in RESP3. */
  nullArray(): void;
  array(count: number): void;
  /** Followed by `count` keys, each with its value; in RESP2 a list of twice as many. */
  map(count: number): void;
  set(count: number): void;
  /** Out of band in RESP3; in RESP2 a list. */
  push(count: number): void;
  /** In RESP2 the text of the number. */
  double(value: number): void;
  /** In RESP2 1 or 0. */
  boolean(value: boolean): void;
}
