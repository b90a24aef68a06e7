import type { TSchema } from "typebox";
import { Compile, type Validator } from "typebox/compile";
import { describe, expect, it } from "vitest";
import { allCommands } from "../commands/all.ts";
import type { Command } from "../commands/command.ts";
import { ERROR_STATUS } from "../commands/errors.ts";
import { openApiDocument } from "./document.ts";
import { examplePayload, WRITTEN_EXAMPLES } from "./examples.ts";
import { schemaName } from "./message-schemas.ts";

interface Content {
  readonly [type: string]: { readonly schema: Record<string, unknown>; readonly examples?: Record<string, Example> };
}

interface Example {
  readonly value: { readonly command: string; readonly payload: Record<string, unknown> };
}

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly requestBody?: { readonly content: Content };
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly responses: Record<string, { readonly description: string; readonly content?: Content }>;
}

interface OpenApi {
  readonly openapi: string;
  readonly info: Record<string, unknown>;
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, Record<string, unknown>> };
}

/** As a reader gets it. */
const document: OpenApi = JSON.parse(JSON.stringify(openApiDocument(allCommands, "1.2.3")));
const { schemas } = document.components;
const commandOperation = document.paths["/api/v1/command"].post;

/** Every object in the document, with the path to it. */
function* objectsIn(part: unknown, path = "#"): Generator<[string, Record<string, unknown>]> {
  if (typeof part !== "object" || part === null) return;
  if (!Array.isArray(part)) yield [path, part as Record<string, unknown>];
  for (const [name, value] of Object.entries(part)) yield* objectsIn(value, `${path}/${name}`);
}

function resolve(pointer: string): unknown {
  expect(pointer).toMatch(/^#\//);
  const steps = pointer.slice(2).split("/");
  return steps.reduce<unknown>((part, step) => (part as Record<string, unknown> | undefined)?.[step], document);
}

/** The schema with every reference replaced by what it names; no schema of ours contains itself. */
function inlined(part: unknown): unknown {
  if (typeof part !== "object" || part === null) return part;
  if (Array.isArray(part)) return part.map(inlined);
  const { $ref, ...rest } = part as Record<string, unknown>;
  const own = Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, inlined(value)]));
  return typeof $ref === "string" ? { ...(inlined(resolve($ref)) as object), ...own } : own;
}

function compiled(name: string): Validator {
  return Compile(inlined(schemas[name]) as TSchema);
}

describe("the OpenAPI document", () => {
  it("is an OpenAPI 3.1 document with all endpoints", () => {
    expect(document.openapi).toMatch(/^3\.1\.\d+$/);
    expect(document.info).toMatchObject({ title: "Synap", version: "1.2.3" });
    expect(Object.keys(document.paths).sort()).toEqual([
      "/api/v1/command",
      "/api/v1/events",
      "/api/v1/openapi.json",
      "/api/v1/ws",
      "/health",
      "/metrics",
      "/ready",
    ]);
  });

  it("has for every operation an id of its own, a summary and described responses", () => {
    const ids = new Set<string>();
    for (const operation of Object.values(document.paths).flatMap((methods) => Object.values(methods))) {
      expect(operation.summary).toMatch(/\S/);
      expect(ids.has(operation.operationId), operation.operationId).toBe(false);
      ids.add(operation.operationId);
      for (const [status, response] of Object.entries(operation.responses)) {
        expect(status).toMatch(/^[1-5]\d\d$/);
        expect(response.description).toMatch(/\S/);
      }
    }
    expect(ids.size).toBe(7);
  });

  it("has references that all lead somewhere, and names that OpenAPI allows", () => {
    let references = 0;
    for (const [path, part] of objectsIn(document)) {
      if (typeof part.$ref !== "string") continue;
      references++;
      expect(resolve(part.$ref), `${path} -> ${part.$ref}`).toBeTypeOf("object");
    }
    expect(references).toBeGreaterThan(allCommands.length);
    for (const name of Object.keys(schemas)) expect(name).toMatch(/^[a-zA-Z0-9._-]+$/);
  });

  it("shows none of our own annotations", () => {
    for (const [path, part] of objectsIn(document)) {
      expect(
        Object.keys(part).filter((keyword) => keyword.startsWith("x-") || keyword.startsWith("~")),
        path,
      ).toEqual([]);
    }
  });

  it("describes the event stream with its parameters", () => {
    const { parameters, responses } = document.paths["/api/v1/events"].get;
    expect(parameters?.map(({ name, in: place }) => [name, place])).toEqual([
      ["room", "query"],
      ["topic", "query"],
      ["from_offset", "query"],
      ["generation", "query"],
      ["Last-Event-ID", "header"],
    ]);
    expect(Object.keys(responses["200"].content ?? {})).toEqual(["text/event-stream"]);
    expect(Object.keys(responses)).toEqual(["200", "400", "403", "404", "422", "500", "503"]);
  });

  it("lists every error code under its status", () => {
    const codes: Record<string, number> = {};
    for (const [status, { content }] of Object.entries(commandOperation.responses)) {
      const { allOf } = content?.["application/msgpack"].schema ?? {};
      if (allOf === undefined) continue;
      // Every response but the one of status 200 narrows the codes like this.
      const [, narrowed] = allOf as [unknown, { properties: { code: { enum: string[] } } }];
      for (const code of narrowed.properties.code.enum) codes[code] = Number(status);
    }
    expect(codes).toEqual(ERROR_STATUS);
    expect(schemas.ErrorCode).toEqual({ type: "string", enum: Object.keys(ERROR_STATUS) });
  });

  it("has only schemas that compile", () => {
    for (const name of Object.keys(schemas)) expect(() => compiled(name), name).not.toThrow();
  });
});

