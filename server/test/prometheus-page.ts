/** Reads the Prometheus text format 0.0.4 back, strictly: a line that is not of the format throws. */

export interface PageFamily {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly samples: PageSample[];
}

export interface PageSample {
  /** With the suffix, as `..._bucket`. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/gy;
const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  counter: [""],
  gauge: [""],
  summary: ["", "_sum", "_count"],
  histogram: ["_bucket", "_sum", "_count"],
};

export function readPrometheusPage(page: string): Map<string, PageFamily> {
  const families = new Map<string, PageFamily>();
  let help: { readonly name: string; readonly text: string } | undefined;
  let family: PageFamily | undefined;
  for (const line of page.split("\n")) {
    if (line === "") continue;
    const comment = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
    if (comment?.[1] === "HELP") {
      help = { name: comment[2], text: comment[3] };
    } else if (comment?.[1] === "TYPE") {
      const name = comment[2];
      if (help?.name !== name || families.has(name)) throw new Error(`no help before it, or twice: ${line}`);
      if (SUFFIXES[comment[3]] === undefined) throw new Error(`unknown type: ${line}`);
      family = { name, help: help.text, type: comment[3], samples: [] };
      families.set(name, family);
    } else {
      const sample = readSample(line);
      if (family === undefined || !SUFFIXES[family.type].some((suffix) => sample.name === family?.name + suffix)) {
        throw new Error(`a sample outside its family: ${line}`);
      }
      family.samples.push(sample);
    }
  }
  return families;
}

function readSample(line: string): PageSample {
  const match = SAMPLE.exec(line);
  if (match === null) throw new Error(`not a sample: ${line}`);
  const value = match[3] === "+Inf" ? Number.POSITIVE_INFINITY : Number(match[3]);
  if (Number.isNaN(value)) throw new Error(`not a number: ${line}`);
  return { name: match[1], labels: readLabels(match[2] ?? "", line), value };
}

function readLabels(text: string, line: string): Record<string, string> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const match = LABEL.exec(text);
    if (match === null || match[1] in labels) throw new Error(`bad labels: ${line}`);
    labels[match[1]] = match[2].replace(/\\(.)/g, (_, escaped: string) => (escaped === "n" ? "\n" : escaped));
  }
  return labels;
}
