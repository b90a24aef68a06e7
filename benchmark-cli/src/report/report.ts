/** What a single study prints and saves: rows of measured figures beside what the project asked for. */
import { writeFileSync } from "node:fs";
import { machine } from "./machine.ts";
import { type Row, table } from "./row.ts";

export class Report {
  readonly #name: string;
  readonly #rows: Row[] = [];

  constructor(name: string) {
    this.#name = name;
    console.log(`# ${name}\n`);
  }

  /** Prints a line while the benchmark runs. */
  progress(line: string): void {
    console.log(`  ${line}`);
  }

  add(row: Row): void {
    this.#rows.push(row);
  }

  /** Prints the table, as Markdown, and writes the file that `--json` asked for. */
  finish(jsonFile?: string): void {
    console.log(`\n${table(this.#rows)}`);
    console.log(`\n${machine().summary}, ${new Date().toISOString()}`);
    if (jsonFile === undefined) return;
    const saved = { benchmark: this.#name, at: new Date().toISOString(), machine: machine(), rows: this.#rows };
    writeFileSync(jsonFile, `${JSON.stringify(saved, null, 2)}\n`);
  }
}
