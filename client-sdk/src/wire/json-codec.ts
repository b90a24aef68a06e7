/**
 * JSON frames. They are written by hand, since JSON.stringify turns NaN into null and refuses bigint. Integers past 2^53
 * come as bigint: JSON.parse would round them, so they are quoted before it and turned back after.
 */
import { ProtocolError } from "../errors.ts";
import type { Frame } from "../transport/socket.ts";
import { addendumOf, type Codec, DEPTH_MAX, type Message, type Numbering } from "./codec.ts";
import {
  bytesOf,
  checkBigint,
  checkNumber,
  checkObject,
  checkText,
  hasToJson,
  isWritten,
  noForm,
  tooDeep,
} from "./encodable.ts";
import type { Request } from "./request.ts";

export class JsonCodec implements Codec {
  readonly #identity: string;

  constructor(clientId: string) {
    this.#identity = `,"client_id":${JSON.stringify(clientId)}`;
  }

  encode(request: Request): void {
    request.source = `{"command":${quoted(request.command)},"payload":${textOf(request.payload, 1)}`;
  }

  single(request: Request, id: number, isNumbered: boolean): Frame {
    const identity = isNumbered ? `,"idempotent":true${this.#identity}` : "";
    return `${request.source}${identity},"request_id":${id}}`;
  }

  batch(requests: readonly Request[], id: number, numbering: Numbering, isAtomic: boolean): Frame {
    const items = requests.map((request) => itemText(request, addendumOf(request, id, numbering)));
    const atomic = isAtomic ? ',"atomic":true' : "";
    const whole = numbering === "whole" ? ',"idempotent":true' : "";
    const identity = numbering === "none" ? "" : this.#identity;
    return `{"type":"batch","request_id":${id}${atomic}${whole}${identity},"commands":[${items.join(",")}]}`;
  }

  decode(frame: Frame): Message {
    if (typeof frame !== "string") throw new ProtocolError("bytes came on a connection that speaks JSON");
    let message: unknown;
    try {
      message = parse(frame);
    } catch (cause) {
      throw new ProtocolError("what came is not JSON", { cause });
    }
    if (typeof message !== "object" || message === null) throw new ProtocolError("what came is not a message");
    return message;
  }
}

/** Whose a number is says the batch. */
function itemText({ source, id, index }: Request, addendum: ReturnType<typeof addendumOf>): string {
  if (addendum === undefined) return `${source}}`;
  if (addendum === "exemption") return `${source},"idempotent":false}`;
  return `${source},"request_id":${id},"idempotent":true${index < 0 ? "" : `,"index":${index}`}}`;
}

function textOf(value: unknown, depth: number): string {
  switch (typeof value) {
    case "string":
      return quoted(value);
    case "number":
      checkNumber(value);
      return String(value);
    case "bigint":
      checkBigint(value);
      return String(value);
    case "boolean":
      return value ? "true" : "false";
    case "object":
      return value === null ? "null" : objectText(value, depth);
    default:
      throw noForm(value);
  }
}

function quoted(text: string): string {
  const made = JSON.stringify(text);
  // Something is escaped. The server reads no frame with half of a pair in it, and could not say whose it was.
  if (made.length !== text.length + 2) checkText(text);
  return made;
}

function objectText(value: object, depth: number): string {
  if (depth >= DEPTH_MAX) throw tooDeep();
  const bytes = bytesOf(value);
  if (bytes !== undefined) return `{"$bytes":"${base64Of(bytes)}"}`;
  if (Array.isArray(value)) {
    return `[${value.map((item: unknown) => textOf(isWritten(item) ? item : null, depth + 1)).join(",")}]`;
  }
  if (hasToJson(value)) return textOf(value.toJSON(), depth + 1);
  checkObject(value);
  const fields: string[] = [];
  for (const [name, field] of Object.entries(value)) {
    if (isWritten(field)) fields.push(`${quoted(name)}:${textOf(field, depth + 1)}`);
  }
  return `{${fields.join(",")}}`;
}

function base64Of(bytes: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < bytes.length; at += 0x2000) binary += String.fromCharCode(...bytes.subarray(at, at + 0x2000));
  return btoa(binary);
}

function parse(text: string): unknown {
  const hasLarge = /\d{16}/.test(text);
  const hasBytes = text.includes('"$bytes"');
  if (!hasLarge && !hasBytes) return JSON.parse(text);
  return JSON.parse(hasLarge ? markLarge(text) : text, revive);
}

/** A name that no value of anybody has. */
const MARK = "$synap-client-integer";

/** Integers that a number cannot hold, as `{"$synap-client-integer":"..."}`. Strings are stepped over whole. */
function markLarge(text: string): string {
  return text.replaceAll(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, (token) => {
    if (token.length < 16 || !/^-?\d+$/.test(token) || Number.isSafeInteger(Number(token))) return token;
    return `{"${MARK}":"${token}"}`;
  });
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** An object that only looks like a mark is somebody's value, and stays as it is. */
function revive(_name: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const names = Object.keys(value);
  if (names.length !== 1) return value;
  const [content]: unknown[] = Object.values(value);
  if (typeof content !== "string") return value;
  if (names[0] === MARK) return /^-?\d+$/.test(content) ? BigInt(content) : value;
  return names[0] === "$bytes" && BASE64.test(content)
    ? Uint8Array.from(atob(content), (character) => character.charCodeAt(0))
    : value;
}