describe("its requests", () => {
  const examples = commandOperation.requestBody?.content["application/json"].examples ?? {};

  it("are there for every command, and no other", () => {
    expect(schemas.CommandRequest.discriminator).toEqual({
      propertyName: "command",
      mapping: Object.fromEntries(
        allCommands.map((command) => [command.name, `#/components/schemas/${schemaName(command)}Request`]),
      ),
    });
    expect(schemas.CommandRequest.oneOf).toHaveLength(allCommands.length);
    expect(Object.keys(examples)).toEqual(allCommands.map(({ name }) => name));
  });

  it.each(allCommands.map((command) => [command.name, command] as const))(
    "%s accepts its example and no other field",
    (name, command) => {
      const request = compiled(`${schemaName(command)}Request`);
      const { value } = examples[name];
      expect(request.Check({ ...value, request_id: 7 })).toBe(true);
      expect(request.Check({ ...value, command: "no.such" })).toBe(false);
      expect(request.Check({ ...value, payload: { ...value.payload, tll: 1 } })).toBe(false);
      for (const field of requiredFields(command)) {
        const { [field]: _, ...others } = value.payload;
        expect(request.Check({ ...value, payload: others }), field).toBe(false);
      }
    },
  );

  it("are matched by exactly one command, and batches by the batch alone", () => {
    const all = allCommands.map((command) => compiled(`${schemaName(command)}Request`));
    for (const { value } of Object.values(examples)) {
      expect(all.filter((request) => request.Check(value))).toHaveLength(1);
    }
    const batch = { type: "batch", commands: [{ command: "kv.get", payload: { key: "a" } }, { command: "kv.dbsize" }] };
    expect(compiled("Request").Check(batch)).toBe(true);
    expect(compiled("CommandRequest").Check(batch)).toBe(false);
    expect(compiled("BatchRequest").Check({ ...batch, commands: [{ command: "kv.get", payload: {} }] })).toBe(false);
    for (const example of schemas.BatchRequest.examples as unknown[]) {
      expect(compiled("BatchRequest").Check(example)).toBe(true);
    }
  });

  it("carry limits, aliases and ignored fields", () => {
    const payloadOf = (name: string) => resolve(`#/components/schemas/${name}/properties/payload/properties`);
    expect(payloadOf("KvSetRequest")).toMatchObject({
      key: { type: "string", minLength: 1, maxLength: 65_535, description: expect.stringContaining("65535 bytes") },
      value: { $ref: "#/components/schemas/Value" },
      ttl: { type: "integer", minimum: 0 },
    });
    expect(payloadOf("KvScanRequest")).toMatchObject({ limit: { description: expect.stringContaining("`count`") } });
    expect(payloadOf("KvGetRequest")).toMatchObject({ type: { deprecated: true } });
  });

  it("have examples written for commands that exist", () => {
    expect(
      Object.keys(WRITTEN_EXAMPLES).filter((name) => !allCommands.some((command) => command.name === name)),
    ).toEqual([]);
  });

  it("make an example of the required fields for a command that has none written", () => {
    const strlen = allCommands.find(({ name }) => name === "kv.strlen");
    expect(strlen && examplePayload(strlen)).toEqual({ key: "user:1" });
  });
});

describe("its replies", () => {
  it("tell success, failure and batch apart", () => {
    const success = { success: true, request_id: "1", payload: { exists: true } };
    const failure = { success: false, error: "no", code: "INVALID_PAYLOAD", details: { path: "key" } };
    const batch = { type: "batch_response", success: true, results: [success, failure] };
    expect(compiled("SuccessResponse").Check(success)).toBe(true);
    expect(compiled("SuccessResponse").Check(failure)).toBe(false);
    expect(compiled("ErrorResponse").Check(failure)).toBe(true);
    expect(compiled("ErrorResponse").Check({ ...failure, code: "NO_SUCH_CODE" })).toBe(false);
    expect(compiled("BatchResponse").Check(batch)).toBe(true);
    expect(compiled("BatchResponse").Check({ ...batch, results: [{ success: false }] })).toBe(false);
  });

  it("are open to fields of later versions", () => {
    expect(compiled("KvExistsReply").Check({ exists: true, later: 1 })).toBe(true);
    expect(compiled("KvExistsReply").Check({})).toBe(false);
  });
});

function requiredFields(command: Command): string[] {
  return command.shape.fields.filter(({ required }) => required).map(({ name }) => name);
}
