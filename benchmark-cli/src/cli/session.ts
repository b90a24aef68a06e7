/**
 * One run of the program: runs scenarios one after the other and reports what came of them, whether they came to their end,
 * something went wrong, or somebody pressed ctrl-C.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { htmlReport } from "../report/html-report.ts";
import { machine } from "../report/machine.ts";
import type { BenchmarkReport, ScenarioResult } from "../report/result.ts";
import { table } from "../report/row.ts";
import { openView } from "../report/view.ts";
import { latencyRows } from "../scenarios/judgement.ts";
import { type Run, Stage, type StageOptions } from "../scenarios/stage.ts";
import { BenchmarkError } from "../servers/benchmark-error.ts";
import { onInterrupt } from "../servers/processes.ts";
import { tokenOf } from "../servers/server-address.ts";

export interface SessionOptions extends StageOptions {
  readonly json?: string | undefined;
  readonly report?: string | undefined;
}

export interface Planned {
  readonly name: string;
  readonly run: Run;
}

export class Session {
  readonly #options: SessionOptions;
  readonly #view = openView();
  readonly #results: ScenarioResult[] = [];
  #stage: Stage | undefined;
  #current = "";

  constructor(options: SessionOptions) {
    checkFiles(options);
    this.#options = options;
  }

  /** @throws what ended a scenario, after what was measured until then has been reported. */
  async run(planned: readonly Planned[]): Promise<void> {
    onInterrupt(() => this.#broken("broken off by a signal"));
    for (const { name, run } of planned) {
      this.#stage = new Stage(this.#view, this.#options);
      this.#current = name;
      this.#view.line(`# ${name}`);
      try {
        this.#results.push(await run(this.#stage));
      } catch (error) {
        const died = await this.#stage.whatDied();
        const reason = died ?? (error instanceof BenchmarkError ? error.message : undefined);
        this.#broken(reason ?? "synap-benchmark has a bug");
        if (reason === undefined) throw error;
        throw new BenchmarkError(reason, { cause: error });
      }
      this.#stage = undefined;
      this.#printResult(this.#results[this.#results.length - 1]);
    }
    this.#save();
  }

  #printResult({ title, rows, errors, notes, deliveries }: ScenarioResult): void {
    const failed = Object.entries(errors).map(([code, times]) => `${times} x ${code}`);
    this.#view.line(`\n${title}\n\n${table(rows)}\n`);
    this.#view.line(failed.length === 0 ? "errors: none" : `errors: ${failed.join(", ")}`);
    if (deliveries !== undefined) {
      this.#view.line(`deliveries: ${deliveries.expected.toLocaleString("en-US")} ${deliveries.what}`);
    }
    for (const note of notes) this.#view.line(`note: ${note}`);
    this.#view.line("");
  }

  /** Reports what is known of a scenario that has not come to its end. */
  #broken(reason: string): void {
    const phases = this.#stage?.phasesSoFar() ?? [];
    this.#stage?.abandon();
    if (phases.length > 0) {
      const rows = phases.flatMap(({ name, unit, done, seconds, latencies }) => [
        { what: `${name}, ${seconds.toFixed(1)} s of it`, value: done / seconds, unit: `${unit}/s` },
        ...latencies.flatMap(({ latency }) => latencyRows(name, latency)),
      ]);
      const title = `${this.#current}, as far as it came`;
      const notes = [`not complete: ${reason}`];
      const partial = { scenario: this.#current, title, settings: {}, rows, phases, errors: {}, notes };
      this.#results.push(partial);
      this.#printResult(partial);
    }
    this.#save(reason);
  }

  #save(ended?: string): void {
    const report: BenchmarkReport = {
      tool: "synap-benchmark",
      version: version(),
      command: ["synap-benchmark", ...withoutToken(process.argv.slice(2), tokenOf(this.#options))].join(" "),
      at: new Date().toISOString(),
      machine: machine(),
      ...(ended === undefined ? {} : { ended }),
      results: this.#results,
    };
    this.#view.line(`${report.machine.summary}, ${report.at}`);
    const { json, report: file } = this.#options;
    if (json !== undefined) writeFileSync(json, asJson(report));
    if (file !== undefined) writeFileSync(file, isHtml(file) ? htmlReport(report) : asJson(report));
    for (const name of [json, file]) if (name !== undefined) this.#view.line(`written: ${name}`);
  }
}

/** Arguments as a report may show them: of a token, and of whatever an address has in it beside one, nothing is left. */
export function withoutToken(args: readonly string[], token: string | undefined): string[] {
  return args.map((arg) => {
    const address = arg.replace(/\/\/[^/@]*@/, "//...@").replace(/(:\/\/[^?]*)\?.*/, "$1?...");
    return token === undefined ? address : address.replaceAll(token, "...");
  });
}

function version(): string {
  // Our own package.json.
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  return version;
}

function asJson(report: BenchmarkReport): string {
  return `${JSON.stringify(report, null, 2)}\n`;
}

function isHtml(file: string): boolean {
  return file.endsWith(".html");
}

/** A file that cannot be written is found out before an hour of measuring, not after it. */
function checkFiles({ json, report }: SessionOptions): void {
  if (report !== undefined && !isHtml(report) && !report.endsWith(".json")) {
    throw new BenchmarkError(`--report ${report} should end in .html or .json, which says what it is to be`);
  }
  for (const file of [json, report]) {
    if (file === undefined) continue;
    try {
      writeFileSync(file, "", { flag: "a" });
    } catch (error) {
      throw new BenchmarkError(`${file} cannot be written: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    }
  }
}
