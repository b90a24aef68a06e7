/**
 * Lines over an axis, as SVG text that needs nothing else to be drawn: colors come from the page's CSS, a point's value from
 * its title. Axes begin at zero, so that a small change does not look large.
 */

export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Chart {
  readonly title: string;
  readonly series: readonly Series[];
  /** Labels of the x axis; round numbers by default. */
  readonly xTicks?: readonly { readonly at: number; readonly label: string }[];
  readonly xLabel: string;
  readonly y: (value: number) => string;
}

const WIDTH = 560;
const HEIGHT = 240;
const LEFT = 64;
const RIGHT = 24;
const TOP = 34;
const BOTTOM = 42;
/** The style sheet has a color for each. */
const COLORS = 6;
const TICKS = 4;
/** More dots than this are only noise; the line stays. */
const DOTS_MAX = 60;

export function chart({ title, series, xTicks, xLabel, y }: Chart): string {
  const drawn = series.filter(({ points }) => points.length > 0);
  if (drawn.length === 0) return "";
  const points = drawn.flatMap((each) => each.points);
  const xMax = Math.max(...points.map(([x]) => x), ...(xTicks ?? []).map(({ at }) => at)) || 1;
  const yTop = roundUp(Math.max(...points.map(([, value]) => value)) || 1);
  const left = (x: number) => LEFT + (x / xMax) * (WIDTH - LEFT - RIGHT);
  const top = (value: number) => HEIGHT - BOTTOM - (value / yTop) * (HEIGHT - TOP - BOTTOM);
  const rows = Array.from({ length: TICKS + 1 }, (_, i) => (yTop * i) / TICKS);
  const columns = xTicks ?? roundTicks(xMax);
  const parts = [
    ...rows.map((value) => grid(top(value), y(value))),
    ...columns.map(({ at, label }) => text(left(at), HEIGHT - BOTTOM + 16, label, "middle")),
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, xLabel, "middle"),
    ...drawn.map((each, i) => line(each, i % COLORS, left, top, y)),
    ...legend(drawn),
  ];
  const label = `<title>${escapeHtml(title)}</title>`;
  return `<figure><figcaption>${escapeHtml(title)}</figcaption><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img">${label}${parts.join("")}</svg></figure>`;
}

function line(
  { name, points }: Series,
  color: number,
  left: (x: number) => number,
  top: (value: number) => number,
  y: (value: number) => string,
): string {
  const at = ([x, value]: readonly [number, number]) => `${left(x).toFixed(1)},${top(value).toFixed(1)}`;
  const path = `<polyline class="line c${color}" points="${points.map(at).join(" ")}"/>`;
  if (points.length > DOTS_MAX) return path;
  const dots = points.map(([x, value]) => {
    const place = `cx="${left(x).toFixed(1)}" cy="${top(value).toFixed(1)}" r="3"`;
    return `<circle class="dot c${color}" ${place}><title>${escapeHtml(`${name}: ${y(value)}`)}</title></circle>`;
  });
  return path + dots.join("");
}

function grid(at: number, label: string): string {
  const rule = `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at.toFixed(1)}" y2="${at.toFixed(1)}"/>`;
  return rule + text(LEFT - 6, at + 4, label, "end");
}

function text(x: number, y: number, label: string, anchor: "start" | "middle" | "end"): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escapeHtml(label)}</text>`;
}

const LETTER_WIDTH = 6.2;
const SWATCH = 16;

function legend(series: readonly Series[]): string[] {
  let x = LEFT;
  return series.map(({ name }, i) => {
    const swatch = `<rect class="dot c${i % COLORS}" x="${x}" y="10" width="10" height="10" rx="2"/>`;
    const part = swatch + text(x + SWATCH, 19, name, "start");
    x += SWATCH + name.length * LETTER_WIDTH + SWATCH;
    return part;
  });
}

/** The next of 1, 1.2, 1.6, 2, 3, 4, 6, 8 times a power of ten, each of which divides well by the number of ticks. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 1.2, 1.6, 2, 3, 4, 6, 8, 10].find((step) => step * power >= value) ?? 10);
}

function roundTicks(max: number): { at: number; label: string }[] {
  const step = roundUp(max / 6);
  const count = Math.floor(max / step);
  return Array.from({ length: count + 1 }, (_, i) => ({
    at: i * step,
    label: (i * step).toLocaleString("en-US", { maximumFractionDigits: 2 }),
  }));
}

export function escapeHtml(value: string): string {
  return value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
