/** Replies of RESP2: where each ends, and what it says. */
import type { Framing } from "./client-socket.ts";

export type RespValue = string | number | null | readonly RespValue[];

const LINE_END = 0x0a;
const DOLLAR = 0x24;
const STAR = 0x2a;
const COLON = 0x3a;
const MINUS = 0x2d;

/** A line, a string of so many bytes, or an array of replies. */
export const respReplies: Framing = (socket, bytes, from, to) => {
  const end = replyEnd(bytes, from, to);
  if (end > 0) socket.onMessage(bytes, from, end);
  return end;
};

/** Where the reply ends that begins at `from`, or -1 while it is not complete. */
function replyEnd(bytes: Buffer, from: number, to: number): number {
  const lineEnd = bytes.indexOf(LINE_END, from);
  if (lineEnd < 0 || lineEnd >= to) return -1;
  let end = lineEnd + 1;
  const kind = bytes[from];
  if (kind === DOLLAR) {
    const length = lineNumber(bytes, from, lineEnd);
    if (length >= 0) end += length + 2;
    return end > to ? -1 : end;
  }
  if (kind !== STAR) return end;
  for (let left = lineNumber(bytes, from, lineEnd); left > 0; left--) {
    end = replyEnd(bytes, end, to);
    if (end < 0) return -1;
  }
  return end;
}

/** The number behind the kind of a line that ends with CR and LF; that of nothing is -1. */
function lineNumber(bytes: Buffer, from: number, lineEnd: number): number {
  return Number(bytes.toString("latin1", from + 1, lineEnd - 1));
}

/** What a complete reply that begins at `from` says, an error apart: see `respRefusal`. */
export function respValue(bytes: Buffer, from: number): RespValue {
  return valueAt(bytes, from)[0];
}

function valueAt(bytes: Buffer, from: number): [value: RespValue, next: number] {
  const lineEnd = bytes.indexOf(LINE_END, from);
  const next = lineEnd + 1;
  const kind = bytes[from];
  if (kind !== DOLLAR && kind !== STAR) {
    const text = bytes.toString("latin1", from + 1, lineEnd - 1);
    return [kind === COLON ? Number(text) : text, next];
  }
  const count = lineNumber(bytes, from, lineEnd);
  if (count < 0) return [null, next];
  if (kind === DOLLAR) return [bytes.toString("latin1", next, next + count), next + count + 2];
  const values: RespValue[] = [];
  let at = next;
  for (let i = 0; i < count; i++) {
    const [value, after] = valueAt(bytes, at);
    values.push(value);
    at = after;
  }
  return [values, at];
}

/** What a reply says that is an error; undefined where it is none. */
export function respRefusal(bytes: Buffer, start: number, end: number): string | undefined {
  return bytes[start] === MINUS ? bytes.toString("latin1", start + 1, end).trim() : undefined;
}
