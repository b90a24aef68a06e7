/**
 * One workload against a peer and against Synap in turns, round by round, so that what the machine does meanwhile meets both;
 * medians count, and so does the ratio within each round. The ratio for a CPU second of the server is beside it: on a machine
 * of few cores the client holds the faster server back first.
 */
import { median, type Row } from "../report/row.ts";
import type { Stage } from "../scenarios/stage.ts";

export interface TurnResult {
  readonly perSec: number;
  /** Done for one CPU second of the server. */
  readonly perCpuSec: number;
  /** For people: the cores that both sides used. */
  readonly cpu: string;
}

export interface Contender {
  readonly name: string;
  readonly run: () => Promise<TurnResult>;
}

export interface Bounds {
  readonly least: number;
  readonly goal: number;
}

export interface Comparison {
  readonly unit: string;
  readonly peer: Contender;
  readonly own: readonly (Contender & { readonly bounds?: Bounds })[];
}

/** @returns a row for each contender, and one for the ratio of each of ours. */
export async function compareInTurns(
  stage: Stage,
  { unit, peer, own }: Comparison,
  rounds: number,
): Promise<{ rates: Row[]; ratios: Row[] }> {
  const contenders = [peer, ...own];
  const turns = contenders.map((): TurnResult[] => []);
  // The first turn of each warms it up: a server in JavaScript is compiled while it is first used.
  for (const { run } of contenders) await run();
  for (let round = 1; round <= rounds; round++) {
    for (const [i, { name, run }] of contenders.entries()) {
      const turn = await run();
      turns[i].push(turn);
      const rate = Math.round(turn.perSec).toLocaleString("en-US");
      stage.line(`  round ${round}, ${name}: ${rate} ${unit}, ${turn.cpu}`);
    }
  }
  const rates = contenders.map(({ name }, i) => {
    const values = turns[i].map(({ perSec }) => perSec);
    return { what: name, value: median(values), unit, runs: values, note: turns[i][rounds - 1].cpu };
  });
  const ratios = own.map(({ name, bounds }, i) => {
    const ratio = (of: (turn: TurnResult) => number) => turns[i + 1].map((turn, k) => of(turn) / of(turns[0][k]));
    const values = ratio(({ perSec }) => perSec);
    const perCpu = median(ratio(({ perCpuSec }) => perCpuSec));
    return {
      what: `${name} against ${peer.name}`,
      value: median(values),
      unit: "x",
      runs: values,
      note: `${perCpu.toFixed(2)} x per CPU second of the server`,
      ...(bounds === undefined ? {} : { better: "more" as const, ...bounds }),
    };
  });
  return { rates, ratios };
}
