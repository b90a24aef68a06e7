import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const built = new URL("../../dist/runtime/logger.js", import.meta.url).href;

/** Runs `body` with a `log` in a process of its own, since the log belongs to standard output. */
function output(options: object, body: string): string[] {
  const script = `
    import { createLogger } from ${JSON.stringify(built)};
    const log = await createLogger(${JSON.stringify(options)});
    ${body}`;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", script], {
    cwd: fileURLToPath(new URL(".", import.meta.url)),
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  return stdout.trimEnd().split("\n");
}

describe("the log", () => {
  it("is one JSON object per line where standard output is no terminal", () => {
    const [line, ...rest] = output({ level: "info", format: "auto" }, 'log.info({ port: 1 }, "up"); log.debug("no");');
    expect(rest).toEqual([]);
    expect(JSON.parse(line)).toEqual({
      level: 30,
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      pid: expect.any(Number),
      port: 1,
      msg: "up",
    });
  });

  it("is lines for people when asked to", () => {
    const lines = output({ level: "info", format: "pretty" }, 'log.warn("careful");');
    expect(lines).toEqual([expect.stringMatching(/^\[[\d:.]+\] WARN: careful$/)]);
  });

  it("shows errors with their stack and cause", () => {
    const [line] = output(
      { level: "info", format: "json" },
      'log.error({ err: new Error("outer", { cause: new Error("inner") }) }, "failed");',
    );
    const { err } = JSON.parse(line) as { err: unknown };
    expect(err).toMatchObject({ type: "Error", stack: expect.stringMatching(/outer[\s\S]*inner/) });
  });

  it("is written out whole when the process exits right after", () => {
    const lines = output(
      { level: "info", format: "json" },
      'for (let i = 0; i < 5000; i++) log.info({ i }, "line"); process.exit(0);',
    );
    expect(lines).toHaveLength(5000);
    expect(JSON.parse(lines[4999])).toMatchObject({ i: 4999 });
  });
});
