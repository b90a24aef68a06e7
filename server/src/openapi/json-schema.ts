/**
 * The registry's schemas as plain JSON Schema (draft 2020-12) for readers outside: our `x-` annotations become keywords
 * where JSON Schema has one, and words where it has none.
 */
import type { AnySchema } from "../commands/schema.ts";

/** A JSON Schema, or a part of one, as it is written into the document. */
export type JsonSchema = { readonly [keyword: string]: unknown };

export const VALUE_SCHEMA: JsonSchema = {
  title: "Value",
  description:
    'Any JSON value. Raw bytes are MessagePack `bin`, or `{"$bytes": "<base64>"}` in JSON; ' +
    "JSON readers get bytes that are valid UTF-8 as a string.",
};

export function reference(name: string): JsonSchema {
  return { $ref: `#/components/schemas/${name}` };
}

/** @param strict an object has no other field than those listed: so with arguments, while replies may grow. */
export function jsonSchemaOf(schema: AnySchema, strict: boolean): JsonSchema {
  if (schema["x-kind"] === "value") return withDescription(reference("Value"), schema);
  const plain: Record<string, unknown> = {};
  for (const [keyword, value] of Object.entries(schema)) {
    if (!keyword.startsWith("x-") && keyword !== "additionalProperties") plain[keyword] = value;
  }
  const { properties, items, anyOf, additionalProperties } = schema;
  if (schema["x-max-bytes"] !== undefined && schema.enum === undefined) plain.maxLength = schema["x-max-bytes"];
  if (properties !== undefined) {
    plain.properties = { ...propertiesOf(properties, strict), ...ignoredOf(schema) };
    if (strict) plain.additionalProperties = false;
  }
  if (items !== undefined) plain.items = jsonSchemaOf(items, strict);
  if (anyOf !== undefined) plain.anyOf = anyOf.map((choice) => jsonSchemaOf(choice, strict));
  if (typeof additionalProperties === "object") plain.additionalProperties = jsonSchemaOf(additionalProperties, strict);
  return withDescription(plain, schema);
}

function propertiesOf(properties: Readonly<Record<string, AnySchema>>, strict: boolean): Record<string, JsonSchema> {
  return Object.fromEntries(Object.entries(properties).map(([name, field]) => [name, jsonSchemaOf(field, strict)]));
}

/** Fields that clients of the original send without meaning here. */
function ignoredOf({ "x-ignored": names = [] }: AnySchema): Record<string, JsonSchema> {
  return Object.fromEntries(names.map((name) => [name, { deprecated: true, description: "Accepted and ignored." }]));
}

function withDescription(schema: JsonSchema, declared: AnySchema): JsonSchema {
  const sentences = [declared.description, bytesSentence(declared), aliasSentence(declared["x-aliases"])];
  const description = sentences.filter((sentence) => sentence !== undefined).join(" ");
  return description === "" ? schema : { ...schema, description };
}

/** `maxLength` counts characters, the server bytes. */
function bytesSentence(declared: AnySchema): string | undefined {
  if (declared["x-kind"] !== "key" || declared["x-max-bytes"] === undefined) return undefined;
  return `At most ${declared["x-max-bytes"]} bytes of UTF-8.`;
}

export function aliasSentence(aliases: readonly string[] | undefined): string | undefined {
  return aliases === undefined ? undefined : `Also accepted as ${aliases.map((name) => `\`${name}\``).join(", ")}.`;
}
