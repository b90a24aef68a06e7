/** Objects of JSON whose members nobody has looked at yet: of files and messages that others have written. */

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The object that a text is, or why it is none. The reason may quote the text: not for files with secrets. */
export function parseObject(text: string): JsonObject | string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    return error instanceof Error ? error.message : "it is not JSON";
  }
  return isObject(parsed) ? parsed : "it is not an object";
}
