/**
 * A CPU profile of V8 as a flame graph that is one page: the whole time on top, below each function those it called, as wide
 * as the time they took. A click looks into one function, the field finds them by name.
 *
 *     |                all                |
 *     | turn                    | program |
 *     | readFrame     | write   |
 *     | decode | run  |
 */
import { page } from "../report/html-report.ts";
import { escapeHtml } from "../report/svg-chart.ts";

/** Of the DevTools protocol (Profiler.Profile), what is read of it. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  readonly children?: readonly number[];
}

export interface Frame {
  readonly name: string;
  /** Where it stands, for people. */
  readonly place: string;
  readonly kind: "ours" | "node" | "native" | "library";
  selfUs: number;
  totalUs: number;
  readonly children: Map<string, Frame>;
}

/** What starts and ends the profile is not the server's. */
const PROBE = "/profile-probe.js";

/** The profile as a tree in which calls of the same function from the same place are one. Idle time is left out. */
export function frameTree({ nodes, samples, timeDeltas }: CpuProfile): Frame {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const selfUs = new Map<number, number>();
  samples.forEach((id, i) => {
    selfUs.set(id, (selfUs.get(id) ?? 0) + Math.max(0, timeDeltas[i] ?? 0));
  });
  const root: Frame = { name: "all", place: "", kind: "node", selfUs: 0, totalUs: 0, children: new Map() };
  const add = (node: ProfileNode, into: Frame): number => {
    const { functionName, url, lineNumber } = node.callFrame;
    if (functionName === "(idle)" || url.endsWith(PROBE)) return 0;
    const name = functionName === "" ? "(anonymous)" : functionName;
    const key = `${name} ${url}:${lineNumber}`;
    const place = url === "" ? "" : `${shortUrl(url)}:${lineNumber + 1}`;
    const fresh: Frame = { name, place, kind: kindOf(url), selfUs: 0, totalUs: 0, children: new Map() };
    const frame = into.children.get(key) ?? fresh;
    into.children.set(key, frame);
    const own = selfUs.get(node.id) ?? 0;
    let total = own;
    for (const id of node.children ?? []) {
      const child = byId.get(id);
      if (child !== undefined) total += add(child, frame);
    }
    frame.selfUs += own;
    frame.totalUs += total;
    return total;
  };
  for (const id of nodes[0].children ?? []) {
    const child = byId.get(id);
    if (child !== undefined) root.totalUs += add(child, root);
  }
  return root;
}

function kindOf(url: string): Frame["kind"] {
  if (url === "") return "native";
  if (url.startsWith("node:")) return "node";
  return url.includes("/node_modules/") ? "library" : "ours";
}

