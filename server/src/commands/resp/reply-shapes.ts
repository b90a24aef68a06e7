/**
 * From the result of a registry command to a reply of RESP. A shape is a function of the result, and of the arguments where
 * the reply depends on how it was asked; it writes exactly one reply. Failures never come here (error-texts.ts).
 */
import { Value } from "../../state/value.ts";
import { ByteRange } from "../../structures/byte-range.ts";
import type { ReplySink } from "./reply-sink.ts";

/** @param args the registry command's own arguments. */
// The result is what the entry's registry command answers, whose types the registry has erased; the shape names its part.
export type ReplyShape = (result: never, sink: ReplySink, args: Readonly<Record<string, unknown>>) => void;

/** `+OK`, whatever the result. */
export const ok: ReplyShape = (_result, sink) => sink.ok();

/** A stored value, or null. */
export const value: ReplyShape = (result: Value | null, sink) => {
  if (result === null) sink.null();
  else sink.value(result);
};

/** A field that is a number. */
export function integer(field: string): ReplyShape {
  return (result: Readonly<Record<string, number | bigint>>, sink) => sink.integer(result[field]);
}

/** A field that is a boolean, as 1 or 0. */
export function zeroOrOne(field: string): ReplyShape {
  return (result: Readonly<Record<string, boolean>>, sink) => sink.integer(result[field] ? 1 : 0);
}

/** A field that is a list of values or nulls. */
export function values(field: string): ReplyShape {
  return (result: Readonly<Record<string, readonly (Value | null)[]>>, sink) => {
    const list = result[field];
    sink.array(list.length);
    for (const each of list) {
      if (each === null) sink.null();
      else sink.value(each);
    }
  };
}

/** A field that is a list of keys or names. */
export function ranges(field: string): ReplyShape {
  return (result: Readonly<Record<string, readonly ByteRange[]>>, sink) => {
    const list = result[field];
    sink.array(list.length);
    for (const each of list) sink.bulk(each);
  };
}

/** A field that is a string, as a status. */
export function status(field: string): ReplyShape {
  return (result: Readonly<Record<string, string>>, sink) => sink.simple(result[field]);
}

/** A field of a result, part by part; null where there is no result or no such field. */
export function fieldOrNull(field: string): ReplyShape {
  return (result: Readonly<Record<string, unknown>> | null, sink) => writePlain(result?.[field], sink);
}

/** `string` whatever the kind of value, `none` for no key: Redis has no types of JSON or integers. */
export const typeName: ReplyShape = ({ type }: { readonly type: string }, sink) =>
  sink.simple(type === "none" ? "none" : "string");

const MISSING = -2;
const NEVER = -1;

/** A field of milliseconds; -1 for a key that does not expire, -2 for none. */
export function untilExpiry(field: string): ReplyShape {
  return (result: Readonly<Record<string, number | null>>, sink) => sink.integer(result[field] ?? NEVER);
}

/** The same in seconds, rounded to the nearest. */
export function secondsLeft(field: string): ReplyShape {
  return (result: Readonly<Record<string, number | null>>, sink) => {
    const ms = result[field] ?? NEVER;
    sink.integer(ms === MISSING || ms === NEVER ? ms : Math.floor((ms + 500) / 1000));
  };
}

/** An instant as a list of two strings. */
export function secondsAndMicroseconds(field: string): ReplyShape {
  return (result: Readonly<Record<string, number>>, sink) => {
    sink.array(2);
    sink.text(String(Math.floor(result[field] / 1000)));
    sink.text(String((result[field] % 1000) * 1000));
  };
}

/** A page of kv.scan. */
export const cursorAndKeys: ReplyShape = (
  result: { readonly integer_cursor: number; readonly keys: readonly ByteRange[] },
  sink,
  args,
) => {
  sink.array(2);
  sink.text(String(result.integer_cursor));
  keyList(result as never, sink, args);
};

const keyList = ranges("keys");

interface Access {
  readonly idle_ms: number | null;
  readonly frequency: number | null;
}

export const idleSeconds: ReplyShape = (result: Access | null, sink) => {
  if (result === null) sink.null();
  else if (result.idle_ms !== null) sink.integer(Math.floor(result.idle_ms / 1000));
  else sink.error("ERR idle time is not tracked: that takes kv_store.eviction_policy lru");
};

export const accessFrequency: ReplyShape = (result: Access | null, sink) => {
  if (result === null) sink.null();
  else if (result.frequency !== null) sink.integer(result.frequency);
  else {
    sink.error(
      "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching " +
        "between policies at runtime LRU and LFU data will take some time to adjust.",
    );
  }
};

/** A value belongs to one key. */
export const oneReference: ReplyShape = (result: Access | null, sink) => {
  if (result === null) sink.null();
  else sink.integer(1);
};

/** The result as it is, part by part: objects are maps, ranges bulk strings. For what only Synap has. */
export const plain: ReplyShape = (result: unknown, sink) => writePlain(result, sink);

export function writePlain(result: unknown, sink: ReplySink): void {
  if (result === null || result === undefined) sink.null();
  else if (typeof result === "number") Number.isSafeInteger(result) ? sink.integer(result) : sink.double(result);
  else if (typeof result === "bigint") sink.integer(result);
  else if (typeof result === "boolean") sink.boolean(result);
  else if (typeof result === "string") sink.text(result);
  else if (result instanceof Value) sink.value(result);
  else if (result instanceof ByteRange) sink.bulk(result);
  else if (Array.isArray(result)) {
    sink.array(result.length);
    for (const each of result) writePlain(each, sink);
  } else {
    const entries = Object.entries(result).filter(([, each]) => each !== undefined);
    sink.map(entries.length);
    for (const [name, each] of entries) {
      sink.text(name);
      writePlain(each, sink);
    }
  }
}
