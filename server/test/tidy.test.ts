/** Holds the source to the rules of tidy-rules.ts and docs/architecture.md, and proves each rule on a file that breaks it. */
import { readdirSync, readFileSync } from "node:fs";
import { relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import {
  anyType,
  code,
  cycles,
  dependencies,
  functionsOf,
  importsOf,
  names,
  type Rule,
  randomness,
  reservedModules,
  type SourceFile,
  skippedTests,
  swallowedErrors,
  time,
  timers,
} from "./tidy-rules.ts";

const FILE_LINES_MAX = 450;
const FUNCTION_LINES_MAX = 60;

/**
 * The ratchet: what is over the limits today, with its size. An entry may shrink or go, never grow; a new one needs a
 * reason beside it that a reviewer accepts.
 */
const LONG_FILES: Readonly<Record<string, number>> = {};
const LONG_FUNCTIONS: Readonly<Record<string, number>> = {};

function filesIn(folder: string): SourceFile[] {
  const root = fileURLToPath(new URL(`../${folder}`, import.meta.url));
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts") && !entry.parentPath.includes("node_modules"))
    .map((entry) => {
      const full = `${entry.parentPath}${sep}${entry.name}`;
      return { path: relative(root, full).replaceAll(sep, "/"), text: readFileSync(full, "utf8") };
    })
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

const everything = filesIn("src");
const isTest = ({ path }: SourceFile): boolean => path.endsWith(".test.ts");
const source = everything.filter((file) => !isTest(file));
const tests = [...everything.filter(isTest), ...filesIn("test")];

/** Rules for the source, each with files that break it and files that do not. */
const RULES: readonly {
  readonly name: string;
  readonly rule: Rule;
  readonly broken: readonly (readonly [path: string, text: string])[];
  readonly sound: readonly (readonly [path: string, text: string])[];
}[] = [
  {
    name: "folders import only what they may",
    rule: dependencies,
    broken: [
      ["structures/heap.ts", 'import { x } from "../state/value.ts";'],
      ["structures/heap.ts", 'import type { X } from "../state/value.ts";'],
      ["state/store.ts", 'import { x } from "../runtime/clock.ts";'],
      ["state/store.ts", 'export { x } from "../commands/errors.ts";'],
      ["state/store.ts", 'const x = await import("../oplog/backlog.ts");'],
      ["commands/kv/get.ts", 'import {\n  type A,\n  b,\n} from "../../codecs/json.ts";'],
      ["commands/kv/get.ts", 'import "../../transports/http.ts";'],
      ["transports/http.ts", 'import { x } from "../commands/errors.ts";'],
      ["codecs/json.ts", 'import { x } from "../transports/http.ts";'],
      ["dispatch/dispatcher.ts", 'import { x } from "../transports/http.ts";'],
      ["runtime/ticker.ts", 'import { x } from "../config/schema.ts";'],
    ],
    sound: [
      ["state/store.ts", 'import { x } from "../structures/heap.ts";\nimport { y } from "./value.ts";'],
      ["state/store.ts", '// import { x } from "../runtime/clock.ts";\nconst s = 1;'],
      ["commands/kv/get.ts", 'import { x } from "../../state/value.ts";\nimport { y } from "../errors.ts";'],
      ["dispatch/dispatcher.ts", 'import { x } from "../commands/errors.ts";\nimport { y } from "../codecs/json.ts";'],
      ["server.ts", 'import { x } from "./transports/http.ts";\nimport { y } from "./commands/registry.ts";'],
    ],
  },
  {
    name: "disk, network and timers are used by their owners alone",
    rule: reservedModules,
    broken: [
      ["commands/kv/get.ts", 'import { readFileSync } from "node:fs";'],
      ["server.ts", 'import fs from "node:fs/promises";'],
      ["server.ts", 'import { createServer } from "node:http";'],
      ["codecs/json.ts", 'import * as uWS from "uWebSockets.js";'],
      ["config/load.ts", 'import { createServer } from "node:net";'],
      ["state/store.ts", 'import { performance } from "node:perf_hooks";'],
      ["transports/http/websocket-traffic.ts", 'import { setImmediate } from "node:timers/promises";'],
      ["server.ts", 'import { Client } from "@synap/client";'],
    ],
    sound: [
      ["oplog/segment.ts", 'import { openSync } from "node:fs";'],
      ["config/file.ts", 'import { readFileSync } from "node:fs";'],
      ["config/load.ts", 'import { isIP } from "node:net";'],
      ["transports/http.ts", 'import * as uWS from "uWebSockets.js";'],
    ],
  },
  {
    name: "only the clock reads the time",
    rule: time,
    broken: [
      ["state/store.ts", "const now = Date.now();"],
      ["server.ts", "const now = performance.now();"],
      ["server.ts", "const now = process.hrtime.bigint();"],
      ["server.ts", "const now = new Date();"],
      ["server.ts", "const read = Date.now;"],
      // biome-ignore lint/suspicious/noTemplateCurlyInString: source code as text
      ["server.ts", "const s = `${Date.now()}`;"],
      ["runtime/ticker.ts", "const now = Date.now();"],
    ],
    sound: [
      ["runtime/clock.ts", "const now = Date.now();"],
      ["server.ts", "// Date.now() is not for us\nconst at = new Date(ms);"],
      ["server.ts", 'const text = "Date.now()";'],
    ],
  },
  {
    name: "timers belong to runtime/",
    rule: timers,
    broken: [
      ["server.ts", "setTimeout(f, 5);"],
      ["transports/http.ts", "const t = setInterval(() => sweep(), 5);"],
      ["state/store.ts", "setImmediate(f);"],
    ],
    sound: [
      ["runtime/ticker.ts", "setTimeout(f, 5);"],
      ["server.ts", "socket.setTimeouts(5);"],
    ],
  },
  {
    name: "state is deterministic",
    rule: randomness,
    broken: [
      ["state/store.ts", "const r = Math.random();"],
      ["structures/tree.ts", "const id = crypto.randomUUID();"],
    ],
    sound: [["commands/key/random.ts", "const r = Math.random();"]],
  },
  {
    name: "no any",
    rule: anyType,
    broken: [
      ["server.ts", "function f(x: any): void {}"],
      ["server.ts", "const x = y as any;"],
      ["server.ts", "const x: any[] = [];"],
      ["server.ts", "const x = new Map<string, any>();"],
      ["server.ts", "type X = string | any;"],
    ],
    sound: [
      ["server.ts", '// any\nconst kind = "any"; const any = 1; f({ any: 1 }); const y = any.of;'],
      // biome-ignore lint/suspicious/noTemplateCurlyInString: source code as text
      ["server.ts", "const s = `for any ${x} of any`;"],
    ],
  },
  {
    name: "no error is caught and ignored",
    rule: swallowedErrors,
    broken: [
      ["server.ts", "try { f(); } catch {}"],
      ["server.ts", "try { f(); } catch (error) {\n  // never mind\n}"],
      ["server.ts", "promise.catch(() => {});"],
      ["server.ts", "promise.catch(() => undefined);"],
    ],
    sound: [["server.ts", "try { f(); } catch (error) { throw wrap(error); }\npromise.catch((error) => log(error));"]],
  },
  {
    name: "files are named for the noun inside",
    rule: names,
    broken: [
      ["state/utils.ts", ""],
      ["state/key-helpers.ts", ""],
      ["state/manager.ts", ""],
      ["state/types.ts", ""],
      ["state/store-impl.ts", ""],
      ["state/keyStore.ts", ""],
      ["state/Key.ts", ""],
      ["state/index.ts", ""],
    ],
    sound: [
      ["state/key-store.ts", ""],
      ["state/key-store.test.ts", ""],
      ["structures/base64.ts", ""],
    ],
  },
];

for (const { name, rule, broken, sound } of RULES)
  describe(name, () => {
    it("in the source", () => expect(source.flatMap(rule)).toEqual([]));

    it.each(broken)("is broken by %s: %s", (path, text) => expect(rule({ path, text })).toHaveLength(1));

    it.each(sound)("is kept by %s: %s", (path, text) => expect(rule({ path, text })).toEqual([]));
  });

describe("imports have no cycles", () => {
  it("in the source", () => expect(cycles(source)).toEqual([]));

  it("and one would be found, type-only imports aside", () => {
    const a = { path: "a.ts", text: 'import { b } from "./b.ts";' };
    const b = { path: "b.ts", text: 'import { c } from "./x/c.ts";' };
    const c = { path: "x/c.ts", text: 'import { a } from "../a.ts";' };
    expect(cycles([a, b, c])).toEqual(["a.ts -> b.ts -> x/c.ts -> a.ts"]);
    expect(cycles([a, b, { ...c, text: 'import type { A } from "../a.ts";' }])).toEqual([]);
    expect(cycles([a, b, { ...c, text: 'import { type A } from "../a.ts";' }])).toEqual([]);
  });
});

describe("the client knows no server", () => {
  const importsServer = (file: SourceFile): string[] =>
    importsOf(file)
      .filter(({ from }) => /^@synap\/server|(?:^|\/)server\//.test(from))
      .map(({ from }) => `${file.path} imports ${from}`);

  it("in its source", () => expect(filesIn("../client-sdk").flatMap(importsServer)).toEqual([]));

  it.each(["@synap/server", "@synap/server/codecs", "../../server/src/state/value.ts"])("is broken by %s", (from) =>
    expect(importsServer({ path: "src/client.ts", text: `import { x } from "${from}";` })).toHaveLength(1),
  );
});

describe("tests are not skipped without a reason", () => {
  it("in the tests", () => expect(tests.flatMap(skippedTests)).toEqual([]));

  it.each([
    "it.skip(n, f);",
    "describe.only(n, f);",
    "it.todo(n);",
    "test.only.each(n);",
    "// skipped: x\nit.only(n, f);",
  ])("is broken by %s", (text) => expect(skippedTests({ path: "a.test.ts", text })).toHaveLength(1));

  it.each(["it(n, f);", "// skipped: RESP has no booleans\nit.skip(n, f);", "it.skip(n, f); // skipped: no fork here"])(
    "is kept by %s",
    (text) => expect(skippedTests({ path: "a.test.ts", text })).toEqual([]),
  );
});

describe("tests and their names", () => {
  it("are named for what they test", () => expect(tests.flatMap(names)).toEqual([]));
  it("use no any", () => expect(tests.flatMap(anyType)).toEqual([]));
});

describe("sizes only shrink", () => {
  it("of files", () => {
    const long = source
      .map(({ path, text }) => ({ path, lines: text.trimEnd().split("\n").length }))
      .filter(({ lines }) => lines > FILE_LINES_MAX);
    expect(Object.fromEntries(long.map(({ path, lines }) => [path, lines]))).toEqual(LONG_FILES);
  });

  it("of functions", () => {
    const long = source.flatMap(({ path, text }) =>
      functionsOf(text)
        .filter(({ lines }) => lines > FUNCTION_LINES_MAX)
        .map(({ name, lines }) => [`${path} ${name}`, lines]),
    );
    expect(Object.fromEntries(long)).toEqual(LONG_FUNCTIONS);
  });

  it("and functions are measured", () => {
    const text = [
      "export async function outer(a: number): Promise<void> {",
      "  if (a > 0) {",
      "    f();",
      "  }",
      "}",
      "class K {",
      "  #method(",
      "    a: number,",
      "  ): void {",
      "    f(a);",
      "  }",
      "  get size(): number {",
      '    return "}".length;',
      "  }",
      "}",
      "const arrow = (a: number) => {",
      "  f(a);",
      "};",
    ].join("\n");
    expect(functionsOf(text)).toEqual(
      [
        { name: "outer", lines: 5 },
        { name: "method", lines: 5 },
        { name: "size", lines: 3 },
        { name: "arrow", lines: 3 },
      ].map((each) => (each.name === "method" ? { ...each, name: "#method" } : each)),
    );
  });
});

describe("reading source as text", () => {
  it("sees the source", () => {
    expect(source.length).toBeGreaterThan(20);
    expect(source.map(({ path }) => path)).toContain("state/value.ts");
  });

  it("blanks comments and strings and keeps lines and template expressions", () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: source code as text
    expect(code('a("x//y") // c\n/* d\n */ b(`t ${e.f()} u`)').replaceAll(/ +/g, " ")).toBe("a( ) \n \n b( ${e.f()} )");
    expect(code("const a = /[\"'`]/.test(b); c();")).toContain("c();");
    expect(code('"x // y" // z', true).trim()).toBe('"x // y"');
  });

  it("finds every shape of import", () => {
    const text = [
      'import a from "./a.ts";',
      'import type { B } from "../b.ts";',
      'import { type C, d } from "./c.ts";',
      'import { type E, type F } from "./e.ts";',
      'import "./side-effect.ts";',
      'export * from "./g.ts";',
      'import * as uWS from "uWebSockets.js";',
      'const h = await import("./h.ts");',
    ].join("\n");
    expect(importsOf({ path: "x/y.ts", text })).toEqual([
      { from: "x/a.ts", typeOnly: false },
      { from: "b.ts", typeOnly: true },
      { from: "x/c.ts", typeOnly: false },
      { from: "x/e.ts", typeOnly: true },
      { from: "x/side-effect.ts", typeOnly: false },
      { from: "x/g.ts", typeOnly: false },
      { from: "uWebSockets.js", typeOnly: false },
      { from: "x/h.ts", typeOnly: false },
    ]);
  });
});
