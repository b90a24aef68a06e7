/**
 * What a person sees while a benchmark runs: on a terminal one line that is written over, with a bar, the rate and the p99;
 * elsewhere plain lines, of which a log can be made.
 */
import type { TimelinePoint } from "./result.ts";

const BAR_CELLS = 24;
/** Where there is no terminal, so often a phase says how far it is; the first time sooner, so that a log shows life. */
const PLAIN_EVERY_SECS = 5;
const PLAIN_FIRST_SECS = 0.5;

export interface View {
  line(text: string): void;
  /** @param share how much of the phase is done, from 0 to 1; undefined where nobody knows */
  update(phase: string, unit: string, point: TimelinePoint, share: number | undefined): void;
  /** The phase is over; the line that was written over goes. */
  clear(): void;
}

export function openView(output: NodeJS.WriteStream = process.stdout): View {
  return output.isTTY === true ? new TerminalView(output) : new PlainView(output);
}

function pointText(unit: string, { perSec, p99Ms, serverCores, clientCores, serverRssBytes }: TimelinePoint): string {
  const parts = [`${Math.round(perSec).toLocaleString("en-US")} ${unit}/s`];
  if (p99Ms !== null) parts.push(`p99 ${p99Ms.toFixed(2)} ms`);
  if (serverCores !== null) parts.push(`server ${serverCores.toFixed(2)} cores`);
  if (clientCores !== null) parts.push(`client ${clientCores.toFixed(2)}`);
  if (serverRssBytes !== null) parts.push(`${Math.round(serverRssBytes / 2 ** 20)} MB`);
  return parts.join(", ");
}

class TerminalView implements View {
  readonly #output: NodeJS.WriteStream;

  constructor(output: NodeJS.WriteStream) {
    this.#output = output;
  }

  line(text: string): void {
    this.clear();
    this.#output.write(`${text}\n`);
  }

  update(phase: string, unit: string, point: TimelinePoint, share: number | undefined): void {
    const filled = Math.round(Math.min(1, share ?? 0) * BAR_CELLS);
    const bar =
      share === undefined ? `${point.atSecs.toFixed(0)} s` : `[${"#".repeat(filled)}${"-".repeat(BAR_CELLS - filled)}]`;
    const text = `  ${bar} ${phase}: ${pointText(unit, point)}`;
    this.#output.write(`\r\u001b[2K${text.slice(0, this.#output.columns - 1)}`);
  }

  clear(): void {
    this.#output.write("\r\u001b[2K");
  }
}

class PlainView implements View {
  readonly #output: NodeJS.WriteStream;
  #saidAtSecs = 0;

  constructor(output: NodeJS.WriteStream) {
    this.#output = output;
  }

  line(text: string): void {
    this.#output.write(`${text}\n`);
  }

  update(phase: string, unit: string, point: TimelinePoint, share: number | undefined): void {
    if (point.atSecs < this.#saidAtSecs) this.#saidAtSecs = 0;
    const wait = this.#saidAtSecs === 0 ? PLAIN_FIRST_SECS : PLAIN_EVERY_SECS;
    if (point.atSecs - this.#saidAtSecs < wait) return;
    this.#saidAtSecs = point.atSecs;
    const done = share === undefined ? "" : ` ${Math.round(share * 100)}%,`;
    this.line(`  ${phase}:${done} ${pointText(unit, point)}`);
  }

  clear(): void {
    this.#saidAtSecs = 0;
  }
}
