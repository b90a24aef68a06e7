/**
 * The rules that tidy.test.ts holds the source to: who may import whom, who may read the time or touch the disk, names,
 * sizes. Each rule is a function of one file's path and text (cycles: of all files) and returns sentences about what
 * breaks it, so that it can be proven on a made-up file.
 *
 * The source is read as text, with comments blanked and, where it matters, strings too. That is enough for rules like
 * these and needs no compiler; a rule that is fooled by text is a rule to be made stricter.
 */

export interface SourceFile {
  /** Relative to server/src, with slashes: `state/value.ts`. */
  readonly path: string;
  readonly text: string;
}

export interface Import {
  readonly from: string;
  /** A type-only import exists for the compiler alone: it counts for the dependency rules, not for cycles. */
  readonly typeOnly: boolean;
}

export type Rule = (file: SourceFile) => readonly string[];

/** `text` with everything in comments replaced by spaces, and what is in strings too unless they are wanted. */
export function code(text: string, keepStrings = false): string {
  // A string, a template, a regular expression after a character no value ends with, or a comment; the first to begin wins.
  const token =
    /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\[\s\S])*`|(?<=[=(,:!&|?[{};+]\s*)\/(?![*/])(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
  return text.replace(token, (found) => {
    const isComment = found.startsWith("//") || found.startsWith("/*");
    if (keepStrings && !isComment) return found;
    // What a template computes is code.
    if (found.startsWith("`")) return found.replace(/[^$\n{}]+(?=\$\{|`$|$)|(?<=\})[^`$]*/g, blank);
    return blank(found);
  });
}

function blank(text: string): string {
  return text.replace(/[^\n]/g, " ");
}

