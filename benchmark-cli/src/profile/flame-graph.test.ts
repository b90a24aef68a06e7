import { describe, expect, it } from "vitest";
import { type CpuProfile, flameGraph, frameTree } from "./flame-graph.ts";

function node(id: number, functionName: string, url: string, ...children: number[]) {
  return { id, callFrame: { functionName, url, lineNumber: 9 }, children };
}

const OURS = "file:///synap/server/dist/commands/execute.js";
const PROFILE: CpuProfile = {
  nodes: [
    node(1, "(root)", "", 2, 3, 4),
    node(2, "(idle)", ""),
    node(3, "turn", "node:internal/timers", 5, 6),
    node(4, "turn", "node:internal/timers", 7),
    node(5, "run<T>", OURS),
    node(6, "", "file:///synap/node_modules/pino/pino.js"),
    node(7, "run<T>", OURS),
  ],
  samples: [2, 5, 5, 6, 7],
  timeDeltas: [1_000, 100, 100, 50, 250],
};

describe("a CPU profile", () => {
  it("becomes a tree in which the same calls are one, without idle time", () => {
    const root = frameTree(PROFILE);
    expect(root.totalUs).toBe(500);
    const [turn] = root.children.values();
    expect(root.children.size).toBe(1);
    expect(turn).toMatchObject({ name: "turn", kind: "node", selfUs: 0, totalUs: 500 });
    const children = [...turn.children.values()].map(({ name, kind, place, selfUs }) => ({
      name,
      kind,
      place,
      selfUs,
    }));
    expect(children).toEqual([
      { name: "run<T>", kind: "ours", place: "commands/execute.js:10", selfUs: 450 },
      { name: "(anonymous)", kind: "library", place: "pino/pino.js:10", selfUs: 50 },
    ]);
  });

  it("becomes a page that needs no network", () => {
    const html = flameGraph("queue", PROFILE);
    expect(html).toContain("width:90.000%");
    expect(html).toContain("run&lt;T&gt;");
    expect(html).not.toMatch(/(src|href)="/);
    expect(html).toContain("90.0%");
  });
});
