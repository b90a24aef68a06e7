/**
 * A command's argument schema, compiled once at start into what a byte-level decoder asks while it walks a payload:
 * which field has this name, of which kind is it, which are required, what is allowed. Codecs share the shape, so JSON
 * and MessagePack cannot disagree about a command.
 */
import type { Value } from "../state/value.ts";
import type { ByteRange } from "../structures/byte-range.ts";
import { nameNumber } from "../structures/murmur-hash.ts";
import type { AnySchema, ArgumentKind } from "./schema.ts";

export interface FieldShape {
  /** The name in the decoded object, also when the client used an alias. */
  readonly name: string;
  /** Position in `ArgumentShape.fields`, and the bit of this field in a seen-mask. */
  readonly index: number;
  readonly kind: ArgumentKind;
  readonly required: boolean;
  /** What an absent optional field becomes; `undefined` leaves it out. */
  readonly fallback: unknown;
  readonly minimum: number;
  readonly maximum: number;
  /** Shortest accepted string in bytes: 1 for keys and names. */
  readonly bytesMin: number;
  readonly bytesMax: number;
  readonly itemsMin: number;
  readonly itemsMax: number;
  /** The words allowed, for a choice. */
  readonly words: readonly string[] | undefined;
  /** For arrays. */
  readonly item: FieldShape | undefined;
  /** For objects. */
  readonly object: ArgumentShape | undefined;
}

export interface ArgumentShape {
  readonly fields: readonly FieldShape[];
  /** Field names and aliases as UTF-8, each with the field it names; `null` marks a name that is skipped. */
  readonly names: readonly { readonly bytes: Uint8Array; readonly field: FieldShape | null }[];
  /** The bits of the required fields. */
  readonly requiredMask: number;
  /**
   * A new arguments object with every field present in declaration order and absent ones at their fallback, so that all
   * calls of a command share one hidden class.
   */
  readonly create: () => Record<string, unknown>;
  /** Shows the fields of an arguments object that are there, in declaration order. */
  readonly show: (args: Readonly<Record<string, unknown>>, to: FieldReader) => void;
}

/** What is shown fields: with the numbers of their names (`nameNumber`), and by what they are where their kind says that. */
export interface FieldReader {
  key(name: number, key: ByteRange): void;
  stored(name: number, value: Value): void;
  field(name: number, value: unknown): void;
}

const textEncoder = new TextEncoder();

/** At most 31 fields: the seen-mask is one small integer. */
export function compileShape(schema: AnySchema): ArgumentShape {
  const properties = schema.properties ?? {};
  const required = new Set(schema.required ?? []);
  const entries = Object.entries(properties);
  if (entries.length > 31) throw new Error("an argument schema has at most 31 fields");
  const fields = entries.map(([name, field], index) => compileField(name, index, field, required.has(name)));
  const names: { bytes: Uint8Array; field: FieldShape | null }[] = [];
  for (const [index, [name, field]] of entries.entries()) {
    for (const known of [name, ...(field["x-aliases"] ?? [])]) {
      names.push({ bytes: textEncoder.encode(known), field: fields[index]! });
    }
  }
  for (const name of schema["x-ignored"] ?? []) names.push({ bytes: textEncoder.encode(name), field: null });
  let requiredMask = 0;
  for (const field of fields) if (field.required) requiredMask |= 1 << field.index;
  let show: ArgumentShape["show"] | undefined;
  return {
    fields,
    names,
    requiredMask,
    create: compileCreate(fields),
    show: (args, to) => {
      // Few commands are ever shown, and no part of one is.
      show ??= compileShow(fields);
      show(args, to);
    },
  };
}

function compileField(name: string, index: number, schema: AnySchema, required: boolean): FieldShape {
  const kind = schema["x-kind"];
  if (kind === undefined) throw new Error(`field ${name} is not made by schema.ts`);
  return {
    name,
    index,
    kind,
    required,
    fallback: schema.default,
    minimum: schema.minimum ?? Number.MIN_SAFE_INTEGER,
    maximum: schema.maximum ?? Number.MAX_SAFE_INTEGER,
    bytesMin: schema.minLength ?? 0,
    bytesMax: schema["x-max-bytes"] ?? Number.MAX_SAFE_INTEGER,
    itemsMin: schema.minItems ?? 0,
    itemsMax: schema.maxItems ?? Number.MAX_SAFE_INTEGER,
    words: schema.enum,
    item: schema.items === undefined ? undefined : compileField(`${name}[]`, 0, schema.items, true),
    object: kind === "object" ? compileShape(schema) : undefined,
  };
}

/**
 * Generates the function, because only a literal in code of its own is made in one step (9 ns). One closure that spreads a
 * template serves as many hidden classes as there are commands, and takes 115 ns for each of them. The names and
 * defaults are those of our own declarations.
 */
function compileCreate(fields: readonly FieldShape[]): () => Record<string, unknown> {
  const members = fields.map(({ name, fallback }) => `${JSON.stringify(name)}: ${JSON.stringify(fallback)}`);
  // The body is an object literal, so an object is what it returns.
  return new Function(`return { ${members.join(", ")} };`) as () => Record<string, unknown>;
}

/** Generated for the same reason: reading fields by their names at run time takes 25 ns for each, present or not. */
function compileShow(fields: readonly FieldShape[]): ArgumentShape["show"] {
  const statements = fields.map(({ name, kind }) => {
    const field = `args[${JSON.stringify(name)}]`;
    const method = kind === "key" ? "key" : kind === "value" ? "stored" : "field";
    return `if (${field} !== undefined) to.${method}(${nameNumber(name)}, ${field});`;
  });
  // By its two parameters and what it does with them.
  return new Function("args", "to", statements.join("\n")) as ArgumentShape["show"];
}
