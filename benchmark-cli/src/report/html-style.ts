/** The look of the reports, light or dark as the reader's system is. */
export const STYLE = `
:root { color-scheme: light dark; --ink: #1b1f24; --dim: #5b6470; --paper: #ffffff; --panel: #f5f7f9; --rule: #dce1e6;
  --met: #157347; --missed: #b3261e; --c0: #1f6feb; --c1: #d9730d; --c2: #2da44e; --c3: #8250df; --c4: #bf3989; --c5: #0a7f8c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --dim: #9aa4af; --paper: #14171a; --panel: #1d2125;
  --rule: #333a41; --met: #4ac26b; --missed: #ff7b72; --c0: #58a6ff; --c1: #f0883e; --c2: #56d364; --c3: #bc8cff;
  --c4: #f778ba; --c5: #39c5cf; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1240px; padding: 24px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { margin: 0 0 8px; font-size: 26px; } h2 { margin: 40px 0 4px; font-size: 20px; }
header p, .settings { color: var(--dim); margin: 4px 0; overflow-wrap: anywhere; }
a { color: var(--c0); } code { font-size: 13px; }
table { width: 100%; border-collapse: collapse; margin: 14px 0; font-size: 14px; }
th { text-align: left; color: var(--dim); font-weight: 600; }
td, th { padding: 5px 10px 5px 0; border-bottom: 1px solid var(--rule); vertical-align: top; }
td:first-child { min-width: 270px; }
.number { white-space: nowrap; font-variant-numeric: tabular-nums; } .note { color: var(--dim); font-size: 13px; }
td.met { color: var(--met); font-weight: 600; } td.missed { color: var(--missed); font-weight: 600; }
.overview { width: auto; } .overview td { padding-right: 22px; }
.ended { color: var(--missed); font-weight: 600; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 480px), 1fr)); gap: 16px; }
figure { margin: 0; padding: 10px; background: var(--panel); border-radius: 8px; }
figcaption { font-weight: 600; font-size: 14px; } svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--dim); font: 11px system-ui, sans-serif; }
.grid { stroke: var(--rule); }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; } .dot { stroke: none; }
.line.c0 { stroke: var(--c0); } .line.c1 { stroke: var(--c1); } .line.c2 { stroke: var(--c2); }
.line.c3 { stroke: var(--c3); } .line.c4 { stroke: var(--c4); } .line.c5 { stroke: var(--c5); }
.dot.c0 { fill: var(--c0); } .dot.c1 { fill: var(--c1); } .dot.c2 { fill: var(--c2); }
.dot.c3 { fill: var(--c3); } .dot.c4 { fill: var(--c4); } .dot.c5 { fill: var(--c5); }
`;
