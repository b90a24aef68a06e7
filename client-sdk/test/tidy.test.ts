/** Holds the client's source to the project's rules, and its public interface to having a docstring for everything. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const FILE_LINES_MAX = 450;
const folder = fileURLToPath(new URL("..", import.meta.url));

interface File {
  readonly path: string;
  readonly text: string;
}

function filesIn(name: string, ending: string): File[] {
  return readdirSync(join(folder, name), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path: relative(folder, path), text: readFileSync(path, "utf8") }));
}

const source = filesIn("src", ".ts").filter(({ path }) => !path.includes("generated") && !path.endsWith(".test.ts"));

/** Without comments and what is in strings. */
function code(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:[^"\\\n]|\\.)*"/g, "");
}

describe("source", () => {
  it.each(source.map(({ path, text }) => [path, text]))("%s", (path, text) => {
    const plain = code(text);
    expect(text.trimEnd().split("\n").length).toBeLessThanOrEqual(FILE_LINES_MAX);
    expect(path).toMatch(/^src(?:\/[a-z][a-z-]*)+\.ts$/);
    expect(path).not.toMatch(/util|helper|manager|base|impl|types/);
    expect(plain).not.toMatch(/(?::|<|\bas)\s*any\b/);
    expect(plain).not.toMatch(/export default|\bnode:|console\./);
    expect(plain).not.toMatch(/catch(?: \(\w+\))? \{\s*\}|\.catch\(\(\) => (?:\{\}|undefined)\)/);
  });

  it("has no circle of imports", () => {
    const imports = new Map(source.map(({ path, text }) => [path, importsOf(path, text)]));
    const done = new Set<string>();
    const visit = (path: string, above: readonly string[]): void => {
      expect(above).not.toContain(path);
      if (done.has(path)) return;
      for (const next of imports.get(path) ?? []) visit(next, [...above, path]);
      done.add(path);
    };
    for (const path of imports.keys()) visit(path, []);
  });
});

/** What a file needs when it runs: imports of types alone do not count. */
function importsOf(path: string, text: string): string[] {
  const statements = text.matchAll(/^(?:import|export) (?!type )([^;]*?) from "(\.[^"]+)";/gm);
  return [...statements]
    .filter(([, names]) => !/^\{(?:\s*type \w+,?)+\s*\}$/.test(names))
    .map(([, , from]) => join(dirname(path), from));
}

/** Public names, and the declaration file of each. */
function publicNames(): (readonly [name: string, path: string])[] {
  const index = readFileSync(join(folder, "dist/index.d.ts"), "utf8");
  return [...index.matchAll(/^export (?:type )?\{([^}]*)\} from "\.\/([^"]+)\.ts";/gm)].flatMap(([, names, path]) =>
    names.split(",").map((name) => [name.replace(/\btype\b/, "").trim(), `dist/${path}.d.ts`] as const),
  );
}

/** Members of a declaration without a docstring: lines at its first level that no comment is above. */
function bareMembers(lines: readonly string[], from: number): string[] {
  const bare: string[] = [];
  for (let i = from + 1; i < lines.length && !/^\}/.test(lines[i]); i++) {
    const isMember = /^ {4}(?:readonly |abstract |static |get |override )*(?:\w+|\[Symbol\.\w+\])[?(<:]/.test(lines[i]);
    const isHidden = /^ {4}(?:#|private|constructor)/.test(lines[i]);
    // An overload stands under the docstring of the first.
    const isOverload = lines[i - 1].match(/^ {4}(\w+)[(<]/)?.[1] === lines[i].match(/^ {4}(\w+)[(<]/)?.[1];
    if (isMember && !isHidden && !isOverload && !lines[i - 1].trimEnd().endsWith("*/")) bare.push(lines[i].trim());
  }
  return bare;
}

describe("docstrings", () => {
  it("are on every public name", () => {
    const names = publicNames();
    expect(names.length).toBeGreaterThan(80);
    for (const [name, path] of names) {
      const lines = readFileSync(join(folder, path), "utf8").split("\n");
      const at = lines.findIndex((line) => new RegExp(`^export .*\\b${name}\\b`).test(line));
      expect(lines[at - 1], `${name} in ${path}`).toMatch(/\*\/$/);
    }
  });

  it("are on every method of the client's groups", () => {
    const groups = new Set([
      "SynapClient",
      "Kv",
      "Key",
      "Queue",
      "DeadLetters",
      "Stream",
      "PubSub",
      "Transaction",
      "Admin",
    ]);
    for (const [name, path] of publicNames()) {
      if (!groups.has(name) && !["SlowLog", "Subscription", "Worker", "ClientOptions", "WorkerOptions"].includes(name))
        continue;
      const lines = readFileSync(join(folder, path), "utf8").split("\n");
      const at = lines.findIndex((line) => new RegExp(`^export .*(?:class|interface) ${name}\\b`).test(line));
      expect(bareMembers(lines, at), `${name} in ${path}`).toEqual([]);
    }
  });
});
