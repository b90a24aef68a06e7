/** The version of this server, from its package. */
import { readFileSync } from "node:fs";

function readVersion(): string {
  // The same distance from src/config and from dist/config.
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  const parsed: unknown = JSON.parse(text);
  if (typeof parsed === "object" && parsed !== null && "version" in parsed && typeof parsed.version === "string") {
    return parsed.version;
  }
  throw new Error("package.json of the server has no version");
}

export const version: string = readVersion();
