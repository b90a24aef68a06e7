/** Writes docs/commands.md from the command registry: `npm run docs`. A test checks that it is current. */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { allCommands } from "../src/commands/all.ts";
import type { FieldShape } from "../src/commands/argument-shape.ts";
import type { Command } from "../src/commands/command.ts";
import type { AnySchema } from "../src/commands/schema.ts";
import { examplePayload } from "../src/openapi/examples.ts";
import { aliasSentence } from "../src/openapi/json-schema.ts";

export const pagePath: string = fileURLToPath(new URL("../docs/commands.md", import.meta.url));

const INTRODUCTION = `<!-- Generated from server/src/commands by \`npm run docs\`. Do not edit. -->

# Commands

Every command goes to \`POST /api/v1/command\` or over the WebSocket at \`/api/v1/ws\`, as JSON or MessagePack:

\`\`\`json
{ "command": "kv.set", "request_id": "1", "payload": { "key": "user:1", "value": "Ada" } }
\`\`\`

An argument that is not listed is refused with INVALID_PAYLOAD, and so is one of another type or out of its range. Those
in **bold** are required. Access is what a caller's token has to permit, for the names in its arguments (\`kv:write:prefix\`; [security.md](security.md)); commands marked "not atomic" are refused in an
atomic batch. The same, for programs: \`GET /api/v1/openapi.json\`, or the command \`admin.commands\`.
`;

export function commandPage(): string {
  const lines = [INTRODUCTION.trimEnd()];
  for (const component of new Set(allCommands.map((command) => command.component))) {
    const commands = allCommands.filter((command) => command.component === component);
    lines.push("", `## ${component}`, "", "| command | access | what |", "| --- | --- | --- |");
    for (const command of commands)
      lines.push(`| [${command.name}](#${anchor(command)}) | ${access(command)} | ${cell(command.summary)} |`);
    for (const command of commands) lines.push("", ...section(command));
  }
  return `${lines.join("\n")}\n`;
}

/** As GitHub makes it from a heading. */
function anchor({ name }: Command): string {
  return name.replaceAll(".", "");
}

function access({ access, atomic }: Command): string {
  return atomic ? access : `${access}, not atomic`;
}

function section(command: Command): string[] {
  const lines = [`### ${command.name}`, "", command.summary, ""];
  // A field's description is only in the schema it was compiled from.
  const { properties = {} } = command.argumentSchema;
  const rows = command.shape.fields.flatMap((field) => argumentRows(field, properties[field.name], ""));
  if (rows.length === 0) lines.push("No arguments.");
  else lines.push("| argument | type | what |", "| --- | --- | --- |", ...rows);
  lines.push("", `Reply: ${typeOf(command.replySchema)}`, ...replyTable(command.replySchema));
  lines.push("", "```json", JSON.stringify({ command: command.name, payload: examplePayload(command) }), "```");
  return lines;
}

function argumentRows(field: FieldShape, schema: AnySchema, prefix: string): string[] {
  const path = `${prefix}${field.name}`;
  const name = field.required ? `**${path}**` : path;
  const what = [schema.description, aliasSentence(schema["x-aliases"])].filter((text) => text !== undefined).join(" ");
  const rows = [`| ${name} | ${argumentType(field)} | ${cell(what)} |`];
  const inner = field.object ?? field.item?.object;
  const { properties = {} } = field.object === undefined ? (schema.items ?? {}) : schema;
  for (const part of inner?.fields ?? []) {
    rows.push(...argumentRows(part, properties[part.name], `${path}${field.object ? "." : "[]."}`));
  }
  return rows;
}

function argumentType(field: FieldShape): string {
  const limits = limitsOf(field);
  const fallback = field.fallback === undefined ? "" : `, default ${JSON.stringify(field.fallback)}`;
  const each = field.item === undefined || field.item.object !== undefined ? "" : `, each ${argumentType(field.item)}`;
  return cell(`${kindOf(field)}${limits === "" ? "" : `, ${limits}`}${each}${fallback}`);
}

function kindOf(field: FieldShape): string {
  if (field.words !== undefined) return field.words.map((word) => `\`${word}\``).join(" or ");
  switch (field.kind) {
    case "key":
    case "text":
      return "string";
    case "value":
    case "any":
      return "any value";
    case "int64":
      return "64-bit integer";
    case "array":
      return "list";
    default:
      return field.kind;
  }
}

function limitsOf(field: FieldShape): string {
  if (field.words !== undefined) return "";
  switch (field.kind) {
    case "key":
    case "text":
      return field.bytesMin > 0 ? `${field.bytesMin} to ${field.bytesMax} bytes` : `at most ${field.bytesMax} bytes`;
    case "integer":
      return range(field.minimum, field.maximum, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
    case "array":
      return range(field.itemsMin, field.itemsMax, 0, Number.MAX_SAFE_INTEGER, " items");
    default:
      return "";
  }
}

function range(minimum: number, maximum: number, lowest: number, highest: number, unit = ""): string {
  if (minimum !== lowest && maximum !== highest) return `${minimum} to ${maximum}${unit}`;
  if (minimum !== lowest) return `at least ${minimum}${unit}`;
  return maximum === highest ? "" : `at most ${maximum}${unit}`;
}

/** A reply's schema in a few words: `{value, limited?}`, `any value or null`. */
function typeOf(schema: AnySchema): string {
  const { type, properties, required = [], items, anyOf, enum: words, "x-kind": kind } = schema;
  if (anyOf !== undefined) return anyOf.map(typeOf).join(" or ");
  if (kind === "value") return "any value";
  if (words !== undefined) return words.map((word) => `\`${word}\``).join(" or ");
  if (properties !== undefined) {
    const names = Object.keys(properties).map((name) => (required.includes(name) ? name : `${name}?`));
    return `\`{${names.join(", ")}}\``;
  }
  if (items !== undefined) return `list of ${typeOf(items)}`;
  return type ?? "any value";
}

function replyTable(schema: AnySchema): string[] {
  const rows = replyRows(schema, "");
  return rows.length === 0 ? [] : ["", "| in the reply | type | what |", "| --- | --- | --- |", ...rows];
}

function replyRows(schema: AnySchema, prefix: string): string[] {
  const { properties, items, anyOf } = schema;
  if (anyOf !== undefined) return anyOf.flatMap((choice) => replyRows(choice, prefix));
  if (items !== undefined) return replyRows(items, `${prefix.slice(0, -1)}[].`);
  return Object.entries(properties ?? {}).flatMap(([name, field]) => [
    `| ${prefix}${name} | ${cell(typeOf(field))} | ${cell(field.description ?? "")} |`,
    ...replyRows(field, `${prefix}${name}.`),
  ]);
}

/** Text that stays inside its cell. */
function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(pagePath, commandPage());
