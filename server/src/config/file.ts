/** The configuration file: YAML of two levels, sections and keys. Every problem is named with its file and line. */
import { readFileSync } from "node:fs";
import { StartError } from "../runtime/start-error.ts";
import { type Assignment, findKey, ignoredKeyWarning, isIgnoredKey, type Layer, suggestion } from "./assignment.ts";
import { KEYS } from "./schema.ts";

/**
 * Undefined when there is no such file.
 * @throws StartError when it is there and cannot be read
 */
export function readConfigFile(path: string): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(path));
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (code === "ENOENT") return undefined;
    throw new StartError(`The configuration file ${path} cannot be read: ${READ_PROBLEMS[code] ?? code}.`, {
      cause: error,
    });
  }
}

const READ_PROBLEMS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EISDIR: "it is a directory",
  ENOTDIR: "a part of its path is not a directory",
  ERR_ENCODING_INVALID_ENCODED_DATA: "it is not UTF-8 text",
};

/**
 * @param path only for messages
 * @throws StartError when it is not YAML of sections and known keys
 */
export async function parseConfigFile(path: string, text: string): Promise<Layer> {
  // Loaded here, since most servers run without a file and loading it takes longer than reading one.
  const { isMap, isScalar, LineCounter, parseDocument } = await import("yaml");
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const at = (offset: number) => `${path}, line ${lines.linePos(offset).line}`;

  for (const problem of document.errors) {
    const [sentence] = problem.message.split(/ at line \d|:?\n/);
    throw new StartError(`${at(problem.pos[0])}: this is not valid YAML: ${sentence}.`);
  }

  /** The entries of a mapping, null for an empty one, undefined for anything else. */
  const entriesOf = (node: unknown): Entry[] | null | undefined => {
    if (node === null || (isScalar(node) && node.value === null)) return null;
    if (!isMap(node)) return undefined;
    return node.items.map(({ key, value }) => ({
      name: isScalar(key) ? String(key.value) : "?",
      origin: at((isScalar(key) && key.range?.[0]) || 0),
      node: value,
      raw: isNode(value) ? value.toJS(document) : null,
    }));
  };

  const layer: { assignments: Assignment[]; warnings: string[] } = { assignments: [], warnings: [] };
  const root = entriesOf(document.contents);
  if (root === undefined) {
    throw new StartError(
      `${at(document.contents?.range?.[0] ?? 0)}: the file must hold sections, such as "server:", with keys.`,
    );
  }
  for (const { name: section, origin, node } of root ?? []) {
    if (!sections.includes(section)) {
      throw new StartError(`${origin}: there is no section ${section}; ${suggestion(section, sections)}.`);
    }
    const entries = entriesOf(node);
    if (entries === undefined) {
      throw new StartError(`${origin}: ${section} is a section and must hold keys, one per line below it.`);
    }
    for (const entry of entries ?? []) addEntry(section, entry, layer);
  }
  return layer;
}

interface Entry {
  readonly name: string;
  readonly origin: string;
  readonly node: unknown;
  readonly raw: unknown;
}

function addEntry(
  section: string,
  { name, origin, raw }: Entry,
  { assignments, warnings }: { assignments: Assignment[]; warnings: string[] },
): void {
  const keyPath = `${section}.${name}`;
  const key = findKey(keyPath);
  if (key !== undefined) assignments.push({ key, raw, origin });
  else if (isIgnoredKey(keyPath)) warnings.push(ignoredKeyWarning(origin, keyPath));
  else throw new StartError(`${origin}: there is no key ${keyPath}; ${suggestion(keyPath, paths)}.`);
}

const sections = [...new Set(KEYS.map((key) => key.section))];
const paths = KEYS.map((key) => key.path);

interface ConvertibleNode {
  toJS(document: unknown): unknown;
}

function isNode(value: unknown): value is ConvertibleNode {
  return typeof value === "object" && value !== null && "toJS" in value;
}
