/**
 * Writes src/generated from the registry of a running server: `npm run generate -w client-sdk`. The server says what its
 * commands take and answer (admin.commands and the OpenAPI document); nothing of it is imported here. A test generates
 * again and fails where the files differ, so a command cannot change on one side only.
 *
 *     registry ----> generated/command-map.ts   names, wire types, and how each command may be sent
 *               '--> generated/shapes.ts        options and replies as the methods have them: camelCase, documented
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ServerProcess } from "../test/server-process.ts";

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly format?: string;
  readonly const?: unknown;
  readonly description?: string;
  readonly deprecated?: boolean;
  readonly enum?: readonly string[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}

interface Declared {
  readonly name: string;
  readonly access: "read" | "write" | "admin";
  readonly atomic: boolean;
  summary: string;
}

export interface Registry {
  readonly commands: readonly Declared[];
  readonly schemas: Readonly<Record<string, Schema>>;
}

/** A fields' name from wire form to that of the methods, or as it is. */
type Naming = (name: string) => string;

export async function registryOf(url: string): Promise<Registry> {
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ command: "admin.commands" });
  const reply = await fetch(`${url}/api/v1/command`, { method: "POST", headers, body });
  const document = await fetch(`${url}/api/v1/openapi.json`);
  // The server's own documents, whose shape its tests hold.
  const { payload } = (await reply.json()) as { payload: { commands: Declared[] } };
  const { components } = (await document.json()) as { components: { schemas: Record<string, Schema> } };
  return { commands: payload.commands, schemas: components.schemas };
}

/** The content of each generated file by its path under src/generated. */
export function generate(registry: Registry): Record<string, string> {
  return { "command-map.ts": commandMap(registry), "shapes.ts": shapes(registry) };
}

const HEADER = "// Generated from the server's registry by `npm run generate -w client-sdk`. Do not edit.\n";

function commandMap({ commands, schemas }: Registry): string {
  const lines = [
    HEADER,
    "/** Every command: what its payload and its reply are on the wire. */",
    "export interface CommandMap {",
  ];
  for (const { name, summary } of commands) {
    const key = pascal(name);
    const payload = schemas[`${key}Request`].properties?.payload ?? {};
    lines.push(`  /** ${summary} */`, `  "${name}": {`);
    lines.push(
      `    payload: ${typeOf(payload, asItIs, 2)};`,
      `    reply: ${typeOf(schemas[`${key}Reply`], asItIs, 2)};`,
    );
    lines.push("  };");
  }
  lines.push("}", "", "/** The name of a command. */", "export type CommandName = keyof CommandMap;", "");
  lines.push("/** What a command may do, as the registry declares it. */");
  lines.push('export type Access = "read" | "write" | "admin";', "");
  lines.push("/** Access of each command. */", "export const COMMANDS: Readonly<Record<CommandName, Access>> = {");
  for (const { name, access } of commands) lines.push(`  "${name}": "${access}",`);
  lines.push("};", "");
  return lines.join("\n");
}

function shapes({ commands, schemas }: Registry): string {
  const lines = [HEADER];
  for (const { name } of commands) {
    const key = pascal(name);
    const payload = schemas[`${key}Request`].properties?.payload ?? {};
    const optional = Object.entries(payload.properties ?? {}).filter(
      ([field, { deprecated }]) => deprecated !== true && payload.required?.includes(field) !== true,
    );
    if (optional.length > 0) {
      const schema = { type: "object", properties: Object.fromEntries(optional) };
      lines.push(`/** What \`${name}\` takes beside what it needs. */`);
      lines.push(`export interface ${key}Options ${typeOf(schema, camel, 0)}`, "");
    }
    const reply = structIn(schemas[`${key}Reply`]);
    if (reply === undefined) continue;
    lines.push(`/** What \`${name}\` answers. */`, `export interface ${key}Reply ${typeOf(reply, camel, 0)}`, "");
  }
  return lines.join("\n");
}

/** The object that a reply is, or is where it is not null. */
function structIn(schema: Schema): Schema | undefined {
  if (schema.properties !== undefined) return schema;
  const choices = schema.anyOf?.filter(({ type }) => type !== "null") ?? [];
  return choices.length === 1 && choices[0].properties !== undefined ? choices[0] : undefined;
}

function typeOf(schema: Schema, naming: Naming, depth: number): string {
  const { $ref, type, format, enum: words, items, anyOf, properties, required = [] } = schema;
  if ($ref !== undefined) return "unknown";
  if (anyOf !== undefined) {
    const choices = [...new Set(anyOf.map((choice) => typeOf(choice, naming, depth)))];
    return choices.some((choice) => choice === "unknown" || choice === "unknown | null") && choices.length <= 2
      ? "unknown"
      : choices.join(" | ");
  }
  if (words !== undefined) return words.map((word) => `"${word}"`).join(" | ");
  if (properties !== undefined) return structOf(properties, required, naming, depth);
  if (items !== undefined) return `readonly ${wrapped(typeOf(items, naming, depth))}[]`;
  switch (type) {
    case "integer":
      return format === "int64" ? "number | bigint" : "number";
    case "number":
    case "string":
    case "boolean":
    case "null":
      return type;
    case "object":
      return "Readonly<Record<string, unknown>>";
    default:
      return "unknown";
  }
}

function structOf(
  properties: Readonly<Record<string, Schema>>,
  required: readonly string[],
  naming: Naming,
  depth: number,
): string {
  const indent = "  ".repeat(depth + 1);
  const fields = Object.entries(properties).filter(([, { deprecated }]) => deprecated !== true);
  if (fields.length === 0) return "Readonly<Record<string, never>>";
  const lines = fields.flatMap(([name, schema]) => {
    const optional = required.includes(name) ? "" : "?";
    const field = `${indent}readonly ${naming(name)}${optional}: ${typeOf(schema, naming, depth + 1)};`;
    return schema.description === undefined ? [field] : [`${indent}/** ${schema.description} */`, field];
  });
  return `{\n${lines.join("\n")}\n${"  ".repeat(depth)}}`;
}

function wrapped(type: string): string {
  return type.includes(" ") && !type.startsWith("{") ? `(${type})` : type;
}

function asItIs(name: string): string {
  return name;
}

function camel(name: string): string {
  return name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

function pascal(name: string): string {
  return name.replaceAll(/(?:^|[._])(\w)/g, (_, letter: string) => letter.toUpperCase());
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const server = await ServerProcess.start();
  try {
    const folder = new URL("../src/generated/", import.meta.url);
    for (const [path, text] of Object.entries(generate(await registryOf(server.url))))
      writeFileSync(new URL(path, folder), text);
  } finally {
    await server.end();
  }
}