export function importsOf({ path, text }: SourceFile): Import[] {
  const found: Import[] = [];
  const statement =
    /^\s*(?:import|export)\s+(type\s+)?(?:[\w*{][^;'"]*?\sfrom\s+)?["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)/gm;
  for (const [whole, type, statically, dynamically] of code(text, true).matchAll(statement)) {
    const target = statically ?? dynamically;
    const typeOnly = type !== undefined || /\{\s*(?:type\s+\w+(?:\s+as\s+\w+)?\s*,?\s*)+\}/.test(whole);
    found.push({ from: target.startsWith(".") ? resolve(path, target) : target, typeOnly });
  }
  return found;
}

/** `state/a.ts` + `../structures/b.ts` -> `structures/b.ts` */
function resolve(path: string, target: string): string {
  const parts = path.split("/").slice(0, -1);
  for (const part of target.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}

function folderOf(path: string): string {
  return path.includes("/") ? path.slice(0, path.indexOf("/")) : "";
}

/** What the files of a folder may import of ours; a folder that is not here may import anything. */
const MAY_IMPORT: Readonly<Record<string, RegExp>> = {
  structures: /^structures\//,
  state: /^(?:state|structures)\//,
  oplog: /^(?:oplog|state|structures|runtime)\//,
  access: /^(?:access|structures|runtime)\//,
  commands: /^(?!transports\/|codecs\/)/,
  codecs: /^(?!transports\/)/,
  dispatch: /^(?!transports\/)/,
  transports: /^(?!commands\/)/,
  config: /^(?:config|runtime|structures)\//,
  runtime: /^(?:runtime|structures)\//,
};

export const dependencies: Rule = (file) => {
  const folder = folderOf(file.path);
  const allowed = MAY_IMPORT[folder];
  if (allowed === undefined) return [];
  return importsOf(file)
    .filter(({ from }) => from.endsWith(".ts") && !allowed.test(from))
    .map(({ from }) => `${file.path} imports ${from}: ${folder}/ must not`);
};

/** Modules of Node and of others that only some folders may use, and why nobody else. */
const RESERVED: readonly { readonly modules: RegExp; readonly owners: RegExp; readonly reason: string }[] = [
  {
    modules: /^(?:node:)?fs(?:\/promises)?$/,
    owners: /^(?:oplog|config|access)\//,
    reason: "only oplog/ touches the disk, config/ its files, and access/ those of tokens and certificates",
  },
  {
    modules: /^(?:(?:node:)?(?:net|tls|dgram|http|https|http2)|uWebSockets\.js|ws)$/,
    owners: /^(?:transports|replication)\//,
    reason: "only transports/ and replication/ touch the network",
  },
  {
    modules: /^(?:node:)?(?:timers(?:\/promises)?|perf_hooks)$/,
    // metrics/ has perf_hooks for GC pauses and loop delay; the transport and its HTTP traffic wait while they stop.
    owners: /^(?:runtime\/|metrics\/|transports\/http\/http-t(?:ransport|raffic)\.ts$)/,
    reason: "time and timers belong to runtime/",
  },
  {
    modules: /^@synap\//,
    owners: /^$/,
    reason: "the server knows no other package of the workspace",
  },
];

/** `node:net` has two pure functions that touch nothing. */
function isPureImport(text: string, module: string): boolean {
  return module === "node:net" && /import \{ isIP(?:v[46])? \} from "node:net"/.test(text);
}

export const reservedModules: Rule = (file) => {
  const broken: string[] = [];
  for (const { from } of importsOf(file)) {
    for (const { modules, owners, reason } of RESERVED) {
      if (modules.test(from) && !owners.test(file.path) && !isPureImport(file.text, from)) {
        broken.push(`${file.path} imports ${from}: ${reason}`);
      }
    }
  }
  return broken;
};

export function cycles(files: readonly SourceFile[]): string[] {
  const targets = new Map(
    files.map((file) => [file.path, importsOf(file).filter(({ typeOnly }) => !typeOnly)] as const),
  );
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, above: readonly string[]): void => {
    const start = above.indexOf(path);
    if (start >= 0) {
      found.push([...above.slice(start), path].join(" -> "));
      return;
    }
    if (done.has(path)) return;
    for (const { from } of targets.get(path) ?? []) if (targets.has(from)) visit(from, [...above, path]);
    done.add(path);
  };
  for (const { path } of files) visit(path, []);
  return found;
}

/** A rule that a pattern in the code breaks, outside the files that `except` names. */
function forbids(pattern: RegExp, except: RegExp, reason: string): Rule {
  return (file) => {
    if (except.test(file.path)) return [];
    return linesOf(code(file.text), pattern).map((line) => `${file.path}:${line}: ${reason}`);
  };
}

/** The numbers of the lines, from 1, where a match begins. */
function linesOf(text: string, pattern: RegExp): number[] {
  return [...text.matchAll(new RegExp(pattern, "g"))].map(({ index }) => text.slice(0, index).split("\n").length);
}

const NOWHERE = /^$/;

export const time = forbids(
  /\bDate\.now\b|\bperformance\.(?:now|timeOrigin)\b|\bprocess\.(?:hrtime|uptime)\b|\bnew Date\(\s*\)|\bDate\(\s*\)/,
  /^runtime\/clock\.ts$/,
  "only runtime/clock.ts reads the time",
);

export const timers = forbids(
  /\bset(?:Timeout|Interval|Immediate)\(/,
  // The transport bounds its waits while it stops, once in the life of the process. Of a socket that takes nothing only
  // node:net itself can tell whether some of what it was given has left.
  /^(?:runtime\/|transports\/http\/http-transport\.ts$|transports\/portable\/portable-(?:connection|socket)\.ts$)/,
  "timers belong to runtime/: register with the ticker",
);

export const randomness: Rule = (file) =>
  /^(?:state|structures)\//.test(file.path)
    ? forbids(/\bMath\.random\b|\bcrypto\.|\bgetRandomValues\b/, NOWHERE, "state is deterministic")(file)
    : [];

export const anyType = forbids(
  /(?:[:<,|&(=]\s*|\bas\s+|\bextends\s+)any\b(?!\s*[:(=?.])|\bany\[\]/,
  NOWHERE,
  "no `any`: it is `unknown` until it is checked",
);

export const swallowedErrors: Rule = (file) => [
  ...forbids(/\bcatch\s*(?:\([^)]*\))?\s*\{\s*\}/, NOWHERE, "an error is caught and ignored")(file),
  ...forbids(
    /\.catch\(\s*(?:\([^)]*\)|\w+)\s*=>\s*(?:\{\s*\}|undefined)\s*\)/,
    NOWHERE,
    "an error is caught and ignored",
  )(file),
];

export const names: Rule = ({ path }) => {
  const [name] = path.split("/").slice(-1);
  const broken: string[] = [];
  if (!/^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.test|\.d)?\.ts$/.test(name))
    broken.push(`${path}: a file's name is in kebab-case`);
  if (/(?:^|-)(?:utils?|helpers?|managers?|base|impl|types|common|misc|index)\.(?:test\.)?ts$/.test(name)) {
    broken.push(`${path}: a file is named for the noun inside`);
  }
  return broken;
};

/** `it.skip` and the like need a reason on the line before or on their own: `// skipped: ...`. `.only` never. */
export const skippedTests: Rule = ({ path, text }) => {
  const lines = text.split("\n");
  return code(text)
    .split("\n")
    .flatMap((line, index) => {
      if (/\b(?:it|test|describe)(?:\.\w+)*\.only\b/.test(line))
        return [`${path}:${index + 1}: only some tests would run`];
      if (!/\b(?:it|test|describe)(?:\.\w+)*\.(?:skip|todo|fails)\b/.test(line)) return [];
      const reason = /\/\/ skipped: \S/;
      const above = index === 0 ? "" : lines[index - 1];
      return reason.test(lines[index]) || reason.test(above) ? [] : [`${path}:${index + 1}: a skip carries its reason`];
    });
};

export interface LongFunction {
  readonly name: string;
  readonly lines: number;
}

/**
 * Functions and methods and how many lines they span, by their braces. It knows the shapes the formatter gives a
 * declaration: the head begins its line and the closing brace stands alone in the head's column.
 */
export function functionsOf(text: string): LongFunction[] {
  const lines = code(text).split("\n");
  const head =
    /^(\s*)(?:export\s+)?(?:default\s+)?(?:(?:static|override|async|get|set)\s+)*(?:function\s*\*?\s*(\w+)|(?:const|let)\s+(\w+)[^=]*=\s*(?:async\s*)?(?:\(|function\b|\w+\s*=>)|(?!if\b|for\b|while\b|switch\b|catch\b|return\b|else\b|do\b|try\b|new\b|await\b|throw\b|expect\b)(#?\w+)\s*(?:<[^>]*>)?\((?!.*\)\s*;$))/;
  const found: LongFunction[] = [];
  lines.forEach((line, start) => {
    const match = head.exec(line);
    if (match === null) return;
    const [, indent] = match;
    const end = closingLine(lines, start, indent);
    if (end > start) found.push({ name: match[2] ?? match[3] ?? match[4], lines: end - start + 1 });
  });
  return found;
}

/** The line of the `}` in the head's column, or the head's own where the declaration has no body of several lines. */
function closingLine(lines: readonly string[], start: number, indent: string): number {
  for (let at = start + 1; at < lines.length; at++) {
    const line = lines[at];
    if (line.trim() === "") continue;
    if (line.startsWith(`${indent} `)) continue;
    if (!line.startsWith(indent)) return start;
    const rest = line.slice(indent.length);
    // `): Result {` continues a head that did not fit on a line.
    if (/^\).*\{\s*$/.test(rest)) continue;
    return /^\}/.test(rest) ? at : start;
  }
  return start;
}
