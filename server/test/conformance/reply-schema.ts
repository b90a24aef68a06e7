/** Holds a reply against what its command declares to answer. */
import type { TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { allCommands } from "../../src/commands/all.ts";
import { bytesObject } from "./format.ts";

interface Checker {
  Check(value: unknown): boolean;
  Errors(value: unknown): unknown;
}

const checkers = new Map<string, Checker>(
  allCommands.map(({ name, replySchema }) => [name, Compile(closed(replySchema) as TSchema)]),
);

/** Throws where the payload of a successful reply does not fit the schema of its command. */
export function checkReply(command: string, payload: unknown): void {
  const checker = checkers.get(command);
  if (checker === undefined) throw new Error(`no command ${command}`);
  const checkable = inJson(payload);
  if (checker.Check(checkable)) return;
  throw new Error(`${command} answered ${JSON.stringify(checkable)}: ${JSON.stringify(checker.Errors(checkable))}`);
}

/** The schema with objects that have no fields but those declared: a field nobody declared is a mistake. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== "object" || schema === null) return schema;
  const inner = Object.fromEntries(Object.entries(schema).map(([name, each]) => [name, closed(each)]));
  return "properties" in inner ? { additionalProperties: false, ...inner } : inner;
}

/** JSON Schema knows neither bigints nor bytes. */
function inJson(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (value instanceof Uint8Array) return bytesObject(value);
  if (Array.isArray(value)) return value.map(inJson);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, inJson(each)]));
}
