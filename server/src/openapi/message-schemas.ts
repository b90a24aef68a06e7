/** The schemas of what goes over the wire: requests, replies, batches and errors (wire contract, sections 2 and 3). */
import type { Command } from "../commands/command.ts";
import { ERROR_STATUS } from "../commands/errors.ts";
import { type JsonSchema, jsonSchemaOf, reference, VALUE_SCHEMA } from "./json-schema.ts";

/** `admin.slowlog.get` -> `AdminSlowlogGet`, which generators of client code can use as it is. */
export function schemaName(command: Command): string {
  return command.name.replace(/(?:^|[._-])([a-z0-9])/g, (_, first: string) => first.toUpperCase());
}

export function componentSchemas(commands: readonly Command[]): JsonSchema {
  const schemas: Record<string, JsonSchema> = {
    Request: { oneOf: [reference("CommandRequest"), reference("BatchRequest")] },
    CommandRequest: commandRequest(commands),
    BatchRequest: BATCH_REQUEST,
    Response: { oneOf: [reference("SuccessResponse"), reference("BatchResponse")] },
    SuccessResponse: successResponse(commands),
    BatchResponse: batchResponse(commands),
    ErrorResponse: ERROR_RESPONSE,
    ErrorCode: { type: "string", enum: Object.keys(ERROR_STATUS) },
    RequestId: {
      description: "Chosen by the client and echoed in the reply; needed to tell replies on a WebSocket apart.",
      anyOf: [{ type: "string" }, { type: "integer", format: "int64" }],
    },
    ClientId: {
      description: "Whose idempotent write it is: 1 to 255 bytes that no other client uses.",
      type: "string",
      minLength: 1,
    },
    Idempotent: {
      description:
        "Runs once for this client_id and request_id, which are needed then: a repeat gets the first reply again. False for a command of an idempotent batch that runs each time.",
      type: "boolean",
      default: false,
    },
    BatchIndex: {
      description:
        "Of a command in a batch alone: it is sent again, and was this one of the idempotent batch with its request_id.",
      type: "integer",
      minimum: 0,
    },
    Value: VALUE_SCHEMA,
  };
  for (const command of commands) {
    schemas[`${schemaName(command)}Request`] = requestOf(command);
    schemas[`${schemaName(command)}Reply`] = jsonSchemaOf(command.replySchema, false);
  }
  return schemas;
}

function commandRequest(commands: readonly Command[]): JsonSchema {
  const references = commands.map((command) => reference(`${schemaName(command)}Request`));
  return {
    oneOf: references,
    discriminator: {
      propertyName: "command",
      mapping: Object.fromEntries(commands.map((command, index) => [command.name, references[index].$ref])),
    },
  };
}

function requestOf(command: Command): JsonSchema {
  const payload = jsonSchemaOf(command.argumentSchema, true);
  const needsPayload = command.shape.requiredMask !== 0;
  return {
    type: "object",
    title: command.name,
    description: requestDescription(command),
    required: needsPayload ? ["command", "payload"] : ["command"],
    properties: {
      command: { const: command.name },
      request_id: reference("RequestId"),
      ...(command.plan === undefined ? {} : { ...IDEMPOTENT_FIELDS, index: reference("BatchIndex") }),
      payload,
    },
  };
}

function requestDescription(command: Command): string {
  const sentences = [command.summary, `Access: ${command.access}.`];
  if (!command.atomic) sentences.push("Refused in an atomic batch.");
  sentences.push(`The reply's payload is a ${schemaName(command)}Reply.`);
  return sentences.join(" ");
}

const IDEMPOTENT_FIELDS: JsonSchema = { client_id: reference("ClientId"), idempotent: reference("Idempotent") };

const BATCH_REQUEST: JsonSchema = {
  type: "object",
  description: "Commands that run in order with nothing between them; at most `protocol.max_batch_commands`.",
  required: ["type", "commands"],
  properties: {
    type: { const: "batch" },
    request_id: reference("RequestId"),
    ...IDEMPOTENT_FIELDS,
    commands: { type: "array", items: reference("CommandRequest") },
    atomic: {
      type: "boolean",
      default: false,
      description: "All are applied as one, or none is and the reply carries the first error with `details.index`.",
    },
  },
  examples: [
    {
      type: "batch",
      atomic: true,
      commands: [
        { command: "kv.set", payload: { key: "user:1", value: "Ada" } },
        { command: "kv.incr", payload: { key: "users" } },
      ],
    },
  ],
};

function anyReply(commands: readonly Command[]): JsonSchema {
  return {
    description: "As the command says.",
    anyOf: commands.map((command) => reference(`${schemaName(command)}Reply`)),
  };
}

function successResponse(commands: readonly Command[]): JsonSchema {
  return {
    type: "object",
    required: ["success", "payload"],
    properties: { success: { const: true }, request_id: reference("RequestId"), payload: anyReply(commands) },
  };
}

function batchResponse(commands: readonly Command[]): JsonSchema {
  const result = {
    oneOf: [
      {
        type: "object",
        required: ["success", "payload"],
        properties: { success: { const: true }, payload: anyReply(commands) },
      },
      reference("ErrorResponse"),
    ],
  };
  return {
    type: "object",
    description: "One result for each command, in their order.",
    required: ["type", "success", "results"],
    properties: {
      type: { const: "batch_response" },
      success: { const: true, description: "The batch ran; its commands may have failed one by one." },
      request_id: reference("RequestId"),
      results: { type: "array", items: result },
    },
  };
}

const ERROR_RESPONSE: JsonSchema = {
  type: "object",
  required: ["success", "error", "code"],
  properties: {
    success: { const: false },
    request_id: reference("RequestId"),
    error: { type: "string", description: "A sentence for people." },
    code: reference("ErrorCode"),
    details: {
      type: "object",
      description: "For programs, by code; `path` names the argument at fault, `limit_bytes` a limit that was passed.",
    },
  },
};