function shortUrl(url: string): string {
  return url.replace(/^.*\/(node_modules|dist)\//, "").replace(/^file:\/\//, "");
}

/** Thinner frames are not drawn: they could not be seen. */
const SHARE_MIN = 0.0005;
const ROW_PX = 19;
const TOP_FUNCTIONS = 25;

export function flameGraph(title: string, profile: CpuProfile): string {
  const root = frameTree(profile);
  const boxes: string[] = [];
  let depthMax = 0;
  const draw = (frame: Frame, left: number, depth: number): void => {
    const width = frame.totalUs / root.totalUs;
    if (width < SHARE_MIN) return;
    depthMax = Math.max(depthMax, depth);
    const hint = `${frame.name} ${frame.place}\n${share(frame.totalUs, root)} with what it calls, ${share(frame.selfUs, root)} itself`;
    const at = `left:${(left * 100).toFixed(3)}%;width:${(width * 100).toFixed(3)}%;top:${depth * ROW_PX}px`;
    const data = `data-x="${left.toFixed(6)}" data-w="${width.toFixed(6)}"`;
    boxes.push(
      `<div class="f ${frame.kind}" style="${at}" ${data} title="${escapeHtml(hint)}">${escapeHtml(frame.name)}</div>`,
    );
    let x = left;
    const children = [...frame.children.values()].sort((a, b) => b.totalUs - a.totalUs);
    for (const child of children) {
      draw(child, x, depth + 1);
      x += child.totalUs / root.totalUs;
    }
  };
  draw(root, 0, 0);
  const height = (depthMax + 1) * ROW_PX;
  const keys = ["ours", "library", "node", "native"].map((kind) => `<span class="key ${kind}">${kind}</span>`);
  const body = [
    `<header><h1>${escapeHtml(title)}</h1>`,
    `<p>${(root.totalUs / 1e6).toFixed(2)} s of CPU time on the main thread, idle time left out. ${keys.join(" ")}</p>`,
    '<p><input id="find" placeholder="find a function"> <span id="found"></span> Click a frame to look into it; click "all" to go back.</p></header>',
    `<style>${STYLE}</style><div id="flame" style="height:${height}px">${boxes.join("")}</div>`,
    "<h2>Where the time is spent itself</h2>",
    topTable(root),
    `<script>${SCRIPT}</script>`,
  ];
  return page(title, body.join("\n"));
}

function share(us: number, root: Frame): string {
  return `${((us / root.totalUs) * 100).toFixed(1)}%`;
}

function topTable(root: Frame): string {
  const byFunction = new Map<string, Frame>();
  const visit = (frame: Frame): void => {
    const key = `${frame.name} ${frame.place}`;
    const sum = byFunction.get(key);
    if (sum === undefined) byFunction.set(key, { ...frame, children: new Map() });
    else sum.selfUs += frame.selfUs;
    for (const child of frame.children.values()) visit(child);
  };
  visit(root);
  const top = [...byFunction.values()].sort((a, b) => b.selfUs - a.selfUs).slice(0, TOP_FUNCTIONS);
  const lines = top.map(
    ({ name, place, kind, selfUs }) =>
      `<tr><td class="number">${share(selfUs, root)}</td><td>${escapeHtml(name)}</td><td class="note">${escapeHtml(place)}</td><td>${kind}</td></tr>`,
  );
  return `<table><thead><tr><th>itself</th><th>function</th><th>where</th><th></th></tr></thead><tbody>${lines.join("")}</tbody></table>`;
}

const STYLE = `
#flame { position: relative; overflow: hidden; border-radius: 6px; }
.f { position: absolute; height: 18px; padding: 0 4px; overflow: hidden; white-space: nowrap; font: 11px/18px system-ui, sans-serif;
  color: #1b1f24; cursor: pointer; border-radius: 2px; box-shadow: inset 0 0 0 .5px var(--paper); }
.f:hover { filter: brightness(1.12); } .f.hit { outline: 2px solid #8250df; z-index: 1; } .key { padding: 1px 8px; border-radius: 3px; color: #1b1f24; }
.ours { background: #ffb454; } .library { background: #9bd0a5; } .node { background: #a9c7f0; } .native { background: #c9ced4; }
input { font: inherit; padding: 3px 8px; }
`;

const SCRIPT = `
const frames = [...document.querySelectorAll(".f")];
const zoom = (x, w) => {
  for (const f of frames) {
    const left = (f.dataset.x - x) / w, width = f.dataset.w / w;
    f.style.left = Math.max(0, left) * 100 + "%";
    f.style.width = (Math.min(1, left + width) - Math.max(0, left)) * 100 + "%";
    f.style.display = left + width <= 1e-6 || left >= 1 - 1e-6 ? "none" : "";
  }
};
document.getElementById("flame").onclick = ({ target }) => {
  if (target.classList.contains("f")) zoom(+target.dataset.x, +target.dataset.w);
};
document.getElementById("find").oninput = ({ target }) => {
  const wanted = target.value.toLowerCase();
  let hits = 0;
  for (const f of frames) {
    const hit = wanted !== "" && f.title.toLowerCase().includes(wanted);
    f.classList.toggle("hit", hit);
    hits += hit;
  }
  document.getElementById("found").textContent = wanted === "" ? "" : hits + " found.";
};
`;
