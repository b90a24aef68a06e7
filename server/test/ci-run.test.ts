/** `.ci/run` counts truly: its last line and exit code for every way in which the README's command can end. */
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";

let checkout: string;

beforeEach(() => {
  checkout = mkdtempSync(join(tmpdir(), "synap-ci-"));
  cpSync(fileURLToPath(new URL("../../.ci/run", import.meta.url)), join(checkout, ".ci", "run"));
});

afterEach(() => rmSync(checkout, { recursive: true }));

interface FakeRun {
  readonly installStatus?: number;
  readonly testStatus?: number;
  readonly report?: object;
  /** Of the installation of programs: Chromium's, and Redis where it is not there. */
  readonly programStatus?: number;
  /** Whether a newer Node can be had, and what the tests on it leave. */
  readonly newer?: { readonly status: number; readonly report?: object; readonly version?: string };
}

/**
 * Runs the script in a checkout whose `npm` does nothing but leave a report and end with a status. No package is installed:
 * `apt-get` only notes how it was called.
 */
function ciRun(run: FakeRun): { last: string; status: number | null } {
  const { installStatus = 0, testStatus = 0, report, programStatus = 0, newer } = run;
  const bin = join(checkout, "bin");
  const reports = join(checkout, "node_modules", ".cache", "synap");
  mkdirSync(bin);
  mkdirSync(reports, { recursive: true });
  // One from an earlier run, which must not be counted.
  for (const name of ["test-report.json", "newer-node-report.json"]) {
    writeFileSync(join(reports, name), JSON.stringify(reportOf(["passed", "passed"])));
  }
  writeFileSync(join(checkout, "next.json"), JSON.stringify(report ?? {}));
  const leaveReport = report === undefined ? "" : `cp next.json "${join(reports, "test-report.json")}"`;
  writeFileSync(
    join(bin, "npm"),
    `#!/bin/sh
case "$1" in
  ci) exit ${installStatus} ;;
  test) ${leaveReport}
    exit ${testStatus} ;;
  *) echo 0.0.0 ;;
esac
`,
  );
  writeFileSync(join(bin, "apt-get"), `#!/bin/sh\necho "$@" >> apt-get-calls\nexit ${programStatus}\n`);
  writeNewerNode(bin, reports, newer);
  mkdirSync(join(checkout, "client-sdk", "scripts"), { recursive: true });
  writeFileSync(join(checkout, "client-sdk", "scripts", "install-chromium.sh"), `apt-get chromium\n`);
  for (const name of ["npm", "npx", "apt-get", "newer-node"]) chmodSync(join(bin, name), 0o755);
  const path = [bin, dirname(process.execPath), process.env.PATH].join(delimiter);
  const { stdout, status } = spawnSync(join(checkout, ".ci", "run"), {
    env: { ...process.env, PATH: path },
    encoding: "utf8",
  });
  return { last: stdout.trimEnd().split("\n").at(-1) ?? "", status };
}

/** An `npx` that gives the path of a Node which only leaves a report, or fails. */
function writeNewerNode(bin: string, reports: string, newer: FakeRun["newer"]): void {
  const node = join(bin, "newer-node");
  const isThere = newer === undefined ? "exit 1" : `echo "${node}"`;
  writeFileSync(join(bin, "npx"), `#!/bin/sh\n${isThere}\n`);
  writeFileSync(join(checkout, "newer.json"), JSON.stringify(newer?.report ?? {}));
  const leaveReport = newer?.report === undefined ? "" : `cp newer.json "${join(reports, "newer-node-report.json")}"; `;
  const version = newer?.version ?? "v24.1.0";
  writeFileSync(
    node,
    `#!/bin/sh\n[ "$1" = --version ] && echo ${version} && exit\n${leaveReport}exit ${newer?.status ?? 0}\n`,
  );
}

function reportOf(tests: readonly string[], fileStatus?: string): object {
  const failed = tests.filter((status) => status === "failed").length;
  return {
    success: failed === 0 && fileStatus !== "failed",
    numPassedTests: tests.filter((status) => status === "passed").length,
    numFailedTests: failed,
    testResults: [
      {
        name: "a.test.ts",
        message: "",
        status: fileStatus ?? (failed > 0 ? "failed" : "passed"),
        assertionResults: tests.map((status) => ({ status })),
      },
    ],
  };
}

it.each<[string, FakeRun, string, number]>([
  ["all passed", { report: reportOf(["passed", "passed"]) }, "2 passed, 0 failed", 0],
  ["a skipped test is neither", { report: reportOf(["passed", "pending"]) }, "1 passed, 0 failed", 0],
  ["one failed", { report: reportOf(["passed", "failed"]), testStatus: 1 }, "1 passed, 1 failed", 1],
  ["one failed behind a status of 0", { report: reportOf(["failed"]) }, "0 passed, 1 failed", 1],
  ["a file that cannot be loaded", { report: reportOf([], "failed"), testStatus: 1 }, "0 passed, 1 failed", 1],
  ["types or lint fail before the tests", { testStatus: 2 }, "0 passed, 1 failed", 1],
  ["an error beside passing tests", { report: reportOf(["passed"]), testStatus: 1 }, "1 passed, 1 failed", 1],
  ["programs that cannot be installed", { report: reportOf(["passed"]), programStatus: 100 }, "1 passed, 0 failed", 0],
  ["no test", { report: reportOf([]) }, "0 passed, 1 failed", 1],
  ["no report", {}, "0 passed, 1 failed", 1],
  ["the installation fails", { installStatus: 1 }, "0 passed, 1 failed", 1],
  [
    "a newer Node is counted too",
    { report: reportOf(["passed"]), newer: { status: 0, report: reportOf(["passed", "passed"]) } },
    "3 passed, 0 failed",
    0,
  ],
  [
    "one fails on a newer Node",
    { report: reportOf(["passed"]), newer: { status: 1, report: reportOf(["passed", "failed"]) } },
    "2 passed, 1 failed",
    1,
  ],
  ["a newer Node that ends early", { report: reportOf(["passed"]), newer: { status: 124 } }, "1 passed, 1 failed", 1],
  [
    "another Node in the place of the newer one",
    { report: reportOf(["passed"]), newer: { status: 0, report: reportOf(["passed"]), version: "v20.1.0" } },
    "1 passed, 0 failed",
    0,
  ],
  [
    "a newer Node beside failures",
    { report: reportOf(["failed"]), testStatus: 1, newer: { status: 0, report: reportOf(["passed"]) } },
    "1 passed, 1 failed",
    1,
  ],
  [
    "a newer Node and no installation",
    { installStatus: 1, newer: { status: 0, report: reportOf(["passed"]) } },
    "0 passed, 1 failed",
    1,
  ],
])("%s", (_, run, last, status) => expect(ciRun(run)).toEqual({ last, status }));

it("installs what the browser test needs before the tests", () => {
  ciRun({ report: reportOf(["passed"]) });
  expect(readFileSync(join(checkout, "apt-get-calls"), "utf8")).toMatch(/^chromium$/m);
});
