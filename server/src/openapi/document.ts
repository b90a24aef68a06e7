/**
 * The OpenAPI 3.1 document, from the registry: a command that is declared is described, with the schema that its
 * arguments are read by. One path serves all commands, told apart by `command`; the schemas are named by command:
 *
 *     KvSetRequest   the envelope, `command` fixed     KvSetReply   what `payload` of its reply holds
 */
import type { Command } from "../commands/command.ts";
import type { JsonSchema } from "./json-schema.ts";
import { componentSchemas } from "./message-schemas.ts";
import { commandPath, pagePaths } from "./paths.ts";

/** A new document; it is plain JSON and takes milliseconds to make, so keep it. */
export function openApiDocument(commands: readonly Command[], version: string): JsonSchema {
  return {
    openapi: "3.1.0",
    info: {
      title: "Synap",
      version,
      summary: "One command endpoint over HTTP and WebSocket.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    paths: { "/api/v1/command": commandPath(commands), ...pagePaths() },
    components: { schemas: componentSchemas(commands) },
  };
}
