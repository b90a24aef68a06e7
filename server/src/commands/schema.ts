/**
 * The field kinds that arguments and replies are made of. Each is a JSON Schema with its static type beside it, so one
 * declaration gives the type of a handler's arguments, the JSON Schema of the OpenAPI document, and (through
 * argument-shape.ts) the byte-level decoders of the codecs.
 *
 * The kind travels in `x-kind`; the rest is ordinary JSON Schema. Key, name and value arguments reach a handler as
 * ranges over the received bytes; they are valid until the handler returns.
 *
 * TypeBox would do, but importing it takes longer than the whole start may; it checks our schemas in the tests.
 */
import { TAG_NAMES, type Value } from "../state/value.ts";
import type { ByteRange } from "../structures/byte-range.ts";

export type ArgumentKind =
  | "key"
  | "value"
  | "integer"
  | "int64"
  | "boolean"
  | "text"
  | "id"
  | "any"
  | "array"
  | "object";

/** JSON Schema, and `x-` annotations of ours. */
export interface AnySchema {
  readonly type?: string;
  readonly format?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly items?: AnySchema;
  readonly anyOf?: readonly AnySchema[];
  readonly properties?: Readonly<Record<string, AnySchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | AnySchema;
  readonly "x-kind"?: ArgumentKind;
  /** Other accepted names of the field. */
  readonly "x-aliases"?: readonly string[];
  /** Names that are accepted and skipped. */
  readonly "x-ignored"?: readonly string[];
  /** The longest string, in bytes of UTF-8. */
  readonly "x-max-bytes"?: number;
  readonly "x-optional"?: true;
}

declare const STATIC: unique symbol;

/** A schema of values of type `T`. The type exists only for the compiler. */
export interface Schema<T> extends AnySchema {
  readonly [STATIC]?: T;
}

export type OptionalSchema<T> = Schema<T> & { readonly "x-optional": true };

export type Static<S> = S extends Schema<infer T> ? T : never;

type Properties = Readonly<Record<string, AnySchema>>;
type OptionalNames<P extends Properties> = {
  [Name in keyof P]: P[Name] extends { readonly "x-optional": true } ? Name : never;
}[keyof P];
type StructOf<P extends Properties> = {
  [Name in Exclude<keyof P, OptionalNames<P>>]: Static<P[Name]>;
} & { [Name in OptionalNames<P>]?: Static<P[Name]> };

/** Annotations every field may carry beside JSON Schema's own. */
export interface FieldOptions {
  description?: string;
  /** Other accepted names; the field's own name is the canonical one. */
  aliases?: readonly string[];
}

export const KEY_BYTES_MAX = 65_535;
export const NAME_BYTES_MAX = 255;

function field<T>(kind: ArgumentKind, options: FieldOptions | undefined, schema: AnySchema): Schema<T> {
  const { aliases, ...rest } = options ?? {};
  return { ...schema, ...rest, "x-kind": kind, ...(aliases ? { "x-aliases": aliases } : {}) };
}

/** A key: UTF-8, 1 to 65,535 bytes. */
export function Key(options?: FieldOptions): Schema<ByteRange> {
  return field("key", options, { type: "string", minLength: 1, "x-max-bytes": KEY_BYTES_MAX });
}

/** A queue, room or topic name: UTF-8, 1 to 255 bytes. */
export function Name(options?: FieldOptions): Schema<ByteRange> {
  return field("key", options, { type: "string", minLength: 1, "x-max-bytes": NAME_BYTES_MAX });
}

/** A string that may be empty, kept as bytes: a prefix, a glob pattern. */
export function Bytes({
  maxBytes = KEY_BYTES_MAX,
  ...options
}: FieldOptions & { maxBytes?: number } = {}): Schema<ByteRange> {
  return field("key", options, { type: "string", "x-max-bytes": maxBytes });
}

/** Any JSON value; over MessagePack also `bin`, over JSON also `{"$bytes": base64}`. */
export function StoredValue(options?: FieldOptions): Schema<Value> {
  return field("value", options, {});
}

/** A safe integer (below 2^53 in size) within its bounds, both inclusive. */
export function Integer(
  options: FieldOptions & { minimum?: number; maximum?: number; default?: number } = {},
): Schema<number> {
  return field("integer", options, { type: "integer" });
}

/** A signed 64-bit integer: a `number` where that is exact, else a `bigint`. */
export function Int64(options: FieldOptions & { default?: number } = {}): Schema<number | bigint> {
  return field("int64", options, { type: "integer", format: "int64" });
}

export function Flag(options: FieldOptions & { default?: boolean } = {}): Schema<boolean> {
  return field("boolean", options, { type: "boolean" });
}

/** A short string as a JavaScript string, for arguments that are words and not data. */
export function Text({ maxBytes = 255, ...options }: FieldOptions & { maxBytes?: number } = {}): Schema<string> {
  return field("text", options, { type: "string", "x-max-bytes": maxBytes });
}

/** One of a few words. */
export function Choice<const T extends string>(
  words: readonly T[],
  options: FieldOptions & { default?: T } = {},
): Schema<T> {
  return field("text", options, { type: "string", enum: words, "x-max-bytes": 255 });
}

/** A list of `item`, at least `minItems` (1) long. */
export function List<T>(
  item: Schema<T>,
  { minItems = 1, ...options }: FieldOptions & { minItems?: number; maxItems?: number } = {},
): Schema<T[]> {
  return field("array", options, { type: "array", items: item, minItems });
}

/** An object with just these fields. `ignored` names are accepted and skipped (contract, section 4). */
export function Struct<P extends Properties>(
  properties: P,
  options: { ignored?: readonly string[] } = {},
): Schema<StructOf<P>> {
  const required = Object.keys(properties).filter((name) => properties[name]["x-optional"] !== true);
  return {
    type: "object",
    properties,
    required,
    additionalProperties: false,
    "x-kind": "object",
    ...(options.ignored ? { "x-ignored": options.ignored } : {}),
  };
}

/** A field that may be absent. */
export function Optional<T>(schema: Schema<T>): OptionalSchema<T> {
  return { ...schema, "x-optional": true };
}

/*
 * The rest is for replies only: no codec reads it.
 */

/** A list of any length, also none. */
export function Items<T>(item: Schema<T>, options?: FieldOptions): Schema<T[]> {
  return List(item, { ...options, minItems: 0 });
}

export function Nullable<T>(schema: Schema<T>, options?: FieldOptions): Schema<T | null> {
  return { anyOf: [schema, { type: "null" }], ...options };
}

export function OneOf<A, B>(a: Schema<A>, b: Schema<B>, options?: FieldOptions): Schema<A | B> {
  return { anyOf: [a, b], ...options };
}

/** A number that need not be whole. */
export function Fraction(options?: FieldOptions): Schema<number> {
  return { type: "number", ...options };
}

/** An object whose fields are not declared here. */
export function AnyObject(options?: FieldOptions): Schema<Record<string, unknown>> {
  return { type: "object", ...options };
}

/** The word for a value's type. */
export function ValueType(options?: FieldOptions): Schema<(typeof TAG_NAMES)[number]> {
  return Choice(TAG_NAMES, options);
}
