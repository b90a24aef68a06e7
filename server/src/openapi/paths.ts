/** The endpoints (wire contract, section 1). */
import type { Command } from "../commands/command.ts";
import { ERROR_STATUS, type ErrorCode } from "../commands/errors.ts";
import { examplePayload } from "./examples.ts";
import { type JsonSchema, reference } from "./json-schema.ts";

const WIRE_TYPES = ["application/json", "application/msgpack"] as const;
// The keys of ERROR_STATUS are the codes.
const ERROR_CODES = Object.keys(ERROR_STATUS) as ErrorCode[];
/** What a subscription may be refused with. */
const EVENTS_ERRORS: readonly ErrorCode[] = [
  "INVALID_REQUEST",
  "INVALID_PAYLOAD",
  "FORBIDDEN",
  "ROOM_NOT_FOUND",
  "INTERNAL_ERROR",
  "SERVICE_UNAVAILABLE",
];

function inTypes(types: readonly string[], media: JsonSchema): JsonSchema {
  return Object.fromEntries(types.map((type) => [type, media]));
}

export function commandPath(commands: readonly Command[]): JsonSchema {
  return {
    post: {
      operationId: "command",
      summary: "Runs one command, or a batch.",
      description:
        "The reply is in the type that `Accept` asks for, else in that of the request. " +
        "`application/x-msgpack` and `application/vnd.msgpack` are other names of `application/msgpack`. " +
        "`Content-Encoding: gzip` is accepted.",
      requestBody: {
        required: true,
        content: {
          "application/json": { schema: reference("Request"), examples: requestExamples(commands) },
          "application/msgpack": { schema: reference("Request") },
        },
      },
      responses: {
        "200": {
          description: "The command ran, or the batch did.",
          content: inTypes(WIRE_TYPES, { schema: reference("Response") }),
        },
        ...errorResponses(ERROR_CODES, WIRE_TYPES),
      },
    },
  };
}

function requestExamples(commands: readonly Command[]): JsonSchema {
  return Object.fromEntries(
    commands.map((command) => [
      command.name,
      { summary: command.summary, value: { command: command.name, payload: examplePayload(command) } },
    ]),
  );
}

/** By status, each with the codes that come under it. */
function errorResponses(codes: readonly ErrorCode[], types: readonly string[]): JsonSchema {
  const codesByStatus = new Map<number, ErrorCode[]>();
  for (const code of codes) {
    const status = ERROR_STATUS[code];
    codesByStatus.set(status, [...(codesByStatus.get(status) ?? []), code]);
  }
  const statuses = [...codesByStatus].sort(([a], [b]) => a - b);
  return Object.fromEntries(
    statuses.map(([status, codes]) => {
      const schema = { allOf: [reference("ErrorResponse"), { properties: { code: { enum: codes } } }] };
      return [String(status), { description: codes.join(", "), content: inTypes(types, { schema }) }];
    }),
  );
}

function page(operationId: string, summary: string, responses: JsonSchema): JsonSchema {
  return { get: { operationId, summary, responses } };
}

function json(description: string, schema: JsonSchema): JsonSchema {
  return { description, content: { "application/json": { schema } } };
}

export function pagePaths(): Record<string, JsonSchema> {
  return {
    "/api/v1/ws": page(
      "websocket",
      "The same commands over a WebSocket: a text frame is one JSON message, a binary frame one MessagePack message; " +
        "a reply comes in the kind of its request, and in request order. Before the server closes, it sends " +
        '`{"type": "closing", "code": "SLOW_CONSUMER" or "SHUTTING_DOWN", "error": ...}`.',
      {
        "101": { description: "The WebSocket is open." },
        "403": { description: "The page's origin, or the host it asked for, is not allowed." },
        "426": { description: "The request did not ask for a WebSocket." },
        "503": { description: "Too many connections, or shutting down." },
      },
    ),
    "/api/v1/events": eventsPath(),
    "/health": page("health", "Whether the process lives.", {
      "200": json("It does.", {
        type: "object",
        required: ["status", "service", "version"],
        properties: { status: { const: "healthy" }, service: { const: "synap" }, version: { type: "string" } },
      }),
    }),
    "/ready": page("ready", "Whether it can serve commands now.", {
      "200": json("It can.", readiness()),
      "503": json("It cannot, for the reason given.", readiness()),
    }),
    "/metrics": page("metrics", "Metrics for Prometheus; not there when `metrics.enabled` is false.", {
      "200": {
        description: "The text format 0.0.4.",
        content: { "text/plain": { schema: { type: "string" } } },
      },
    }),
    "/api/v1/openapi.json": page("openapi", "This document.", {
      "200": json("OpenAPI 3.1.", { type: "object" }),
    }),
  };
}

function eventsPath(): JsonSchema {
  const stream =
    "Server-sent events. The `data` of each is a push as over the WebSocket; events of the room carry their `id`, a " +
    "comment comes after 15 s of silence, and before the server closes an event of the type `closing`.";
  return {
    get: {
      operationId: "events",
      summary: "Follows a room, and any number of topics, as server-sent events: at least one of them is to be named.",
      parameters: [
        parameter("room", { type: "string", minLength: 1 }, "The room to follow; it must be there."),
        parameter(
          "topic",
          { type: "array", items: { type: "string", minLength: 1 } },
          "A topic or pattern; may be repeated.",
        ),
        parameter(
          "from_offset",
          { type: "integer" },
          "The first event wanted of the room; negative counts from the end; absent for new events only.",
        ),
        parameter(
          "generation",
          { type: "integer", minimum: 0 },
          "The generation of the room that `from_offset` was learned from.",
        ),
        {
          ...parameter(
            "Last-Event-ID",
            { type: "string" },
            "The `id` of the last event seen, such as `17-4`: the stream goes on after it, whatever the query says.",
          ),
          in: "header",
        },
      ],
      responses: {
        "200": { description: stream, content: { "text/event-stream": { schema: { type: "string" } } } },
        ...errorResponses(EVENTS_ERRORS, ["application/json"]),
      },
    },
  };
}

function parameter(name: string, schema: JsonSchema, description: string): JsonSchema {
  return { name, in: "query", required: false, description, schema };
}

function readiness(): JsonSchema {
  return {
    type: "object",
    required: ["status"],
    properties: { status: { type: "string" }, reason: { type: "string" } },
  };
}
