/** The configuration file: YAML of two levels, sections and keys. Every problem is named with its file and line. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { codeOf } from "../runtime/error-code.ts";
import { StartError } from "../runtime/start-error.ts";
import {
  type Assignment,
  findKey,
  ignoredKeyWarning,
  isIgnoredKey,
  type Layer,
  refuseTwice,
  suggestion,
} from "./assignment.ts";
import { KEYS } from "./schema.ts";

const MB = 2 ** 20;
/** Far more than a person writes; what is larger is not a configuration. */
const FILE_BYTES_MAX = MB;

/**
 * Undefined when there is no such file.
 * @throws StartError when it is there and cannot be read
 */
export function readConfigFile(path: string): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(readRegularFile(path));
  } catch (error) {
    const code = codeOf(error) ?? "";
    if (code === "ENOENT") return undefined;
    const problem = error instanceof Unreadable ? error.message : (READ_PROBLEMS[code] ?? code);
    throw new StartError(`The configuration file ${path} cannot be read: ${problem}.`, { cause: error });
  }
}

/** Why a file that can be opened is not read, as the end of a sentence. */
class Unreadable extends Error {}

/** Reads no more than it may: a device has no end, and a pipe without a writer has no beginning. */
function readRegularFile(path: string): Uint8Array {
  // Without waiting for a writer; Windows has neither the flag nor pipes among its files.
  const file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const stat = fstatSync(file);
    if (stat.isDirectory()) throw new Unreadable("it is a directory");
    if (!stat.isFile()) throw new Unreadable("it is not a regular file");
    const content = new Uint8Array(FILE_BYTES_MAX + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < content.length; length += read) {
      read = readSync(file, content, length, content.length - length, null);
    }
    if (length > FILE_BYTES_MAX) throw new Unreadable(`it is larger than ${FILE_BYTES_MAX / MB} MB`);
    return content.subarray(0, length);
  } finally {
    closeSync(file);
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
  const { isMap, isScalar, LineCounter, parseDocument, visit } = await import("yaml");
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const at = (offset: number) => `${path}, line ${lines.linePos(offset).line}`;

  for (const problem of document.errors) {
    const [sentence] = problem.message.split(/ at line \d|:?\n/);
    const problemText = YAML_PROBLEMS[problem.code] ?? `this is not valid YAML: ${sentence}`;
    throw new StartError(`${at(problem.pos[0])}: ${problemText}.`);
  }
  // Two levels need neither, and both have a way to make a small file a large or odd value.
  visit(document, {
    Alias: (_, { source, range }) => {
      throw new StartError(`${at(range?.[0] ?? 0)}: *${source} refers to another place; write the value out here.`);
    },
    Map: (_, { items, range }) => {
      if (items.every(({ key }) => isScalar(key))) return;
      throw new StartError(`${at(range?.[0] ?? 0)}: the name of a key must be plain text.`);
    },
  });

  /** The entries of a mapping, null for an empty one, undefined for anything else. */
  const entriesOf = (node: unknown): Entry[] | null | undefined => {
    if (node === null || (isScalar(node) && node.value === null)) return null;
    if (!isMap(node)) return undefined;
    return node.items.map(({ key, value }) => ({
      name: isScalar(key) ? String(key.value) : "",
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
      throw new StartError(
        `${origin}: there is no section ${section}; ${suggestion(section, sections, ALL_SECTIONS)}.`,
      );
    }
    const entries = entriesOf(node);
    if (entries === undefined) {
      throw new StartError(`${origin}: ${section} is a section and must hold keys, one per line below it.`);
    }
    for (const entry of entries ?? []) addEntry(section, entry, layer);
  }
  refuseTwice(layer.assignments);
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
  else throw new StartError(`${origin}: there is no key ${keyPath}; ${suggestion(keyPath, paths, keysOf(section))}.`);
}

const sections = [...new Set(KEYS.map((key) => key.section))];
const ALL_SECTIONS = `there are ${sections.join(", ")}`;
const paths = KEYS.map((key) => key.path);

/** Whoever wrote a key that is like no other sees what the section has. */
function keysOf(section: string): string {
  const names = KEYS.filter((key) => key.section === section).map((key) => key.name);
  return `${section} has ${names.join(", ")}`;
}

/** Where the parser's own sentence is addressed to a programmer. */
const YAML_PROBLEMS: Readonly<Record<string, string>> = {
  MULTIPLE_DOCS: "a second document begins here, and the file must be one",
  RESOURCE_EXHAUSTION: "this is nested too deeply for sections with keys",
};

interface ConvertibleNode {
  toJS(document: unknown): unknown;
}

function isNode(value: unknown): value is ConvertibleNode {
  return typeof value === "object" && value !== null && "toJS" in value;
}
