/** Where a scenario runs: it opens servers and records phases here, so that what was measured is known however it ends. */
import { PhaseRecorder, type Recorded } from "../report/phase-recorder.ts";
import type { Phase, ScenarioResult } from "../report/result.ts";
import type { View } from "../report/view.ts";
import { sleep } from "../servers/processes.ts";
import type { ServerOptions } from "../servers/server-address.ts";
import { openTarget, type Target, type TargetOptions } from "../servers/target.ts";
import { type Needs, rehearse } from "./rehearsal.ts";

const EXIT_NOTICE_MS = 200;

export interface StageOptions extends ServerOptions {
  /** Also where the server of --url holds data. */
  readonly overwrite?: boolean | undefined;
  /** The main.js of those that are started; the built one by default. */
  readonly server?: string | undefined;
}

export class Stage {
  readonly options: StageOptions;
  readonly #view: View;
  readonly #targets: Target[] = [];
  readonly #phases: Phase[] = [];
  #recorder: PhaseRecorder | undefined;

  constructor(view: View, options: StageOptions) {
    this.#view = view;
    this.options = options;
  }

  line(text: string): void {
    this.#view.line(text);
  }

  /** @param needs what the scenario will ask of a server that is there already, which is tried before anything is measured */
  async open(options: Pick<TargetOptions, "durability" | "args">, needs?: Needs): Promise<Target> {
    const target = this.watch(await openTarget({ ...this.options, ...options }));
    if (needs !== undefined) await rehearse(target, needs);
    return target;
  }

  /** A server that was started elsewhere is asked as well when something has gone wrong. */
  watch<T extends Target>(target: T): T {
    this.#targets.push(target);
    return target;
  }

  async record(recorded: Recorded): Promise<PhaseRecorder> {
    this.#recorder?.abandon();
    this.#recorder = await PhaseRecorder.begin(recorded, this.#view);
    return this.#recorder;
  }

  /** Keeps a phase that its recorder has finished. */
  keep(phase: Phase): Phase {
    this.#recorder = undefined;
    this.#phases.push(phase);
    return phase;
  }

  /** Phases that are over, and the one under way as far as it has come. */
  phasesSoFar(): Phase[] {
    return this.#recorder === undefined ? this.#phases : [...this.#phases, this.#recorder.soFar()];
  }

  abandon(): void {
    this.#recorder?.abandon();
  }

  /** A server of ours that has ended by itself is the reason of whatever was seen after that. */
  async whatDied(): Promise<string | undefined> {
    if (this.#targets.every(({ child }) => child === undefined)) return undefined;
    // Its clients hear of it before we are told.
    await sleep(EXIT_NOTICE_MS);
    for (const { child } of this.#targets) {
      if (child === undefined || (child.exitCode === null && child.signalCode === null)) continue;
      if (child.signalCode === "SIGTERM" || child.exitCode === 0) continue;
      const how = child.signalCode === null ? `with code ${child.exitCode}` : `by ${child.signalCode}`;
      return `the server ended in the middle of the run, ${how}`;
    }
    return undefined;
  }
}

export type Run = (stage: Stage) => Promise<ScenarioResult>;
